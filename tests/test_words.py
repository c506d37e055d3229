"""maa.words: phrases for every class, and evaluation phrases that are not remembered ones."""

import re

import pytest

from maa import words

URBANSOUND = {
    *("air_conditioner", "car_horn", "children_playing", "dog", "drilling", "engine_idling"),
    *("gun_shot", "jackhammer", "siren", "street_music"),
}
ENDINGS = ("ing", "ers", "er", "es", "ed", "s", "e")
PLAIN = set(
    "a an and as at away be being by from gives goes great his in inside into is it its lets "
    "makes man next of off on one or out over own person round somebody someone that the their "
    "this to up with who".split()
)


def stems(phrases):
    """The content words of some phrases, without their endings."""
    found = set()
    for word in re.findall(r"[a-z]+", " ".join(phrases)):
        if word in PLAIN:
            continue
        endings = [end for end in ENDINGS if word.endswith(end) and len(word) > len(end) + 2]
        word = word.removesuffix(endings[0]) if endings else word
        found.add(word[:-1] if len(word) > 3 and word[-1] == word[-2] else word)
    return found


def test_there_are_61_labels_among_them_all_of_urbansound():
    assert len(words.labels()) == 61
    assert set(words.labels()) >= URBANSOUND
    assert "dog_bark" not in words.labels()


@pytest.mark.parametrize("label", words.labels())
def test_a_label_has_enough_short_plain_phrases(label):
    train, evaluation = words.phrases(label), words.phrases(label, use="evaluation")
    assert len(train) >= 6 and len(evaluation) >= 3
    assert len(set(train + evaluation)) == len(train + evaluation)
    for phrase in train + evaluation:
        assert re.fullmatch(r"[a-z][a-z ,'-]*[a-z]", phrase) and "  " not in phrase
        assert len(phrase.split()) <= 10


@pytest.mark.parametrize("label", words.labels())
def test_an_evaluation_phrase_is_new_but_speaks_of_the_same(label):
    train = words.phrases(label)
    for phrase in words.phrases(label, use="evaluation"):
        assert not [known for known in train if known in phrase]
        assert stems([phrase]) & stems(train), phrase


def test_no_phrase_stands_for_two_labels():
    every = [p for label in words.labels() for use in words.USES for p in words.phrases(label, use)]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    ("label", "own"),
    [
        ("air_conditioner", r"condition"),
        ("chainsaw", r"chainsaw"),
        ("drilling", r"drill"),
        ("engine_idling", r"\bidl"),
        ("helicopter", r"helicopter|rotor"),
        ("jackhammer", r"jackhammer|pneumatic"),
    ],
)
def test_machines_that_sound_alike_are_told_apart_by_every_phrase(label, own):
    for other in words.labels():
        for use in words.USES:
            for phrase in words.phrases(other, use):
                assert bool(re.search(own, phrase)) == (other == label), phrase


def test_the_phrases_are_a_copy():
    words.phrases("dog").clear()
    assert words.phrases("dog")


def test_unknown_words_are_answered_with_near_ones():
    with pytest.raises(ValueError, match="label is 'dog_bark', which has no .* near it: .*dog"):
        words.phrases("dog_bark")
    with pytest.raises(ValueError, match="label is 'zzz', .* near it: air_conditioner, "):
        words.phrases("zzz")
    with pytest.raises(ValueError, match=r"use is 'test', expected one of \('train', 'eval"):
        words.phrases("dog", use="test")
