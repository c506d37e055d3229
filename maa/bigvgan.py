"""BigVGAN: the vocoder of the authors' release, without weight norm.

Every bend (x + sin² of x) is drawn at twice the rate and brought back through a low-pass filter, so
that the overtones it makes do not fold down into the sound.

Conventions: mels (clips, 1, 80, frames) log10 from maa.mel; waves (clips, 256 · frames), 16 kHz.
Source: the release's vocoder; Lee et al. 2023, "BigVGAN". The `bigvgan` package has this network
    too, but asks for a dozen packages (pesq, tensorboard, librosa …) and keeps the weight norm.
Notebook: none.
"""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from maa import mel

TAPS, SLOPE = 12, 0.3  # of the low-pass filter: length, and half the width of its edge


class Bend(nn.Module):
    """x + sin²(a · x) / b for each channel, at twice the rate; a and b are kept as logarithms."""

    def __init__(self, channels):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x):  # (clips, channels, samples)
        a, b = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return half(*(y + torch.sin(a * y).square() / (b + 1e-9) for y in twice(x)))


class Block(nn.Module):
    """Three residual steps of two convolutions each, the first of them wider and wider apart."""

    def __init__(self, channels, kernel, spacing):
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=d * (kernel - 1) // 2)
            for d in spacing)
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in spacing)
        self.activations = nn.ModuleList(Bend(channels) for _ in range(2 * len(spacing)))

    def forward(self, x):
        bends = self.activations
        for a, first, b, second in zip(bends[::2], self.convs1, bends[1::2], self.convs2):
            x = x + second(b(first(a(x))))
        return x


class BigVgan(ModelMixin, ConfigMixin):
    """BigVGAN's generator; the defaults are the release's, 112.2 million weights.

    width:     channels before the first step up; each step halves them
    rates:     samples made of one at each step up; their product is 256
    kernels:   widths of the transposed convolutions
    blocks:    kernel widths of the residual blocks after each step, whose outputs are averaged
    spacing:   dilations of their convolutions
    """

    @register_to_config
    def __init__(self, width: int = 1536, rates: tuple = (4, 4, 2, 2, 2, 2),
                 kernels: tuple = (8, 8, 4, 4, 4, 4), blocks: tuple = (3, 7, 11),
                 spacing: tuple = (1, 3, 5)):
        super().__init__()
        if math.prod(rates) != mel.HOP:
            raise ValueError(f"rates {tuple(rates)} make {math.prod(rates)} samples of a frame, "
                             f"expected {mel.HOP}; was it trained for another hop?")
        self.conv_pre = nn.Conv1d(mel.BANDS, width, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(rates, kernels):
            self.ups.append(nn.ConvTranspose1d(
                width, width // 2, kernel, rate, padding=(kernel - rate) // 2))
            width //= 2
            self.resblocks.extend(Block(width, size, spacing) for size in blocks)
        self.activation_post = Bend(width)
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)

    def forward(self, mels):
        """(clips, 1, 80, frames) → (clips, 256 · frames).

        Raises ValueError for mels of another shape.
        """
        x, several = self.conv_pre(mel.check(mels)[:, 0]), len(self.config.blocks)
        for step, up in enumerate(self.ups):
            x = up(x)
            x = sum(block(x) for block in self.resblocks[step * several:][:several]) / several
        return torch.tanh(self.conv_post(self.activation_post(x)))[:, 0]


def low_pass():
    """Kaiser-windowed sinc, (12,): passes the lower half of what twice the rate can hold."""
    attenuation = 2.285 * (TAPS / 2 - 1) * math.pi * 4 * SLOPE + 7.95  # dB, 51
    window = torch.kaiser_window(TAPS, periodic=False, beta=0.1102 * (attenuation - 8.7))
    taps = window * torch.sinc((torch.arange(TAPS) - (TAPS - 1) / 2) / 2)
    return taps / taps.sum()


LOW = low_pass().tolist()  # numbers, so that a sum of shifted sounds compiles to one kernel


def twice(x):
    """Twice as many samples, those at even and at odd places: (…, samples) → two of them.

    Of the 12 taps 6 meet samples and 6 the zeros between them, in turn.
    """
    samples, x = x.shape[-1], F.pad(x, (3, 3), mode="replicate")
    shifted = [x[..., at:at + samples] for at in range(7)]
    even = sum(2 * LOW[11 - 2 * at] * shifted[at] for at in range(6))
    return even, sum(2 * LOW[10 - 2 * at] * shifted[at + 1] for at in range(6))


def half(even, odd):
    """Half as many samples, of those at even and at odd places: two (…, samples) → (…, samples)."""
    samples, first, last = even.shape[-1], even[..., :1], odd[..., -1:]
    odd = torch.cat([first, first, first, odd, last, last], -1)
    even = torch.cat([first, first, even, last, last, last], -1)
    return sum(LOW[2 * at] * odd[..., at:at + samples] + LOW[2 * at + 1] * even[..., at:at + samples]
               for at in range(6))
