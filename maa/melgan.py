"""MelGAN: the vocoder of Diffsound and SpecVQGAN, without weight norm.

Conventions: mels (clips, 1, 80, frames) log10 magnitude of sound at 22,050 Hz, 256 samples a frame,
    bands from 125 to 7600 Hz; waves (clips, 256 · frames) in -1 … 1. They are not mels of maa.mel,
    whose 16 kHz and bands are others.
Source: Kumar et al. 2019, "MelGAN"; SpecVQGAN's files.
Notebook: none.
"""

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from maa import mel, melception

RATE, HOP = 22_050, 256  # samples a second, samples a frame
RATES = (8, 8, 2, 2)  # samples made of one at each step up
LEAK = 0.2


class Block(nn.Module):
    """A dilated convolution and a plain one, added to a third that sees one sample."""

    def __init__(self, channels, spacing):
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(LEAK), nn.ReflectionPad1d(spacing),
            nn.Conv1d(channels, channels, 3, dilation=spacing), nn.LeakyReLU(LEAK),
            nn.Conv1d(channels, channels, 1))
        self.shortcut = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        return self.shortcut(x) + self.block(x)


class MelGan(ModelMixin, ConfigMixin):
    """MelGAN's generator; the defaults are the published one's, 4,260,257 weights.

    width:    channels at the end; 16 times as many at the start
    blocks:   residual blocks after each step up, three times as wide apart each
    """

    @register_to_config
    def __init__(self, width: int = 32, blocks: int = 3):
        super().__init__()
        channels = width * 2 ** len(RATES)
        layers = [nn.ReflectionPad1d(3), nn.Conv1d(mel.BANDS, channels, 7)]
        for rate in RATES:
            layers += [nn.LeakyReLU(LEAK), nn.ConvTranspose1d(
                channels, channels // 2, 2 * rate, rate, padding=rate // 2)]
            channels //= 2
            layers += [Block(channels, 3 ** number) for number in range(blocks)]
        layers += [nn.LeakyReLU(LEAK), nn.ReflectionPad1d(3), nn.Conv1d(width, 1, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, mels):
        """(clips, 1, 80, frames) → (clips, 256 · frames).

        Raises ValueError for mels of another shape.
        """
        scaled = (mel.check(mels)[:, 0] - melception.BASE) / melception.SLOPE  # what it was fed
        return self.model(scaled)[:, 0]
