"""What is brought before the judge: noise of a known level, equal counts, shares that sum to 1."""

import made_sounds
import numpy as np
import pytest
import torch

from maa import judging, mel, sounds, vocoder


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


def test_sets_of_different_lengths_are_cut_to_one_and_too_short_ones_are_refused():
    """S14."""
    long, short = tones(300, seconds=0.5), tones(300, seconds=0.25)
    assert judging.mels_of(long, 15).shape == judging.mels_of(short, 15).shape == (1, 1, 80, 15)
    with pytest.raises(ValueError, match="have 4000 samples, 15 frames, expected 16 frames"):
        judging.mels_of(short, 16)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_sounds_of_different_rates_are_one_sound_before_the_judge(tmp_path, rate):
    """S14: files are read at 16 kHz; taken as it is, the sound would be another."""
    heard = []
    for own in (rate, mel.RATE):
        wave = made_sounds.tone(1.0, own, hertz=1000)
        (tmp_path / "a.wav").write_bytes(made_sounds.encoded(wave, rate=own))
        heard.append(torch.from_numpy(sounds.read(tmp_path / "a.wav")))
    one, other = (judging.mels_of(wave[None], 62)[0, 0] for wave in heard)
    loudest = [int(part.mean(1).argmax()) for part in (one, other)]
    assert loudest[0] == loudest[1] == int((mel.band_centres() - 1000).abs().argmin())
    assert (one - other)[loudest[0]].abs().mean() < 0.02


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


def test_nothing_is_remembered_of_a_sound_or_of_a_judge_that_has_changed(tmp_path, monkeypatch):
    """S16: there is no store of features that could go stale, in memory or on disk."""
    monkeypatch.chdir(tmp_path)
    judge, mels = Ear(), levels(0.0, -4)
    before = judging.features(judge, mels)
    mels[1] = -1  # the same tensor with another sound
    after = judging.features(judge, mels)
    assert np.array_equal(before[0], after[0]) and after[1] == pytest.approx(-1)
    judge.features = lambda mels: 2 * mels.mean((1, 3))
    assert judging.features(judge, mels) == pytest.approx(2 * after)
    assert list(tmp_path.iterdir()) == []


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
