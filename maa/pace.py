"""How fast the paper's U-Net is trained, and whether several GPUs learn what one learns.

Conventions: latents that are there already, (clips, 4, 10, 78); batches are of all processes.
Source: Appendix E.2.  Notebook: 03_how_fast.
"""

import itertools
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from maa import clock, costs, diffusion, processes, text, training

UNET = {"widths": (320, 640), "text_width": 1024}  # the paper's
COLUMNS = 78  # of its latents, which are 10 high
KINDS, EACH = 64, 16  # of latents that are learnt: prototypes, and variants of each


def train(batches=(64, 128, 256), steps=100, **sizes):
    """Clips a second of the paper's U-Net in diffusion.train, after half of the steps."""
    rows = []
    for batch in batches:
        clock.clear()
        rows.append(trained(batch * processes.count(), steps, sizes.get("unet", {})))
    return rows


def trained(batch, steps, sizes, block=10):
    """One row: the time of a step, from `block` steps at a time; a clock at each would hold the
    GPU up, which works while the next step is prepared."""
    place, times, draws = training.device(), [], itertools.count()
    shape = UNET | sizes
    latents = torch.randn(4 * batch, 4, 10, COLUMNS, device=place)
    words = torch.randn(batch, text.TOKENS, shape["text_width"], device=place)

    def say(generator, rows):  # called once a step
        if next(draws) % block == 0:
            clock.settle()
            times.append(time.perf_counter())
        return words[: len(rows)]

    learn(latents, say, shape, steps=steps, batch=batch)
    seconds = np.diff(times)[len(times) // 2:] / block
    told = clock.row("training", seconds.tolist(), batch, steps_each=block, memory=clock.memory(),
                     cold_s=times[1] - times[0], processes=processes.count(),
                     recorded=place.type == "cuda")  # by diffusion.train
    return told | {"teraflops": told["per_second"] * work(shape) / 1e12}


def work(shape):
    """FLOP of learning from one clip, forward and backward."""
    with torch.device("meta"):
        unet, latent = diffusion.build_unet(**shape), torch.zeros(1, 4, 10, COLUMNS)
        words, t = torch.zeros(1, text.TOKENS, shape["text_width"]), torch.zeros(1)
    return costs.LEARNS * costs.operations(unet, latent, t, words)


def curves(seeds=(0, 1, 2, 3), steps=400, batch=128, **sizes):
    """Rows of the loss of the paper's U-Net in training, the same task for any number of processes:
    latents of KINDS kinds, and words that say which."""
    place, shape = training.device(), UNET | sizes.get("unet", {})
    with training.seeded(0):
        coarse = torch.randn(KINDS * (EACH + 1), 4, 3, 8)
        words = torch.randn(KINDS, text.TOKENS, shape["text_width"])
    smooth = F.interpolate(coarse, (10, COLUMNS), mode="bicubic")
    kinds, own = (smooth / smooth.std()).split([KINDS, KINDS * EACH])
    latents = 0.8 * kinds.repeat(EACH, 1, 1, 1) + 0.6 * own
    words, rows = words.to(place), []
    for seed in seeds:
        clock.clear()
        log = learn(latents, lambda generator, chosen: words[chosen % KINDS], shape, steps=steps,
                    batch=batch, seed=seed)
        rows += [{"what": "curve", "step": int(one.step), "loss": float(one.value),
                  "sounds": batch, "seed": seed, "processes": processes.count()}
                 for one in log.itertuples() if one.name == "noise error"]
    return rows


def learn(latents, say, shape, **more):
    """diffusion.train in a folder that is then thrown away: its log (none but the first's)."""
    width, shape = shape["text_width"], {k: v for k, v in shape.items() if k != "text_width"}
    empty = torch.zeros(1, text.TOKENS, width, device=training.device())
    with tempfile.TemporaryDirectory() as folder:
        diffusion.train(folder, latents, say, empty, save_every=10**9, **shape, **more)
        log = Path(folder) / "log.csv"
        return pd.read_csv(log) if log.is_file() else pd.DataFrame(columns=["step", "name"])
