"""Melception: the network through which the paper's FID and KL listen.

torchvision's InceptionV3 for mels: one channel in, neither of its two max-pools (a mel has only 80
rows), no second head. Trained here on a scale's own sounds by classifier.train, or read from the
checkpoint that SpecVQGAN published, which names the 309 classes of VGGSound.

Conventions: mels (clips, 1, 80, frames) log10, 23 frames or more; features (clips, 2048).
    A number shown with "melception" says which one gave it: its own, or the published one.
Source: Section 5.3. Differs: the paper does not say how it fed mels of 16 kHz and 624 frames to a
    network of 22.05 kHz and 848 frames; here they go in as they are.
Notebook: 40_judges.
"""

from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

from maa import mel, training, untrusted
from maa.errors import MaaError

CLASSES = 309  # of VGGSound, in the published network
LEAST = 23  # frames that leave one column at the end
SLOPE, BASE = 5.0, -4.0  # published mels v lie in 0 … 1: log10 magnitude = 5 v − 4
SPAN = (BASE, BASE + SLOPE)  # so they cannot tell apart what lies beyond
UNUSED = r"AuxLogits\..*"  # the second head, for training alone


class Melception(nn.Module):
    """InceptionV3 on mels. forward, features as in classifier.Vgg; features are 2048 wide.

    mean, std:  of log10 mels in each of the 80 bands, lists; without them mel.CENTRE, mel.SPREAD
    span:       (lowest, highest) log10 magnitude that is told apart; without it all are
    """

    def __init__(self, classes, mean=None, std=None, span=None):
        super().__init__()
        inception = torchvision.models.inception
        self.body = inception.Inception3(aux_logits=False, init_weights=False)
        self.body.Conv2d_1a_3x3 = inception.BasicConv2d(1, 32, kernel_size=3, stride=2)
        self.body.maxpool1 = self.body.maxpool2 = self.body.fc = nn.Identity()
        self.head = nn.Linear(2048, classes)
        if (mean is None) != (std is None):
            raise ValueError("mean and std come together, expected both of them or neither")
        self.span = span or (-torch.inf, torch.inf)
        centre, spread = bands(mean, mel.CENTRE), bands(std, mel.SPREAD)
        if spread.min() <= 0:
            raise ValueError(f"std is {spread.min():.3g} in a band, expected more than 0")
        for name, values in {"centre": centre, "spread": spread}.items():  # saved as the shape is
            self.register_buffer(name, torch.tensor(values)[:, None], persistent=False)

    def features(self, mels):
        if mels.dim() != 4 or mels.shape[1:3] != (1, mel.BANDS) or mels.shape[3] < LEAST:
            raise ValueError(
                f"mels have shape {tuple(mels.shape)}, expected (clips, 1, {mel.BANDS}, frames) "
                f"with {LEAST} frames or more")
        return self.body((mels.clamp(*self.span) - self.centre) / self.spread)

    def forward(self, mels):
        return self.head(self.features(mels))


def bands(values, default):
    """One value a band, or the default in all: (80,) float32 array."""
    found = np.full(mel.BANDS, default) if values is None else np.asarray(values)
    if found.shape != (mel.BANDS,) or not np.isfinite(found).all():
        raise ValueError(
            f"statistics have shape {found.shape}, expected {mel.BANDS} finite numbers, one a band")
    return found.astype(np.float32)


def statistics(path):
    """(mean, std), lists of 80, of log10 mels, from SpecVQGAN's text file of statistics.

    path:   80 lines, mean and standard deviation of a band, of mels between 0 and 1

    Raises MaaError K-MISSING without it, K-FORMAT for a file of another form.
    """
    try:
        table = np.loadtxt(path, ndmin=2)
    except OSError as fault:
        raise MaaError("K-MISSING", f"{str(path)!r} cannot be read: is it there?") from fault
    except ValueError as fault:
        raise MaaError("K-FORMAT", f"{Path(path).name!r} is no table: {fault}") from fault
    if table.shape != (mel.BANDS, 2):
        raise MaaError("K-FORMAT", (
            f"{Path(path).name!r} has {table.shape} numbers, expected {mel.BANDS} lines of a mean "
            "and a standard deviation; is it of another network?"))
    return (SLOPE * table[:, 0] + BASE).tolist(), (SLOPE * table[:, 1]).tolist()


def load_published(path, mean=None, std=None):
    """SpecVQGAN's Melception with the weights of its checkpoint, in eval mode.

    path:       the .pt file; no code in it is run
    mean, std:  as statistics() gives them; without them its scores mean less than they could
    returns     Melception with 309 classes, named "0" … "308": the file does not hold their words

    Weights may lie under "model" (as SpecVQGAN writes), under "state_dict" or bare. Raises MaaError
    as untrusted.named and untrusted.fit.
    Source: Section 5.3.  Notebook: none.
    """
    shape = {} if mean is None and std is None else {"mean": mean, "std": std}
    network = Melception(CLASSES, **shape, span=list(SPAN))
    network.names, network.shape = [str(n) for n in range(CLASSES)], shape | {"span": list(SPAN)}
    found = untrusted.named(path, under=("model", "state_dict"))
    untrusted.fit(network, found, original, UNUSED, path)
    return network.to(training.device())


def original(key):
    """torchvision's name, which the checkpoint uses, of one of our weights."""
    return key.removeprefix("body.").replace("head.", "fc.")
