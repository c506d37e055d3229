"""What the tests of synthesis measure on a sound: beats, brightness, pitch."""

import numpy as np
from scipy import ndimage, signal

RATE = 16_000
HOP = 80  # samples: 5 ms


def spread(wave):
    """The median frequency, in hertz, of the power of a wave."""
    power = np.cumsum(np.abs(np.fft.rfft(wave)) ** 2)
    return np.searchsorted(power, power[-1] / 2) * RATE / len(wave)


def envelope(wave, seconds=0.02):
    """The RMS of a wave every 5 ms, over windows of some seconds."""
    power = ndimage.uniform_filter1d(np.square(np.float64(wave)), int(seconds * RATE))
    return np.sqrt(np.maximum(power[::HOP], 0))


def onsets(wave, gap=0.05):
    """How many sounds begin in a wave, a second; those of under a tenth of the level count not."""
    level = envelope(wave)
    found, _ = signal.find_peaks(
        level, height=0.15 * level.max(), prominence=0.12 * level.max(), distance=gap * RATE / HOP
    )
    return len(found) / (len(wave) / RATE)


def crest(wave):
    """Peak against RMS."""
    return np.max(np.abs(wave)) / np.sqrt(np.mean(np.square(wave)))


def pitches(wave, low=300, high=1700):
    """The loudest frequency between low and high, every 16 ms."""
    frequency, _, bins = signal.stft(wave, RATE, nperseg=2048, noverlap=2048 - 256)
    band = (frequency > low) & (frequency < high)
    return frequency[band][np.argmax(np.abs(bins[band]), axis=0)][4:-4]


def pace(wave, low, high):
    """The beat between low and high a second that is strongest in the envelope of a wave."""
    level = envelope(wave, 0.01)
    strength = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level)), 8192))
    beat = np.fft.rfftfreq(8192, HOP / RATE)
    band = (beat >= low) & (beat <= high)
    return beat[band][np.argmax(strength[band])]


def strokes(wave, low, high):
    """The pulses a second, between low and high, from the wave's cepstrum."""
    log = np.log(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) + 1e-6)
    echo = np.fft.irfft(log)[: int(RATE / low)]
    first = int(RATE / high)
    return RATE / (first + np.argmax(echo[first:]))


def bands(wave):
    """Log power of a wave in 28 bands: mean, spread and mean change in time, (84,)."""
    frequency, _, bins = signal.stft(wave, RATE, nperseg=512, noverlap=256, boundary=None)
    edges = np.searchsorted(frequency, np.geomspace(60, 7900, 29))
    power = np.square(np.abs(bins))
    rows = [power[a : max(b, a + 1)].mean(0) for a, b in zip(edges[:-1], edges[1:])]
    log = np.log10(np.stack(rows) + 1e-9)
    return np.concatenate([log.mean(1), log.std(1), np.abs(np.diff(log)).mean(1)])


def each_word(sound, words, measure, *, seconds=2.56, clips=2):
    """The mean of a measure over some clips of each word, in the order of the words."""
    generator = np.random.default_rng(11)
    return [
        float(np.mean([
            measure(sound(round(seconds * RATE), RATE, word, generator)) for _ in range(clips)
        ]))
        for word in words
    ]
