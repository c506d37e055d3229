"""maa.drawings: every sound has a picture that shows what its caption says."""

import functools

import matplotlib.colors
import numpy as np
import pytest

from maa import drawing_nature as nature
from maa import drawing_shapes as shapes
from maa import drawings, synthesis_events

LABELS = sorted(drawings.DRAWINGS)
HUES = {  # degrees; an account of its own, apart from the ranges that are drawn from
    "red": (345, 15), "orange": (15, 43), "yellow": (43, 70), "green": (95, 160),
    "blue": (195, 240), "purple": (260, 300),
}


@functools.cache
def made(label, count, seed):
    generator = np.random.default_rng([seed, LABELS.index(label)])
    return [drawings.make(label, generator) for _ in range(count)]


def outline(picture):
    """Where the picture is of another colour than most of its rim: (size, size) of bool."""
    sides = (picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1])
    ground = np.median(np.concatenate(sides, 1), 1)
    return np.abs(picture - ground[:, None, None]).max(0) > 0.12


def seen(picture):
    """{name of a colour: its share of the pixels that are not ground}."""
    pixels = picture.reshape(3, -1).T
    hue, strength, value = matplotlib.colors.rgb_to_hsv(pixels[outline(picture).ravel()]).T
    hue, strong = 360 * hue, (strength > 0.5) & (value > 0.3)
    within = {name: strong & ((hue - low) % 360 < (high - low) % 360)
              for name, (low, high) in HUES.items()}
    within["brown"] = within["orange"] & (value < 0.65)
    within["orange"] = within["orange"] & (value >= 0.65)
    within["black"], within["white"] = value < 0.25, (strength < 0.1) & (value > 0.85)
    within["grey"] = (strength < 0.15) & (value > 0.4) & (value < 0.7)
    return {name: float(pixels.mean()) for name, pixels in within.items()}


def test_every_sound_event_has_a_drawing():
    assert set(drawings.DRAWINGS) == set(synthesis_events.EVENTS)


@pytest.mark.parametrize("size", [16, 64, 96])
def test_a_picture_has_its_shape_and_range_and_is_not_plain(size):
    for label in LABELS:
        picture, caption = drawings.make(label, np.random.default_rng(0), size)
        assert picture.dtype == np.float32 and picture.shape == (3, size, size)
        assert 0 <= picture.min() and picture.max() <= 1 and np.isfinite(picture).all()
        assert picture.std((1, 2)).max() > 0.08, label
        assert caption == caption.strip() != ""


def test_the_same_generator_state_gives_the_same_picture_and_caption():
    one, two, other = (drawings.make("dog", np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(one[0], two[0]) and one[1] == two[1]
    assert not np.array_equal(one[0], other[0])


def test_pictures_of_one_label_differ_in_place_size_and_ground():
    for label in LABELS:
        pictures = np.stack([picture for picture, _ in made(label, 12, 1)])
        assert np.std(pictures[:, :, 2, 2], 0).max() > 0.03, label
        assert np.mean(np.std(pictures, 0)) > 0.05, label


def test_a_caption_is_a_wording_of_a_phrase_and_often_says_the_word():
    for label in LABELS:
        drawing = drawings.DRAWINGS[label]
        plain = set(drawings.phrases(label))
        said = {w.format(p) for w in drawings.WORDINGS for p in drawing.words.values()}
        captions = {caption for _, caption in made(label, 12, 1)}
        assert captions <= plain | said and captions & said and len(captions) >= 4, label
        assert not plain & said


def test_no_phrase_belongs_to_two_labels():
    said = [phrase for label in LABELS for phrase in drawings.phrases(label)]
    assert len(said) == len(set(said)) == len(LABELS) * len(drawings.WORDINGS)


def test_an_orange_cat_has_its_article():
    assert drawings.DRAWINGS["cat"].words["orange"] == "an orange cat"


@pytest.mark.parametrize("label", [
    label for label in LABELS if set(drawings.DRAWINGS[label].words) & set(shapes.COLOURS)])
def test_the_colour_that_a_caption_names_is_the_one_most_seen(label):
    named = 0
    for picture, caption in made(label, 24, 2):
        for word in set(caption.split()) & set(shapes.COLOURS):
            shares = seen(picture)
            # wheels are black and dials white whatever the colour of the thing
            rivals = set(shares) - {word} - ({"black", "white", "grey"} if word in HUES
                                              or word == "brown" else set())
            assert shares[word] > 0.08 and shares[word] > max(shares[r] for r in rivals), caption
            named += 1
    assert named >= 5


def steepness(picture):
    """How far the line between sky and sea is from straight, in pixels."""
    line = ((picture[0] < 0.4) & (picture[2] > 0.5)).argmax(0)
    return np.abs(line - np.polyval(np.polyfit(np.arange(64), line, 1), np.arange(64))).mean()


AMOUNTS = {  # what a word that is no colour changes: most often the pixels of some colour
    "rain": (["light", "heavy"], lambda c: np.sum((c[2] > 0.6) & (c[0] < 0.35))),
    "thunderstorm": (["one", "two"], lambda c: np.sum((c[0] > 0.8) & (c[2] < 0.5))),
    "crackling_fire": (["small", "big"], lambda c: np.sum((c[0] > 0.7) & (c[2] < 0.4))),
    "water_drops": (["one", "two"], lambda c: np.sum((c[2] > 0.8) & (c[0] < 0.4))),
    "sea_waves": (["calm", "rough"], steepness),
    "wind": (["gentle", "strong"], lambda c: np.sum(np.isclose(c, 1, atol=0.05).all(0))),
}


@pytest.mark.parametrize("label", AMOUNTS)
def test_a_word_of_amount_shows_in_every_picture(label):
    words, counted = AMOUNTS[label]
    amounts = []
    for word in words:
        pens = [shapes.Pen(64, np.random.default_rng(seed)) for seed in range(12)]
        for pen in pens:
            drawings.DRAWINGS[label].draw(pen, word)
        amounts.append([counted(pen.picture()) for pen in pens])
    assert all(0 < less < more for less, more in zip(*amounts))  # each pair of one size


def test_as_many_birds_are_drawn_as_the_word_says(monkeypatch):
    drawn = []
    monkeypatch.setattr(nature, "bird", lambda pen, x, y, size: drawn.append((x, y)))
    for word, counts in {"two": {2}, "three": {3}, "many": {6, 7, 8}}.items():
        for seed in range(8):
            drawn.clear()
            nature.chirping_birds(shapes.Pen(64, np.random.default_rng(seed)), word)
            assert len(set(drawn)) == len(drawn) and len(drawn) in counts


def test_labels_are_told_apart_by_the_nearest_mean_of_tiny_pictures():
    def tiny(picture):  # 16 × 16, with its mirror image, as a thing may look left or right
        small = outline(picture).reshape(16, 4, 16, 4).mean((1, 3))
        return small + small[:, ::-1]

    means = np.stack([np.mean([tiny(p) for p, _ in made(label, 24, 2)], 0) for label in LABELS])
    hits = [LABELS[np.square(means - tiny(picture)).sum((1, 2)).argmin()] == label
            for label in LABELS for picture, _ in made(label, 12, 1)]
    assert np.mean(hits) > 0.8  # chance is 1 in 26


def test_a_path_is_mirrored_sized_and_placed():
    assert shapes.path("-.5,0 1,.25") == [(-0.5, 0), (1, 0.25)]
    assert shapes.path("-.5,0 1,.25", -1, (1, 2), 2) == [(2, 2), (-1, 2.5)]


def test_a_box_over_all_the_paper_covers_the_picture():
    pen = shapes.Pen(32, np.random.default_rng(0))
    pen.box(-4, -4, 4, 4, (1, 0.5, 0), edge=False)
    np.testing.assert_allclose(pen.picture()[:, 3, 9], (1, 128 / 255, 0), atol=1e-6)
    assert (pen.picture() == pen.picture()[:, :1, :1]).all()


def test_a_shade_can_be_seen_on_its_colour():
    for colour in (shapes.BLACK, shapes.WHITE, shapes.STEEL, shapes.RED):
        assert np.abs(np.subtract(shapes.shade(colour), colour)).max() > 0.15


def test_unknown_label_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'unicorn', expected one of .*clock_tick, .*dog, "):
        drawings.make("unicorn", np.random.default_rng(0))
    with pytest.raises(ValueError, match="'unicorn', expected one of"):
        drawings.phrases("unicorn")


@pytest.mark.parametrize("size", [0, -1, 15])
def test_a_picture_too_small_to_see_anything_is_refused(size):
    with pytest.raises(ValueError, match=f"size is {size}, expected 16 or more"):
        drawings.make("dog", np.random.default_rng(0), size)
