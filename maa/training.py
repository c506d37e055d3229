"""The one training loop: every train() in maa hands it networks, losses and batches.

A step takes each `Turn` in order (a generator, then its discriminator), so that plain and
adversarial training are the same loop. What is written to `folder`:
    step-00001200-<hash>.pt   everything needed to go on; the two newest are kept
    log.csv                   step, split, name, value: mean losses since the last row

Conventions: batches come from one generator, passed to `batch`, dropout from torch's own, seeded
    anew at each step; a run that is killed and started again ends in the same bits (on a CPU) as
    one that was not.
    bfloat16 on CUDA, float32 elsewhere; averaged weights (EMA) always float32.
Source: Section 5.2 and Appendix E.2. Differs: weights are averaged and the rate falls to zero.
Notebook: 22_diffusion.
"""

import contextlib
import dataclasses
import math
import warnings
from pathlib import Path
from typing import Callable

import torch
from tqdm.auto import tqdm

from maa import files, processes, runs, stopping


MOST = 200  # checkpoints that a run writes, one after another
APART = 5000  # steps between two, at most, unless there would be more than MOST
# Left to itself torch.compile turns pictures round and round on the way back through a network that
# ends in few channels: 3 % of the time of a step of the paper's U-Net, at 128 and at 256 clips.
COMPILING = {"dynamic": False, "options": {"force_layout_optimization": True}}


@dataclasses.dataclass
class Turn:
    """One optimizer's part of a step.

    networks:       names in `modules` whose parameters it changes
    loss:           loss(batch, step) -> (loss to minimise, {name: value to log})
    learning_rate:  peak rate of AdamW, after the warm-up
    """

    networks: tuple
    loss: Callable
    learning_rate: float
    betas: tuple = (0.9, 0.999)
    weight_decay: float = 0.01
    clip: float = 1.0  # largest gradient norm
    begin: int = 0  # first step at which it is taken


@contextlib.contextmanager
def seeded(seed):
    """Inside: torch's global generator starts at `seed`, for weight initialisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def norm_groups(widths):
    """Groups of a network's group norms: 32 as in the paper, fewer where that would leave less than
    four channels to a group (one channel to a group forgets how loud it is).

    Raises ValueError unless all widths are multiples of 4.
    """
    common = math.gcd(*widths)
    if common % 4:
        raise ValueError(f"widths {tuple(widths)}, expected multiples of 4 (see the group norms)")
    return min(32, common // 4)


class Straight(torch.autograd.Function):
    """What it is given; on the way back the channels of a picture's gradient lie last."""

    @staticmethod
    def forward(ctx, picture):
        return picture.view_as(picture)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.contiguous(memory_format=torch.channels_last)


@contextlib.contextmanager
def straight(modules):
    """Inside: convolutions of pictures whose channels lie last are given gradients of that kind.

    Group norms would hand them others, to be turned by copies (2 % of a step of the paper's U-Net);
    compiled, they write them so to begin with.
    """
    def hook(module, given, found):
        last = found.is_contiguous(memory_format=torch.channels_last)
        return Straight.apply(found) if last else found

    hooks = [one.register_forward_hook(hook) for module in modules for one in module.modules()
             if isinstance(one, torch.nn.Conv2d)]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


@contextlib.contextmanager
def hastened(modules, place, recorded):
    """Inside: on CUDA the modules are compiled, and recorded if asked; elsewhere left alone."""
    if place.type != "cuda":
        yield
        return
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru")
    options = COMPILING["options"] | {"triton.cudagraphs": recorded}
    for module in modules:
        module.compile(**COMPILING | {"options": options})
    with straight(modules):
        yield


device, share = processes.device, processes.share


def layout(place):
    """Memory format of pictures in a generator: on a CPU, channels last is slower by 10 to 50 %."""
    return torch.channels_last if place.type == "cuda" else torch.contiguous_format


def train(folder, *, modules, turns, batch, steps, settings, seed=0, averaged=(), decay=0.999,
          warm_up=0.05, held_out=None, log_every=50, save_every=500, compiled=(), recorded=False,
          label="training"):
    """Trained networks, after `steps` steps or after resuming what was left of them.

    folder:    where checkpoints and log.csv live; one run at a time
    modules:   {name: torch module}; moved to the device and trained in place
    turns:     list of Turn, taken in order at every step
    batch:     batch(generator) -> dict of tensors on the device
    settings:  {name: value} that make this run what it is; a resume with others is refused, or
               with other steps, warm_up, seed, decay or numbers of a Turn
    warm_up:   share of the steps over which the learning rate rises to its peak
    averaged:  names of modules whose moving average (EMA, `decay`) is kept
    save_every:  steps between checkpoints, at most APART; more where there would be over MOST
    held_out:  held_out(modules) -> {name: value}, measured on the averaged weights at every save
    compiled:  modules or submodules to compile on CUDA
    recorded:  as CUDA graphs too, which wait for no host; for those that a step calls only once
    returns    {name: module}, averaged weights where asked, in eval mode

    Raises MaaError T-SETTINGS (resumed with other settings), T-NAN (a loss or gradient is not
    finite; names the last good checkpoint), F-LOCKED (another run owns the folder),
    T-UNLIKE (networks of other shapes in other processes), T-HOSTS (checkpoints that others lack).
    Source: Section 5.2.  Notebook: 22_diffusion.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_every = max(min(save_every, APART), steps // MOST)
    with contextlib.ExitStack() as on:
        processes.first(lambda: on.enter_context(files.locked(folder)))
        stopped = on.enter_context(stopping.signals())
        on.enter_context(torch.random.fork_rng())
        run = runs.Run(folder, modules, turns, settings, seed, averaged, decay, steps, warm_up)
        on.enter_context(hastened(compiled, run.device, recorded))
        run.resume()
        bar = tqdm(range(run.step, steps), initial=run.step, total=steps, desc=label, mininterval=5)
        for _ in bar:
            run.advance(batch)
            logs = run.step % log_every == 0 or run.step == steps
            if logs:
                bar.set_postfix(run.log())
            stop = stopped if processes.count() == 1 else logs and max(processes.gathered(stopped))
            if run.step % save_every == 0 or run.step == steps or stop:
                if held_out and not stop:
                    run.note("held_out", held_out(run.result()))
                run.save()
            if stop:
                raise SystemExit(128 + stop[0])
        return run.agreed()
