"""The mini corpus: everyday sounds by formula, with captions that are true of them.

The generator draws a parameter word ("slow"), numbers that make the word true and a wording, so a
caption holds by construction. The table of events is in maa.synthesis_events, the formulas in
maa.synthesis_nature, _animals, _machines and _objects, their building blocks in maa.tones.
Conventions: float32 (samples,), peak 0.95, `rate` samples a second, label: a key of EVENTS.
Source: none in the paper; stands in for its recordings at scale mini.  Notebook: 10_clips.
"""

import numpy as np

from maa import synthesis_events, tones

EVENTS = synthesis_events.EVENTS
RATE = 16000
SHORTEST = 1.0  # seconds; a slow clock or a wave of the sea needs as much to be heard
PEAK = 0.95
HUSH = (-62.0, -44.0)  # decibels of the quiet around a recording, against the peak of its sound
USES = {
    "train": lambda event: [wording.format(event.plain) for wording in event.captions],
    "evaluation": lambda event: list(event.evaluation),
}


def make(label, seconds, generator, rate=RATE):
    """A new sound of one kind, and a caption that is true of it.

    label:      one of EVENTS
    seconds:    length, 1 or more
    generator:  numpy.random.Generator; the same state gives the same sound and caption
    rate:       samples a second, 16000 or more
    returns     float32 (round(seconds * rate),) with peak 0.95, and the caption

    Raises ValueError for an unknown label, a length under 1 s or a rate under 16000.
    """
    event = _event(label)
    if not SHORTEST <= seconds < np.inf:
        raise ValueError(
            f"seconds is {seconds}, expected {SHORTEST:g} or more; shorter clips cannot hold "
            f"every event, so make a longer one and cut it"
        )
    if rate < RATE:
        raise ValueError(
            f"rate is {rate}, expected {RATE} or more; whistles reach 7 kHz, so make the sound "
            f"at {RATE} and resample it"
        )
    word = str(generator.choice(list(event.words)))
    caption = str(generator.choice(event.captions)).format(event.words[word])
    wave = event.sound(round(seconds * rate), rate, word, generator)
    return _recorded(wave, rate, generator), caption


def phrases(label, use="train"):
    """Plain phrases for a label, without parameter words: those of training or of evaluation."""
    if use not in USES:
        raise ValueError(f"use is {use!r}, expected one of {', '.join(USES)}")
    return USES[use](_event(label))


def _event(label):
    if label not in EVENTS:
        raise ValueError(
            f"label is {label!r}, expected one of {', '.join(sorted(EVENTS))}; "
            f"only these events have a formula"
        )
    return EVENTS[label]


def _recorded(wave, rate, generator):
    """As a microphone gives it: with the hush around it, soft ends, float32 and peak 0.95."""
    wave = wave / np.max(np.abs(wave))
    hush = tones.noise(len(wave), rate, generator, low=40, high=7500, slope=-3)
    wave = wave + 10 ** (tones.draw(generator, HUSH) / 20) * hush
    wave = wave * tones.swell(len(wave), rate, 0.004, 0.02)
    return (PEAK * wave / np.max(np.abs(wave))).astype(np.float32)
