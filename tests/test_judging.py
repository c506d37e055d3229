"""What is brought before the judge: noise of a known level, equal counts, shares that sum to 1."""

import types

import numpy as np
import pytest
import torch

from maa import judging, mel, vocoder


class Ear(torch.nn.Module):
    """A judge that calls a mel above -2.5 "loud", and one below it "quiet"."""

    names = ["loud", "quiet", "silent"]

    def forward(self, mels):
        level = mels.mean((1, 2, 3))
        return torch.stack([level, -5 - level, torch.full_like(level, -9)], 1)

    def features(self, mels):
        return mels.mean((1, 3))


def tones(*pitches, seconds=0.5):
    time = torch.arange(round(seconds * mel.RATE)) / mel.RATE
    return torch.stack([0.3 * torch.sin(2 * torch.pi * pitch * time) for pitch in pitches])


def levels(*values):
    """Flat mels of these levels: (clips, 1, 80, 8)."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 80, 8).clone()


# ---- sounds -------------------------------------------------------------------------------------

@pytest.mark.parametrize("decibels", [-40, -20, 0, 6])
def test_noise_is_as_loud_as_asked_beside_each_wave(decibels):
    waves = tones(500, 1000, 2000, seconds=2) * torch.tensor([[1.0], [0.1], [0.01]])
    noise = judging.noisy(waves, decibels) - waves
    found = 10 * torch.log10(noise.square().mean(1) / waves.square().mean(1))
    assert found.tolist() == pytest.approx([decibels] * 3, abs=0.2)


def test_noise_is_the_same_for_a_seed_and_silence_stays_silent():
    waves = tones(500)
    assert torch.equal(judging.noisy(waves, -20), judging.noisy(waves, -20))
    assert not torch.equal(judging.noisy(waves, -20), judging.noisy(waves, -20, seed=1))
    assert not judging.noisy(torch.zeros(1, 1000), 0).any()


def test_mels_of_many_waves_are_those_of_each_and_as_long_as_asked():
    waves = tones(300, 600, 900, 1200, 1500)
    found = judging.mels_of(waves, 24, batch=2)
    assert found.shape == (5, 1, 80, 24)
    assert torch.allclose(found, mel.log_mel(waves)[..., :24], atol=1e-4)


def test_a_vocoded_tone_is_still_loudest_in_its_band():
    mels = judging.mels_of(tones(500, 2000, 4000), 24)
    found = judging.vocoded(vocoder.build("griffin_lim", iterations=4), mels, batch=2)
    assert found.shape == mels.shape
    loudest = mels.mean((1, 3)).argmax(1) - found.mean((1, 3)).argmax(1)
    assert loudest.abs().max() <= 1


# ---- the judge's words --------------------------------------------------------------------------

def test_hits_are_one_where_the_judge_names_the_label():
    found = judging.hits(Ear(), levels(0.0, -1, -4, -5), ["loud", "quiet", "loud", "quiet"])
    assert found.tolist() == [1, 0, 0, 1]


def test_each_row_of_a_confusion_sums_to_one_and_every_name_has_a_column():
    labels = ["loud", "loud", "loud", "loud", "silent", "silent"]
    table = judging.confusion(Ear(), levels(0.0, -1, -2, -4, -4, -5), labels)
    assert list(table.columns) == Ear.names and list(table.index) == ["loud", "silent"]
    assert table.to_numpy().tolist() == [[0.75, 0.25, 0], [0, 1, 0]]
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])


def test_the_diagonal_of_a_confusion_is_the_mean_of_the_hits():
    mels, labels = levels(0.0, -1, -4, -3, -5), ["loud", "loud", "loud", "quiet", "quiet"]
    table = judging.confusion(Ear(), mels, labels)
    hits = judging.hits(Ear(), mels, labels)
    assert table.loc["loud", "loud"] == pytest.approx(hits[:3].mean())
    assert table.loc["quiet", "quiet"] == pytest.approx(hits[3:].mean())


def test_features_are_what_the_judge_sees_before_it_decides():
    mels = levels(0.0, -4)
    found = judging.features(Ear(), mels)
    assert found.shape == (2, 80)
    assert found == pytest.approx(mels[:, 0, :, 0].numpy())


def test_a_label_that_the_judge_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"labels \['dog'\] are not among the classifier's"):
        judging.hits(Ear(), levels(0.0, -1), ["loud", "dog"])


# ---- distances ----------------------------------------------------------------------------------

def test_distance_is_drawn_from_as_many_clips_of_each_and_fixed_by_its_seed():
    generator = np.random.default_rng(0)
    real, made = generator.normal(size=(60, 3)), generator.normal(size=(25, 3)) + 2
    found = judging.fid(real, made, 20)
    assert found == judging.fid(real, made, 20)
    assert abs(found - judging.fid(real, made, 20, seed=1)) > 0.01  # other clips were drawn
    assert 6 < found < 20  # a shift of 2 in 3 dimensions is 12
    assert judging.fid(real, real[::-1], 60) == pytest.approx(0, abs=1e-9)


def test_more_noise_is_further_from_the_real_sounds():
    waves = tones(*range(300, 2700, 100), seconds=0.25)
    real = judging.features(Ear(), judging.mels_of(waves, 8))
    found = [judging.fid(judging.features(Ear(), judging.mels_of(
        judging.noisy(waves, decibels), 8)), real, len(waves)) for decibels in (-40, -20, 0)]
    assert found == sorted(found) and found[2] > 2 * found[0]


@pytest.mark.parametrize("real, made", [(9, 30), (30, 9)])
def test_a_distance_of_too_few_clips_is_refused(real, made):
    with pytest.raises(ValueError, match=f"{real} and {made} clips, expected 10 or more of each"):
        judging.fid(np.zeros((real, 2)), np.zeros((made, 2)), 10)


# ---- speed --------------------------------------------------------------------------------------

@pytest.mark.parametrize("number, reached", [
    (1, 1), (1.99, 1), (2, 2), (4.9, 2), (5, 5), (9.99, 5), (10, 10), (19.9, 10), (99, 50),
    (100, 100), (1000, 1000), (3456, 2000), (0.99, 0.5), (0.5, 0.5), (0.3, 0.2), (0.2, 0.2),
    (0.1, 0.1), (0.04, 0.02)])
def test_speed_is_rounded_down_to_one_two_or_five(number, reached):
    assert judging.rounded_down(number) == pytest.approx(reached, rel=1e-12)


def test_speed_is_seconds_of_sound_a_second_on_the_threads_asked_for(monkeypatch):
    seen, before = [], torch.get_num_threads()

    class Voice(torch.nn.Module):
        def forward(self, mels):
            seen.append((tuple(mels.shape), torch.get_num_threads()))

    clock = iter([100.0, 100.25])
    monkeypatch.setattr(judging, "time", types.SimpleNamespace(perf_counter=clock.__next__))
    mels = torch.zeros(3, 1, 80, 125)  # 6 s of sound in 0.25 s: 24 times
    assert judging.speed(Voice(), mels, threads=before + 1) == 20
    assert seen == [((1, 1, 80, 125), before + 1)] * 4  # the first twice, once unmeasured
    assert torch.get_num_threads() == before
