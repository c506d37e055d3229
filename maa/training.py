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
import copy
import dataclasses
import math
import warnings
from pathlib import Path
from typing import Callable

import pandas as pd
import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from maa import checkpoints, files, stopping
from maa.errors import MaaError

LOG_COLUMNS = ["step", "split", "name", "value"]


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


def device():
    """The accelerator if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def layout(place):
    """Memory format of pictures in a generator: on a CPU, channels last is slower by 10 to 50 %."""
    return torch.channels_last if place.type == "cuda" else torch.contiguous_format


def train(folder, *, modules, turns, batch, steps, settings, seed=0, averaged=(), decay=0.999,
          warm_up=0.05, held_out=None, log_every=50, save_every=500, compiled=(), label="training"):
    """Trained networks, after `steps` steps or after resuming what was left of them.

    folder:    where checkpoints and log.csv live; one run at a time
    modules:   {name: torch module}; moved to the device and trained in place
    turns:     list of Turn, taken in order at every step
    batch:     batch(generator) -> dict of tensors on the device
    settings:  {name: value} that make this run what it is; a resume with others is refused
    warm_up:   share of the steps over which the learning rate rises to its peak
    averaged:  names of modules whose moving average (EMA, `decay`) is kept
    held_out:  held_out(modules) -> {name: value}, measured on the averaged weights at every save
    compiled:  modules or submodules to compile on CUDA
    returns    {name: module}, averaged weights where asked, in eval mode

    Raises MaaError T-SETTINGS (resumed with other settings), T-NAN (a loss or gradient is not
    finite; names the last good checkpoint), F-LOCKED (another run owns the folder).
    Source: Section 5.2.  Notebook: 22_diffusion.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder), stopping.signals() as stopped, torch.random.fork_rng():
        run = Run(folder, modules, turns, settings, seed, averaged, decay, steps, warm_up)
        if run.device.type == "cuda":
            warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru")
            for module in compiled:
                module.compile(dynamic=False)
        run.resume()
        bar = tqdm(range(run.step, steps), initial=run.step, total=steps, desc=label, mininterval=5)
        for _ in bar:
            run.advance(batch)
            if run.step % log_every == 0 or run.step == steps:
                bar.set_postfix(run.log())
            if run.step % save_every == 0 or run.step == steps or stopped:
                if held_out and not stopped:
                    run.note("held_out", held_out(run.result()))
                run.save()
            if stopped:
                raise SystemExit(128 + stopped[0])
        return run.result()


class Run:
    """State of one training run: everything that a checkpoint must hold."""

    def __init__(self, folder, modules, turns, settings, seed, averaged, decay, steps, warm_up):
        self.accelerator = Accelerator(
            mixed_precision="bf16" if torch.cuda.is_available() else "no")
        self.device = self.accelerator.device
        self.folder, self.turns, self.settings = folder, turns, settings
        self.steps, self.warm_up, self.seed, self.step = steps, warm_up, seed, 0
        self.modules = {name: module.to(self.device) for name, module in modules.items()}
        self.averages = {
            name: copy.deepcopy(modules[name]).requires_grad_(False) for name in averaged
        }
        self.decay = decay
        self.optimizers = [
            torch.optim.AdamW(
                [p for n in turn.networks for p in modules[n].parameters() if p.requires_grad],
                turn.learning_rate, turn.betas, weight_decay=turn.weight_decay,
                fused=True,  # on a CPU too: a tenth of the time of a small network
            )
            for turn in turns
        ]
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.sums, self.rows = {}, []  # {name: (sum, how many)} since the last row of the log

    def advance(self, batch):
        """One step: each turn's loss, gradient and update, then the averages."""
        torch.manual_seed(self.seed * self.steps + self.step)  # for dropout
        now = batch(self.generator)
        for module in self.modules.values():
            module.train()
        for turn, optimizer in zip(self.turns, self.optimizers):
            if self.step < turn.begin:
                continue
            for group in optimizer.param_groups:
                group["lr"] = turn.learning_rate * self.rate()
            with self.only(turn.networks), self.accelerator.autocast():
                loss, shown = turn.loss(now, self.step)
                self.accelerator.backward(loss)
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            norm = torch.nn.utils.clip_grad_norm_(parameters, turn.clip)
            optimizer.step()
            optimizer.zero_grad()
            for name, value in {**shown, f"gradient {turn.networks[0]}": norm}.items():
                value = torch.as_tensor(value, device=self.device).detach().double()
                total, count = self.sums.get(name, (0, 0))
                self.sums[name] = total + value, count + 1
        for name, average in self.averages.items():
            follow(average, self.modules[name], min(self.decay, (1 + self.step) / (10 + self.step)))
        self.step += 1

    def rate(self):
        """Share of the peak learning rate: linear warm-up, then half a cosine down to zero."""
        return min(1, (self.step + 1) / max(1, self.warm_up * self.steps)) * (
            0.5 + 0.5 * math.cos(math.pi * self.step / self.steps))

    @contextlib.contextmanager
    def only(self, names):
        """Gradients for the parameters of these modules alone."""
        others = [p for n, m in self.modules.items() if n not in names
                  for p in m.parameters() if p.requires_grad]
        for parameter in others:
            parameter.requires_grad_(False)
        yield
        for parameter in others:
            parameter.requires_grad_(True)

    def log(self):
        """Mean losses since the last row → log.csv. Not finite: stop here, before any save."""
        means = {name: float(total) / count for name, (total, count) in self.sums.items()}
        self.check(means)
        self.note("train", means)
        self.sums = {}
        return {name: f"{value:.3g}" for name, value in means.items()
                if not name.startswith("gradient")}

    def note(self, split, values):
        self.rows += [(self.step, split, name, float(value)) for name, value in values.items()]
        files.write_table(self.folder / "log.csv", pd.DataFrame(self.rows, columns=LOG_COLUMNS))

    def check(self, values):
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            last = checkpoints.newest(self.folder)
            raise MaaError("T-NAN", (
                f"{bad[0]!r} is not finite by step {self.step}; is the learning rate too high or a "
                f"clip damaged? The last good checkpoint is {last[0].name if last else 'none'}"))

    def save(self):
        """Write a checkpoint, unless a loss or a gradient since the last row is not finite."""
        self.check({name: float(total) for name, (total, _) in self.sums.items()})
        state = {
            "step": self.step, "settings": self.settings, "sums": self.sums,
            "modules": {n: m.state_dict() for n, m in self.modules.items()},
            "averages": {n: m.state_dict() for n, m in self.averages.items()},
            "optimizers": [o.state_dict() for o in self.optimizers],
            "generator": self.generator.get_state(), "rows": self.rows,
        }
        checkpoints.write(self.folder, self.step, state)

    def resume(self):
        """Continue from the newest whole checkpoint, if there is one."""
        path, state = checkpoints.latest(self.folder, self.device)
        if state is None:
            return
        checkpoints.refuse_changes(state["settings"], self.settings, path)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
        for optimizer, old in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(old)
        self.generator.set_state(state["generator"].cpu())
        self.step, self.sums = state["step"], state["sums"]
        self.rows = [tuple(row) for row in state["rows"]]

    def result(self):
        """{name: module in eval mode}, the averaged one where there is one."""
        chosen = {n: self.averages[n] if n in self.averages else m
                  for n, m in self.modules.items()}
        return {name: module.eval() for name, module in chosen.items()}


@torch.no_grad()
def follow(average, module, decay):
    """Move the averaged weights a little towards the trained ones; buffers are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - decay)
    for old, new in zip(average.buffers(), module.buffers()):
        old.copy_(new)
