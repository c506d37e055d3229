"""Scenes: short clips joined to a fixed length, and the words for what is heard in them.

Conventions: clips are float32 arrays (samples,) at 16 kHz; a scene is (samples,), of one length;
    a table has the columns of clips.csv, row i belonging to clip i.
    One event: clips of one label, the words are one phrase of that label.
    Two events: one after the other, the words say which comes first.
Source: Section 5.1 (clips padded to 10 s); Section 3.2 (audio joined, text composed).
Notebooks: 10_clips, 12_reprogrammed_prompts.
"""

import numpy as np
import torch

from maa import lazy, mel, naming, processes

FADE = 320  # samples (20 ms) over which a short clip begins and ends
BLEND = 4800  # samples (0.3 s) over which a long clip gives way to a long one
SHORT = 1.5  # seconds; shorter clips are set apart by pauses
SHARE = 5  # of joined sounds none gets less than a fifth of the time
SHORTEST = 2 * SHARE * FADE  # samples of joined sounds: a fifth holds two fades
ORDER = ["{}, then {}", "{} followed by {}", "first {}, after that {}", "{} and afterwards {}"]


def fill(clips, samples, generator):
    """One clip after another, faded into each other, until `samples` are full.

    clips:      list of (samples,) arrays, taken in order and from the start again
    generator:  numpy Generator; chooses the pauses after short clips
    returns     (samples,) float32
    """
    clips = [np.asarray(clip) for clip in clips]
    scene, start, turn, before = np.zeros(samples, np.float32), 0, 0, 0
    while start < samples:
        clip, following = (clips[(turn + more) % len(clips)] for more in (0, 1))
        short = len(clip) < SHORT * mel.RATE
        after = FADE if short or len(following) < SHORT * mel.RATE else BLEND
        clip = clip.copy()
        begin, end = (ramp(min(length, len(clip) // 2)) for length in (before, after))
        clip[: len(begin)] *= begin
        clip[len(clip) - len(end) :] *= end[::-1]
        scene[start : start + len(clip)] += clip[: samples - start]
        pause = generator.uniform(0.1, 0.7) if short else 0.0
        start += max(len(clip) - after, FADE) + int(pause * mel.RATE)
        turn, before = turn + 1, after
    return scene


def ramp(length):
    """Rises from 0 to 1: a clip's beginning, and backwards its end."""
    return np.linspace(0, 1, length, dtype=np.float32)


def join(waves, samples, generator):
    """Different sounds one after another, each with a random share of the time.

    waves:    list of up to five (samples,) arrays, in the order heard
    returns   (samples,) float32; a fifth or more for each, faded into each other in 20 ms

    Raises ValueError for too many waves, too short a scene, or a wave that is a batch.
    """
    check_room(samples, len(waves) - 1)
    waves = [np.asarray(wave) for wave in waves]
    for shape in map(np.shape, waves):
        if len(shape) != 1 or shape[0] == 0:
            raise ValueError(f"a wave has shape {shape}, expected (samples,); is it a batch?")
    scene = np.zeros(samples + FADE, np.float32)
    edges, rise = cuts(len(waves), samples, generator), ramp(FADE)
    for wave, start, end in zip(waves, edges, edges[1:]):
        length = end - start + FADE  # fades out while the next fades in
        part = fill([excerpt(wave, length, generator)], length, generator)
        if start > 0:
            part[:FADE] *= rise
        part[-FADE:] *= rise[::-1]
        scene[start : start + length] += part
    return scene[:samples]


def cuts(parts, samples, generator):
    """Where each part begins, and the end: random, with a fifth of the time or more for each."""
    least = -(-samples // SHARE)
    free = generator.dirichlet(np.ones(parts)) * (samples - parts * least)
    inner = [least * part + int(free[:part].sum()) for part in range(1, parts)]
    return [0, *inner, samples]


def excerpt(wave, length, generator):
    """A wave that is too long, from a random moment on where the event itself is heard."""
    if len(wave) <= length:
        return wave
    energy = np.cumsum(np.square(wave, dtype=np.float64))
    within = energy[length:] - energy[:-length]  # half of the most, lest only a pause be heard
    starts = np.flatnonzero(within >= within.max() / 2)
    return wave[1 + starts[int(generator.integers(len(starts)))] :]


def check_room(samples, most):
    """ValueError if a sound and `most` more do not find time in a scene."""
    if not 0 <= most < SHARE:
        raise ValueError(f"most is {most}, expected 0 … {SHARE - 1}; each sound takes a fifth")
    if samples < SHORTEST:
        raise ValueError(f"samples is {samples}, expected {SHORTEST} or more; is it in seconds?")


def of_clips(waves, seconds, seed=0):
    """Each clip alone, repeated until it fills `seconds`: how held-out recordings are judged.

    returns  (clips, samples) float32 tensor
    """
    return alone(waves, seconds, seed)[:]


def alone(waves, seconds, seed=0):
    """As of_clips(), made when they are asked for: lazy.Lazy."""
    samples = round(seconds * mel.RATE)
    return lazy.Lazy(lambda number, own: fill([waves[number]], samples, own), range(len(waves)),
                     (samples,), seed)


def draw(waves, table, seconds, count, generator, *, two_events=0.25, joined=0.5, evenly=True):
    """Scenes drawn at random.

    waves, table:  as clips.load gives them
    two_events:    share of scenes with two labels, one after the other
    joined:        share of parts made of two or three clips of a label, not of one repeated
    evenly:        True draws every label equally often, False every clip
    generator:     numpy Generator
    returns        (lazy.Lazy, for each a tuple of its parts: (label, words of its clip or None));
                   where several processes train together, this one's share of both
    """
    rows = dict(sorted(table.groupby("label").indices.items()))
    names, samples = list(rows), round(seconds * mel.RATE)
    chances = None if evenly else [len(rows[name]) / len(table) for name in names]
    plans = [planned(names, rows, two_events, joined, generator, chances) for _ in range(count)]

    def make(number, own):
        cut = int(samples * own.uniform(0.4, 0.6)) if len(plans[number]) > 1 else samples
        return np.concatenate([
            fill([varied(waves[i], own) for i in picks], length, own)
            for (_, picks), length in zip(plans[number], (cut, samples - cut))])

    caption = table["caption"].to_numpy()
    heard = [tuple((label, caption[picks[0]] if len(picks) == 1 else None)
                   for label, picks in plan) for plan in plans]
    own, seed = processes.own(), int(generator.integers(2**63))
    return lazy.Lazy(make, range(count)[own], (samples,), seed), heard[own]


def planned(names, rows, two_events, joined, generator, chances=None):
    """What one scene holds: (label, numbers of its clips) of one part or of two."""
    two = len(names) > 1 and generator.random() < two_events
    several = generator.choice(len(names), 1 + two, replace=False, p=chances)
    return [(names[i], generator.choice(
        rows[names[i]], generator.integers(2, 4) if generator.random() < joined else 1))
        for i in several]


def by_recording(table):
    """The table with the recording in place of the label: for networks that learn without labels,
    also from sound without language. draw() then takes every recording equally often."""
    return table.assign(label=table.source_id)


def varied(wave, generator):
    """The clip started elsewhere and up to 6 dB quieter: its own level is the highest."""
    wave = np.asarray(wave)
    if len(wave) > SHORT * mel.RATE:
        wave = np.roll(wave, int(generator.integers(len(wave))))
    return wave * 10 ** (generator.uniform(-6, 0) / 20)


def captions(heard, count, generator):
    """`count` true captions for each scene, in the order in which its parts are heard.

    heard:    what draw() returned; a part of one clip may use that clip's own words, any part may
              use a phrase of its label; of a label without phrases only clips without words do
    returns   list of lists of strings
    """
    def phrase(label, own):
        if own and (not naming.has_phrases(label) or generator.random() < 0.5):
            return own
        return str(generator.choice(naming.phrases(label)))

    return composed(heard, count, generator, phrase)


def composed(heard, count, generator, phrase):
    """`count` sentences for each scene, of phrase(label, own words) of its parts, in their order."""
    def one(parts):
        chosen = [phrase(*part) for part in parts]
        order = str(generator.choice(ORDER)) if len(chosen) > 1 else "{}"
        return order.format(*chosen)

    return [[one(parts) for _ in range(count)] for parts in heard]


def labels(heard):
    """The label of each one-part scene."""
    return [parts[0][0] for parts in heard]


def moments(pool, count, samples, generator):
    """Random moments of random scenes, for training: (count, samples) on the pool's device.

    pool:       (scenes, samples) tensor
    generator:  torch Generator on the pool's device
    """
    place = pool.device
    pick = torch.randint(len(pool), (count, 1), generator=generator, device=place)
    start = torch.randint(
        pool.shape[1] - samples + 1, (count, 1), generator=generator, device=place)
    return pool[pick, start + torch.arange(samples, device=place)].float()
