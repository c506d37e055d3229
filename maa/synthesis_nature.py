"""Weather, water and fire by formula.

Each function makes one sound: (samples, rate, word, generator) -> (samples,), at a level of its
own. The words it knows are the keys of the table beside it; the numbers there make the word true,
so no two words share all their ranges.
Conventions: see maa.tones.  Source: none in the paper.  Notebook: 10_clips.
"""

import numpy as np

from maa import tones

# word: drops a second that are heard one by one; level of all the others together, a hiss
RAIN = {
    "light": ((20, 45), (0.05, 0.08)),
    "": ((90, 180), (0.18, 0.28)),
    "heavy": ((500, 1000), (0.5, 0.8)),
}


def rain(samples, rate, word, generator):
    """Drops, each a splash and a bubble, over the hiss of those too many to count."""
    density, level = RAIN[word]
    seconds = samples / rate
    hiss = tones.noise(
        samples, rate, generator, low=tones.draw(generator, (80, 400)),
        high=tones.draw(generator, (5500, 8000)), slope=tones.draw(generator, (-4.0, -1.0)),
    )
    hiss = hiss * tones.drift(samples, rate, generator, every=0.7, low=0.8, high=1.0)
    kernels = [_drop(rate, generator) for _ in range(12)]
    starts = tones.chances(seconds, generator, per_second=tones.draw(generator, density))
    gains = 0.25 * generator.lognormal(0, 0.5, len(starts))
    drops = tones.showered(samples, rate, starts, gains, kernels, generator)
    return tones.draw(generator, level) * hiss + drops


def _drop(rate, generator):
    splash = tones.click(rate, generator, low=1200, high=7500, decay=0.003)
    pitch = tones.draw(generator, (1200, 4500))
    bubble = tones.struck(rate, [pitch, 0.37 * pitch], [0.003, 0.006], [0.7, 0.5])
    drop = np.zeros(max(len(splash), len(bubble)))
    drop[: len(splash)] += 0.8 * splash
    drop[: len(bubble)] += bubble
    return drop


# word: level of the crack; seconds until the rumble is full; highest frequency of the rumble
THUNDER = {
    "distant": ((0.0, 0.0), (0.45, 0.7), (130, 200)),
    "": ((0.25, 0.45), (0.04, 0.08), (300, 450)),
    "loud": ((1.2, 1.8), (0.005, 0.02), (600, 900)),
}


def thunderstorm(samples, rate, word, generator):
    """Claps of thunder: a crack of several strokes, then echoes that roll on ever lower."""
    seconds = samples / rate
    starts = tones.repeats(seconds, generator, every=tones.draw(generator, (4, 6)), jitter=0.2)
    length = min(samples, int(5 * rate))
    claps = [_clap(length, rate, THUNDER[word], generator) for _ in starts]
    return tones.laid(samples, rate, starts, claps)


def _clap(samples, rate, numbers, generator):
    crack, attack, high = (tones.draw(generator, span) for span in numbers)
    seconds = samples / rate
    wave = np.zeros(samples)
    for band, share in ((high, 1.0), (2.5 * high, 0.5)):
        echoes = np.zeros(samples)
        starts = np.append(0, seconds * generator.beta(1, 2.5, 7))  # most of them early
        for start in starts:
            weight = tones.draw(generator, (0.3, 1.0)) if start else 1.2
            decay = share * tones.draw(generator, (0.35, 0.8)) * min(1, seconds / 3)
            echo = weight * np.exp(-start / (0.5 * seconds)) * tones.fall(
                samples, rate, attack * (1 + start), decay
            )
            echoes += tones.laid(samples, rate, [start], [echo])
        rumble = tones.noise(samples, rate, generator, low=35, high=band, slope=-4)
        wave += share * rumble * echoes
    strokes = tones.draw(generator, (0, 0.25), generator.integers(4, 9))
    cracks = [
        tones.draw(generator, (0.3, 1.0)) * tones.click(
            rate, generator, low=150, high=tones.draw(generator, (1500, 5000)), decay=0.045
        )
        for _ in strokes
    ]
    return wave + crack * tones.laid(samples, rate, strokes, cracks)


# word: centre of the howl; its level; level of the rush of air
WIND = {
    "gentle": ((230, 340), (0.0, 0.1), (0.03, 0.06)),
    "": ((380, 550), (0.25, 0.4), (0.08, 0.14)),
    "howling": ((600, 1000), (0.9, 1.4), (0.2, 0.3)),
}


def wind(samples, rate, word, generator):
    """Gusts: low buffeting, a rush of air, and a howl whose pitch climbs with the gust."""
    centre, howl, rush = (tones.draw(generator, span) for span in WIND[word])
    pace = tones.draw(generator, (0.5, 0.9))
    gust = tones.drift(samples, rate, generator, every=pace, low=0.25, high=1.0)
    gust = gust / np.max(gust)
    flutter = tones.drift(samples, rate, generator, every=0.09, low=0.6, high=1.0)
    body = tones.noise(samples, rate, generator, low=45, high=380, slope=-3)
    air = tones.noise(samples, rate, generator, low=300, high=3000, slope=-5)
    pitch = centre * (0.7 + 0.5 * gust)
    song = tones.whistle(pitch, rate, generator, width=0.2 * centre)
    song = song + 0.25 * tones.whistle(1.6 * pitch, rate, generator, width=0.25 * centre)
    return 0.6 * body * gust * flutter + rush * air * gust**2 + 0.5 * howl * song * gust**2


# word: seconds from wave to wave; share of hiss in the surf; level between the waves
SEA = {
    "calm": ((4.5, 6.0), (0.35, 0.5), (0.12, 0.2)),
    "": ((3.0, 4.0), (0.6, 0.8), (0.15, 0.25)),
    "rough": ((1.7, 2.3), (1.1, 1.4), (0.3, 0.4)),
}


def sea_waves(samples, rate, word, generator):
    """Waves that swell, break with a roar and run out over the sand in a hiss."""
    period, hiss, floor = (tones.draw(generator, span) for span in SEA[word])
    seconds = samples / rate
    first = tones.draw(generator, (0.3, 0.55)) * min(period, seconds)
    crests = np.arange(first - period, seconds + period, period)
    crests = crests + 0.08 * period * generator.standard_normal(len(crests))
    heights = tones.draw(generator, (0.7, 1.0), len(crests))
    wave = np.zeros(samples)
    # band, level, and how much later than the roar this part of the wave comes
    parts = ((60, 400, -5, 0.3, -0.05), (300, 2500, -2, 1.0, 0.0), (1500, 6000, -6, hiss, 0.09))
    for low, high, slope, level, late in parts:
        surf = tones.noise(samples, rate, generator, low=low, high=high, slope=slope)
        swell = _surf(samples, rate, crests + late * period, heights, period)
        wave += level * surf * (floor * min(level, 0.5) + swell)
    return wave


def _surf(samples, rate, crests, heights, period):
    """The height of the sea: every wave swells for a while and runs out, the highest counts."""
    coarse = np.linspace(0, samples / rate, 2 + int(60 * samples / rate))
    time = coarse[:, None] - crests
    rise, run = 0.16 * period, 0.2 * period
    before, after = np.exp(-((time / rise) ** 2)), np.exp(-np.maximum(time, 0) / run)
    height = np.max(heights * np.where(time < 0, before, after), axis=1)
    return np.interp(np.arange(samples) / rate, coarse, height)


# word: crackles a second; level of the roar of the flames
FIRE = {
    "small": ((5, 10), (0.04, 0.07)),
    "": ((15, 25), (0.13, 0.2)),
    "big": ((40, 70), (0.45, 0.6)),
}


def crackling_fire(samples, rate, word, generator):
    """Crackles, single and in bursts, a few deep pops, over the flutter of flames."""
    density, level = (tones.draw(generator, span) for span in FIRE[word])
    seconds = samples / rate
    starts = tones.chances(seconds, generator, per_second=density)
    bursts = generator.integers(0, len(starts), len(starts))
    starts = np.concatenate([starts, starts[bursts] + generator.exponential(0.03, len(bursts))])
    kernels = [_crackle(rate, generator) for _ in range(8)]
    gains = 0.12 * generator.lognormal(0, 0.8, len(starts))
    wave = tones.showered(samples, rate, starts, gains, kernels, generator)
    pops = tones.chances(seconds, generator, per_second=0.05 * density)
    wave += tones.laid(samples, rate, pops, [_pop(rate, generator) for _ in pops])
    flutter = tones.drift(samples, rate, generator, every=0.08, low=0.4, high=1.0)
    flames = tones.noise(samples, rate, generator, low=35, high=200, slope=-3)
    hiss = tones.noise(samples, rate, generator, low=900, high=7000)
    return wave + level * (flames * flutter + 0.07 * hiss)


def _crackle(rate, generator):
    decay = tones.draw(generator, (0.0006, 0.004))
    low = tones.draw(generator, (700, 2500))
    return tones.click(rate, generator, low=low, high=7500, decay=decay)


def _pop(rate, generator):
    pitch = tones.draw(generator, (180, 420))
    knock = tones.struck(rate, [pitch, 2.3 * pitch], [0.012, 0.006], [0.5, 0.4])
    return tones.draw(generator, (0.5, 1.0)) * (knock + tones.laid(
        len(knock), rate, [0], [_crackle(rate, generator)]))


# word: seconds from drop to drop
DROPS = {"slow": (0.95, 1.3), "": (0.45, 0.65), "fast": (0.18, 0.27)}


def water_drops(samples, rate, word, generator):
    """A tap that drips into a full basin: a tick, then a bubble whose pitch rises."""
    every, seconds = tones.draw(generator, DROPS[word]), samples / rate
    starts = tones.repeats(seconds, generator, every=every, jitter=0.04)
    pitch = tones.draw(generator, (550, 1200))
    plops = [_plop(rate, generator, pitch * tones.draw(generator, (0.85, 1.2))) for _ in starts]
    wave = tones.laid(samples, rate, starts, plops)
    return tones.room(wave, rate, generator, seconds=tones.draw(generator, (0.4, 0.9)), wet=0.2)


def _plop(rate, generator, pitch):
    """A drop; its bubble is excited as the water closes over it, some milliseconds later."""
    wave = np.zeros(int(0.3 * rate))
    late = tones.draw(generator, (0.012, 0.03))
    rise = tones.draw(generator, (1.2, 1.7))
    for start, scale, level in ((late, 1.0, 1.0), (late + 0.035, 1.6, 0.4)):
        samples = int(0.22 * rate)
        bubble = np.sin(tones.turns(tones.contour(samples, (1, rise)) * scale * pitch, rate))
        bubble = level * bubble * tones.fall(samples, rate, 0.002, 0.035)
        wave += tones.laid(len(wave), rate, [start], [bubble])
    tick = 0.12 * tones.click(rate, generator, low=2500, high=7000, decay=0.0015)
    return wave + tones.laid(len(wave), rate, [0], [tick])
