"""The release's vocoder and its anti-aliased bends (its golden wave is in test_release)."""

import pytest
import torch
from torch.nn import functional as F

from maa import bigvgan


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plainly_twice(x):
    """By a transposed convolution, as the release has it."""
    channels, low = x.shape[1], bigvgan.low_pass()[None, None].expand(x.shape[1], -1, -1)
    x = F.conv_transpose1d(F.pad(x, (5, 5), mode="replicate"), low, stride=2, groups=channels)
    return 2 * x[..., 15:-15]


def plainly_half(x):
    channels, low = x.shape[1], bigvgan.low_pass()[None, None].expand(x.shape[1], -1, -1)
    return F.conv1d(F.pad(x, (5, 6), mode="replicate"), low, stride=2, groups=channels)


def test_a_constant_stays_what_it_is():
    even, odd = bigvgan.twice(torch.full((1, 2, 9), 0.3))
    for found in (even, odd, bigvgan.half(even, odd)):
        assert torch.allclose(found, torch.full((1, 2, 9), 0.3), atol=1e-6)


def test_twice_the_samples_are_those_of_a_transposed_convolution():
    x = noise(2, 3, 17)
    even, odd = bigvgan.twice(x)
    assert torch.allclose(torch.stack([even, odd], -1).flatten(2), plainly_twice(x), atol=1e-6)


def test_half_the_samples_are_those_of_a_convolution_by_two():
    x = noise(2, 3, 34)
    found = bigvgan.half(x[..., ::2].contiguous(), x[..., 1::2].contiguous())
    assert torch.allclose(found, plainly_half(x), atol=1e-6)


def test_the_low_pass_keeps_low_and_stops_high_tones():
    response = torch.fft.rfft(bigvgan.low_pass(), 4096).abs()
    assert abs(response[0] - 1) < 1e-6
    assert response[400] > 0.9  # 0.2 of half the rate
    assert response[-200:].max() < 0.01  # 40 dB


def test_a_bend_adds_the_square_of_a_sine():
    bend = bigvgan.Bend(1)
    with torch.no_grad():
        bend.alpha.fill_(0.5)
        bend.beta.fill_(-0.2)
        found = bend(torch.full((1, 1, 20), 0.7))
    a, b = torch.tensor(0.5).exp(), torch.tensor(-0.2).exp()
    assert torch.allclose(found, 0.7 + torch.sin(a * 0.7).square() / b, atol=1e-6)


def test_overtones_of_a_bend_do_not_fold_down():
    """Four times a tone of 0.22 of the rate is 0.88, heard as 0.12; here hardly."""
    tone = 0.5 * torch.cos(2 * torch.pi * 0.22 * torch.arange(2000))[None, None]
    plain = torch.fft.rfft(tone + torch.sin(3 * tone).square(), dim=-1).abs()[0, 0]
    bend = bigvgan.Bend(1)
    with torch.no_grad():
        bend.alpha.fill_(float(torch.tensor(3.0).log()))
        bent = torch.fft.rfft(bend(tone), dim=-1).abs()[0, 0]
    assert bent[240] < 0.05 * plain[240]


def test_parts_of_a_batch_do_not_touch_one_another():
    vocoder, mels = bigvgan.BigVgan(width=64, blocks=(3,), spacing=(1,)).eval(), noise(3, 1, 80, 6)
    with torch.no_grad():
        found = vocoder(mels)
        assert found.shape == (3, 1536)
        assert torch.allclose(found[1:2], vocoder(mels[1:2]), atol=1e-6)


def test_rates_of_another_hop_are_refused():
    with pytest.raises(ValueError, match=r"rates \(8, 8\) make 64 samples of a frame, expected 256"):
        bigvgan.BigVgan(width=64, rates=(8, 8), kernels=(16, 16))


def test_a_mel_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mel has shape \(1, 80, 6\), expected \(clips, 1, 80"):
        bigvgan.BigVgan(width=64, blocks=(3,), spacing=(1,))(noise(1, 80, 6))
