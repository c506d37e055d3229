"""BigVGAN on a GPU: each bend in one pass over memory, convolutions with channels last.

In plain operations a bend either takes every sine six times over or writes sounds of twice the
length to memory. The kernel here walks along a sound and keeps the last few bent values at hand.
A convolution's bias waits for the next bend, which reads every sample anyway: cuDNN would add it in
a pass of its own, and those took a fifth of the time.

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


@triton.jit(do_not_specialize=["units"])  # compiled once for channels of any number
def walk(x, y, alpha, beta, owed, samples, units, UNIT: tl.constexpr, RUN: tl.constexpr,
         ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """y = half(bend(twice(x + owed))), for ROWS walks of RUN samples in WIDTH channels."""
    channels = units * UNIT
    column, last = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH), samples - 1
    known = column < channels
    a = tl.exp(tl.load(alpha + column, known, other=0.0).to(tl.float32))[None, :] / PI
    b = 1 / (tl.exp(tl.load(beta + column, known, other=0.0).to(tl.float32))[None, :] + 1e-9)
    more = tl.load(owed + column, known, other=0.0).to(tl.float32)[None, :]
    start = ((tl.program_id(0) * ROWS + tl.arange(0, ROWS)) * RUN)[:, None]
    mask = (start < samples) & known[None, :]
    clip = tl.program_id(2).to(tl.int64) * samples * channels
    x += clip + column[None, :]
    y += clip + column[None, :]
    none = tl.full([ROWS, WIDTH], 0.0, tl.float32)
    x0, x1, x2, x3, x4, x5, x6 = none, none, none, none, none, none, none
    e0, e1, e2, e3, e4, e5 = none, none, none, none, none, none  # bent, at even places
    o0, o1, o2, o3, o4, o5, o6 = none, none, none, none, none, none, none  # and at odd ones
    for step in tl.static_range(RUN + 12):
        m = start + (step - 9)  # x3 is sample m, or the first or last for those beyond
        at = tl.minimum(tl.maximum(m + 3, 0), last)
        heard = tl.load(x + at * channels, mask, other=0.0).to(tl.float32) + more
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
            tl.store(y + (m - 3) * channels, found.to(y.dtype.element_ty),
                     mask & (m - 3 < samples))


class Bend(nn.Module):
    """bigvgan.Bend by the kernel: (clips, channels, 1, samples), channels last, as it comes.

    owed:   (channels,) to be added to what comes; None is nothing
    """

    def __init__(self, plain, owed=None):
        super().__init__()
        self.alpha, self.beta = plain.alpha, plain.beta
        self.owed = nn.Parameter(torch.zeros_like(plain.alpha) if owed is None else owed)

    def forward(self, x):
        x = x.contiguous(memory_format=torch.channels_last)
        clips, channels, _, samples = x.shape
        width = min(WIDEST, triton.next_power_of_2(channels))
        grid = triton.cdiv(samples, RUN * ROWS), triton.cdiv(channels, width), clips
        y = torch.empty_like(x)
        unit = math.gcd(channels, 8)  # said when compiling, so that eight are loaded in one go
        walk[grid](x, y, self.alpha, self.beta, self.owed, samples, channels // unit, unit, RUN,
                   ROWS, width, num_warps=WARPS)
        return y


class Flat(nn.Module):
    """A convolution of waves as one of pictures one row high: (clips, channels, 1, samples).

    biased:   False leaves the bias out
    owed:     (channels,) to be added to what comes; None is nothing
    """

    def __init__(self, plain, biased=True, owed=None):
        super().__init__()
        self.weight = nn.Parameter(flat(plain.weight.detach()))
        self.bias = plain.bias if biased else None
        self.owed = owed if owed is None else nn.Parameter(owed[:, None, None])
        self.call = F.conv_transpose2d if isinstance(plain, nn.ConvTranspose1d) else F.conv2d
        self.form = {"stride": (1, plain.stride[0]), "padding": (0, plain.padding[0]),
                     "dilation": (1, plain.dilation[0])}

    def forward(self, x):
        x = x if self.owed is None else x + self.owed
        return self.call(x, self.weight, self.bias, **self.form)


class Block(nn.Module):
    """bigvgan.Block whose sums go without their biases: the next bend adds what is `owed`.

    owed:   (channels,) that x lacks; afterwards what the result lacks
    """

    def __init__(self, plain, owed):
        super().__init__()
        self.steps, bends = nn.ModuleList(), plain.activations
        for a, first, b, second in zip(bends[::2], plain.convs1, bends[1::2], plain.convs2):
            self.steps.append(nn.Sequential(Bend(a, owed.clone()), Flat(first, biased=False),
                                            Bend(b, first.bias), Flat(second, biased=False)))
            owed = owed + second.bias.detach()
        self.owed = owed

    def forward(self, x):
        for step in self.steps:
            x = x + step(x)
        return x


class First(Flat):
    """The first convolution, which makes pictures of waves."""

    def forward(self, x):
        return super().forward(flat(x))


class Last(Flat):
    """The last one, which makes waves of pictures: (clips, channels, samples)."""

    def forward(self, x):
        return super().forward(x)[:, :, 0]


def flat(x):
    """Waves as pictures one row high with channels last: (a, b, samples) → (a, b, 1, samples)."""
    return x[:, :, None].contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def hasten(voice):
    """A bigvgan.BigVgan on a GPU, changed in place to the same function by other means."""
    if isinstance(voice.conv_pre, First):
        return voice
    several, owed = len(voice.config.blocks), None
    for step, up in enumerate(voice.ups):
        voice.ups[step] = Flat(up, biased=False, owed=owed)
        places = range(step * several, (step + 1) * several)
        for place in places:
            voice.resblocks[place] = Block(voice.resblocks[place], up.bias)
        owed = sum(voice.resblocks[place].owed for place in places) / several
    voice.conv_pre, voice.conv_post = First(voice.conv_pre), Last(voice.conv_post)
    voice.activation_post = Bend(voice.activation_post, owed)
    return voice
