"""Scenes: filled to the sample, joined without a jump, and described in the order heard."""

import numpy as np
import pandas as pd
import pytest
import torch

from maa import mel, scenes, words

LONG, SHORT = 24_000, 8_000  # samples: 1.5 s, which needs no pause after it, and 0.5 s


def level(value, samples=LONG):
    """A clip that can be recognised wherever it is heard: its every sample is `value`."""
    return np.full(samples, value, np.float32)


def table(labels, captions=None):
    return pd.DataFrame({"label": labels, "caption": captions or [None] * len(labels)})


def dogs_and_rain():
    """Dogs are positive, rain is negative, whatever gain a scene gives them."""
    waves = [level(0.3), level(0.2), level(-0.3), level(-0.2)]
    return waves, table(["dog", "dog", "rain", "rain"])


def drawn(count=50, seed=0, **options):
    made, heard = scenes.draw(
        *dogs_and_rain(), 2.0, count, np.random.default_rng(seed), **options)
    return made[:], heard


def test_mels_of_scenes_are_those_of_the_same_scenes():
    made = scenes.alone([level(0.2), level(0.1, SHORT)], 2.0)
    found = made.mels(100)
    assert found.shape == (2, 1, 80, 100)
    assert torch.allclose(found[:], mel.log_mel(made[:])[..., :100], atol=1e-5)


def test_two_processes_have_all_scenes_and_words_between_them(monkeypatch):
    whole, told = scenes.draw(*dogs_and_rain(), 2.0, 7, np.random.default_rng(0))
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        part, heard = scenes.draw(*dogs_and_rain(), 2.0, 7, np.random.default_rng(0))
        assert torch.equal(part[:], whole[:][rank::2]) and heard == told[rank::2]


@pytest.mark.parametrize("length", [1, 100, 639, 5_000, 40_000, 90_000])
def test_scene_is_full_to_the_sample_whatever_the_length_of_its_clip(length):
    scene = scenes.fill([level(0.5, length)], 40_000, np.random.default_rng(0))
    assert scene.shape == (40_000,)
    assert scene.dtype == np.float32
    assert np.abs(scene).max() == 0.5
    assert np.abs(scene[-mel.RATE :]).max() > 0


def test_seam_between_long_clips_keeps_the_level():
    scene = scenes.fill([level(0.5)], 60_000, np.random.default_rng(0))
    assert np.abs(scene - 0.5).max() < 1e-6


def test_short_clips_are_set_apart_by_a_pause_of_less_than_a_second():
    scene = scenes.fill([level(0.5, SHORT)], 80_000, np.random.default_rng(0))
    edges = np.flatnonzero(np.diff((scene == 0).astype(int)))
    pauses = np.diff(edges)[::2] / mel.RATE
    assert len(pauses) >= 4
    assert pauses.min() > 0.05
    assert pauses.max() < 0.7


def test_clips_give_way_to_each_other_without_a_jump():
    scene = scenes.fill([level(1.0, SHORT), level(-1.0, LONG)], 80_000, np.random.default_rng(0))
    assert np.abs(np.diff(scene)).max() < 2.1 / scenes.FADE


def test_long_clips_give_way_over_a_third_of_a_second():
    scene = scenes.fill([level(1.0), level(-1.0)], 60_000, np.random.default_rng(0))
    assert np.abs(np.diff(scene)).max() < 2.1 / scenes.BLEND


def test_clips_are_taken_in_order_and_from_the_start_again():
    levels = [0.2, 0.4, 0.6]
    scene = scenes.fill([level(x) for x in levels], 5 * LONG, np.random.default_rng(0))
    middles = [turn * (LONG - scenes.BLEND) + LONG // 2 for turn in range(5)]
    assert scene[middles] == pytest.approx([0.2, 0.4, 0.6, 0.2, 0.4])


def test_clips_given_are_left_as_they_were():
    clip = level(0.5, SHORT)
    scenes.fill([clip], 40_000, np.random.default_rng(0))
    assert (clip == 0.5).all()


def test_each_clip_alone_fills_a_scene_of_its_own():
    found = scenes.of_clips([level(0.2), level(-0.4)], 2.5)
    assert found.shape == (2, 40_000)
    assert torch.allclose(found, torch.tensor([[0.2], [-0.4]]).expand(2, 40_000))
    short = [level(0.2, SHORT)]
    assert torch.equal(scenes.of_clips(short, 4.0, seed=1), scenes.of_clips(short, 4.0, seed=1))
    assert not torch.equal(scenes.of_clips(short, 4.0, seed=1), scenes.of_clips(short, 4.0, seed=2))


def test_same_seed_draws_the_same_scenes_and_words():
    (first, heard), (again, heard_again) = drawn(seed=3), drawn(seed=3)
    assert torch.equal(first, again)
    assert heard == heard_again
    assert not torch.equal(first, drawn(seed=4)[0])


def test_two_events_are_heard_in_the_order_said():
    found, heard = drawn(two_events=1.0)
    signs = {"dog": 1, "rain": -1}
    for scene, ((first, _), (second, _)) in zip(found.numpy(), heard):
        assert {first, second} == {"dog", "rain"}
        change = np.flatnonzero(np.sign(scene) == signs[second])[0]
        assert 0.4 <= change / len(scene) <= 0.6
        assert (np.sign(scene[:change]) == signs[first]).all()
        assert (np.sign(scene[change:]) == signs[second]).all()


def test_captions_of_two_events_name_the_first_before_the_second():
    heard = drawn(two_events=1.0)[1]
    for parts, texts in zip(heard, scenes.captions(heard, 4, np.random.default_rng(0))):
        assert len(texts) == 4
        for text in texts:
            first, second = (
                [text.find(p) for p in words.phrases(label) if p in text] for label, _ in parts)
            assert max(first) < min(second)


def test_share_of_two_events_is_the_one_asked_for():
    parts = [len(x) for x in drawn(count=400, two_events=0.25)[1]]
    assert np.mean(np.array(parts) == 2) == pytest.approx(0.25, abs=0.06)
    assert {len(x) for x in drawn(two_events=0.0)[1]} == {1}


def test_labels_are_drawn_equally_often_however_many_clips_they_have():
    waves, labels = [level(0.3)] * 10, ["dog"] * 9 + ["rain"]
    heard = scenes.draw(waves, table(labels), 0.1, 400, np.random.default_rng(0), two_events=0)[1]
    assert np.mean([x == "dog" for x in scenes.labels(heard)]) == pytest.approx(0.5, abs=0.07)


def test_one_label_alone_never_makes_two_events():
    heard = scenes.draw([level(0.3)], table(["dog"]), 1.0, 20, np.random.default_rng(0),
                        two_events=1.0)[1]
    assert scenes.labels(heard) == ["dog"] * 20
    assert {len(parts) for parts in heard} == {1}


def test_words_of_a_clip_are_kept_only_where_that_clip_is_the_one_heard():
    waves, rows = [level(0.3), level(-0.3)], table(["dog"] * 2, ["a plus", "a minus"])
    alone, heard = scenes.draw(waves, rows, 1.0, 30, np.random.default_rng(0), joined=0)
    said = ["a plus" if scene.mean() > 0 else "a minus" for scene in alone]
    assert [parts[0][1] for parts in heard] == said
    assert len(set(said)) == 2
    joined = scenes.draw(waves, rows, 1.0, 30, np.random.default_rng(0), joined=1.0)[1]
    assert {parts for parts in joined} == {(("dog", None),)}


def test_captions_use_a_clips_own_words_half_of_the_time():
    texts = scenes.captions([(("dog", "a puppy yaps"),)], 2000, np.random.default_rng(0))[0]
    assert np.mean([text == "a puppy yaps" for text in texts]) == pytest.approx(0.5, abs=0.05)
    assert set(texts) == {"a puppy yaps", *words.phrases("dog")}


def test_a_clip_is_up_to_six_decibels_quieter_and_never_louder():
    generator = np.random.default_rng(0)
    gains = [scenes.varied(level(-0.9, 4), generator)[0] / -0.9 for _ in range(300)]
    decibels = 20 * np.log10(gains)
    assert -6 <= decibels.min() < -5.5
    assert -0.5 < decibels.max() <= 1e-6
    assert decibels.mean() == pytest.approx(-3, abs=0.3)  # every level equally often


@pytest.mark.parametrize("samples, moved", [(SHORT, False), (2 * LONG, True)])
def test_only_a_long_clip_is_started_elsewhere(samples, moved):
    ramp = np.linspace(0.01, 0.4, samples, dtype=np.float32)
    found = scenes.varied(ramp, np.random.default_rng(0))
    assert (found.argmax() != samples - 1) == moved
    assert np.sort(found) / found.max() == pytest.approx(ramp / ramp.max(), abs=1e-5)


def test_scenes_by_recording_hold_one_recording_each_and_need_no_label():
    clips_table = table(["dog", "dog", ""]).assign(source_id=["a", "a", "b"])
    _, heard = scenes.draw([level(0.1), level(0.2), level(0.3)],
                           scenes.by_recording(clips_table), 2.0,
                           200, np.random.default_rng(0), two_events=0.0)
    found = scenes.labels(heard)
    assert set(found) == {"a", "b"} and 70 < found.count("b") < 130


def test_drawing_compares_recordings_a_few_times_each_however_many_there_are():
    compared = []

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

    count = 500
    names = pd.Series([Name(number) for number in range(count)], dtype=object)
    scenes.draw([level(0.1)] * count, table(names), 2.0, 1, np.random.default_rng(0))
    assert len(compared) < 20 * count


def test_of_a_label_without_phrases_clips_without_words_alone_say_its_name():
    heard = [(("Sea_Lion", "a sea lion calls"),), (("Sea_Lion", None),)]
    said = scenes.captions(heard, 20, np.random.default_rng(0))
    assert {*said[0]} == {"a sea lion calls"} and {*said[1]} == {"sea lion"}


def test_clips_are_drawn_equally_often_if_labels_are_not():
    waves = [level(0.1) for _ in range(10)]
    _, heard = scenes.draw(waves, table(["dog"] * 9 + ["rain"]), 1.0, 2000,
                           np.random.default_rng(0), two_events=0.0, evenly=False)
    share = np.mean([parts[0][0] == "rain" for parts in heard])
    assert share == pytest.approx(0.1, abs=0.03)


def test_moments_are_pieces_of_scenes_and_reach_both_ends():
    pool = torch.arange(20, dtype=torch.float16).view(2, 10)
    found = scenes.moments(pool, 500, 8, torch.Generator().manual_seed(0))
    assert found.dtype == torch.float32
    assert torch.equal(found, found[:, :1] + torch.arange(8))
    assert sorted(set(found[:, 0].tolist())) == [0, 1, 2, 10, 11, 12]
    whole = scenes.moments(pool, 5, 10, torch.Generator().manual_seed(0))
    assert set(whole[:, 0].tolist()) == {0, 10}


# ---- joined: other sounds one after another


@pytest.mark.parametrize("samples", [scenes.SHORTEST, 3_201, 40_960, 159_744])
@pytest.mark.parametrize("length", [100, 1_600, 8_000, 50_000])
def test_joined_sounds_fill_the_scene_to_the_sample(samples, length):
    waves = [level(value, length) for value in (-0.5, 0.5, 0.25)]
    scene = scenes.join(waves, samples, np.random.default_rng(0))
    assert (scene.shape, scene.dtype) == ((samples,), np.float32)
    assert np.abs(scene).max() <= 0.5
    assert np.abs(scene[-mel.RATE :]).max() > 0


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5])
def test_no_sound_gets_less_than_a_fifth_of_the_time(parts):
    for seed in range(50):
        lengths = np.diff(scenes.cuts(parts, 40_963, np.random.default_rng(seed)))
        assert lengths.sum() == 40_963
        assert lengths.min() >= 40_963 / 5 - (parts == 5) * 5  # no room for rounding up five times


def test_five_sounds_share_the_time_evenly_and_two_at_random():
    assert scenes.cuts(5, 3200, np.random.default_rng(0)) == [0, 640, 1280, 1920, 2560, 3200]
    first = [scenes.cuts(2, 1000, np.random.default_rng(seed))[1] for seed in range(300)]
    assert min(first) < 230 and max(first) > 770  # 200 … 800
    assert np.mean(first) == pytest.approx(500, abs=30)


def test_sounds_give_way_to_each_other_without_a_click():
    scene = scenes.join([level(0.5), level(-0.5), level(0.5)], 40_000, np.random.default_rng(0))
    assert np.abs(np.diff(scene)).max() < 1.1 / scenes.FADE
    assert scene[0] == scene[-1] == 0.5


def test_seam_between_equal_levels_keeps_the_level():
    scene = scenes.join([level(0.5)] * 3, 40_000, np.random.default_rng(0))
    assert np.abs(scene - 0.5).max() < 1e-6


def test_a_rare_sound_in_a_long_clip_is_heard_in_its_part():
    clip = np.zeros(160_000, np.float32)
    clip[100_000:101_600] = 0.5  # one bark of 0.1 s in ten seconds
    for seed in range(20):
        scene = scenes.join([clip, level(-0.5), clip], 24_000, np.random.default_rng(seed))
        edges = np.flatnonzero(scene < -0.4)[[0, -1]]
        assert (scene[: edges[0]] > 0.4).sum() > 400
        assert (scene[edges[1] :] > 0.4).sum() > 400


def test_waves_joined_are_left_as_they_were():
    waves = [level(0.5), level(-0.5, 500)]
    scenes.join(waves, 24_000, np.random.default_rng(0))
    assert (waves[0] == 0.5).all() and (waves[1] == -0.5).all()


@pytest.mark.parametrize("wave", [np.zeros((1, 8)), np.zeros(0), np.float32(1)])
def test_wave_that_is_no_single_sound_is_not_joined(wave):
    with pytest.raises(ValueError, match="is it a batch"):
        scenes.join([wave], 24_000, np.random.default_rng(0))
