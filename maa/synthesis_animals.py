"""Animals by formula: throats for dog and cat, a pulsed one for the frog, wings for crickets.

Each function makes one sound: (samples, rate, word, generator) -> (samples,), at a level of its
own. The words it knows are the keys of the table beside it; the numbers there make the word true,
so no two words share all their ranges.
Conventions: see maa.tones.  Source: none in the paper.  Notebook: 10_clips.
"""

import numpy as np

from maa import tones

# word: pitch of the bark; size of the throat against a middling dog's
DOG = {
    "small": ((560, 800), (0.62, 0.75)),
    "": ((330, 440), (0.9, 1.1)),
    "big": ((170, 240), (1.3, 1.55)),
}


def dog(samples, rate, word, generator):
    """Barks, alone or in twos and threes: a throat that opens and shuts, and breath."""
    pitch, throat = (tones.draw(generator, span) for span in DOG[word])
    seconds = samples / rate
    gap = tones.draw(generator, (0.26, 0.4)) * throat**0.3
    together = generator.integers(1, 4)
    pause = tones.draw(generator, (0.3, 0.7)) + gap * together
    starts = [
        start + number * gap
        for start in tones.repeats(seconds, generator, every=pause, jitter=0.08)
        for number in range(together)
    ]
    starts = [start for start in starts if start < max(seconds - 0.15, starts[0] + 0.01)]
    barks = [_bark(rate, pitch, throat, generator) for _ in starts]
    wave = tones.laid(samples, rate, starts, barks)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.25, 0.6)), wet=0.3)


def _bark(rate, pitch, throat, generator):
    samples = int(tones.draw(generator, (0.14, 0.22)) * throat**0.3 * rate)
    bend = tones.contour(samples, (0.7, 1.15, 1.05, 0.62), (0, 0.25, 0.6, 1))
    hoarse = tones.draw(generator, (0.01, 0.04))
    rough = 1 + hoarse * tones.noise(samples, rate, generator, low=5, high=120)
    line = pitch * tones.draw(generator, (0.94, 1.06)) * bend * np.clip(rough, 0.8, 1.2)
    open_mouth = tones.contour(samples, (0, 1, 0.8, 0), (0, 0.3, 0.6, 1))
    formants = [
        ((480 + 520 * open_mouth) / throat, 250 / throat, 1.0),
        ((1250 + 400 * open_mouth) / throat, 350 / throat, 0.7),
        (2700 / throat, 600 / throat, 0.25),
        (pitch, 2.0 * pitch, 0.25),
    ]
    sound = tones.voice(line, rate, formants, slope=-3)
    breath = tones.noise(samples, rate, generator, low=500 / throat, high=2200 / throat, slope=-4)
    sound = sound / np.max(np.abs(sound)) + tones.draw(generator, (0.06, 0.18)) * breath
    return tones.draw(generator, (0.75, 1.0)) * sound * tones.swell(samples, rate, 0.018, 0.09)


# word: pitch of the meow; size of the throat against a cat's
CAT = {
    "small": ((760, 950), (0.72, 0.82)),
    "": ((480, 600), (0.95, 1.1)),
    "big": ((300, 380), (1.25, 1.4)),
}


def cat(samples, rate, word, generator):
    """Meows: the mouth goes from ee through ah to oo while the pitch climbs and sinks."""
    pitch, throat = (tones.draw(generator, span) for span in CAT[word])
    seconds = samples / rate
    length = min(tones.draw(generator, (0.55, 1.0)), 0.75 * seconds)
    every = length + tones.draw(generator, (0.25, 0.7))
    starts = tones.repeats(seconds, generator, every=every, jitter=0.08)
    meows = [_meow(int(length * rate), rate, pitch, throat, generator) for _ in starts]
    wave = tones.laid(samples, rate, starts, meows)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.2, 0.5)), wet=0.25)


def _meow(samples, rate, pitch, throat, generator):
    peak = tones.draw(generator, (0.3, 0.5))
    line = tones.contour(samples, (0.8, 1.1, 1.2, 1.0, 0.68), (0, 0.12, peak, 0.75, 1))
    shake = tones.drift(samples, rate, generator, every=0.05, low=0.985, high=1.015)
    line = tones.draw(generator, (0.95, 1.05)) * pitch * line * shake
    places = (0, 0.18, 0.5, 0.78, 1)
    formants = [
        (tones.contour(samples, (350, 500, 950, 750, 480), places) / throat, 220, 1.0),
        (tones.contour(samples, (2300, 2400, 1750, 1300, 950), places) / throat, 350, 0.8),
        (3300 / throat, 600, 0.35),
        (tones.contour(samples, (280, 300, 300, 300, 300), places), 400, 0.15),
    ]
    sound = tones.voice(line, rate, formants, slope=-2)
    sound = sound / np.max(np.abs(sound))
    breath = 0.02 * tones.noise(samples, rate, generator, low=1500, high=6000)
    envelope = tones.contour(samples, (0, 0.55, 1, 0.8, 0), (0, 0.12, 0.45, 0.75, 1))
    return (sound + breath) * envelope * tones.swell(samples, rate, 0.03, 0.12)


# word: lower resonance of the throat; pulses a second in the croak
FROG = {
    "small": ((1100, 1500), (55, 75)),
    "": ((650, 850), (38, 48)),
    "big": ((280, 400), (24, 31)),
}


def frog(samples, rate, word, generator):
    """Ribbit, ribbit: two rasping croaks, each a train of pulses through throat and sac."""
    resonance, pulses = (tones.draw(generator, span) for span in FROG[word])
    seconds = samples / rate
    every = tones.draw(generator, (0.65, 1.0))
    starts = tones.repeats(seconds, generator, every=every, jitter=0.06)
    kernel = tones.struck(
        rate, resonance * np.array([1.0, 2.35, 3.4]), [0.009, 0.006, 0.004], [1.0, 0.8, 0.3]
    )
    croaks = [_croak(rate, pulses, kernel, generator) for _ in starts]
    wave = tones.laid(samples, rate, starts, croaks)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.3, 0.7)), wet=0.3)


def _croak(rate, pulses, kernel, generator):
    wave = np.zeros(int(0.6 * rate))
    for begin, length, quicker in ((0.0, 0.16, 1.0), (0.24, 0.22, 1.25)):
        samples = int(length * rate)
        line = pulses * quicker * tones.contour(samples, (0.85, 1.0, 1.15))
        beats = tones.pulses(line, rate) * tones.draw(generator, (0.8, 1.0), samples)
        loud = tones.contour(samples, (0.3, 0.9, 1.0, 0.4))
        wave += tones.laid(len(wave), rate, [begin], [beats * loud])
    return tones.ringing(wave, kernel)


# word: how many crickets; level of the chorus far away
CRICKETS = {"one": ((1, 1), (0.0, 0.0)), "two": ((2, 2), (0.0, 0.0)), "many": ((5, 7), (0.1, 0.2))}


def crickets(samples, rate, word, generator):
    """Each cricket: a steady tone in chirps of a few pulses, so many chirps a second."""
    (low, high), chorus = CRICKETS[word]
    count = generator.integers(low, high + 1)
    pitches = tones.draw(generator, (3900, 4900), count)
    near = np.append(1.0, tones.draw(generator, (0.3, 0.7), count - 1))
    wave = sum(
        level * _cricket(samples, rate, pitch, generator) for level, pitch in zip(near, pitches)
    )
    far = tones.whistle(np.full(samples, tones.draw(generator, (4200, 4800))), rate, generator,
                        width=250)
    wave = wave + tones.draw(generator, chorus) * far
    return tones.room(wave, rate, generator, seconds=0.3, wet=0.2)


def _cricket(samples, rate, pitch, generator):
    seconds = samples / rate
    pulses = generator.integers(3, 6)
    pulse = 1 / tones.draw(generator, (28, 40))
    time = np.arange(int(0.75 * pulse * rate)) / rate
    syllable = np.sin(2 * np.pi * pitch * time) * np.sin(np.pi * time / time[-1]) ** 2
    every = pulses * pulse + tones.draw(generator, (0.15, 0.4))
    starts = tones.repeats(seconds, generator, every=every)
    places = [start + number * pulse for start in starts for number in range(pulses)]
    loud = [0.6 + 0.4 * number / pulses for number in range(pulses)] * len(starts)
    return tones.laid(samples, rate, places, [level * syllable for level in loud])
