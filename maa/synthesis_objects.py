"""Struck things by formula: bells, clocks, doors, floors, keys and glasses.

Each function makes one sound: (samples, rate, word, generator) -> (samples,), at a level of its
own. The words it knows are the keys of the table beside it; the numbers there make the word true,
so no two words share all their ranges.
Conventions: see maa.tones.  Source: none in the paper.  Notebook: 10_clips.
"""

import numpy as np

from maa import tones

# word: pitch that the ear gives the bell (its "strike note")
BELL = {"deep": (150, 210), "": (300, 400), "high": (560, 720)}
# partials of a tuned church bell against the strike note, and their first levels
PARTIALS = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.52, 2.67, 3.01, 4.17, 5.43, 6.8, 8.2])
LEVELS = np.array([0.5, 0.6, 0.8, 0.3, 1.0, 0.3, 0.3, 0.45, 0.35, 0.25, 0.15, 0.1])


def church_bells(samples, rate, word, generator):
    """Strokes of a bell: each partial is a pair that beats, and high ones die first."""
    pitch, seconds = tones.draw(generator, BELL[word]), samples / rate
    split = 1 + tones.draw(generator, (0.2, 1.2), len(PARTIALS)) / (pitch * PARTIALS)
    frequencies = pitch * PARTIALS * tones.draw(generator, (0.994, 1.006), len(PARTIALS))
    decays = 2.6 / (0.5 + PARTIALS) * (300 / pitch) ** 0.4
    stroke = tones.struck(
        rate, np.concatenate([frequencies, frequencies * split]), np.tile(decays, 2),
        np.concatenate([LEVELS, 0.5 * LEVELS]), longest=seconds,
    )
    clang = tones.click(rate, generator, low=800, high=6000, decay=0.006)
    stroke[: len(clang)] += 0.5 * clang
    every = tones.draw(generator, (1.1, 1.9))
    starts = tones.repeats(seconds, generator, every=every, jitter=0.02)
    gains = tones.draw(generator, (0.75, 1.0), len(starts))
    wave = tones.laid(samples, rate, starts, [gain * stroke for gain in gains])
    return tones.room(wave, rate, generator, seconds=1.2, wet=0.2)


# word: seconds from tick to tock
CLOCK = {"slow": (0.85, 1.1), "": (0.44, 0.56), "fast": (0.18, 0.25)}


def clock_tick(samples, rate, word, generator):
    """Tick, tock: teeth that strike twice or more in a few milliseconds, in a wooden case."""
    every, seconds = tones.draw(generator, CLOCK[word]), samples / rate
    starts = tones.repeats(seconds, generator, every=every, jitter=0.006)
    size = tones.draw(generator, (0.75, 1.3))
    tick = _tick(rate, size, generator)
    tock = _tick(rate, size * tones.draw(generator, (1.1, 1.3)), generator)
    pieces = [(tick, tock)[number % 2] for number in range(len(starts))]
    wave = tones.laid(samples, rate, starts, pieces)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.2, 0.5)), wet=0.25)


def _tick(rate, size, generator):
    metal = np.array([1150, 1900, 2850, 4200, 5900]) / size
    metal = metal * tones.draw(generator, (0.93, 1.07), 5)
    hit = tones.struck(rate, metal, [0.007, 0.005, 0.004, 0.003, 0.002], [1, 1, 0.8, 0.5, 0.3])
    case = tones.struck(
        rate, np.array([310, 560, 820]) / size, [0.018, 0.014, 0.01], [0.35, 0.3, 0.25]
    )
    wave = np.zeros(int(0.14 * rate))
    late = np.cumsum(tones.draw(generator, (0.004, 0.011), 3))
    gains = (tones.draw(generator, (0.3, 0.6)), 1.0, tones.draw(generator, (0.1, 0.4)))
    wave += tones.laid(len(wave), rate, late, [gain * hit for gain in gains])
    return wave + tones.laid(len(wave), rate, [late[1]], [case])


# word: seconds from step to step; how hard the heel falls
STEPS = {
    "slow": ((0.78, 0.95), (0.5, 0.7)),
    "": ((0.5, 0.6), (0.7, 0.9)),
    "running": ((0.27, 0.34), (1.2, 1.5)),
}


def footsteps(samples, rate, word, generator):
    """Heel, then toe: a thump in the floor, a tap, and grit under the sole."""
    (every, hard), seconds = (tones.draw(generator, span) for span in STEPS[word]), samples / rate
    starts = tones.repeats(seconds, generator, every=every, jitter=0.03)
    floor = tones.draw(generator, (0.8, 1.25))
    grit = tones.draw(generator, (0.05, 0.3))
    steps = [
        _step(rate, floor * foot, hard, grit, min(0.14, 0.22 * every), generator)
        for foot in np.resize((1.0, 1.06), len(starts))
    ]
    wave = tones.laid(samples, rate, starts, steps)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.35, 0.8)), wet=0.35)


def _step(rate, floor, hard, grit, roll, generator):
    wave = np.zeros(int((roll + 0.3) * rate))
    for start, level in ((0.0, 1.0), (roll, 0.45)):
        level = level * tones.draw(generator, (0.8, 1.0))
        thump = tones.struck(
            rate, floor * np.array([88, 175, 330, 540]), [0.03, 0.022, 0.014, 0.008],
            [0.6, 0.7, 0.5, 0.35],
        )
        tap = tones.click(rate, generator, low=700, high=3500, decay=0.004)
        wave += tones.laid(len(wave), rate, [start] * 2, [level * thump, 0.6 * level * hard * tap])
    scuff = int(0.09 * rate)
    sand = tones.noise(scuff, rate, generator, low=1500, high=7000)
    sand = sand * tones.swell(scuff, rate, 0.03, 0.05) * generator.uniform(0, 1, scuff) ** 2
    return wave + tones.laid(len(wave), rate, [0.3 * roll], [grit * sand])


# word: highest frequency that the knuckle wakes (a soft one stays longer on the wood)
KNOCK = {"soft": (260, 380), "": (700, 950), "hard": (2200, 3200)}


def door_wood_knock(samples, rate, word, generator):
    """Three to five knocks, a pause, and again: the plate of a door, its high modes short."""
    top, seconds = tones.draw(generator, KNOCK[word]), samples / rate
    plate = tones.draw(generator, (95, 150)) * np.array(
        [1.0, 1.62, 2.4, 3.3, 4.4, 5.8, 7.5, 9.6, 12.5, 16.0, 21.0]
    ) * tones.draw(generator, (0.95, 1.05), 11)
    gains = np.exp(-plate / top) * tones.draw(generator, (0.6, 1.0), 11)
    wood = tones.struck(rate, plate, 0.045 / (1 + plate / 500), gains)
    knuckle = tones.click(rate, generator, low=300, high=2 * top, decay=0.003)
    wood[: len(knuckle)] += 0.25 * min(1, top / 2500) * knuckle
    count, gap = generator.integers(3, 6), tones.draw(generator, (0.15, 0.24))
    every = count * gap + tones.draw(generator, (0.45, 0.8))
    starts = [
        start + number * gap + 0.008 * generator.standard_normal()
        for start in tones.repeats(seconds, generator, every=every)
        for number in range(count)
    ]
    starts = np.maximum(starts, 0)
    gains = tones.draw(generator, (0.75, 1.0), len(starts))
    wave = tones.laid(samples, rate, starts, [gain * wood for gain in gains])
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.3, 0.6)), wet=0.35)


# word: keys a second
TYPING = {"slow": (2.8, 3.8), "": (5.5, 7), "fast": (10, 13)}


def keyboard_typing(samples, rate, word, generator):
    """Keys that click, bottom out on the desk and click again as they are let go."""
    keys, seconds = tones.draw(generator, TYPING[word]), samples / rate
    starts = tones.repeats(seconds, generator, every=1 / keys, jitter=0.3)
    size = tones.draw(generator, (0.8, 1.25))
    presses = [_key(rate, size * tones.draw(generator, (0.85, 1.2)), generator) for _ in starts]
    wave = tones.laid(samples, rate, starts, presses)
    return tones.room(wave, rate, generator, seconds=0.2, wet=0.2)


def _key(rate, size, generator):
    wave = np.zeros(int(0.25 * rate))
    cap = tones.struck(
        rate, np.array([950, 1750, 2900, 4300, 5800]) / size,
        [0.006, 0.005, 0.004, 0.003, 0.002], [0.5, 0.5, 0.6, 0.5, 0.3],
    )
    desk = tones.struck(rate, np.array([170, 320]) / size, [0.016, 0.012], [0.5, 0.4])
    click = tones.click(rate, generator, low=1200, high=7000, decay=0.003)
    late = tones.draw(generator, (0.008, 0.02))
    let_go = tones.draw(generator, (0.06, 0.11))
    pieces = [0.4 * click, cap, desk, click, 0.5 * cap, 0.35 * click]
    loud = tones.draw(generator, (0.6, 1.0))
    return loud * (wave + tones.laid(
        len(wave), rate, [0, late, late, late, let_go, let_go], pieces))


# word: lowest tone of the glass
GLASS = {"small": (2100, 2600), "": (1350, 1700), "big": (750, 1000)}


def glass_clink(samples, rate, word, generator):
    """Two glasses touch: both ring, a little apart in pitch, and touch again as they part."""
    pitch, seconds = tones.draw(generator, GLASS[word]), samples / rate
    every = tones.draw(generator, (0.55, 1.0))
    starts = tones.repeats(seconds, generator, every=every, jitter=0.15)
    clinks = [_clink(rate, pitch, generator) for _ in starts]
    wave = tones.laid(samples, rate, starts, clinks)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.3, 0.6)), wet=0.2)


def _clink(rate, pitch, generator):
    shape = np.array([1.0, 2.28, 2.95, 3.9, 5.2, 6.7])
    decays = np.array([0.28, 0.2, 0.14, 0.12, 0.08, 0.05])
    levels = np.array([0.7, 1.0, 0.5, 0.6, 0.4, 0.25])
    rings = [
        tones.struck(
            rate, pitch * scale * shape * tones.draw(generator, (0.98, 1.02), 6), decays,
            levels * tones.draw(generator, (0.5, 1.0), 6), longest=1.7,
        )
        for scale in (1.0, tones.draw(generator, (1.06, 1.2)))
    ]
    tick = tones.click(rate, generator, low=2500, high=7500, decay=0.002)
    touch = tones.draw(generator, (0.03, 0.07))
    starts = [0, 0, 0, touch, touch]
    pieces = [rings[0], rings[1], 0.5 * tick, 0.25 * rings[0], 0.2 * rings[1]]
    return tones.draw(generator, (0.6, 1.0)) * tones.laid(int(1.7 * rate), rate, starts, pieces)
