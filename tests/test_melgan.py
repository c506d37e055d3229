"""MelGAN sings as formulas over the names of its file do."""

import diffsound_formulas as formulas
import made_diffsound
import pytest
import torch

from maa import melgan, release, untrusted


@pytest.fixture(scope="module")
def weights():
    return made_diffsound.weights(made_diffsound.SMALL)["voice"]


@pytest.fixture(scope="module")
def vocoder(weights):
    made = melgan.MelGan(**made_diffsound.SIZES["voice"])
    untrusted.fit(made, release.folded(weights), str, "", "best_netG.pt")
    return made


@torch.no_grad()
def test_the_vocoder_sings_as_the_published_one_within_1e_5(vocoder, weights):
    scaled = torch.rand(2, 80, 9, generator=torch.Generator().manual_seed(0))
    found = vocoder(5 * scaled[:, None] - 4)
    expected = formulas.sung(weights, scaled)
    assert found.shape == expected.shape == (2, 9 * 256)
    assert (found - expected).abs().max() < 1e-5 and expected.std() > 1e-3


@torch.no_grad()
def test_a_frame_depends_on_its_neighbours_alone(vocoder):
    mels = made_diffsound.noise(1, 1, 80, 40)
    other = mels.clone()
    other[..., 30:] += 1
    difference = (vocoder(mels) - vocoder(other)).abs()[0]
    assert difference[: 20 * 256].max() < 1e-6 < difference[30 * 256:].max()


@pytest.mark.parametrize("shape", [(1, 80, 9), (1, 1, 64, 9), (1, 2, 80, 9)])
def test_mels_of_another_shape_are_refused(vocoder, shape):
    with pytest.raises(ValueError, match="mel has shape"):
        vocoder(torch.zeros(shape))
