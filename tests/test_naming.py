"""maa.naming: phrases of every label, and the label that a sentence names."""

import pandas as pd
import pytest

from maa import code, naming, synthesis, words
from maa.errors import MaaError


def test_label_with_a_formula_has_phrases_too():
    made = sorted(set(synthesis.EVENTS) - set(words.labels()))[0]
    assert naming.phrases(made) == synthesis.phrases(made)
    assert naming.phrases("dog") == words.phrases("dog")


@pytest.mark.parametrize("label", sorted(synthesis.EVENTS))
def test_no_evaluation_phrase_can_be_the_caption_of_a_synthesised_clip(label):
    event = synthesis.EVENTS[label]
    captions = {one.format(said) for one in event.captions for said in event.words.values()}
    assert not captions & set(naming.phrases(label, "evaluation"))


def test_a_label_without_phrases_is_its_own_phrase():
    assert naming.phrases("Sea_Lion") == ["sea lion"]
    assert naming.phrases("Sea_Lion", "evaluation") == ["the sound of sea lion"]
    assert not naming.has_phrases("Sea_Lion") and naming.has_phrases("dog")


@pytest.mark.parametrize(("sentence", "label", "named"), [
    ("a dog barking", "dog", True),
    ("A DOG BARKS.", "dog", True),
    ("a dog barking", "rain", False),
    ("a cat", "dog", False),
    ("the sound of it", "dog", False),  # nothing is said of the sound
    ("", "dog", False),
    ("a dog and a cat", "dog", False),  # a tie
    ("a dog barking at a cat", "dog", True),  # two words against one
    ("a dog barking at a cat", "cat", False),
])
def test_a_sentence_names_the_label_whose_words_it_has_most_of(sentence, label, named):
    assert naming.names_label(sentence, label, ["dog", "cat", "rain"]) is named


def test_without_other_labels_all_known_ones_compete():
    """An engine is the engine of mini and, idling, a label of its own."""
    assert naming.names_label("an engine", "engine_idling", ["engine_idling", "dog"])
    assert not naming.names_label("an engine", "engine_idling")


def test_words_of_grammar_and_of_hearing_itself_name_nothing():
    assert naming.content("The sound of a dog's bark, then rain!") == {"dog's", "bark", "rain"}


def test_of_some_labels_the_one_named_is_told_or_none():
    labels = ["dog", "cat", "rain"]
    assert naming.label_named("a dog barking at a cat", labels) == "dog"
    assert naming.label_named("a dog and a cat", labels) is None
    assert naming.label_named("thunder", labels) is naming.label_named("a dog", []) is None


def test_sounds_depend_on_names_and_on_no_network():
    """Else an edit of an expert would make every sound again."""
    found = {path.stem for path in code.reached("from maa import clips")}
    assert "naming" in found and not {"experts", "captioner", "retriever", "clap"} & found


def test_a_clip_is_found_by_its_label_or_else_by_its_caption():
    table = pd.DataFrame({"label": ["Bark", "dog", "dog"], "caption": ["a dog barks", "", "a yap"]},
                         index=[3, 5, 7])
    assert naming.first(table, "dog") == 7
    assert naming.first(table[:2], "dog") == 3
    with pytest.raises(MaaError, match="D-LABEL: no caption of 2 is of 'rain' or names it"):
        naming.first(table, "rain")
