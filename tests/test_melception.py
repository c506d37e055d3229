"""Melception: InceptionV3 for mels, trained here or read strictly from the published file."""

import shutil

import numpy as np
import pytest
import torch
import torchvision

from maa import checkpoints, classifier, mel, melception, training, untrusted
from maa.errors import MaaError

BANDS = torch.arange(80) / 80


@pytest.fixture(scope="module")
def network():
    """At random, but with statistics of batches, without which hardly a sound reaches its end."""
    with training.seeded(0):
        network = classifier.build("melception", [str(n) for n in range(309)])
    network.body.apply(lambda part: setattr(part, "momentum", 1.0))
    with torch.no_grad():
        network(mels(8))
    return network.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One place for all checkpoints of this file, 90 MB each: written over, at the end removed."""
    path = tmp_path_factory.mktemp("published")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def theirs(network):
    """The weights by the names that the published checkpoint uses, with a second head."""
    renamed = {key.removeprefix("body.").replace("head.", "fc."): value
               for key, value in network.state_dict().items()}
    return renamed | {"AuxLogits.fc.weight": torch.zeros(309, 768)}


def published(weights):
    """A checkpoint as SpecVQGAN writes it: validation scores are numpy's numbers."""
    return {"loss": 2.5, "metrics": {"mAP": np.float64(0.3), "accuracy_1": np.float32(0.4)},
            "epoch": 7, "optimizer": {"state": {}, "param_groups": []}, "model": weights}


def write(folder, content, **options):
    torch.save(content, folder / "melception.pt", **options)
    return folder / "melception.pt"


def mels(clips=2, frames=40, seed=0):
    return torch.randn(clips, 1, 80, frames, generator=torch.Generator().manual_seed(seed)) - 2.5


def seen(network, clips):
    with torch.inference_mode():
        return network(clips)


# ---- the network --------------------------------------------------------------------------------

def test_each_clip_has_2048_features_and_a_score_for_each_class(network):
    with torch.no_grad():
        features = network.features(mels())
        assert torch.equal(network.head(features), network(mels()))
    assert features.shape == (2, 2048) and network(mels()).shape == (2, 309)


def test_clips_do_not_see_each_other(network):
    both = seen(network, mels())
    alone = torch.cat([seen(network, clip[None]) for clip in mels()])
    assert torch.allclose(both, alone, atol=2e-4)
    assert (both[0] - both[1]).abs().max() > 0.1


def test_without_pools_the_paper_s_848_frames_end_in_8_rows_of_104_columns():
    """Halved by the first layer, Mixed_6a and Mixed_7a only; by hand: (848 − 3) // 2 + 1 = 423."""
    with torch.device("meta"):
        network = melception.Melception(309).eval()
    shapes = {}
    for name in ("Conv2d_1a_3x3", "Mixed_5b", "Mixed_6a", "Mixed_7a"):
        getattr(network.body, name).register_forward_hook(
            lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    assert network(torch.zeros(1, 1, 80, 848, device="meta")).shape == (1, 309)
    assert shapes == {"Conv2d_1a_3x3": (32, 39, 423), "Mixed_5b": (256, 35, 419),
                      "Mixed_6a": (768, 17, 209), "Mixed_7a": (1280, 8, 104)}


def test_it_has_inception_s_weights_but_for_two_channels_of_colour():
    with torch.device("meta"):
        ours = melception.Melception(309)
        whole = torchvision.models.Inception3(309, aux_logits=False, init_weights=False)
    count, known = (sum(p.numel() for p in part.parameters()) for part in (ours, whole))
    assert count == known - 2 * 32 * 3 * 3 == 22_418_133


def test_bands_are_standardised_by_their_own_statistics_where_they_are_given(network):
    """With mean m and deviation s, a clip m + s z is seen as CENTRE + SPREAD z is without."""
    own = melception.Melception(309, mean=(BANDS - 3).tolist(), std=(BANDS + 1).tolist()).eval()
    own.load_state_dict(network.state_dict())
    noise = (mels() - mel.CENTRE) / mel.SPREAD
    stated = (BANDS - 3)[:, None] + (BANDS + 1)[:, None] * noise
    plain = mel.CENTRE + mel.SPREAD * noise
    assert torch.allclose(seen(own, stated), seen(network, plain), atol=2e-4)
    assert (seen(own, plain) - seen(network, plain)).abs().max() > 0.1


def test_statistics_come_back_from_disk_with_the_network(folder):
    mean, std = (BANDS - 3).tolist(), (BANDS + 1).tolist()
    made = classifier.build("melception", ["dog", "rain"], mean=mean, std=std).eval()
    classifier.save(made, folder)
    assert torch.allclose(seen(classifier.load(folder), mels()), seen(made, mels()), atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 80, 40), (2, 1, 64, 40), (2, 3, 80, 40), (2, 1, 80, 22)])
def test_mels_of_another_shape_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"expected \(clips, 1, 80, frames\) with 23 frames or mo"):
        network.features(torch.zeros(shape))


def test_23_frames_are_enough(network):
    assert seen(network, mels(1, 23)).shape == (1, 309)


@pytest.mark.parametrize("mean, std, words", [
    ([0.0] * 79, [1.0] * 79, r"statistics have shape \(79,\), expected 80 finite numbers"),
    ([float("nan")] * 80, [1.0] * 80, "expected 80 finite numbers, one a band"),
    ([0.0] * 80, [1.0] * 79 + [0.0], "std is 0 in a band, expected more than 0"),
    ([0.0] * 80, None, "mean and std come together")])
def test_statistics_that_are_none_are_refused(mean, std, words):
    with pytest.raises(ValueError, match=words):
        melception.Melception(2, mean=mean, std=std)


# ---- training -----------------------------------------------------------------------------------

def test_the_loss_of_one_batch_falls():
    with training.seeded(0):
        network = melception.Melception(2)
    network.body.dropout.p = 0.0
    optimizer = torch.optim.AdamW(network.parameters(), 0.0003)
    clips, targets, losses = mels(4, 24), torch.tensor([0, 1, 0, 1]), []
    for _ in range(3):
        losses.append(torch.nn.functional.cross_entropy(network(clips), targets))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.2 * losses[0]


def test_the_trainer_of_classifiers_trains_it_twice_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "write", lambda *anything: None)  # 350 MB
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(4, 24 * mel.HOP, generator=generator)
    first, again = (classifier.train(
        tmp_path / str(run), waves, ["dog", "rain"] * 2, network="melception", steps=2, batch=2)
        for run in range(2))
    before = classifier.build("melception", ["dog", "rain"]).head.weight
    assert type(first) is melception.Melception and first.names == ["dog", "rain"]
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not first.training and not torch.equal(first.head.weight, before)


# ---- the published one --------------------------------------------------------------------------

@pytest.mark.parametrize("form", [
    published, lambda weights: {"state_dict": weights}, lambda weights: weights,
    lambda weights: published({f"module.{key}": value for key, value in weights.items()})])
def test_a_published_checkpoint_gives_the_network_that_was_written(network, theirs, folder, form):
    """Statistics of ours, and mels within what its own 0 … 1 can tell apart: the same scores."""
    centre, spread = [mel.CENTRE] * 80, [mel.SPREAD] * 80
    found = melception.load_published(write(folder, form(theirs)), centre, spread)
    assert torch.allclose(seen(found, mels().clamp(-4, 1)), seen(network, mels().clamp(-4, 1)),
                          atol=2e-4)
    assert not found.training and found.names[308] == "308"


def test_what_the_published_network_could_not_tell_apart_it_does_not_tell_apart(theirs, folder):
    found = melception.load_published(write(folder, published(theirs)))
    silence = torch.full((1, 1, 80, 40), mel.SILENCE)
    assert torch.equal(seen(found, silence), seen(found, silence + 1))
    assert not torch.allclose(seen(found, silence), seen(found, silence + 1.5))


def test_statistics_of_mels_of_0_to_1_are_turned_into_those_of_log10(folder):
    """v = 0.2 log10 + 0.8: 0 is 10⁻⁴, 1 is 10; a deviation of 0.2 is one of a factor 10."""
    np.savetxt(folder / "statistics.txt", [[0.0, 0.2]] * 40 + [[0.5, 0.1]] * 40)
    mean, std = melception.statistics(folder / "statistics.txt")
    assert mean == pytest.approx([-4] * 40 + [-1.5] * 40)
    assert std == pytest.approx([1] * 40 + [0.5] * 40)


def test_statistics_that_are_not_there_are_refused(folder):
    with pytest.raises(MaaError, match="K-MISSING: .*none.txt' cannot be read: is it there"):
        melception.statistics(folder / "none.txt")


@pytest.mark.parametrize("text, words", [
    ("0.5 0.1\n" * 79, r"has \(79, 2\) numbers, expected 80 lines of a mean and a"),
    ("0.5\n" * 80, r"has \(80, 1\) numbers"),
    ("<html>\n", "is no table: ")])
def test_other_files_of_statistics_are_refused(folder, text, words):
    (folder / "statistics.txt").write_text(text)
    with pytest.raises(MaaError, match=f"K-FORMAT: 'statistics.txt' {words}"):
        melception.statistics(folder / "statistics.txt")


@pytest.mark.parametrize("change, words", [
    (lambda all: all.pop("fc.bias"), "K-KEYS: 1 weights are missing in 'any.pt': fc.bias; is it a"),
    (lambda all: all.update(extra=torch.zeros(1)), "K-KEYS: 1 weights are unknown .*: extra;"),
    (lambda all: all.update({"fc.weight": torch.zeros(10, 2048)}),
     r"K-SHAPE: 1 weights have another shape .*: fc.weight \(10, 2048\) for \(309, 2048\);"),
    (lambda all: all.update({"fc.bias": torch.full((309,), torch.nan)}),
     "K-NAN: 1 weights are not finite .*: fc.bias;"),
    (lambda all: [all.pop(key) for key in list(all) if key.startswith("Mixed_5b")],
     r"K-KEYS: \d\d weights are missing .*: (Mixed_5b[\w.]+, ){5}…;")])
def test_a_checkpoint_with_other_weights_is_refused_naming_the_first_five(
        theirs, monkeypatch, change, words):
    changed = dict(theirs)
    change(changed)
    monkeypatch.setattr(untrusted, "named", lambda path, under: changed)
    with pytest.raises(MaaError, match=words):
        melception.load_published("any.pt")


class Unsafe:
    def __reduce__(self):
        return print, ("code in a checkpoint was run",)


@pytest.mark.parametrize("content, words", [
    ({"model": Unsafe()}, "K-UNSAFE: .*melception.pt' asks for .*print, expected only weights"),
    ({"model": {"a": 1}}, "K-KEYS: 1 weights are no named tensors in 'melception.pt': a;"),
    ([1, 2], "K-KEYS: .*melception.pt' holds no weights")])
def test_a_file_that_holds_more_or_less_than_weights_is_refused_and_not_run(
        folder, capsys, content, words):
    with pytest.raises(MaaError, match=words):
        melception.load_published(write(folder, content))
    assert not capsys.readouterr().out


def test_a_checkpoint_that_is_not_there_is_refused(folder):
    with pytest.raises(MaaError, match="K-MISSING: .*none.pt' is no file; was it downloaded"):
        melception.load_published(folder / "none.pt")
