"""Critics for adversarial training: one for mels (autoencoder), one for waves (vocoder).

Each returns (scores, layers): what it thinks of every patch it saw, and what it saw on the way;
the second is for feature matching. Both judge several window sizes, since a fault that is plain in
two seconds may be invisible in half a second, and the other way round.

Conventions: high scores mean "real"; losses are the hinge form.
Source: Section 3.4 (multi-window discriminator), Section 5.2 (HiFi-GAN).
Notebooks: 20_autoencoder, 21_vocoder.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from maa import mel


def conv(before, after, kernel, stride):
    padding = tuple(k // 2 for k in kernel)
    return weight_norm(nn.Conv2d(before, after, kernel, stride, padding))


class Windows(nn.Module):
    """Judges mels through windows of several lengths, a critic of its own for each.

    windows:  lengths in frames; frames beyond the last whole window are not seen, and windows
              longer than the mel are left out
    """

    def __init__(self, windows=(32, 64, 128), width=32):
        super().__init__()
        self.windows = windows
        self.critics = nn.ModuleList(
            stack([(1, width, (5, 5), (2, 2)), (width, 2 * width, (5, 3), (2, 2)),
                   (2 * width, 4 * width, (3, 3), (2, 2)), (4 * width, 4 * width, (3, 3), (1, 1))])
            for _ in windows)

    def forward(self, mels):
        if mels.shape[-1] < min(self.windows):
            raise ValueError(
                f"mels have {mels.shape[-1]} frames, expected {min(self.windows)} or more: they "
                f"are shorter than the shortest window")
        found = [judge(critic, cut(mels, length))
                 for critic, length in zip(self.critics, self.windows) if length <= mels.shape[-1]]
        return [scores for scores, _ in found], [layers for _, layers in found]


class Waves(nn.Module):
    """Judges waves folded by several periods (HiFi-GAN) and as spectra of several resolutions."""

    def __init__(self, periods=(2, 3, 5, 7, 11), resolutions=(512, 1024, 2048), width=16):
        super().__init__()
        self.periods, self.resolutions = periods, resolutions
        self.by_period = nn.ModuleList(
            stack([(1, width, (5, 1), (3, 1)), (width, 4 * width, (5, 1), (3, 1)),
                   (4 * width, 8 * width, (5, 1), (3, 1)), (8 * width, 8 * width, (5, 1), (1, 1))])
            for _ in periods)
        self.by_resolution = nn.ModuleList(
            stack([(2, width, (3, 9), (1, 1)), (width, 2 * width, (3, 9), (1, 2)),
                   (2 * width, 2 * width, (3, 9), (1, 2)), (2 * width, 2 * width, (3, 3), (1, 1))])
            for _ in resolutions)

    def forward(self, wave):
        views = [fold(wave, period) for period in self.periods]
        views += [picture(wave, size) for size in self.resolutions]
        critics = [*self.by_period, *self.by_resolution]
        found = [judge(critic, view) for critic, view in zip(critics, views)]
        return [scores for scores, _ in found], [layers for _, layers in found]


def stack(rows):
    last = rows[-1][1]
    return nn.ModuleList([*(conv(*row) for row in rows), conv(last, 1, (3, 3), (1, 1))])


def judge(critic, x):
    """(patch scores, outputs of the layers before them)."""
    layers = []
    for layer in critic[:-1]:
        x = F.leaky_relu(layer(x), 0.2)
        layers.append(x)
    return critic[-1](x), layers


def cut(mels, length):
    """Every whole window of `length` frames, as a batch: (clips · windows, 1, 80, length)."""
    clips, _, bands, frames = mels.shape
    count = frames // length
    x = (mels[..., : count * length] - mel.CENTRE) / mel.SPREAD
    return x.view(clips, bands, count, length).transpose(1, 2).reshape(-1, 1, bands, length)


def fold(wave, period):
    """(clips, samples) → (clips, 1, samples / period, period)."""
    padded = F.pad(wave, (0, -wave.shape[-1] % period), mode="reflect")
    return padded.view(len(wave), 1, -1, period)


def picture(wave, size):
    """Real and imaginary spectrum, compressed for the quiet bins: (clips, 2, frames, bins)."""
    window = torch.hann_window(size, device=wave.device)
    bins = torch.stft(wave.float(), size, size // 4, window=window, return_complex=True)
    x = torch.stack([bins.real, bins.imag], 1).transpose(2, 3)
    return x * (x.square().sum(1, keepdim=True) + 1e-6) ** -0.35


def critic_loss(real, fake):
    """Hinge loss of the critic: real scores above 1, fake below -1; mean over windows."""
    return sum(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake)) / len(real)


def fooling_loss(fake):
    """What the generator minimises: minus the mean score of its work."""
    return -sum(scores.mean() for scores in fake) / len(fake)


def matching_loss(real, fake):
    """Feature matching: mean distance between the critic's layers for real and generated."""
    pairs = [(r, f) for a, b in zip(real, fake) for r, f in zip(a, b)]
    return sum(F.l1_loss(f, r.detach()) for r, f in pairs) / len(pairs)


def generator_loss(critic, made, real, adversarial, matching):
    """What a generator pays for being found out: (weighted loss, {name: value to log})."""
    scores, layers_made = critic(made)
    with torch.no_grad():
        layers_real = critic(real)[1]
    fooled, matched = fooling_loss(scores), matching_loss(layers_real, layers_made)
    return adversarial * fooled + matching * matched, {"fooling": fooled, "matching": matched}
