"""Building blocks of made sound: noise, struck things, voices, repeated pieces, rooms.

Conventions: a wave is float64 (samples,), times are in seconds, frequencies in hertz, slopes in
decibels an octave, `rate` in samples a second; `generator` is a numpy.random.Generator and is the
only source of chance. A pair (low, high) given to `draw` is a range, drawn from evenly.
Source: none in the paper; textbook acoustics, so that scale mini needs no download.
Notebook: 10_clips.
"""

import numpy as np
from scipy import fft, interpolate, signal

HARMONICS = 64  # enough for a deep bark; higher ones are 30 dB down or above half the rate
STEP = 32  # samples between two computed gains of a harmonic; the ear follows no faster
TOP = 0.46  # highest partial as a share of the rate; above half of it tones would fold back


def draw(generator, span, size=None):
    """A random number from the range span = (low, high), or an array of `size` of them."""
    return generator.uniform(span[0], span[1], size)


def noise(samples, rate, generator, *, low=30.0, high=8000.0, slope=0.0):
    """Noise between the frequencies low and high, with RMS 1.

    slope:    decibels an octave inside the band: 0 is white, -3 pink, -6 brown
    returns   (samples,)
    """
    size = fft.next_fast_len(samples, real=True)
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / rate), 1.0)
    below, above = np.square(low / frequency), np.square(frequency / high)
    edges = (1 + below * below * below) * (1 + above * above * above)  # 18 dB an octave
    gain = np.exp(slope / 6.02 * np.log(frequency / 1000)) / np.sqrt(edges)
    real, imaginary = generator.standard_normal((2, len(gain)))
    wave = fft.irfft(gain * (real + 1j * imaginary), size)[:samples]
    return wave / np.sqrt(np.mean(wave**2))


def whistle(centre, rate, generator, *, width):
    """Narrow noise that follows a moving centre, as wind does in a gap, with RMS 1.

    centre:   (samples,) frequency of the band at every moment
    width:    of the band
    returns   (samples,)
    """
    size = fft.next_fast_len(len(centre))
    distance = np.fft.fftfreq(size, 1 / rate) / width
    real, imaginary = generator.standard_normal((2, size))
    slow = fft.ifft(np.exp(-(distance**2)) * (real + 1j * imaginary))[: len(centre)]
    wave = np.real(slow * np.exp(1j * turns(centre, rate)))
    return wave / np.sqrt(np.mean(wave**2))


def turns(pitch, rate):
    """Phase in radians of a tone whose frequency is pitch (samples,)."""
    return 2 * np.pi * np.cumsum(pitch) / rate


def pulses(pitch, rate):
    """A train of impulses of 1, `pitch` (samples,) of them a second; the first at the start."""
    return np.diff(np.floor(turns(pitch, rate) / (2 * np.pi)), prepend=-1.0)


def contour(samples, values, positions=None):
    """A smooth line through `values`, evenly spaced unless positions 0 … 1 are given."""
    if positions is None:
        positions = np.linspace(0, 1, len(values))
    return interpolate.PchipInterpolator(positions, values)(np.linspace(0, 1, samples))


def drift(samples, rate, generator, *, every, low, high):
    """A line that wanders smoothly between low and high, turning about `every` seconds."""
    points = 3 + int(samples / rate / every)
    return contour(samples, draw(generator, (low, high), points))


def swell(samples, rate, attack, release):
    """An envelope that rises for `attack` seconds, stays at 1, and falls for `release`."""
    time = np.arange(samples) / rate
    left = (samples - 1) / rate - time
    edge = np.minimum(np.clip(time / attack, 0, 1), np.clip(left / release, 0, 1))
    return np.sin(np.pi / 2 * edge) ** 2


def fall(samples, rate, attack, decay):
    """An envelope that rises in about `attack` seconds and falls to 1/e in `decay` seconds."""
    time = np.arange(samples) / rate
    return (1 - np.exp(-2 * time / attack)) ** 2 * np.exp(-time / decay)


def struck(rate, frequencies, decays, gains, *, longest=1.0):
    """The sound of a struck thing: partials that die away, each at its own pace.

    frequencies, decays, gains:  (partials,); a decay is the time to fall to 1/e
    longest:  seconds after which the sound is cut
    returns   (samples,), long enough for the slowest partial to fall by 52 dB
    """
    wave = np.zeros(int(min(6 * np.max(decays), longest) * rate))
    for frequency, decay, gain in zip(frequencies, decays, gains):
        if frequency < TOP * rate:
            impulse = np.zeros(min(len(wave), int(6 * decay * rate)))
            impulse[0] = gain
            angle, radius = 2 * np.pi * frequency / rate, np.exp(-1 / (decay * rate))
            # the two-pole filter whose answer to an impulse is radius^n sin(n angle)
            poles = [1.0, -2 * radius * np.cos(angle), radius**2]
            wave[: len(impulse)] += signal.lfilter([0, radius * np.sin(angle)], poles, impulse)
    return wave


def click(rate, generator, *, low, high, decay):
    """A burst of noise that falls to 1/e in `decay` seconds, with RMS near 1 at its start."""
    samples = int(7 * decay * rate) + 16
    burst = noise(samples, rate, generator, low=low, high=high)
    return burst * np.exp(-np.arange(samples) / rate / decay)


def voice(pitch, rate, formants, *, slope=-6.0, highest=8000.0):
    """A voiced sound: all harmonics of a moving pitch, coloured by the resonances of a throat.

    pitch:     (samples,)
    formants:  list of (centre, width, gain); a centre is a number or (samples,)
    slope:     of the harmonics before the throat
    highest:   harmonics above this frequency are left out
    returns    (samples,)
    """
    knots = np.arange(0, len(pitch), STEP)
    slow, every = pitch[knots], np.arange(len(pitch))
    centres = [np.broadcast_to(centre, pitch.shape)[knots] for centre, _, _ in formants]
    phase = turns(pitch, rate)
    before, now, twice = np.zeros(len(pitch)), np.sin(phase), 2 * np.cos(phase)
    wave, highest = np.zeros(len(pitch)), min(highest, TOP * rate)
    for number in range(1, 1 + min(HARMONICS, int(highest / np.min(pitch)))):
        frequency = number * slow
        gain = number ** (slope / 6.02) * (frequency < highest)
        gain = gain * sum(
            level / (1 + (2 * (frequency - centre) / width) ** 2)
            for centre, (_, width, level) in zip(centres, formants)
        )
        wave += np.interp(every, knots, gain) * now
        before, now = now, twice * now - before  # sin(n + 1) from sin(n) and sin(n - 1)
    return wave


def repeats(seconds, generator, *, every, jitter=0.03):
    """Start times of a sound that comes again every `every` seconds; at least one.

    jitter:   standard deviation of a gap, as a share of it
    returns   (starts,), the first within an eighth of the clip, none in its last 0.1 s
    """
    first = draw(generator, (0.02, min(0.3, seconds / 8, every)))
    gaps = every * np.maximum(1 + jitter * generator.standard_normal(int(seconds / every) + 2), 0.2)
    starts = first + np.concatenate([[0.0], np.cumsum(gaps)])
    return starts[starts < max(seconds - 0.1, first + 1e-6)]


def chances(seconds, generator, *, per_second):
    """Start times that keep no beat (a Poisson process); at least one."""
    count = max(1, generator.poisson(per_second * seconds))
    return np.sort(draw(generator, (0, seconds), count))


def laid(samples, rate, starts, pieces):
    """Pieces of sound, each laid at its start time and added; what runs over is cut."""
    wave = np.zeros(samples)
    for start, piece in zip(starts, pieces):
        begin = min(int(start * rate), samples)
        part = piece[: samples - begin]
        wave[begin : begin + len(part)] += part
    return wave


def showered(samples, rate, starts, gains, kernels, generator):
    """Thousands of small sounds: each start takes one of the kernels, scaled by its gain."""
    length = samples + max(len(kernel) for kernel in kernels)
    size = fft.next_fast_len(length, real=True)
    places = (starts * rate).astype(int)
    choice = np.where(places < samples, generator.integers(len(kernels), size=len(starts)), -1)
    total = 0
    for number, kernel in enumerate(kernels):
        mine = choice == number
        impulses = np.bincount(places[mine], gains[mine], samples)
        total = total + fft.rfft(impulses, size) * fft.rfft(kernel, size)
    return fft.irfft(total, size)[:samples]


def ringing(train, kernel):
    """A train of impulses (or any wave) heard through a resonance; as long as the train."""
    return signal.fftconvolve(train, kernel)[: len(train)]


def room(wave, rate, generator, *, seconds, wet):
    """The wave in a room: first reflections from the walls, then a tail.

    seconds:  time in which the tail falls by 60 dB
    wet:      energy of the reflections of a click as a share of the click's, as an amplitude
    """
    samples = int(seconds * rate)
    time = np.arange(samples) / rate
    tail = noise(samples, rate, generator, low=100, high=3500, slope=-2)
    tail = 0.3 * tail * np.exp(-6.9 * time / seconds) * (time > 0.012)
    walls = (draw(generator, (0.004, 0.045), 7) * rate).astype(int)
    tail[walls % samples] += generator.choice([-1, 1], 7) * draw(generator, (0.5, 3.0), 7)
    return wave + wet * ringing(wave, tail / np.sqrt(np.sum(tail**2)))
