"""The fast form of BigVGAN against the plain one; on a CPU Triton's interpreter runs the kernel."""

import copy
import importlib
import os

import pytest
import torch

from maa import alike, bigvgan, training


@pytest.fixture(scope="module")
def bends():
    """maa.bends with kernels that run where the tests do."""
    pytest.importorskip("triton")  # torch brings it on Linux
    before = os.environ.get("TRITON_INTERPRET")
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"
    yield importlib.reload(importlib.import_module("maa.bends"))
    os.environ.pop("TRITON_INTERPRET", None)
    os.environ |= {"TRITON_INTERPRET": before} if before else {}


PLACE = "cuda" if torch.cuda.is_available() else "cpu"


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(PLACE)


def plain_bend(channels):
    bend = bigvgan.Bend(channels).to(PLACE)
    bend.alpha.data, bend.beta.data = noise(channels, seed=1), noise(channels, seed=2)
    return bend


@pytest.mark.parametrize("samples", [1, 2, 7, 16, 130])
@pytest.mark.parametrize("channels", [1, 24])
def test_a_bend_in_one_pass_is_the_plain_bend_to_both_ends(bends, samples, channels):
    plain, x = plain_bend(channels), noise(2, channels, samples)
    fast = bends.Bend(plain)
    with torch.no_grad():
        assert torch.allclose(fast(x[:, :, None])[:, :, 0], plain(x), atol=1e-5)


def test_a_bend_keeps_its_kind_of_number_and_its_layout(bends):
    x = noise(2, 24, 64).half()[:, :, None].contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        found, wanted = bends.Bend(plain_bend(24))(x), plain_bend(24)(x[:, :, 0].float())
    assert found.dtype == torch.float16
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found[:, :, 0].float(), wanted, atol=0.01)


def test_a_hastened_voice_makes_the_same_waves(bends):
    torch.manual_seed(0)
    voice = bigvgan.BigVgan(width=128, rates=(64, 4), kernels=(128, 8), blocks=(3, 5),
                            spacing=(1, 3)).to(PLACE).eval()
    mels = noise(2, 1, 80, 2)
    with torch.no_grad():
        plain = voice(mels)
        fast = bends.hasten(voice)(mels)
    assert fast.shape == plain.shape == (2, 512)
    assert torch.allclose(fast, plain, atol=1e-5)
    assert not [one for one in voice.modules() if isinstance(one, (torch.nn.Conv1d, bigvgan.Bend))]


WIDE, FRAMES = {"width": 256}, 32  # of BigVGAN as it is released, with fewer channels


@pytest.fixture
def bent_voice():
    """A BigVGAN each of whose channels bends in its own way, and mels for it."""
    with training.seeded(0):
        voice = bigvgan.BigVgan(**WIDE).eval()
        for bend in (one for one in voice.modules() if isinstance(one, bigvgan.Bend)):
            torch.nn.init.normal_(bend.alpha, std=0.3)
            torch.nn.init.normal_(bend.beta, std=0.3)
    return voice.to(PLACE), noise(2, 1, 80, FRAMES)


@pytest.mark.gpu
def test_the_kernel_on_a_gpu_makes_the_same_waves_in_float32(bends, bent_voice):
    voice, mels = bent_voice
    # TensorFloat-32, cuDNN's way for float32, would round both to a thousandth
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        plain, fast = voice(mels), bends.hasten(copy.deepcopy(voice))(mels)
    assert fast.shape == plain.shape == (2, 256 * FRAMES)
    assert (fast - plain).abs().max() < 1e-4 * plain.abs().max()


@pytest.mark.gpu
def test_the_kernel_on_a_gpu_makes_nearly_the_same_waves_in_float16(bends, bent_voice):
    voice, mels = bent_voice
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        plain, fast = voice(mels), bends.hasten(copy.deepcopy(voice)).half()(mels.half())
    assert fast.dtype == torch.float16
    assert alike.likeness(plain, fast).min() > 0.9999


def test_a_voice_hastened_twice_stays_as_it_is(bends):
    voice = bends.hasten(bigvgan.BigVgan(width=8, rates=(256,), kernels=(512,), blocks=(3,),
                                         spacing=(1,)))
    before = list(map(id, voice.modules()))
    assert list(map(id, bends.hasten(voice).modules())) == before
