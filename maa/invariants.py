"""What does not change while a U-Net samples, taken out of its steps.

Plainly it projects the same words at each step to the keys and values of every block that attends
to them, and the step's number through a network of its own to a shift for every block: a tenth of
the paper's U-Net's kernels, which for one sound take as long as any others. Here words are
projected once a sound, and the shifts of all steps are a table.

Conventions: steps are whole numbers 0 … 999, words (clips, tokens, width), as in maa.diffusion.
Source: equal to the plain network, which the tests hold it to.  Notebook: 03_how_fast.
"""

import contextlib

import torch
from torch import nn
from torch.nn import functional as F

from maa import diffusion


class Projection(nn.Module):
    """The keys or the values of words: of those that are kept, if there are any.

    forward(words) asks for as many as it is given, the last of those kept.
    """

    def __init__(self, plain):
        super().__init__()
        self.plain, self.kept = plain, None

    def forward(self, words):
        return self.plain(words) if self.kept is None else self.kept[-len(words):]


class Table(nn.Module):
    """What all blocks add at a step, side by side: (clips,) steps → (clips, widths)."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("rows", rows)

    def forward(self, t):
        return self.rows[t]


class Part(nn.Module):
    """A block's own columns of a Table's row."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns

    def forward(self, row):
        return row[:, self.columns]


class Passed(nn.Module):
    """A Table's row, where the plain network still has a layer to go through."""

    def forward(self, row, condition=None):
        return row


@torch.no_grad()
def hoist(unet):
    """A UNet2DConditionModel, changed in place to the same function by other means.

    Before it is brought to half precision, so that its table is exact.
    """
    if isinstance(unet.time_proj, Table):
        return unet
    for attention in attentions(unet):
        attention.to_k, attention.to_v = Projection(attention.to_k), Projection(attention.to_v)
    steps = torch.arange(diffusion.STEPS, device=unet.device)
    seen = F.silu(unet.time_embedding(unet.time_proj(steps).to(unet.dtype)))
    rows, start = [], 0
    for block in (one for one in unet.modules() if hasattr(one, "time_emb_proj")):
        rows.append(block.time_emb_proj(seen))
        block.time_emb_proj = Part(slice(start, start := start + rows[-1].shape[1]))
        block.skip_time_act = True  # rows have been through it
    unet.time_proj, unet.time_embedding = Table(torch.cat(rows, 1)), Passed()
    return unet


def attentions(unet):
    """The attentions to words of a U-Net."""
    return [one.attn2 for one in unet.modules() if getattr(one, "attn2", None) is not None]


@contextlib.contextmanager
def kept(unet, words):
    """Meanwhile a hoisted U-Net reads these words, or the last of them, whatever it is given.

    A plain one goes on reading what it is given.
    """
    places = [one for one in unet.modules() if isinstance(one, Projection)]
    for one in places:
        one.kept = one.plain(words)
    try:
        yield
    finally:
        for one in places:
            one.kept = None
