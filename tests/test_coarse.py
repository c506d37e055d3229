"""maa.coarse: an autoencoder that copies, coarsely or as another, before it is trained."""

import pytest
import torch
from torch.nn import functional as F

from maa import autoencoder, coarse, training


def mels():
    """Two smooth pictures in the range of log-mels."""
    band, time = torch.meshgrid(torch.linspace(0, 1, 80), torch.linspace(0, 1, 32), indexing="ij")
    return torch.stack([-2.5 + 1.5 * torch.sin(6 * time) * band, -3 + 2 * band * time])[:, None]


def started(**shape):
    with training.seeded(0):
        vae = autoencoder.build(**{"attention": 0, "layers": 1, **shape})
    coarse.set_weights(vae)
    return vae.eval()


@pytest.mark.parametrize("shape", [
    {"widths": (16, 32, 32, 32)}, {"widths": (16, 16, 16, 16), "attention": 2, "layers": 2}])
@torch.no_grad()
def test_untrained_it_gives_back_smoothed_means_of_8_by_8_points(shape):
    x = mels()
    means = F.interpolate(F.avg_pool2d(x, 8), x.shape[2:], mode="bilinear")
    copy = autoencoder.decode(started(**shape), autoencoder.encode(started(**shape), x))
    inside = (..., slice(8, -8), slice(8, -8))  # the edges are darker
    assert (copy - means)[inside].abs().mean() < 0.1


@torch.no_grad()
def test_one_channel_of_the_latent_is_the_centred_mean_and_draws_stay_near_it():
    x = mels()
    latent = autoencoder.encode(started(widths=(16, 32, 32, 32)), x)
    assert (latent[:, 0] - (F.avg_pool2d(x, 8)[:, 0] + 2.5) / 1.5).abs().mean() < 0.1
    chance = torch.Generator().manual_seed(0)
    drawn = autoencoder.encode(started(widths=(16, 32, 32, 32)), x, chance)
    assert (drawn - latent).abs().mean() < 0.1


def test_every_weight_but_the_silent_ones_still_gets_a_gradient():
    vae = started(widths=(16, 16, 16, 16))
    F.l1_loss(vae(mels()).sample, mels()).backward()
    learning = [p.grad.abs().sum() > 0 for n, p in vae.named_parameters() if "conv2.weight" in n]
    assert all(learning)


@torch.no_grad()
def test_a_thicker_latent_begins_by_copying_as_a_trained_autoencoder_does():
    shape = {"widths": (16, 32, 32, 32), "attention": 0, "layers": 1}
    first = started(**shape)
    second = autoencoder.build(**shape, channels=8, start=first).eval()
    assert torch.equal(second.encode(mels()).latent_dist.mode()[:, :4],
                       first.encode(mels()).latent_dist.mode())
    assert torch.allclose(autoencoder.rebuild(second, mels()), autoencoder.rebuild(first, mels()),
                          atol=1e-5)
    assert second.config.latents_mean is None  # it is measured after the training


def test_a_thinner_latent_cannot_begin_as_a_thicker_one():
    thick = started(widths=(16, 16, 16, 16), channels=8)
    with pytest.raises(ValueError, match="a latent of 4 channels cannot begin as one of 8"):
        autoencoder.build(widths=(16, 16, 16, 16), attention=0, layers=1, channels=4, start=thick)
