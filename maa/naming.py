"""What labels are called, and which label a sentence names: words of words.csv and of synthesis.

Conventions: a label is any text; most are class names in snake case, "clock_tick".
Source: Section 3.2.1 (labels score what experts wrote).
Notebooks: 01_sound_to_mel, 10_clips, 11_pseudo_captions, 12_reprogrammed_prompts.
"""

import functools
import itertools
import re

from maa import synthesis, words
from maa.errors import MaaError

# words that say nothing of the sound: grammar, and names of hearing itself
EMPTY = set("a an the of in on at to with from for by and or as is are its it his that being up "
            "down out over into then through while one someone somebody some sound sounds "
            "noise".split())


def phrases(label, use="train"):
    """Phrases true of any clip of a label, recorded or synthesised; `use` train or evaluation.

    A label of which no phrases were written ("Bark") is its own phrase, and is asked for by "the
    sound of bark".
    """
    if not has_phrases(label):
        said = " ".join(label.replace("_", " ").lower().split())
        return [f"the sound of {said}" if use == "evaluation" else said]
    owner = words if label in words.labels() else synthesis
    return owner.phrases(label, use)


def has_phrases(label):
    """Whether phrases were written for a label."""
    return label in words.labels() or label in synthesis.EVENTS


def content(sentence):
    """The words of a sentence that say something of the sound."""
    return set(re.findall(r"\w[\w'-]*", sentence.lower())) - EMPTY


def label_named(sentence, labels):
    """The one of some labels that a sentence names, None if it names none: it shares more content
    words with the label's phrases than with those of any other. Ties and nothing shared are none.

    labels:    a list, none of them twice
    """
    said = content(sentence)
    shared = [len(said & _vocabulary(label)) for label in labels]
    most = max(shared, default=0)
    return labels[shared.index(most)] if most and shared.count(most) == 1 else None


def names_label(sentence, label, among=None):
    """Whether a sentence names a label and none of the others, as label_named.

    among:     the other labels; all known ones when None
    """
    others = among or {*words.labels(), *synthesis.EVENTS}
    return label_named(sentence, list({label, *others})) == label


def first(table, label):
    """Index of the first clip with a caption that is of a label, or else whose caption names it:
    corpora have labels of their own.

    table:     rows of clips.csv, with label and caption

    Raises MaaError D-LABEL if there is none.
    """
    captions = table.caption[table.caption != ""]
    own = captions.index[table.label[captions.index] == label]
    named = (row for row, caption in captions.items() if names_label(caption, label))
    for row in itertools.chain(own, named):
        return row
    raise MaaError("D-LABEL", f"no caption of {len(captions)} is of {label!r} or names it, "
                              f"expected one; which kinds of sound has clips.csv?")


@functools.cache
def _vocabulary(label):
    return {word for use in words.USES for one in phrases(label, use) for word in content(one)}
