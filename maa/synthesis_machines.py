"""Machines by formula: engines from their strokes, horns and sirens from their tones, bells.

Each function makes one sound: (samples, rate, word, generator) -> (samples,), at a level of its
own. The words it knows are the keys of the table beside it; the numbers there make the word true,
so no two words share all their ranges.
Conventions: see maa.tones.  Source: none in the paper.  Notebook: 10_clips.
"""

import numpy as np

from maa import tones

# word: strokes a second at the slowest and at the fastest moment
ENGINE = {
    "slow": ((17, 22), (1.0, 1.03)),
    "": ((32, 42), (1.0, 1.03)),
    "fast": ((70, 95), (1.0, 1.03)),
    "revving": ((24, 30), (2.6, 3.4)),
}


def engine(samples, rate, word, generator):
    """Strokes of four unequal cylinders through an exhaust pipe, and the clatter of valves."""
    strokes, rise = (tones.draw(generator, span) for span in ENGINE[word])
    seconds = samples / rate
    revs = 0.5 - 0.5 * np.cos(
        2 * np.pi * np.arange(samples) / rate / min(tones.draw(generator, (1.1, 1.8)), seconds)
    )
    pace = strokes * (1 + (rise - 1) * revs**1.5)
    pace = pace * tones.drift(samples, rate, generator, every=0.15, low=0.98, high=1.02)
    beats = tones.pulses(pace, rate)
    cylinders = tones.draw(generator, (0.65, 1.0), 4)[np.cumsum(beats).astype(int) % 4]
    train = beats * cylinders * tones.draw(generator, (0.9, 1.0), samples)
    pipe = tones.draw(generator, (0.8, 1.25)) * np.array([62, 125, 215, 390, 640, 1100, 1900])
    kernel = tones.struck(
        rate, pipe, [0.022, 0.018, 0.012, 0.008, 0.006, 0.004, 0.003],
        [1.0, 0.8, 0.55, 0.4, 0.3, 0.2, 0.12],
    )
    exhaust = tones.ringing(train, kernel) * (1 + 0.5 * revs * (rise - 1))
    stroke = tones.ringing(train, np.exp(-np.arange(int(0.05 * rate)) / rate / 0.006))
    clatter = tones.noise(samples, rate, generator, low=250, high=5000, slope=-5)
    return exhaust + clatter * (0.05 + 0.2 * stroke)


# word: blades that pass a second
HELICOPTER = {"slow": (10, 12), "": (13.5, 16), "fast": (19, 23)}


def helicopter(samples, rate, word, generator):
    """The slap of rotor blades, air chopped in the same beat, a tail rotor and a turbine."""
    blades, seconds = tones.draw(generator, HELICOPTER[word]), samples / rate
    starts = tones.repeats(seconds, generator, every=1 / blades, jitter=0.004)
    pitch = tones.draw(generator, (65, 105))
    slap = tones.struck(
        rate, pitch * np.array([1, 1.9, 3.1, 4.6]), [0.024, 0.016, 0.01, 0.006],
        [1.0, 0.7, 0.35, 0.15],
    )
    slaps = [
        gain * (slap + tones.laid(len(slap), rate, [0], [0.3 * tones.click(
            rate, generator, low=150, high=1400, decay=0.011)]))
        for gain in tones.draw(generator, (0.85, 1.0), len(starts))
    ]
    wave = tones.laid(samples, rate, starts, slaps)
    time = np.arange(samples) / rate
    chop = 0.68 + 0.32 * np.cos(2 * np.pi * blades * (time - starts[0] - 0.012))
    air = tones.noise(samples, rate, generator, low=120, high=3500, slope=-5) * chop
    tail = tones.ringing(
        tones.pulses(np.full(samples, 5.3 * blades), rate),
        tones.struck(rate, [190, 480, 900], [0.006, 0.004, 0.003], [1.0, 0.5, 0.3]),
    )
    whine = np.sin(tones.turns(tones.draw(generator, (2300, 3200)) * tones.drift(
        samples, rate, generator, every=0.8, low=0.99, high=1.01), rate))
    nearer = tones.drift(samples, rate, generator, every=max(1.5, seconds / 2), low=0.6, high=1.0)
    wave = tones.draw(generator, (0.7, 1.1)) * wave + 0.12 * tail / np.std(tail)
    return nearer * (wave + 0.42 * air + 0.012 * whine)


# word: seconds of one turn; lowest and highest pitch
SIREN = {
    "wailing": ((2.0, 3.2), (520, 680), (1250, 1600)),
    "yelping": ((0.28, 0.42), (600, 750), (1250, 1600)),
    "two-tone": ((0.9, 1.2), (420, 480), (560, 640)),
}


def siren(samples, rate, word, generator):
    """A horn loudspeaker on a car: a tone with many harmonics, and echoes from the houses."""
    turn, low, high = (tones.draw(generator, span) for span in SIREN[word])
    seconds = samples / rate
    place = np.arange(samples) / rate / min(turn, 0.9 * seconds) + generator.uniform()
    up = 0.5 - 0.5 * np.cos(2 * np.pi * place)
    if word == "two-tone":
        up = np.clip(0.5 + 40 * turn * np.sin(2 * np.pi * place), 0, 1)
    pitch = low * (high / low) ** up
    formants = [(1200, 900, 1.0), (2600, 900, 0.6), (600, 500, 0.2)]
    tone = tones.voice(pitch, rate, formants, slope=-4)
    tone = tone / np.std(tone) * tones.drift(samples, rate, generator, every=0.9, low=0.6, high=1.0)
    street = tones.noise(samples, rate, generator, low=40, high=3000, slope=-5)
    wave = tones.room(tone, rate, generator, seconds=tones.draw(generator, (0.6, 1.2)), wet=0.3)
    return wave + tones.draw(generator, (0.04, 0.15)) * street


# word: seconds of a honk; seconds between honks
CAR_HORN = {
    "short": ((0.12, 0.22), (0.12, 0.2)),
    "": ((0.4, 0.6), (0.25, 0.4)),
    "long": ((1.1, 1.7), (0.4, 0.6)),
}


def car_horn(samples, rate, word, generator):
    """Two buzzing discs about a third apart, pressed for as long as the word says."""
    length, gap = (tones.draw(generator, span) for span in CAR_HORN[word])
    seconds = samples / rate
    length = min(length, 0.85 * seconds)
    starts = tones.repeats(seconds, generator, every=length + gap, jitter=0.04)
    low = tones.draw(generator, (340, 430))
    third = tones.draw(generator, (1.18, 1.27))
    samples_each = int(length * rate)
    onset = 1 - 0.03 * np.exp(-np.arange(samples_each) / rate / 0.02)  # the disc tightens
    bright = tones.draw(generator, (900, 1800))
    formants = [(bright, 1600, 1.0), (3300, 1200, 0.4), (500, 600, 0.25)]
    honk = sum(
        tones.voice(pitch * onset, rate, formants, slope=-2) for pitch in (low, low * third)
    )
    honk = honk / np.max(np.abs(honk)) * tones.swell(samples_each, rate, 0.012, 0.03)
    wave = tones.laid(samples, rate, starts, [honk] * len(starts))
    wave = tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.3, 0.8)), wet=0.3)
    return wave + 0.01 * tones.noise(samples, rate, generator, low=40, high=900, slope=-5)


# word: highest frequency that arrives; how much of it comes as echo
TRAIN_HORN = {"distant": ((600, 900), (1.2, 1.6)), "": ((2500, 3500), (0.5, 0.8))}
CHORD = np.array([1.0, 1.189, 1.335, 1.587, 2.0])  # the chimes of a common five-note horn


def train_horn(samples, rate, word, generator):
    """A chord of air horns that takes a breath to speak, over the rumble of wheels."""
    top, wet = (tones.draw(generator, span) for span in TRAIN_HORN[word])
    seconds = samples / rate
    length = min(tones.draw(generator, (0.9, 1.6)), 0.7 * seconds)
    starts = tones.repeats(seconds, generator, every=length + tones.draw(generator, (0.3, 0.5)))
    count = int(length * rate)
    chord = tones.draw(generator, (235, 300)) * CHORD[: generator.integers(3, 6)]
    chord = chord * tones.draw(generator, (0.995, 1.005), len(chord))  # never quite in tune
    bend = 1 - 0.06 * np.exp(-np.arange(count) / rate / 0.06)
    formants = [(500, 700, 1.0), (min(top, 1400), 900, 0.6), (top, 0.7 * top, 0.15)]
    blast = sum(
        tones.draw(generator, (0.7, 1.0)) * tones.voice(
            pitch * bend, rate, formants, slope=-4, highest=1.5 * top + 800)
        for pitch in chord
    )
    blast = blast / np.max(np.abs(blast))
    blast = blast + 0.02 * tones.noise(count, rate, generator, low=300, high=top)
    blast = blast * tones.swell(count, rate, 0.09, 0.2)
    wave = tones.laid(samples, rate, starts, [blast] * len(starts))
    wave = tones.room(wave, rate, generator, seconds=tones.draw(generator, (1.3, 2.0)), wet=wet)
    wheels = tones.noise(samples, rate, generator, low=40, high=500, slope=-4)
    return wave + 0.03 * wheels * tones.drift(samples, rate, generator, every=0.12, low=0.5, high=1)


def phone_ring(samples, rate, word, generator):
    """A telephone that rings twice, pauses, and rings again."""
    seconds = samples / rate
    length = min(tones.draw(generator, (0.4, 0.9)), 0.4 * seconds)
    every = length + tones.draw(generator, (0.2, 0.45))
    starts = tones.repeats(seconds, generator, every=every, jitter=0.0)
    ring = PHONE[word](int(length * rate), rate, generator)
    wave = tones.laid(samples, rate, starts, [ring] * len(starts))
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.3, 0.6)), wet=0.15)


def _gongs(samples, rate, generator):
    hits = tones.draw(generator, (19, 25))
    pitch = tones.draw(generator, (1050, 1400))
    starts = np.arange(0, samples / rate, 1 / hits)
    gongs = [
        tones.struck(
            rate, pitch * scale * np.array([1.0, 1.004, 2.71, 5.15]), [0.16, 0.16, 0.1, 0.05],
            [0.6, 0.5, 0.6, 0.3],
        )
        for scale in (1.0, 1.21)
    ]
    pieces = [gongs[number % 2] for number in range(len(starts))]
    return tones.laid(samples + int(0.35 * rate), rate, starts, pieces)


def _warble(samples, rate, generator):
    turn = np.sin(tones.turns(np.full(samples, tones.draw(generator, (9, 13))), rate)) > 0
    pitch = tones.draw(generator, (900, 1200)) * np.where(turn, 1.0, 1.26)
    phase = tones.turns(pitch, rate)
    tone = np.sin(phase) + 0.3 * np.sin(3 * phase) + 0.12 * np.sin(5 * phase)
    return tone * tones.swell(samples, rate, 0.005, 0.01)


PHONE = {"old": _gongs, "electronic": _warble}

# word: beeps a second
ALARM = {"slow": (1.6, 2.2), "": (3.6, 4.6), "fast": (8, 10)}


def clock_alarm(samples, rate, word, generator):
    """The beeps of a digital alarm clock: a bright square tone, on and off."""
    beeps, seconds = tones.draw(generator, ALARM[word]), samples / rate
    count = int(0.45 / beeps * rate)
    phase = tones.turns(np.full(count, tones.draw(generator, (1900, 2500))), rate)
    beep = np.sin(phase) + (0.25 * np.sin(3 * phase) + 0.1 * np.sin(2 * phase))
    beep = beep * tones.swell(count, rate, 0.004, 0.006)
    starts = tones.repeats(seconds, generator, every=1 / beeps, jitter=0.0)
    wave = tones.laid(samples, rate, starts, [beep] * len(starts))
    return tones.room(wave, rate, generator, seconds=0.2, wet=0.12)
