"""What labels are called, and which label a sentence names: words of words.csv and of synthesis.

Conventions: a label is any text; most are class names in snake case, "clock_tick".
Source: Section 3.2.1 (labels score what experts wrote).
Notebooks: 10_clips, 11_pseudo_captions.
"""

import functools
import re

from maa import synthesis, words

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


@functools.cache
def _vocabulary(label):
    return {word for use in words.USES for one in phrases(label, use) for word in content(one)}
