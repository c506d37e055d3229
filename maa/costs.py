"""What a run will cost before it starts: operations, GPU hours, money, disk and memory.

Networks without weights (torch's device "meta") are called once and counted; maa.workloads says how
often training calls them; maa.benchmark has measured how fast a GPU calculates.

Conventions: a multiply-add is 2 FLOP, and products alone count (convolutions, matrices, attention),
    not sums, norms or Fourier transforms. So counted the release's U-Net has 95.8 GFLOP, its
    decoder 404 and its BigVGAN 1,173 at 80 columns, 10.24 s. Of the last 19 are low-pass filters,
    which maa.bigvgan writes as sums. A share is one of the peak, which products of large matrices
    reach. GB are 10⁹ bytes.
Source: Sections 5.1 and 5.2, Table 4, Appendix E.2.  Notebook: 02_cost_plan.
"""

import inspect
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

from maa import clips, mel

LEARNS, THROUGH, LISTENS = 3, 2, 1  # forwards' worth of work: both gradients, the input's, none
KINDS = ("pictures", "waves")  # what a network works on: those on waves wait for memory
STATE = 16  # bytes of a parameter in a checkpoint: itself, its average, two moments of AdamW
NUMBER = 4  # bytes of one in float32
WHY = {  # what the keywords of workloads.of, plan and disk mean
    "tokens": "of every text: the most that is read, so an upper bound",
    "spans": "tokens that T5 says of a text: three hidden spans and their marks",
    "labels": "kinds of sound that classifiers name",
    "peak": "TFLOP/s of the planned GPU, in products of bf16 matrices",
    "gpus": "that work on a stage",
    "alone": "stages that train on one GPU, by limits.gpus of params.yaml",
    "efficiency": "share of their speed that so many GPUs keep; at most two were measured",
    "price": "USD for an hour of a GPU; no offer, yours counts",
    "flac": "share of 16-bit sound that FLAC leaves; 0.57 of 120 clips of ESC-10",
    "copies": "of a result on disk: in results/ and in DVC's cache",
    "checkpoints": "of a stage at the same time: two are kept while a third is written",
    "sounds": "to be judged, of all rows of Tables 1 and 7",
    "seconds": "length of such a sound",
}


def operations(network, *inputs):
    """FLOP of one call without gradients, on the device "meta", where nothing is calculated.

    network:   a module, or whatever else can be called with `inputs`

    Raises ValueError for inputs elsewhere: the counter does not know a CPU's attention.
    """
    places = {one.device.type for one in inputs if torch.is_tensor(one)}
    if places - {"meta"}:
        raise ValueError(f"inputs are on {sorted(places)}, expected the device \"meta\"; were they "
                         f"made under torch.device(\"meta\")?")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops()


class Growth(NamedTuple):
    """cost = factor · size ** exponent; the exponent lies in low … high, 95 %."""

    exponent: float
    low: float
    high: float
    factor: float


def grows(points):
    """How cost grows with size: least squares of log cost on log size.

    points:   [(size, cost), …], of three sizes or more, all above 0
    returns   Growth

    Raises ValueError for other points.
    Source: none in the paper.  Notebook: 02_cost_plan.
    """
    array = np.asarray(points, float)
    if array.ndim != 2 or array.shape[1] != 2 or len(np.unique(array[:, 0])) < 3:
        raise ValueError(f"points are {points}, expected pairs (size, cost) of three sizes or more")
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"points are {points}, expected sizes and costs above 0")
    line = stats.linregress(*np.log(array).T)
    reach = line.stderr * stats.t.ppf(0.975, len(array) - 2)
    return Growth(line.slope, line.slope - reach, line.slope + reach, float(np.exp(line.intercept)))


def measured(rows):
    """How fast a GPU was, as far as it was measured.

    rows:      benchmark.read(folder)
    returns    {"gpu": its name, "peak": TFLOP/s, "trained": clips of 10 s that the paper's U-Net
                learns from in a second, "kept": {number of GPUs: share of their speed that they
                keep, by rows of which all were recorded as CUDA graphs or none}}, less what was not
                measured. Nothing of networks on waves: the kernels that vocode there (maa.bends)
                cannot learn
    """
    found = {}
    for subject, own in rows.groupby("subject") if len(rows) else ():
        if subject == "machine":
            found |= {"gpu": own.what.iloc[0], "peak": float(own.teraflops.iloc[0])}
        if subject == "training":
            found["trained"] = float(own.per_second.max())
    if "trained" in found:
        rows = rows[rows.what == "training"]
        best = rows.groupby(["recorded", "processes"]).per_second.max()
        found["kept"] = {int(n): float(one / n / best[recorded, 1])
                         for (recorded, n), one in best.items() if n > 1}
    return found


def plan(work, shares, *, peak=790.0, gpus=(1, 8, 64), efficiency=(1.0, 0.9, 0.8), price=3.0,
         alone=()):
    """Stages one after the other: what each takes, and all of them.

    work:      workloads.of(…)
    shares:    {kind: share of the peak that such networks reach}, for each of KINDS
    returns    a row a stage and "all": items of what learns longest, in millions; PFLOP; hours of
               one GPU; hours and USD on each number of `gpus`, or on as many of these as divide the
               stage's batches, which the code asks for. A stage of `alone` keeps to one, which
               loses nothing to others

    Raises ValueError for shares that are none, or unless every number of GPUs has an efficiency.
    Source: Appendix E.2.  Notebook: 02_cost_plan.
    """
    if {*shares} != {*KINDS} or not all(0 < one <= 1 for one in shares.values()):
        raise ValueError(f"shares are {shares}, expected above 0, at most 1, for each of {KINDS}")
    if len(gpus) != len(efficiency):
        raise ValueError(f"gpus are {gpus}, efficiency is {efficiency}, expected one for each")
    rows = {}
    for stage, own in work.groupby("stage", sort=False):
        learns, flop = own[own.passes >= LEARNS], own["items"] * own.passes * own.FLOP
        hours = (flop / own.kind.map(shares)).sum() / (peak * 1e12) / 3600
        rows[stage] = row = {"items / M": learns["items"].max() / 1e6, "PFLOP": flop.sum() / 1e15,
                             "GPU hours": hours}
        at_work = [1 if stage in alone else usable(learns.batch, most) for most in gpus]
        long = [hours / count / (kept if count > 1 else 1)
                for count, kept in zip(at_work, efficiency)]
        row |= {f"hours on {most}": one for most, one in zip(gpus, long)}
        row |= {f"USD on {most}": price * count * one
                for most, count, one in zip(gpus, at_work, long)}
    table = pd.DataFrame(rows).T.rename_axis("stage")
    table.loc["all"] = table.sum()
    return table


def usable(batches, most):
    """The largest number of GPUs, at most `most`, among which every batch can be shared out."""
    return max(n for n in range(1, most + 1) if not any(batch % n for batch in batches))


def alone(stages, limits, scale):
    """Those of the stages that train on one GPU, however many there are: a tuple.

    stages:    "clap", "variant@bert"
    limits:    limits.gpus of params.yaml; a section that is not named there needs no GPU

    Source: none in the paper.  Notebook: 02_cost_plan.
    """
    given = {stage: limits.get(stage.partition("@")[0], {}).get(scale, 0) for stage in stages}
    return tuple(stage for stage, most in given.items() if most < 2)


def disk(work, hours, *, flac=0.6, copies=2, checkpoints=3, sounds=8000, seconds=10.0):
    """GB on disk: what is there before, and what the notebooks write.

    work:      workloads.of(…)
    hours:     of all corpora
    returns    columns what, GB
    """
    own = work[work.part != "critic"].parameters.sum()
    largest = work.groupby("stage").parameters.sum().max()
    return pd.DataFrame([
        ("corpora, 16 kHz, FLAC", flac * of_sound(3600 * hours, 2)),
        ("clips, 16-bit wav", copies * of_sound(3600 * hours, 2)),
        ("checkpoints, largest stage", checkpoints * largest * STATE / 1e9),
        ("models", copies * own * NUMBER / 1e9),
        ("sounds to be judged", copies * of_sound(sounds * seconds, 2))], columns=["what", "GB"])


def memory(rows, variants, hours, gpus=8):
    """GB that every process of a stage holds besides its networks, as the notebooks are written.

    rows, variants:  as for workloads.of
    hours:           of all corpora; what clips.load leaves on the disk takes no memory
    gpus:            on which a stage trains, one process each; judges train on one
    returns          a row a stage; host: clips; GPU: this process's scenes in float16, or latents
    """
    clip_gb = of_sound(min(3600 * hours, clips.IN_MEMORY), NUMBER)
    found = {}
    for stage in ("pseudo_captions", "clap", "autoencoder", "vocoder", "diffusion", "diffsound",
                  *(f"variant@{name}" for name in variants), "judges"):
        section, _, name = stage.partition("@")
        row = {"channels": rows["autoencoder"]["channels"]} | rows[section] | variants.get(name, {})
        scenes = row["scenes"] + row.get("composed", 0)
        values = row["channels"] * mel.BANDS * mel.trained_frames(row["seconds"]) // mel.COLUMN**2
        on_gpu = (scenes * values * NUMBER / 1e9 if section in ("diffusion", "variant")
                  else of_sound(scenes * row["seconds"], 2))
        found[stage] = {"clips": clip_gb, "on the GPU": on_gpu / (1 if stage == "judges" else gpus)}
    return pd.DataFrame(found).T.rename_axis("stage")


def of_sound(seconds, each):
    """GB of so much sound at 16 kHz, `each` bytes a sample."""
    return seconds * mel.RATE * each / 1e9


def assumptions(*calls, **told):
    """The assumptions that these functions make, their keywords: a row each.

    calls:     of workloads.of, plan and disk
    told:      {name: value} of those that are not left as they are
    returns    columns assumed, value, what it is

    Raises ValueError for a name that is none of them.
    """
    known = {name: one.default for call in calls
             for name, one in inspect.signature(call).parameters.items()
             if one.kind is one.KEYWORD_ONLY}
    if unknown := sorted({*told} - {*known}):
        raise ValueError(f"{unknown} are not assumed, expected some of {sorted(known)}")
    return pd.DataFrame([(name, told.get(name, value), WHY[name]) for name, value in known.items()],
                        columns=["assumed", "value", "what it is"])
