"""Reprogrammed prompts: words say the order in which sounds are heard, whatever the caption."""

import re
import time

import numpy as np
import pandas as pd
import pytest
import torch

from maa import corpus, mel, prompts, scenes, synthesis, words
from maa.errors import MaaError

LONG = 2 * mel.RATE  # samples of a clip that needs no pause after it
DOG = "a dog barks"
X_FIRST, EVENT_FIRST = ["caption", "rain"], ["rain", "caption"]
BY_HAND = [  # template by template, worked out from the words alone
    ("before hearing the clear sound of rain, a dog barks", X_FIRST),
    ("a dog barks before hearing the clear sound of rain,", X_FIRST),
    ("in front of hearing the clear sound of rain, a dog barks", X_FIRST),
    ("first is a dog barks second is the clear sound of rain", X_FIRST),
    ("after a dog barks, hearing the clear sound of rain", X_FIRST),
    ("after hearing the clear sound of rain, a dog barks", EVENT_FIRST),
    ("behind hearing the clear sound of rain, a dog barks", EVENT_FIRST),
    ("hearing the clear sound of rain, then a dog barks", EVENT_FIRST),
    ("hearing the clear sound of rain, following a dog barks", X_FIRST),
    ("hearing the clear sound of rain, later a dog barks", EVENT_FIRST),
    ("a dog barks after hearing the clear sound of rain", EVENT_FIRST),
    ("before a dog barks, hearing the clear sound of rain", EVENT_FIRST),
]
LEVELS = {"caption": 0.5, "rain": -0.5, "cat": 0.25, "bell": -0.25}
HERTZ = {"caption": 500, "rain": 1000, "cat": 2000, "bell": 4000}
TEMPLATES = list(prompts.TEMPLATES)


@pytest.fixture
def one_word(monkeypatch):
    """A single word for each of v, a, n and q, so that texts can be compared letter by letter."""
    monkeypatch.setattr(prompts, "WORDS", {
        "v": ("hearing",), "a": ("clear",), "n": ("sound",), "q": ("the",)})


def seeded(seed=0):
    return np.random.default_rng(seed)


def level(name, samples=LONG):
    """A clip that is recognised wherever it is heard: its every sample is the same."""
    return np.full(samples, LEVELS[name], np.float32)


def tone(name, samples=LONG):
    """A clip that is recognised whatever its gain."""
    time_of = np.arange(samples) / mel.RATE
    return 0.4 * np.sin(2 * np.pi * HERTZ[name] * time_of).astype(np.float32)


def events(sound=level, names=("rain", "cat", "bell")):
    return [(name, sound(name)) for name in names]


def order_of_levels(scene):
    """What is heard for 50 ms or more, in order."""
    where = {name: np.flatnonzero(np.abs(scene - value) < 1e-5) for name, value in LEVELS.items()}
    heard = [name for name, places in where.items() if len(places) > 800]
    return sorted(heard, key=lambda name: np.median(where[name]))


def order_of_tones(scene):
    pieces = scene[: len(scene) // 800 * 800].reshape(-1, 800)  # 20 Hz between two bins
    loudest = 20 * np.abs(np.fft.rfft(pieces)).argmax(1)
    where = {name: np.flatnonzero(loudest == hertz) for name, hertz in HERTZ.items()}
    heard = [name for name, places in where.items() if len(places)]
    return sorted(heard, key=lambda name: np.median(where[name]))


def readings(text):
    """Every order that a nested text can mean, by the sentences worked out by hand."""
    found = {("caption",)} if text == DOG else set()
    for sentence, order in BY_HAND:
        shape = re.escape(sentence).replace(re.escape(DOG), "(?P<X>.+)")
        match = re.fullmatch(shape.replace("rain", "(?P<event>rain|cat|bell)"), text)
        for inner in readings(match["X"]) if match else ():
            found.add((*inner, match["event"]) if order == X_FIRST else (match["event"], *inner))
    return found


def drawn(number, draws=400, **options):
    """reprogram() with many seeds, only where it drew that number of events."""
    for seed in range(draws):
        text, scene, order = prompts.reprogram(
            DOG, level("caption"), events(**options), 24_000, seeded(seed), most=max(1, number))
        if len(order) == number + 1:
            yield text, scene, order


def pooled(count=60, seed=0, captions=(DOG,), **options):
    clips = [(list(captions), tone("caption"), "dog")]
    made, *said = prompts.pool(clips, events(tone), 24_000, count, seeded(seed), **options)
    return made[:], *said


# ---- the table


def test_word_lists_are_those_of_the_paper():
    assert {slot: list(said) for slot, said in prompts.WORDS.items()} == {
        "v": ["hearing", "noticing", "listening to", "appearing"],
        "a": ["clear", "noisy", "close-up", "weird", "clean"],
        "n": ["audio", "sound", "voice"],
        "q": ["a", "the", "some"]}


def test_twelve_templates_are_those_of_the_paper_in_its_order():
    assert TEMPLATES == [
        "before v q a n of &, X", "X before v q a n of &,", "in front of v q a n of &, X",
        "first is X second is q a n of &", "after X, v q a n of &", "after v q a n of &, X",
        "behind v q a n of &, X", "v q a n of &, then X", "v q a n of &, following X",
        "v q a n of &, later X", "X after v q a n of &", "before X, v q a n of &"]


@pytest.mark.parametrize("number", range(1, 13))
def test_template_says_what_was_worked_out_by_hand(number, one_word):
    sentence, order = BY_HAND[number - 1]
    template = TEMPLATES[number - 1]
    assert prompts.compose(DOG, "rain", template, seeded()) == sentence
    assert prompts.TEMPLATES[template] == {"caption": "X&", "rain": "&X"}[order[0]]


@pytest.mark.parametrize("number", range(1, 13))
def test_sounds_are_heard_in_the_order_of_the_template(number, one_word, monkeypatch):
    sentence, order = BY_HAND[number - 1]
    template = TEMPLATES[number - 1]
    monkeypatch.setattr(prompts, "TEMPLATES", {template: prompts.TEMPLATES[template]})
    text, scene, said = next(drawn(1, names=["rain"]))
    assert (text, said) == (sentence, order)
    assert order_of_levels(scene) == order


def test_one_word_changed_changes_which_is_heard_first():
    with_before = [template for template in TEMPLATES if "before" in template]
    assert len(with_before) == 3
    for template in with_before:
        swapped = template.replace("before", "after").rstrip(",")  # only the second ends in one
        assert {prompts.TEMPLATES[template], prompts.TEMPLATES[swapped]} == {"X&", "&X"}


def test_every_word_is_drawn_equally_often():
    generator = seeded()
    texts = [prompts.compose("x", "y", TEMPLATES[0], generator) for _ in range(1200)]
    for choices in prompts.WORDS.values():
        for word in choices:
            share = np.mean([f" {word} " in text for text in texts])
            assert share == pytest.approx(1 / len(choices), abs=0.05), word


# ---- reprogram


def test_without_events_caption_and_sound_stay_as_they_are():
    wave = np.linspace(-0.5, 0.5, LONG, dtype=np.float32)
    text, scene, order = prompts.reprogram(DOG, wave, [], 20_000, seeded(), most=0)
    assert (text, order) == (DOG, ["caption"])
    _, whole, _ = prompts.reprogram(DOG, wave, [], 2 * LONG, seeded(), most=0)
    assert np.array_equal(whole, scenes.fill([wave], 2 * LONG, seeded()))
    assert np.isin(scene, wave).all()


def test_two_events_nest_as_worked_out_by_hand(one_word, monkeypatch):
    monkeypatch.setattr(prompts, "TEMPLATES", {
        "first is X second is q a n of &": "X&", "v q a n of &, then X": "&X"})
    first = "first is {} second is the clear sound of {}"
    then = "hearing the clear sound of {}, then {}"
    by_hand = {}
    for a, b in [("rain", "cat"), ("cat", "rain")]:
        by_hand[first.format(first.format(DOG, a), b)] = ["caption", a, b]
        by_hand[then.format(b, first.format(DOG, a))] = [b, "caption", a]
        by_hand[first.format(then.format(a, DOG), b)] = [a, "caption", b]
        by_hand[then.format(b, then.format(a, DOG))] = [b, a, "caption"]
    found = list(drawn(2, names=["rain", "cat"]))
    assert {text for text, _, _ in found} == set(by_hand)
    for text, scene, order in found:
        assert order == by_hand[text] == order_of_levels(scene)


def test_two_events_of_all_templates_agree_with_what_is_heard(one_word):
    found = list(drawn(2))
    assert len(found) > 100
    for text, scene, order in found:
        assert tuple(order) in readings(text)
        assert order_of_levels(scene) == order


def test_number_of_events_and_templates_are_drawn_equally_often(one_word):
    generator, numbers, texts = seeded(), [], []
    for _ in range(1500):
        text, _, order = prompts.reprogram(
            DOG, level("caption", 100), [("rain", level("rain", 100)), ("cat", level("cat", 100))],
            scenes.SHORTEST, generator)
        numbers.append(len(order) - 1)
        texts += [text.replace("cat", "rain")] * (len(order) == 2)
    assert np.bincount(numbers) / 1500 == pytest.approx([1 / 3] * 3, abs=0.05)
    shares = [texts.count(sentence) / len(texts) for sentence, _ in BY_HAND]
    assert shares == pytest.approx([1 / 12] * 12, abs=0.04)


def test_same_seed_gives_the_same_text_scene_and_order():
    first, again, other = (
        prompts.reprogram(DOG, level("caption"), events(), 24_000, seeded(seed))
        for seed in (3, 3, 4))
    assert (first[0], first[2]) == (again[0], again[2])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_a_label_is_heard_once_however_many_of_its_clips_there_are():
    many = events(names=["rain"] * 9 + ["cat"])
    for seed in range(40):
        order = prompts.reprogram(DOG, level("caption"), many, 24_000, seeded(seed))[2]
        assert len(set(order)) == len(order)


# ---- pool


def test_pool_has_scenes_texts_and_orders_of_the_numbers_asked_for():
    sounds, told, orders = pooled(30, texts=8)
    assert (sounds.shape, sounds.dtype) == ((30, 24_000), torch.float32)
    assert len(told) == len(orders) == 30
    assert {len(texts) for texts in told} == {8}


def test_every_text_of_a_scene_agrees_with_the_order_heard(one_word):
    sounds, told, orders = pooled(90)
    assert {len(order) for order in orders} == {1, 2, 3}
    for scene, texts, order in zip(sounds.numpy(), told, orders):
        assert order_of_tones(scene) == order
        assert all(tuple(order) in readings(text) for text in texts)


def test_texts_of_a_scene_use_every_template_that_agrees_before_any_comes_again(one_word):
    _, told, orders = pooled(60, most=1, texts=6)
    for texts, order in zip(told, orders):
        if len(order) == 2:
            first = X_FIRST if order[0] == "caption" else EVENT_FIRST
            agreeing = [sentence for sentence, said in BY_HAND if said == first]
            assert sorted(re.sub("cat|bell", "rain", text) for text in texts) == sorted(agreeing)


def test_a_nested_text_of_two_readings_is_heard_in_one_of_them(one_word):
    text = f"before hearing the clear sound of cat, {BY_HAND[1][0]}"
    assert readings(text) == {("caption", "rain", "cat"), ("caption", "cat", "rain")}
    told = [one for one, _, order in drawn(2, 1500) if tuple(order) in readings(text)]
    assert text in told


def test_pool_makes_its_sounds_up_to_six_decibels_quieter():
    peaks = 20 * np.log10(pooled(200, most=0)[0].abs().amax(1).numpy() / 0.4)
    assert -6 <= peaks.min() < -5 and -1 < peaks.max() <= 0.01


def test_texts_use_all_captions_of_a_clip():
    told = pooled(40, captions=["a dog barks", "a puppy yaps"], most=0)[1]
    assert {text for texts in told for text in texts} == {"a dog barks", "a puppy yaps"}


def test_pool_draws_labels_equally_often_and_no_event_of_the_clips_own():
    clips = [(["waves"], tone("rain"), "sea_waves")] * 9 + [(["a cat"], tone("cat"), "cat")]
    base = [("sea waves", tone("rain")), ("cat", tone("cat")), ("bell", tone("bell"))]
    _, told, orders = prompts.pool(clips, base, 24_000, 400, seeded(), texts=1)
    own = np.array(["waves" in re.sub("sea waves", "", texts[0]) for texts in told])
    assert own.mean() == pytest.approx(0.5, abs=0.07)
    for waves, order in zip(own, orders):
        assert ("sea waves" if waves else "cat") not in order


def test_waves_given_are_left_as_they_were():
    waves = [tone("caption"), tone("rain")]
    prompts.pool([([DOG], waves[0], "dog")], [("rain", waves[1])], 24_000, 5, seeded(), most=1)[0][:]
    assert np.array_equal(waves[0], tone("caption")) and np.array_equal(waves[1], tone("rain"))


def test_pool_draws_clips_equally_often_if_labels_are_not():
    clips = [(["a dog"], tone("caption"), "dog")] * 9 + [(["rain"], tone("caption"), "rain")]
    _, texts, _ = prompts.pool(clips, [], 24_000, 2000, seeded(0), most=0, texts=1, evenly=False)
    assert np.mean([one == ["rain"] for one in texts]) == pytest.approx(0.1, abs=0.03)


def test_what_has_no_label_of_its_own_is_no_event():
    table = pd.DataFrame({"label": ["dog", corpus.UNNAMED, "rain"]})
    found = prompts.database(table, [tone("caption")] * 3)
    assert [label for label, _ in found] == ["dog", "rain"]


def test_two_processes_have_all_of_a_pool_between_them(monkeypatch):
    whole = pooled(5)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        made, texts, orders = pooled(5)
        assert torch.equal(made[:], whole[0][:][rank::2])
        assert texts == whole[1][rank::2] and orders == whole[2][rank::2]


def test_same_seed_gives_the_same_pool():
    (first, *said), (again, *said_again), (other, *_) = pooled(8, 1), pooled(8, 1), pooled(8, 2)
    assert torch.equal(first, again) and said == said_again
    assert not torch.equal(first, other)


def test_database_has_labels_as_words_and_the_waves_themselves():
    table = pd.DataFrame({"label": ["sea_waves", "dog"]})
    waves = [level("rain"), level("cat")]
    found = prompts.database(table, waves)
    assert [label for label, _ in found] == ["sea waves", "dog"]
    assert found[0][1] is waves[0] and found[1][1] is waves[1]


# ---- plain sentences


def test_plain_sentences_name_first_what_is_heard_first():
    for template, order in prompts.PLAIN.items():
        text = prompts.compose(DOG, "rain", template, seeded())
        assert (text.find(DOG) < text.find("rain")) == (order == "X&"), text
        assert not prompts.is_template(text)
    assert sorted(prompts.PLAIN.values()) == ["&X"] * 4 + ["X&"] * 4
    assert prompts.compose(DOG, "rain", "X, then &", seeded()) == "a dog barks, then rain"


def test_the_share_of_texts_said_plainly_is_the_one_asked_for():
    for plainly in (0.0, 0.25, 0.5, 1.0):
        told = pooled(30, most=2, plainly=plainly)[1:]
        for texts, order in zip(*told):
            by_template = [prompts.is_template(text) for text in texts]
            assert np.mean(by_template) == (1 - plainly if len(order) > 1 else 0.0)


def test_plain_sentences_say_the_order_heard():
    scenes_, told, orders = pooled(80, most=1, plainly=1.0)
    for scene, texts, order in zip(scenes_, told, orders):
        assert order_of_tones(scene.numpy()) == order
        names = [DOG if one == "caption" else one for one in order]
        for text in texts:
            assert sorted(names, key=text.find) == names


# ---- faults of captions


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u200b", None, float("nan")])
def test_c01_c02_empty_or_blank_caption_is_refused(blank):
    with pytest.raises(MaaError, match="C-EMPTY: caption is .*, expected words"):
        prompts.compose(blank, "rain", TEMPLATES[0], seeded())
    with pytest.raises(MaaError, match="C-EMPTY: caption"):
        prompts.reprogram(blank, level("caption"), events(), 24_000, seeded())
    with pytest.raises(MaaError, match="C-EMPTY: caption"):
        pooled(1, captions=[DOG, blank])
    with pytest.raises(MaaError, match="C-EMPTY: event"):
        prompts.compose(DOG, blank, TEMPLATES[0], seeded())
    with pytest.raises(MaaError, match="C-EMPTY: label"):
        prompts.database(pd.DataFrame({"label": [blank]}), [level("rain")])


def test_c01_clip_without_any_caption_is_refused():
    with pytest.raises(MaaError, match="C-EMPTY"):
        pooled(1, captions=[])


@pytest.mark.parametrize("unit", ["word ", "before hearing a clear sound of , "])
def test_c03_caption_of_5000_words_passes_whole_and_quickly(unit):
    long, start = unit * 5000, time.process_time()
    text = prompts.compose(long, "rain", TEMPLATES[0], seeded())
    told = prompts.tell([long], [("rain", "X&"), ("cat", "&X")], 8, seeded())
    prompts.is_template(long)
    assert time.process_time() - start < 2
    assert all(long in one for one in [text, *told])


@pytest.mark.parametrize("caption", [
    "🐶 barks 👩‍👩‍👧", "كلب ينبح", "\u202eright to left\u202c", "e\u0301te\u0301", "狗叫"])
def test_c04_emoji_and_right_to_left_text_pass_through(caption):
    text = prompts.reprogram(caption, level("caption"), events(), 24_000, seeded(2))[0]
    assert caption in text
    assert text != caption
    assert caption in prompts.compose(DOG, caption, TEMPLATES[3], seeded())


@pytest.mark.parametrize("caption", [
    "<script>alert('&amp;')</script>", "\x1b[31mred\x1b[0m", "=cmd|' /C calc'!A0", r"\1 \g<0> \n",
    "X-ray & a van, q a n of X", "ends in nothing\0"])
def test_c22_c23_markup_escapes_and_formulas_pass_through_raw(caption, one_word):
    for template, (sentence, _) in zip(TEMPLATES, BY_HAND):
        text = prompts.compose(caption, "rain", template, seeded())
        assert text == sentence.replace(DOG, caption)
    assert prompts.tell([caption], [], 2, seeded()) == [caption, caption]


def test_c30_every_text_made_by_a_template_is_recognised():
    for seed in range(20):
        for template in TEMPLATES:
            text = prompts.compose(DOG, "sea waves", template, seeded(seed))
            assert prompts.is_template(text)
            assert prompts.is_template(text.rstrip(",").capitalize() + ".")


def test_c30_no_phrase_of_ours_is_taken_for_a_template():
    said = [phrase for owner, labels in [(words, words.labels()), (synthesis, synthesis.EVENTS)]
            for label in labels for phrase in owner.phrases(label)]
    said += ["a dog barks before the rain", "first is a dog", "after hearing thunder, a dog barks"]
    assert [text for text in said if prompts.is_template(text)] == []


def test_c30_caption_that_is_a_template_already_is_flagged():
    caption = "after hearing the clear sound of rain, a dog\nbarks"
    with pytest.warns(match=r"C-TEMPLATE: 1 captions .*dog\\nbarks"):
        prompts.reprogram(caption, level("caption"), events(), 24_000, seeded())
    with pytest.warns(match="C-TEMPLATE: 2 captions are a template's sentence already"):
        pooled(1, captions=[DOG, caption, caption])


def test_c30_texts_made_here_give_no_warning(recwarn):
    assert len(list(drawn(2, 20))) > 0
    assert list(recwarn) == []


# ---- what callers may get wrong


def test_unknown_template_is_refused_with_the_twelve():
    with pytest.raises(ValueError, match="'X until &', expected one of .'before v q a n of &, X'"):
        prompts.compose(DOG, "rain", "X until &", seeded())


@pytest.mark.parametrize("samples, most, message", [
    (scenes.SHORTEST - 1, 2, "samples is 3199, expected 3200 or more"),
    (24_000, 5, "most is 5, expected 0 … 4"),
    (24_000, -1, "most is -1, expected 0 … 4"),
    (24_000, 4, "labels than the clip's are .'bell', 'cat', 'rain'., expected 4"),
])
def test_scene_without_room_or_events_is_refused(samples, most, message):
    with pytest.raises(ValueError, match=message):
        prompts.reprogram(DOG, level("caption"), events(), samples, seeded(), most)


def test_pool_whose_only_events_are_of_the_clips_own_label_is_refused():
    clips = [([DOG], tone("caption"), "rain")]
    with pytest.raises(ValueError, match="expected 1 labels or more"):
        prompts.pool(clips, events(names=["rain"]), 24_000, 1, seeded(), most=1)


def test_pool_without_clips_is_refused():
    with pytest.raises(ValueError, match="clips is empty"):
        prompts.pool([], events(), 24_000, 1, seeded())


def test_table_and_waves_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 rows for 1 waves"):
        prompts.database(pd.DataFrame({"label": ["dog", "cat"]}), [level("rain")])
