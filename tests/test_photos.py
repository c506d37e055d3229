"""maa.photos: tables of photos are found, labels and captions fit what a class shows."""

import io

import numpy as np
import pytest
from PIL import Image

from maa import errors, photos, picture_corpus, synthesis, words


def png(seed):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_class_with_a_sound_gets_its_label_and_words_for_what_is_seen_and_heard():
    assert photos.named("beagle") == ("dog", [
        "a dog", "a photo of a beagle", "a dog that barks", "a picture of a dog, maybe barking"])


@pytest.mark.parametrize("kind, label, noun", [
    ("African_elephant", "african_elephant", "an african elephant"), ("zebra", "zebra", "a zebra")])
def test_a_class_without_a_sound_is_its_own_label_in_four_wordings(kind, label, noun):
    assert photos.named(kind) == (label, [
        noun, f"a photo of {noun}", f"a small photo of {noun}", f"a picture of {noun}"])


def test_every_class_of_a_label_has_as_many_different_captions():
    kinds = " ".join(kinds for _, _, kinds in photos.MATCHES).split()
    assert len(kinds) == len(set(kinds))
    for kind in [*kinds, "zebra"]:
        assert len(set(photos.named(kind)[1])) == 4, kind


def test_every_label_is_that_of_a_sound_but_for_four_that_help_with_its_words():
    labels = {label for label, _, _ in photos.MATCHES}
    known = set(words.labels()) | set(synthesis.EVENTS)
    assert labels - known == {"deer", "fan", "horse", "umbrella"}
    assert set(photos.HEARD) == labels
    assert all(noun.split()[0] in ("a", "an", "the") for _, noun, _ in photos.MATCHES)


def test_the_words_of_a_sound_are_in_captions_of_its_photos():
    """Else the text half that steers the generator would never have read them."""
    for label in ("dog", "clock_tick", "siren", "gun_shot", "drilling", "street_music", "rooster",
                  "engine_idling", "car_horn", "chainsaw", "crackling_fire", "sea_waves"):
        kind = next(kinds.split()[0] for known, _, kinds in photos.MATCHES if known == label)
        said = set(" ".join(photos.named(kind)[1]).replace(",", "").split()) - {"a", "the"}
        prompts = [set(phrase.split()) & said for phrase in words.phrases(label)]
        assert sum(map(bool, prompts)) > len(prompts) / 2, label


def test_no_caption_holds_what_stands_between_captions():
    for _, _, kinds in photos.MATCHES:
        for kind in kinds.split():
            assert picture_corpus.BETWEEN.strip() not in "".join(photos.named(kind)[1])


def test_photos_are_found_with_their_split_captions_and_a_source_each(tmp_path):
    for number, name in enumerate(("one.png", "two.png")):
        (tmp_path / name).write_bytes(png(number))
    (tmp_path / "t.csv").write_text(
        "filename,split,class\none.png,train,pug\ntwo.png,test,ship\n")
    first, second = photos.find(tmp_path, size=4)
    assert (first.label, first.split, first.source_id) == ("dog", "train", "one.png")
    assert (second.label, second.split, second.source_id) == ("boat", "held_out", "two.png")
    picture, captions = second.read()
    assert picture.shape == (3, 4, 4)
    assert captions.split(picture_corpus.BETWEEN) == photos.named("ship")[1]


def test_a_folder_without_a_table_of_photos_is_refused(tmp_path):
    with pytest.raises(errors.MaaError, match="F-ROOT: no table of photos"):
        photos.find(tmp_path, size=4)
