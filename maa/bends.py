"""BigVGAN on a GPU: each bend in one pass over memory, convolutions with channels last.

In plain operations a bend either takes every sine six times over or writes sounds of twice the
length to memory. The kernel here walks along a sound and keeps the last few bent values at hand.

Conventions: sounds are pictures one row high, (clips, channels, 1, samples), channels last.
Source: maa.bigvgan says the same in plain operations; the tests hold both to each other.
Notebook: 03_how_fast.
"""

import math

import torch
import triton
import triton.language as tl
from torch import nn
from torch.nn import functional as F

from maa import bigvgan

RUN, ROWS, WIDEST, WARPS = 16, 8, 64, 4  # samples of a walk, walks and channels of a program
T0, T1, T2, T3, T4, T5 = (tl.constexpr(tap) for tap in bigvgan.LOW[:6])  # the others mirror them
# sin(πr) as r times a polynomial in r², to 7e-9 for r up to 1/2
S0, S1, S2, S3, S4 = (tl.constexpr(one) for one in (
    3.14159264, -5.16771008, 2.55007752, -0.598291286, 0.0776576603))
PI = tl.constexpr(math.pi)


@triton.jit
def bent(value, a, b):
    """value + b · sin²(π a · value)"""
    turn = a * value
    turn -= tl.floor(turn + 0.5)
    s = turn * turn
    sine = S0 + s * (S1 + s * (S2 + s * (S3 + s * S4)))
    return value + s * sine * sine * b


@triton.jit
def walk(x, y, alpha, beta, samples, CHANNELS: tl.constexpr, RUN: tl.constexpr,
         ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """y = half(bend(twice(x))) of maa.bigvgan, for ROWS walks of RUN samples in WIDTH channels."""
    column, last = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH), samples - 1
    known = column < CHANNELS
    a = tl.exp(tl.load(alpha + column, known, other=0.0).to(tl.float32))[None, :] / PI
    b = 1 / (tl.exp(tl.load(beta + column, known, other=0.0).to(tl.float32))[None, :] + 1e-9)
    start = ((tl.program_id(0) * ROWS + tl.arange(0, ROWS)) * RUN)[:, None]
    mask = (start < samples) & known[None, :]
    clip = tl.program_id(2).to(tl.int64) * samples * CHANNELS
    x += clip + column[None, :]
    y += clip + column[None, :]
    none = tl.full([ROWS, WIDTH], 0.0, tl.float32)
    x0, x1, x2, x3, x4, x5, x6 = none, none, none, none, none, none, none
    e0, e1, e2, e3, e4, e5 = none, none, none, none, none, none  # bent, at even places
    o0, o1, o2, o3, o4, o5, o6 = none, none, none, none, none, none, none  # and at odd ones
    for step in tl.static_range(RUN + 12):
        m = start + (step - 9)  # x3 is sample m, or the first or last for those beyond
        at = tl.minimum(tl.maximum(m + 3, 0), last)
        heard = tl.load(x + at * CHANNELS, mask, other=0.0).to(tl.float32)
        x0, x1, x2, x3, x4, x5, x6 = x1, x2, x3, x4, x5, x6, heard
        if step >= 6:
            even = bent(2 * (T0 * x0 + T2 * x1 + T4 * x2 + T5 * x3 + T3 * x4 + T1 * x5), a, b)
            odd = bent(2 * (T1 * x1 + T3 * x2 + T5 * x3 + T4 * x4 + T2 * x5 + T0 * x6), a, b)
            even, odd = tl.where(m > last, o6, even), tl.where(m > last, o6, odd)
            e0, e1, e2, e3, e4, e5 = e1, e2, e3, e4, e5, even
            o0, o1, o2, o3, o4, o5, o6 = o1, o2, o3, o4, o5, o6, odd
            if step == 9:  # here m is 0 in the first walk: what lies before is as its beginning
                e2, e3 = tl.where(start == 0, e5, e2), tl.where(start == 0, e5, e3)
                e4, o3 = tl.where(start == 0, e5, e4), tl.where(start == 0, e5, o3)
                o4, o5 = tl.where(start == 0, e5, o4), tl.where(start == 0, e5, o5)
        if step >= 12:  # three samples behind
            found = (T0 * o0 + T2 * o1 + T4 * o2 + T5 * o3 + T3 * o4 + T1 * o5
                     + T1 * e0 + T3 * e1 + T5 * e2 + T4 * e3 + T2 * e4 + T0 * e5)
            tl.store(y + (m - 3) * CHANNELS, found.to(y.dtype.element_ty),
                     mask & (m - 3 < samples))


class Bend(nn.Module):
    """bigvgan.Bend by the kernel: (clips, channels, 1, samples), channels last, as it comes."""

    def __init__(self, plain):
        super().__init__()
        self.alpha, self.beta = plain.alpha, plain.beta

    def forward(self, x):
        x = x.contiguous(memory_format=torch.channels_last)
        clips, channels, _, samples = x.shape
        width = min(WIDEST, triton.next_power_of_2(channels))
        grid = triton.cdiv(samples, RUN * ROWS), triton.cdiv(channels, width), clips
        y = torch.empty_like(x)
        form = channels, RUN, ROWS, width
        walk[grid](x, y, self.alpha, self.beta, samples, *form, num_warps=WARPS)
        return y


class Flat(nn.Module):
    """A convolution of waves as one of pictures one row high.

    last:   True gives waves back, (clips, channels, samples)
    """

    def __init__(self, plain, last=False):
        super().__init__()
        weight = plain.weight.detach()[:, :, None].contiguous(memory_format=torch.channels_last)
        self.weight, self.bias, self.last = nn.Parameter(weight), plain.bias, last
        self.call = F.conv_transpose2d if isinstance(plain, nn.ConvTranspose1d) else F.conv2d
        self.form = {"stride": (1, plain.stride[0]), "padding": (0, plain.padding[0]),
                     "dilation": (1, plain.dilation[0])}

    def forward(self, x):
        x = x if x.dim() == 4 else x[:, :, None]
        y = self.call(x.contiguous(memory_format=torch.channels_last), self.weight, self.bias,
                      **self.form)
        return y[:, :, 0] if self.last else y


def hasten(voice):
    """A bigvgan.BigVgan on a GPU, changed in place to the same function by other means."""
    for module in list(voice.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, bigvgan.Bend):
                setattr(module, name, Bend(child))
            elif isinstance(child, (nn.Conv1d, nn.ConvTranspose1d)):
                setattr(module, name, Flat(child, last=child is voice.conv_post))
    return voice
