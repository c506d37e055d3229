"""Phrases for the classes of ESC-50, UrbanSound8K and the ambient recordings, from words.csv.

The "evaluation" phrases of a label are worded differently from the "train" ones, so that a model
that follows them has understood a word and not remembered a sentence.

Conventions: a label is a class name in snake case, "clock_tick"; a phrase is plain lower case.
Notebook: 10_clips.
"""

import difflib
import functools
import pathlib

from maa import files

USES = ("train", "evaluation")


def phrases(label, use="train"):
    """All phrases that are true of any clip of a label.

    label:     one of labels()
    use:       "train" or "evaluation"
    returns    list of str

    Raises ValueError for an unknown label or use, naming the nearest.
    Notebook: 10_clips.
    """
    if use not in USES:
        raise ValueError(f"use is {use!r}, expected one of {USES}")
    if label not in _table():
        near = difflib.get_close_matches(str(label), labels(), n=5, cutoff=0.5) or labels()
        raise ValueError(f"label is {label!r}, which has no phrases; near it: {', '.join(near)}")
    return list(_table()[label][use])


def labels():
    """Every label that has phrases, in alphabetical order."""
    return sorted(_table())


@functools.cache
def _table():
    """words.csv as {label: {use: [phrase, …]}}."""
    rows = files.read_table(
        pathlib.Path(__file__).with_name("words.csv"), ("label", "use", "phrase"), str
    )
    return {
        label: {use: list(part.phrase[part.use == use]) for use in USES}
        for label, part in rows.groupby("label")
    }
