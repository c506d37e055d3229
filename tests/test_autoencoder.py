"""The autoencoder: shapes in and out, latents of standard size, and what its training changes."""

import pathlib

import numpy as np
import pandas as pd
import pytest
import tiny_trainers
import torch
from diffusers import AutoencoderKL

from maa import autoencoder, classifier, figures, mel, notebooks, training


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def mels(clips=2, frames=32, seed=0):
    return noise(clips, 1, 80, frames, seed=seed) - 2.5


def build(**shape):
    with training.seeded(0):
        return autoencoder.build(**{"widths": (16, 16, 16, 32), "attention": 0, "layers": 1,
                                    **shape}).eval()


def ear():
    with training.seeded(1):
        return classifier.Vgg(2, widths=(4, 8)).eval()


def train(folder, **changed):
    return autoencoder.train(folder, tiny_trainers.sounds(), **{
        "ear": ear(), "widths": (16, 16, 16, 16), "layers": 1, "batch": 2, "frames": 16,
        "critic_windows": (16,), **changed})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(autoencoder, folder of its run, its ear, its held-out mels), trained once for all tests."""
    folder, listener = tmp_path_factory.mktemp("autoencoder"), ear()
    held_out = moments(4, seed=9)
    vae = train(folder, steps=16, save_every=8, critic_from=0.75, ear=listener, held_out=held_out)
    return vae, folder, listener, held_out


def moments(count, seed):
    return autoencoder.moments(
        tiny_trainers.sounds(), count, 16, torch.Generator().manual_seed(seed))


def logged(folder, name, split="train"):
    log = pd.read_csv(folder / "log.csv")
    return log[(log.name == name) & (log.split == split)].value.tolist()


@pytest.mark.parametrize("attention, channels", [(0, 4), (2, 4), (4, 8)])
@torch.no_grad()
def test_sixteen_mel_numbers_become_one_latent_number_of_four_channels(attention, channels):
    vae = build(attention=attention, channels=channels)
    latent = autoencoder.encode(vae, mels(3, 24))
    assert latent.shape == (3, channels, 10, 3)
    assert autoencoder.decode(vae, latent).shape == (3, 1, 80, 24)


@torch.no_grad()
def test_without_a_generator_the_latent_is_always_the_same():
    vae = build()
    assert torch.equal(autoencoder.encode(vae, mels()), autoencoder.encode(vae, mels()))


@torch.no_grad()
def test_with_a_generator_the_latent_is_drawn_around_its_mean():
    vae = build()
    draws = torch.stack([autoencoder.encode(vae, mels(), torch.Generator().manual_seed(seed))
                         for seed in range(32)])
    again = autoencoder.encode(vae, mels(), torch.Generator().manual_seed(0))
    assert torch.equal(draws[0], again)
    assert not torch.equal(draws[0], draws[1])
    spread = vae.encode(mels()).latent_dist.std
    error = (draws.mean(0) - autoencoder.encode(vae, mels())) / spread * 32**0.5
    assert error.square().mean() == pytest.approx(1, abs=0.2)


def test_untrained_autoencoder_leaves_its_latents_as_they_are():
    mean, std = autoencoder.statistics(build(), torch.zeros(1))
    assert torch.equal(mean, torch.zeros(1, 4, 1, 1))
    assert torch.equal(std, torch.ones(1, 4, 1, 1))


@torch.no_grad()
def test_imported_autoencoder_is_scaled_by_its_scaling_factor():
    with training.seeded(0):
        vae = AutoencoderKL(
            in_channels=1, out_channels=1, block_out_channels=(8,) * 4, norm_num_groups=2,
            down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
            scaling_factor=0.5)
    mean, std = autoencoder.statistics(vae, torch.zeros(1))
    assert (mean == 0).all()
    assert (std == 2).all()
    raw = vae.encode(mels()).latent_dist.mode()
    assert torch.allclose(autoencoder.encode(vae, mels()), 0.5 * raw, atol=1e-6)


@torch.no_grad()
def test_latents_are_centred_and_scaled_channel_by_channel_and_back():
    vae = build()
    raw = vae.encode(mels()).latent_dist.mode()
    plain = autoencoder.decode(vae, autoencoder.encode(vae, mels()))
    vae.register_to_config(latents_mean=[1.0, -2.0, 0.0, 3.0], latents_std=[0.5, 1.0, 2.0, 4.0])
    latent = autoencoder.encode(vae, mels())
    assert torch.allclose(latent[:, 1], raw[:, 1] + 2, atol=1e-5)
    assert torch.allclose(latent[:, 3], (raw[:, 3] - 3) / 4, atol=1e-5)
    assert torch.allclose(autoencoder.decode(vae, latent), plain, atol=1e-4)


@pytest.mark.parametrize("shape", [(80, 32), (2, 80, 32), (1, 1, 64, 32), (1, 2, 80, 32),
                                   (1, 1, 80, 30)])
def test_mel_of_another_shape_is_refused(shape):
    words = r"mel has shape .*expected \(clips, 1, 80, a multiple of 8\); was it made by"
    with pytest.raises(ValueError, match=words):
        autoencoder.encode(build(), torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 10, 3), (1, 3, 10, 3), (1, 8, 10, 3)])
def test_latent_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"latent has .*expected \(clips, 4, 10, columns\); does"):
        autoencoder.decode(build(), torch.zeros(shape))


@pytest.mark.parametrize("shape, words", [
    ({"widths": (16, 16, 16)}, "expected four widths and 0 to 4: only four levels"),
    ({"attention": 5}, "attention on 5 levels, expected"),
    ({"widths": (16, 16, 16, 30)}, "expected multiples of 4"),
    ({"start": "warm"}, r"start is 'warm', expected one of \('random', 'coarse'\) or a trained"),
])
def test_shape_that_cannot_be_built_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        build(**shape)


def test_what_a_thicker_latent_begins_with_is_not_changed_by_its_training(tmp_path):
    first = build(widths=(16, 16, 16, 16))
    before = {name: weight.clone() for name, weight in first.state_dict().items()}
    second = train(tmp_path, start=first, channels=8, steps=2)
    assert all(torch.equal(weight, before[name]) for name, weight in first.state_dict().items())
    extra = second.state_dict()["decoder.conv_in.weight"][:, 4:]
    assert extra.abs().max() > 0  # the decoder has begun to look at the new channels


def test_same_mel_is_heard_as_the_same_and_another_is_not():
    assert autoencoder.ear_distance(ear(), mels(), mels()) == 0
    near, far = mels() + 0.1 * noise(2, 1, 80, 32, seed=1), mels(seed=2)
    heard = [autoencoder.ear_distance(ear(), x, mels()).item() for x in (near, far)]
    assert 0 < heard[0] < heard[1]


def test_ear_distance_pulls_the_rebuilt_and_not_the_target():
    rebuilt, target = mels().requires_grad_(), mels(seed=1).requires_grad_()
    autoencoder.ear_distance(ear(), rebuilt, target).backward()
    assert rebuilt.grad.abs().sum() > 0
    assert target.grad is None


def test_rebuilding_in_batches_is_rebuilding_at_once():
    vae, many = build(), mels(5)
    whole = autoencoder.rebuild(vae, many)
    assert torch.allclose(autoencoder.rebuild(vae, many, batch=2), whole, atol=1e-5)
    assert autoencoder.distance(vae, many) == pytest.approx((whole - many).abs().mean().item())


def test_latents_of_sounds_are_those_of_their_mels_cut_to_the_frames():
    vae, waves = build(), tiny_trainers.sounds(clips=5, samples=6_000)
    vae.register_to_config(latents_mean=[1.0, -2.0, 0.0, 3.0], latents_std=[0.5, 1.0, 2.0, 4.0])
    found = autoencoder.latents(vae, waves, 16, batch=2)
    with torch.no_grad():
        expected = autoencoder.encode(vae, mel.log_mel(waves)[..., :16])
    assert found.shape == (5, 4, 10, 2) and not found.requires_grad
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size", [
    {"widths": (16, 16, 32, 32), "attention": 0, "layers": 2},
    {"widths": (16, 16, 16, 32), "attention": 3, "layers": 1}])
def test_an_autoencoder_of_the_same_size_but_other_channels_is_built_from_its_shape(size):
    vae = autoencoder.build(**size)
    assert autoencoder.shape(vae) == size
    other = autoencoder.build(**autoencoder.shape(vae), channels=8)
    differing = {name for (name, one), two in zip(vae.state_dict().items(),
                                                  other.state_dict().values())
                 if one.shape != two.shape}
    assert vae.state_dict().keys() == other.state_dict().keys()
    assert {name.rsplit(".", 1)[0] for name in differing} == {
        "encoder.conv_out", "quant_conv", "post_quant_conv", "decoder.conv_in"}


@torch.no_grad()
def test_latents_of_training_moments_have_mean_0_and_deviation_1(trained):
    vae, fresh = trained[0], moments(64, seed=5)
    latent = autoencoder.encode(vae, fresh)
    assert latent.mean((0, 2, 3)) == pytest.approx(torch.zeros(4), abs=0.1)
    assert latent.std((0, 2, 3)) == pytest.approx(torch.ones(4), abs=0.1)
    raw = vae.encode(fresh).latent_dist.mode()
    assert (raw.std((0, 2, 3)) - 1).abs().max() > 0.2, "there was nothing to standardise"


@torch.no_grad()
def test_statistics_of_the_latents_travel_with_the_weights(trained, tmp_path):
    vae = trained[0]
    vae.save_pretrained(tmp_path)
    loaded = AutoencoderKL.from_pretrained(tmp_path).eval()
    assert loaded.config.latents_std == vae.config.latents_std
    assert torch.allclose(  # weights that lie elsewhere in memory may round otherwise
        autoencoder.encode(loaded, mels()), autoencoder.encode(vae, mels()), atol=1e-5)


def test_training_does_not_change_the_ear(trained):
    fresh = ear().state_dict()
    assert all(torch.equal(fresh[key], value) for key, value in trained[2].state_dict().items())


def test_reconstruction_of_held_out_mels_improves(trained):
    vae, folder, _, held_out = trained
    first, last = logged(folder, "L1", "held_out")
    assert last < 0.9 * first
    assert autoencoder.distance(vae, held_out) == pytest.approx(last, rel=1e-4)


def test_critic_sets_in_after_its_share_of_the_steps(trained, tmp_path):
    train(tmp_path, steps=2, critic_from=1.0)
    for name in ("critic", "fooling", "matching"):
        assert len(logged(trained[1], name)) == 1
        assert not logged(tmp_path, name)
    assert len(logged(tmp_path, "KL")) == 1


def test_the_notebook_shifts_a_clip_of_the_commonest_kind_where_none_is_rain():
    path = pathlib.Path(__file__).parent.parent / "notebooks/20_autoencoder.ipynb"
    source, = (cell.source for cell in notebooks.code_cells(notebooks.read(path))
               if cell.id == "blur-draw")
    told = {"np": np, "figures": figures, "mels": mels(3),
            "held_table": pd.DataFrame({"label": ["horn", "dog", "dog"]}),
            "l1": lambda one, other: float((one - other).abs().mean())}
    exec(source, told)
    assert told["noisy"] == "dog" and torch.equal(told["A"], told["mels"][1])
    half = told["A"].shape[-1] // 2
    assert torch.equal(told["B"][..., :half], told["A"][..., half:][..., :half])
