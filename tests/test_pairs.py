"""Pairs for training: captioned clips as they are, the others as the experts heard them."""

import numpy as np
import pandas as pd
import pytest

from maa import naming, pairs
from maa.errors import MaaError

WAVES = [np.full(100, 0.1 * row, np.float32) for row in range(5)]


def corpus():
    return pd.DataFrame({
        "id": list("abcde"), "label": ["dog", "rain", "dog", "rain", "dog"],
        "caption": ["a puppy yaps", "rain falling", "", "", ""],
        "annotation": ["caption", "caption", "none", "none", "none"]})


def distilled(**chosen):
    return pd.DataFrame({"id": list(chosen), "chosen": list(chosen.values())})


def test_captioned_clips_have_their_words_and_the_phrases_of_their_label():
    found = pairs.told(corpus(), WAVES, distilled(c="", d="", e=""))
    assert [label for _, _, label in found] == ["dog", "rain"]
    assert found[0][0] == ["a puppy yaps", *naming.phrases("dog")]
    assert len(set(found[1][0])) == len(found[1][0]) and "rain falling" in found[1][0]
    assert found[1][1] is WAVES[1]


def test_sound_without_language_has_what_was_chosen_and_the_label_that_it_names():
    found = pairs.told(corpus(), WAVES, distilled(c="heavy rain falling", d="", e="a dog barking"))
    assert [(words, label) for words, _, label in found[2:]] == [
        (["heavy rain falling"], "rain"),  # the experts are wrong here, and nobody tells them
        (["a dog barking"], "dog")]
    assert found[2][1] is WAVES[2]


def test_a_sentence_that_names_no_known_kind_is_left_out():
    found = pairs.told(corpus(), WAVES, distilled(c="a violin playing", d="", e="a dog barking"))
    assert len(found) == 3


def test_captioned_clips_alone_need_no_experts():
    table = corpus()
    own = table[table.annotation == "caption"].reset_index(drop=True)
    found = pairs.told(own, WAVES[:len(own)])
    assert [label for _, _, label in found] == list(own.label)
    with pytest.raises(MaaError, match="C-ID: .*0 that the experts heard"):
        pairs.told(table, WAVES)


def test_a_clip_that_no_expert_heard_is_named():
    with pytest.raises(ValueError, match="C-ID: clip 'd' is not among the 2 that the experts heard"):
        pairs.told(corpus(), WAVES, distilled(c="", e=""))


def test_a_caption_of_a_label_without_phrases_keeps_its_own_words_alone():
    table = corpus().assign(label=["Sea_Lion", "sound", "dog", "rain", "dog"])
    found = pairs.told(table, WAVES, distilled(c="a dog barks", d="", e="it thunders"))
    assert [(words, label) for words, _, label in found] == [
        (["a puppy yaps"], "Sea_Lion"), (["rain falling"], "sound"),
        (["a dog barks"], "sound"), (["it thunders"], "sound")]


def test_events_are_captioned_clips_and_without_labels_there_those_with_a_label_alone():
    labelled = pairs.events(corpus(), WAVES)
    assert [label for label, _ in labelled] == ["dog", "rain"] and labelled[0][1] is WAVES[0]
    table = corpus().assign(label=["sound", "sound", "dog", "Sea_Lion", "dog"])
    assert [(label, wave is WAVES[row]) for row, (label, wave) in
            enumerate(pairs.events(table, WAVES), 2)] == [
        ("dog", True), ("Sea Lion", True), ("dog", True)]
