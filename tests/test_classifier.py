"""Networks that name sounds: they learn, they are disturbed, they come back from disk."""

import pandas as pd
import pytest
import torch

from maa import checkpoints, classifier, mel, training
from maa.errors import MaaError


def scenes(count, seed):
    """As many tones of 400 to 1200 Hz as hisses, of a quarter of a second, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(4096) / mel.RATE
    pitch = 400 + 800 * torch.rand(count, 1, generator=generator)
    tones = 0.3 * torch.sin(2 * torch.pi * pitch * time)
    hisses = 0.1 * torch.randn(count, len(time), generator=generator)
    return torch.cat([tones, hisses]), ["tone"] * count + ["hiss"] * count


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def named(network, waves):
    scores = classifier.apply(network, mel.log_mel(waves))
    return [network.names[place] for place in scores.argmax(1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("vgg")


@pytest.fixture(scope="module")
def trained(folder):
    return classifier.train(folder, *scenes(8, seed=0), network="vgg", steps=20, batch=8)


def test_twenty_steps_tell_tones_from_hisses_that_were_not_heard_before(trained):
    waves, labels = scenes(10, seed=1)
    right = [found == label for found, label in zip(named(trained, waves), labels)]
    assert sum(right) >= 18


def test_names_are_the_sorted_labels_and_the_network_is_in_eval_mode(trained):
    assert trained.names == ["hiss", "tone"]
    assert not trained.training


def test_the_judges_network_is_trained_without_touching_the_global_generator(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    network = classifier.train(tmp_path, *scenes(2, seed=0), network="resnet18", steps=2, batch=2)
    assert isinstance(network, classifier.ResNet18)
    assert torch.equal(torch.get_rng_state(), before)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log[log.name == "cross-entropy"].value.between(0, 10).all()


def test_a_loaded_network_has_the_weights_names_and_scores_of_the_saved_one(trained, tmp_path):
    classifier.save(trained, tmp_path / "new")
    loaded = classifier.load(tmp_path / "new")
    mels = mel.log_mel(scenes(3, seed=2)[0])
    found, wanted = classifier.apply(loaded, mels), classifier.apply(trained, mels)
    assert torch.allclose(found, wanted, atol=1e-5)  # another layout in memory, other last bits
    before, after = trained.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert loaded.names == trained.names and not loaded.training


@pytest.mark.parametrize("name", classifier.NETWORKS)
def test_each_kind_of_network_comes_back_as_the_same_kind(name, tmp_path):
    network = classifier.build(name, ["dog", "rain"])
    classifier.save(network, tmp_path)
    assert type(classifier.load(tmp_path)) is classifier.NETWORKS[name]


def test_the_ear_and_the_judge_are_different_networks():
    ear, judge = (classifier.build(name, ["dog", "rain", "bell"]).eval()
                  for name in ("vgg", "resnet18"))
    mels = mel.log_mel(scenes(1, seed=0)[0])
    assert ear.features(mels).shape == (2, 256) and judge.features(mels).shape == (2, 512)
    assert ear(mels).shape == judge(mels).shape == (2, 3)
    assert not set(ear.state_dict()) & set(judge.state_dict()) - {"head.weight", "head.bias"}


def test_stages_halve_the_mel_after_each_pair_of_convolutions():
    network = classifier.Vgg(2, widths=(4, 8, 16)).eval()
    shapes = [tuple(part.shape) for part in network.stages(torch.zeros(1, 1, 80, 16))]
    assert shapes == [(1, 4, 80, 16), (1, 8, 40, 8), (1, 16, 20, 4)]


def test_many_mels_in_batches_score_as_one_batch_does(trained):
    mels = mel.log_mel(scenes(4, seed=3)[0])
    whole = classifier.apply(trained, mels)
    assert torch.allclose(classifier.apply(trained, mels, batch=3), whole, atol=1e-5)
    assert not whole.requires_grad and whole.shape == (8, 2)


def test_sounds_that_are_not_mixed_stay_as_they_are():
    sounds = torch.arange(6.0).view(3, 2)
    found, share = classifier.mixed(sounds, 0.0, generator())
    assert torch.equal(found, sounds) and share.tolist() == [[1], [1], [1]]


def test_each_sound_is_added_to_its_partner_from_the_end_and_keeps_the_larger_share():
    sounds = torch.eye(5)  # sound k is 1 at moment k alone: a sum shows what is in it
    found, share = classifier.mixed(sounds, 1.0, generator())
    assert share.shape == (5, 1) and ((share >= 0.5) & (share <= 1)).all()
    assert torch.allclose(found, share * torch.eye(5) + (1 - share) * torch.eye(5).flip(0))
    assert found[2].tolist() == pytest.approx([0, 0, 1, 0, 0])  # the middle one is its own partner
    assert len(set(share.flatten().tolist())) == 5


def test_that_share_of_the_batches_is_mixed_and_one_generator_mixes_alike():
    whole = [classifier.mixed(torch.eye(2), 0.3, generator(seed))[1].min() == 1
             for seed in range(400)]
    assert 1 - sum(whole) / 400 == pytest.approx(0.3, abs=0.06)
    one, again, other = (classifier.mixed(torch.eye(4), 1.0, generator(seed))[1]
                         for seed in (3, 3, 4))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_mixed_scenes_carry_their_labels_in_proportion(tmp_path, monkeypatch):
    """With mixup 1 every target of two unlike labels is a share between 0.5 and 1 of its own."""
    _, mixed = batches(tmp_path / "mixed", monkeypatch, *scenes(4, seed=0), mixup=1.0)
    _, plain = batches(tmp_path / "plain", monkeypatch, *scenes(4, seed=0), mixup=0.0)
    assert set(plain.flatten().tolist()) == {0, 1}
    assert torch.allclose(mixed.sum(1), torch.ones(len(mixed)))
    inside = mixed[(mixed > 0) & (mixed < 1)]
    assert len(inside) > 20 and 0.2 < inside.std() < 0.35  # uniform in 0 … 0.5 and 0.5 … 1


def test_the_larger_share_is_that_of_the_louder_part(tmp_path, monkeypatch):
    waves, labels = scenes(4, seed=0)
    waves[4:] = 0  # of a tone and silence, the level tells the share of the tone
    mels, targets = batches(tmp_path, monkeypatch, waves, labels, mixup=1.0)
    share = targets[:, 1]
    heard = share > 0.1
    level = mels[heard].amax((1, 2, 3))
    assert (level > -2).float().mean() > 0.9  # where a tone has a share, it is heard
    assert torch.corrcoef(torch.stack([level, share[heard].log10()]))[0, 1] > 0.4


def test_only_a_moment_of_each_scene_is_heard_and_it_begins_anywhere(tmp_path, monkeypatch):
    waves, labels = torch.zeros(2, 4096), ["click", "none"]
    waves[0, 2000:2100] = 0.5  # in the middle of 16 frames
    mels, targets = batches(tmp_path, monkeypatch, waves, labels, mixup=0.0, frames=4)
    assert mels.shape == (64, 1, 80, 4)
    heard = (mels.amax((1, 2, 3)) > -2.5) & (mels.amax((1, 2, 3)) != mel.CENTRE)
    share = heard[targets[:, 0] == 1].float().mean()
    assert 0.1 < share < 0.7  # from the beginning of the scene it would be none of them


def batches(folder, monkeypatch, waves, labels, mixup, frames=None):
    """What train() draws in four batches: mels (64, 1, 80, 16), targets (64, classes)."""
    seen = []

    def look(folder, *, modules, batch, **options):
        seen.extend(batch(generator(n)) for n in range(4))
        return modules

    monkeypatch.setattr(training, "train", look)
    monkeypatch.setattr(training, "device", lambda: torch.device("cpu"))
    classifier.train(folder, waves, labels, network="vgg", steps=1, batch=16, mixup=mixup,
                     frames=frames)
    monkeypatch.undo()
    return torch.cat([one["mel"] for one in seen]), torch.cat([one["target"] for one in seen])


# ---- disturbed ----------------------------------------------------------------------------------

def test_disturbed_mels_keep_their_shape_and_the_floor_of_silence():
    silence = torch.full((6, 1, 80, 20), mel.SILENCE)
    found = classifier.disturbed(silence, generator())
    assert found.shape == silence.shape
    assert found.min() >= mel.SILENCE
    seen = found[found != mel.CENTRE]
    assert seen.max() <= mel.SILENCE + 0.3  # at most 6 dB louder


def test_a_mel_is_shifted_round_and_no_moment_of_it_is_lost():
    """Frame k holds -2 + k / 100: apart from the gain and what is hidden, steps are +1 or -19."""
    frames = torch.arange(20.0).expand(8, 1, 80, 20) / 100 - 2
    found = classifier.disturbed(frames.clone(), generator(1))
    steps = (found[..., 1:] - found[..., :-1])[:, 0]
    hidden = (found == mel.CENTRE)[:, 0]
    steps = steps[~(hidden[..., 1:] | hidden[..., :-1])] * 100
    assert set(steps.round().int().tolist()) == {1, -19}


def test_at_most_a_third_of_bands_and_of_moments_is_hidden():
    found = classifier.disturbed(torch.zeros(50, 1, 80, 60), generator(2)) == mel.CENTRE
    bands, moments = found.all(3).float().mean((1, 2)), found.all(2).float().mean((1, 2))
    assert 0 < bands.mean() and bands.max() < 0.36
    assert 0 < moments.mean() and moments.max() < 0.37


def test_the_same_generator_disturbs_in_the_same_way_and_leaves_its_input_alone():
    mels = mel.log_mel(scenes(2, seed=0)[0])
    before = mels.clone()
    first, again, other = (classifier.disturbed(mels, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(mels, before)


# ---- refusals -----------------------------------------------------------------------------------


def test_an_unknown_network_is_refused_with_the_known_ones(tmp_path):
    known = "'melception', 'resnet18', 'vgg'"
    with pytest.raises(ValueError, match=f"'vgg19' is unknown, expected .* .{known}"):
        classifier.build("vgg19", ["dog"])
    with pytest.raises(ValueError, match="'vgg19' is unknown"):
        classifier.train(tmp_path / "none", *scenes(1, seed=0), network="vgg19", steps=1)
    assert not (tmp_path / "none").exists()


def test_a_resume_with_other_labels_is_refused(trained, folder):
    waves, labels = scenes(8, seed=0)
    assert checkpoints.newest(folder)
    with pytest.raises(MaaError, match="T-SETTINGS.*labels is .'hiss', 'whistle'."):
        classifier.train(folder, waves, [label.replace("tone", "whistle") for label in labels],
                         network="vgg", steps=20, batch=8)
