"""maa.synthesis: every event sounds, says what it is, and is told apart from the others."""

import functools
import re

import numpy as np
import pytest

import measured
from maa import synthesis

LABELS = sorted(synthesis.EVENTS)
SMALL_WORDS = set("a an the of in on at from with that who and it its someone's before by".split())


@functools.cache
def clips(label, seconds, count, seed):
    generator = np.random.default_rng(seed)
    return [synthesis.make(label, seconds, generator)[0] for _ in range(count)]


def content(phrase):
    return set(re.findall(r"[a-z'-]+", phrase.lower())) - SMALL_WORDS


def test_there_are_at_least_eighteen_events():
    assert len(LABELS) >= 18


@pytest.mark.parametrize("label", LABELS)
def test_a_sound_has_its_length_and_peak_and_is_neither_silent_nor_clipped(label):
    for seconds in (1.0, 2.56, 10.0):
        (wave,) = clips(label, seconds, 1, 3)
        assert wave.dtype == np.float32 and wave.shape == (round(seconds * 16_000),)
        assert np.isfinite(wave).all()
        assert np.max(np.abs(wave)) == pytest.approx(0.95, abs=1e-4)
        assert np.mean(np.abs(wave) > 0.94) < 0.002
        assert np.sqrt(np.mean(wave**2)) > 0.01


@pytest.mark.parametrize("label", LABELS)
def test_a_sound_starts_and_ends_without_a_click(label):
    (wave,) = clips(label, 2.56, 1, 3)
    assert wave[0] == 0 and wave[-1] == 0
    assert np.max(np.abs(wave[-8:])) < 0.01


def test_a_long_sound_is_heard_in_its_second_half_too():
    for label in LABELS:
        (wave,) = clips(label, 10.0, 1, 3)
        assert np.max(np.abs(wave[len(wave) // 2 :])) > 0.1, label


def test_the_same_generator_state_gives_the_same_sound_and_caption():
    one = synthesis.make("dog", 1.5, np.random.default_rng(7))
    two = synthesis.make("dog", 1.5, np.random.default_rng(7))
    other = synthesis.make("dog", 1.5, np.random.default_rng(8))
    assert np.array_equal(one[0], two[0]) and one[1] == two[1]
    assert not np.array_equal(one[0], other[0])


def test_a_higher_rate_gives_more_samples_of_the_same_kind():
    wave, _ = synthesis.make("church_bells", 1, np.random.default_rng(0), rate=44_100)
    assert wave.shape == (44_100,)


def test_captions_are_wordings_of_the_event_with_one_of_its_words():
    for label in ("clock_alarm", "door_wood_knock"):
        event = synthesis.EVENTS[label]
        possible = {w.format(said) for w in event.captions for said in event.words.values()}
        generator = np.random.default_rng(1)
        heard = {synthesis.make(label, 1, generator)[1] for _ in range(20)}
        assert heard <= possible and len(heard) >= 5


def test_every_event_has_words_and_phrases_enough():
    for label, event in synthesis.EVENTS.items():
        assert len(event.words) >= 2 and len(set(event.words.values())) == len(event.words), label
        assert len(event.captions) >= 3 and all("{}" in w for w in event.captions), label


def test_evaluation_phrases_are_other_phrases_that_share_a_word():
    for label in LABELS:
        train, evaluation = synthesis.phrases(label), synthesis.phrases(label, "evaluation")
        known = set().union(*map(content, train))
        captions = {
            wording.format(said)
            for wording in synthesis.EVENTS[label].captions
            for said in synthesis.EVENTS[label].words.values()
        }
        assert len(train) >= 3 and len(evaluation) >= 3
        assert not set(evaluation) & (set(train) | captions), label
        assert all(content(phrase) & known for phrase in evaluation), label


def test_no_phrase_belongs_to_two_events():
    said = [p for label in LABELS for use in synthesis.USES for p in synthesis.phrases(label, use)]
    assert len(said) == len(set(said))


def test_phrases_without_parameter_words_say_none():
    for label in LABELS:
        words = {word for word in synthesis.EVENTS[label].words if word}
        said = synthesis.phrases(label) + synthesis.phrases(label, "evaluation")
        assert not [p for p in said if words & content(p)], label


def test_events_are_told_apart_by_their_spectra():
    known = {label: np.stack([measured.bands(w) for w in clips(label, 1.28, 9, 21)])
             for label in LABELS}
    within = np.concatenate([rows - rows.mean(0) for rows in known.values()])
    scale = within.std(0) + 1e-6
    centres = np.stack([rows.mean(0) for rows in known.values()]) / scale
    inverse = np.linalg.inv(np.cov((within / scale).T) + 0.3 * np.eye(len(scale)))
    named = []
    for place, label in enumerate(LABELS):
        for wave in clips(label, 1.28, 3, 22):
            away = centres - measured.bands(wave) / scale
            named.append(np.argmin(np.sum(away @ inverse * away, axis=1)) == place)
    assert np.mean(named) > 0.9


def test_unknown_label_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'unicorn', expected one of .*clock_tick, .*dog, "):
        synthesis.make("unicorn", 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="'unicorn', expected one of"):
        synthesis.phrases("unicorn")


def test_unknown_use_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'test', expected one of train, evaluation"):
        synthesis.phrases("dog", "test")


@pytest.mark.parametrize("seconds", [0.5, -1, float("nan"), float("inf")])
def test_a_clip_too_short_for_an_event_is_refused(seconds):
    with pytest.raises(ValueError, match="expected 1 or more"):
        synthesis.make("dog", seconds, np.random.default_rng(0))


def test_a_rate_too_low_for_birds_is_refused():
    with pytest.raises(ValueError, match="rate is 8000, expected 16000 or more"):
        synthesis.make("dog", 2, np.random.default_rng(0), rate=8000)
