"""State of one training run: networks, averages, optimizers, log, and how far its random numbers are.

Conventions: as in maa.training, whose train() makes it and steps it. With several processes each
    has its own draws and dropout; what is logged is the mean over them.
Source: Section 5.2.  Notebook: 22_diffusion.
"""

import contextlib
import copy
import math

import pandas as pd
import torch
from accelerate import Accelerator

from maa import checkpoints, files, processes
from maa.errors import MaaError

LOG_COLUMNS = ["step", "split", "name", "value"]
APART = 1_000_003  # between the seeds of two processes
OF_A_TURN = ("learning_rate", "betas", "weight_decay", "clip", "begin")  # a resume must not change


class Run:
    """State of one training run: everything that a checkpoint must hold."""

    def __init__(self, folder, modules, turns, settings, seed, averaged, decay, steps, warm_up):
        processes.meet()
        self.accelerator = Accelerator(
            mixed_precision="bf16" if torch.cuda.is_available() else "no")
        self.device = processes.device()
        self.folder, self.turns, self.settings = folder, turns, settings
        self.steps, self.warm_up, self.seed, self.step = steps, warm_up, seed, 0
        refuse_unlike(modules)
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
        self.generator = torch.Generator(self.device).manual_seed(seed + APART * processes.rank())
        self.sums, self.rows = {}, []  # {name: (sum, how many)} since the last row of the log
        self.written = 0  # rows of the log that are on disk

    def advance(self, batch):
        """One step: each turn's loss, gradient and update, then the averages."""
        own = self.seed * self.steps + self.step + APART * processes.rank()
        torch.manual_seed(own)  # for dropout
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
                self.accelerator.backward(loss / processes.count())  # the sum is then the mean
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            processes.add([p.grad for p in parameters if p.grad is not None])
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

    def schedule(self):
        """{name: value} of what each step depends on, whether the settings name it or not."""
        return {"steps": self.steps, "warm_up": self.warm_up, "seed": self.seed,
                "decay": self.decay} | {
            f"{name} of turn {place}": getattr(turn, name)
            for place, turn in enumerate(self.turns, 1) for name in OF_A_TURN}

    @contextlib.contextmanager
    def only(self, names):
        """Gradients for the parameters of these modules alone."""
        others = [p for n, m in self.modules.items() if n not in names
                  for p in m.parameters() if p.requires_grad]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    def log(self):
        """Mean losses since the last row → log.csv. Not finite: stop here, before any save."""
        means = processes.means(
            {name: float(total) / count for name, (total, count) in self.sums.items()}, self.device)
        self.check(means)
        self.note("train", means)
        self.sums = {}
        return {name: f"{value:.3g}" for name, value in means.items()
                if not name.startswith("gradient")}

    def note(self, split, values):
        """Add rows to the log, which is written when it has grown by a hundredth, and at saves."""
        self.rows += [(self.step, split, name, float(value)) for name, value in values.items()]
        if len(self.rows) > 1.01 * self.written:
            self.write()

    def write(self, state=None):
        """log.csv, and a checkpoint where there is a `state` to write."""
        table, self.written = pd.DataFrame(self.rows, columns=LOG_COLUMNS), len(self.rows)

        def write():
            files.write_table(self.folder / "log.csv", table)
            if state is not None:
                checkpoints.write(self.folder, self.step, state)

        processes.first(write)

    def check(self, values):
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            last = checkpoints.newest(self.folder)
            raise MaaError("T-NAN", (
                f"{bad[0]!r} is not finite by step {self.step}; is the learning rate too high or a "
                f"clip damaged? The last good checkpoint is {last[0].name if last else 'none'}"))

    def save(self):
        """Write a checkpoint, unless a loss or a gradient since the last row is not finite."""
        sums = {name: float(total) for name, (total, _) in self.sums.items()}
        self.check(processes.means(sums, self.device))
        state = {
            "step": self.step, "settings": self.settings, "schedule": self.schedule(),
            "sums": self.sums,
            "modules": {n: m.state_dict() for n, m in self.modules.items()},
            "averages": {n: m.state_dict() for n, m in self.averages.items()},
            "optimizers": [o.state_dict() for o in self.optimizers],
            "generator": torch.stack(processes.gathered(self.generator.get_state())),
            "rows": self.rows,
        }
        self.write(state)

    def resume(self):
        """Continue from the newest whole checkpoint, if there is one."""
        path, state = checkpoints.latest(self.folder, self.device)
        self.refuse_others(path)
        if processes.rank() == 0:  # all have read by now
            checkpoints.remove_newer(self.folder, path)
        if state is None:
            return
        first, *_ = processes.gathered(self.settings)  # shares of scenes are not of one size
        schedule = self.schedule()  # a setting of its name is what was asked for, and wins
        own = schedule | first | {"processes": processes.count()}
        theirs = state.get("schedule", schedule) | state["settings"]
        checkpoints.refuse_changes(theirs | {"processes": len(state["generator"])}, own, path)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
        for optimizer, old in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(old)
        own = state["generator"][processes.rank()]
        self.generator.set_state(own.cpu().clone())  # a view of the others' would crash torch
        self.step, self.sums = state["step"], state["sums"]
        self.rows = [tuple(row) for row in state["rows"]]

    def refuse_others(self, path):
        """MaaError T-HOSTS, in every process, unless all resume from the same checkpoint."""
        first, *others = processes.gathered(path.name if path else "no checkpoint")
        for rank, other in enumerate(others, 1):
            if other != first:
                raise MaaError("T-HOSTS", (
                    f"process {rank} resumes {self.folder.name!r} from {other}, expected {first} "
                    f"as process 0; all hosts must see one folder, is results/ on a disk of each?"))

    def result(self):
        """{name: module in eval mode}, the averaged one where there is one."""
        chosen = {n: self.averages[n] if n in self.averages else m
                  for n, m in self.modules.items()}
        return {name: module.eval() for name, module in chosen.items()}

    def agreed(self):
        """As result(), the first process's where they differ: statistics of batches may."""
        for module in (*self.modules.values(), *self.averages.values()):
            processes.follow_first(module)
        return self.result()


def refuse_unlike(modules):
    """MaaError T-UNLIKE, in every process, naming the first parameter that is not alike in all."""
    first, *others = processes.gathered({
        (name, key): list(value.shape) for name, module in modules.items()
        for key, value in module.named_parameters()})
    for rank, other in enumerate(others, 1):
        for name, key in {**first, **other}:
            expected, found = (one.get((name, key), "missing") for one in (first, other))
            if found != expected:
                raise MaaError("T-UNLIKE", (
                    f"{key!r} of {name!r} is {found} in process {rank}, expected {expected} as in "
                    f"process 0; was its tokenizer or its list of labels made of one process's "
                    f"share of the scenes?"))


@torch.no_grad()
def follow(average, module, decay):
    """Move the averaged weights a little towards the trained ones; buffers are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - decay)
    for old, new in zip(average.buffers(), module.buffers()):
        old.copy_(new)
