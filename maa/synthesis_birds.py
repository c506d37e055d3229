"""Birds by formula: a rough throat for the rooster, whistles for owls and small birds.

Each function makes one sound: (samples, rate, word, generator) -> (samples,), at a level of its
own. The words it knows are the keys of the table beside it; the numbers there make the word true,
so no two words share all their ranges.
Conventions: see maa.tones.  Source: none in the paper.  Notebook: 10_clips.
"""

import numpy as np

from maa import tones

# word: breath and roughness in the crow; its pitch (a hoarse rooster has that of any other)
ROOSTER = {
    "young": ((0.01, 0.02), (780, 900)),
    "": ((0.03, 0.05), (620, 710)),
    "hoarse": ((0.12, 0.16), (620, 710)),
}
CROW = ((0.00, 0.12, 0.8), (0.19, 0.14, 0.95), (0.37, 0.24, 1.05), (0.66, 0.80, 1.0))


def rooster(samples, rate, word, generator):
    """Cock-a-doodle-doo: three short notes and a long one that sinks; notes in CROW."""
    breath, pitch = (tones.draw(generator, span) for span in ROOSTER[word])
    seconds = samples / rate
    pace = min(tones.draw(generator, (1.0, 1.35)), 0.6 * seconds)
    every = pace * 1.46 + tones.draw(generator, (0.6, 1.2))
    starts = tones.repeats(seconds, generator, every=every)
    starts = starts[: max(1, np.sum(starts < seconds - 1.4 * pace))]
    crows = [_crow(rate, pitch, breath, pace, generator) for _ in starts]
    wave = tones.laid(samples, rate, starts, crows)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.3, 0.8)), wet=0.25)


def _crow(rate, pitch, breath, pace, generator):
    notes = []
    for _, length, height in CROW:
        samples = int(length * pace * rate)
        bend = (0.85, 1.0, 0.95) if length < 0.5 else (0.9, 1.08, 1.04, 0.9, 0.7)
        rough = 1 + breath * 0.1 * tones.noise(samples, rate, generator, low=20, high=200)
        line = pitch * height * tones.contour(samples, bend) * np.clip(rough, 0.75, 1.25)
        formants = [(1500, 900, 0.7), (2300, 900, 1.0), (3600, 900, 0.3), (800, 700, 0.15)]
        sound = tones.voice(line, rate, formants, slope=-1)
        air = tones.noise(samples, rate, generator, low=1000, high=3500)
        sound = sound / np.max(np.abs(sound)) + breath * air
        notes.append(height * sound * tones.swell(samples, rate, 0.025, 0.06 + 0.2 * length))
    starts = [pace * start for start, _, _ in CROW]
    return tones.laid(int(1.6 * pace * rate), rate, starts, notes)


# word: pitch of the hoot
OWL = {"small": (640, 760), "": (420, 500), "big": (270, 330)}
HOOTS = ((0.0, 0.34, 1.0), (0.62, 0.16, 0.97), (0.84, 0.16, 1.0), (1.08, 0.62, 0.98))


def owl(samples, rate, word, generator):
    """Hoo, hoo-hoo, hooo: nearly pure tones in a wood at night; notes in HOOTS."""
    pitch, seconds = tones.draw(generator, OWL[word]), samples / rate
    pace = min(tones.draw(generator, (0.9, 1.2)), 0.52 * seconds)
    every = 1.9 * pace + tones.draw(generator, (0.7, 1.3))
    calls = tones.repeats(seconds, generator, every=every)
    starts = [call + pace * start for call in calls for start, _, _ in HOOTS]
    pieces = [_hoot(rate, pace * length, height * pitch, generator)
              for _ in calls for _, length, height in HOOTS]
    wave = tones.laid(samples, rate, starts, pieces)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.9, 1.5)), wet=0.3)


def _hoot(rate, seconds, pitch, generator):
    samples = int(seconds * rate)
    phase = tones.turns(pitch * tones.contour(samples, (0.9, 1.0, 1.01, 0.93)), rate)
    tone = np.sin(phase) + 0.09 * np.sin(2 * phase) + 0.04 * np.sin(3 * phase)
    breath = tones.noise(samples, rate, generator, low=0.6 * pitch, high=1.6 * pitch)
    return (tone + 0.05 * breath) * tones.swell(samples, rate, 0.06, 0.1)


# word: how many birds
BIRDS = {"one": (1, 1), "two": (2, 2), "many": (5, 7)}
# shapes of a syllable: pitch against the bird's own at the start, the middle and the end
SYLLABLES = (
    (1.4, 1.05, 0.8), (0.8, 1.0, 1.25), (0.9, 1.25, 0.9), (1.2, 0.9, 1.2), (1.0, 1.0, 1.0),
)


def chirping_birds(samples, rate, word, generator):
    """Birds that each repeat a short motif of gliding whistles, pause, and sing again."""
    low, high = BIRDS[word]
    birds = generator.integers(low, high + 1)
    pitch = tones.draw(generator, (2100, 4600) if birds == 1 else (1900, 2500))
    pitches = pitch * np.geomspace(1, 2, birds)
    wave = sum(
        tones.draw(generator, (0.45, 1.0)) * _bird(samples, rate, pitch, generator)
        for pitch in pitches
    )
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.4, 0.9)), wet=0.25)


def _bird(samples, rate, pitch, generator):
    seconds = samples / rate
    shapes = [SYLLABLES[number] for number in generator.integers(0, len(SYLLABLES), 2)]
    length, count = tones.draw(generator, (0.05, 0.13)), generator.integers(3, 8)
    gap = length * tones.draw(generator, (1.3, 1.9))
    phrase = []
    for number in range(count):
        shape = shapes[number * 2 // count]
        line = tones.contour(int(length * rate), shape) * pitch
        phase = tones.turns(line, rate)
        tone = np.sin(phase) + 0.06 * np.sin(2 * phase) * (line < 0.2 * rate)
        loud = tones.swell(len(line), rate, 0.3 * length, 0.4 * length)
        phrase.append(tone * loud * tones.draw(generator, (0.7, 1.0)))
    every = count * gap + tones.draw(generator, (0.25, 0.8))
    starts = tones.repeats(seconds, generator, every=every, jitter=0.12)
    places = [start + number * gap for start in starts for number in range(count)]
    return tones.laid(samples, rate, places, phrase * len(starts))
