"""Runs stages of dvc.yaml side by side: `python -m maa.lanes report@mini`.

`dvc repro` runs one stage at a time, and each of ours keeps one core busy. Here every stage that
must run gets a `dvc repro --single-item` of its own as soon as those whose results it reads are
done. DVC still decides what runs, and a stage writes the same bytes as when it runs alone.
With --share N a GPU serves N stages at the same time: small networks leave most of it idle.

Conventions: a stage is named as DVC names it, "clips@mini"; it holds the GPUs that params.yaml says
    (limits.gpus). Exit status: that of the first failure, as in maa.run; 130, 143 after a signal.
Notebook: all of them.
"""

import argparse
import collections
import contextlib
import dataclasses
import graphlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import psutil

from maa import files, jobs, project, run
from maa.errors import MaaError

CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
DVC = [sys.executable, "-m", "dvc", "--wait-for-lock"]
BUSY = re.compile("is busy, it is being blocked by|Unable to acquire lock")
TRIES = 5  # when another DVC works on the same files
PAUSE = 2.0  # seconds between two tries
LOOK = 0.05  # seconds between two looks at what runs
GRACE = 60  # seconds that a stage gets to stop; a notebook's kernel may take 20 of them
LINES = 20  # of a failed stage's output


@dataclasses.dataclass
class Stage:
    """One `dvc repro --single-item` at work."""

    process: subprocess.Popen
    output: object
    began: float
    gpus: list

    def tail(self):
        """The last lines of what it printed."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace").strip().splitlines()[-LINES:]


class Lanes:
    """Stages at work, those that wait and those that failed.

    folder:    root of the project
    before:    {stage: names of the stages that it reads from}; the first to start come first
    stale:     stages known not to be up to date; about those that read from them DVC is asked
    at_once:   stages that may work at the same time
    gpus:      names of the GPUs to share out, as for CUDA_VISIBLE_DEVICES
    share:     stages that may work on one GPU at the same time
    needs:     {stage: GPUs}; who needs more than there are gets all, and is refused by maa.run
    """

    def __init__(self, folder, before, stale, at_once, gpus=(), needs=(), share=1):
        self.folder, self.before, self.stale, self.at_once = folder, before, {*stale}, at_once
        self.room = collections.Counter(dict.fromkeys(gpus, share))  # GPU: stages it can take in
        self.needs = {name: min(count, len(gpus)) for name, count in dict(needs).items()}
        self.order = graphlib.TopologicalSorter(before)
        self.order.prepare()
        self.waiting, self.tries = {}, dict.fromkeys(before, 0)  # name: time before which not
        self.working, self.failed = {}, {}  # name: Stage; name: exit status
        self.unsure, self.done = set(), set()

    def go(self):
        """Run everything that can be run; whatever ends this ends the stages too."""
        try:
            self.admit()
            while self.waiting or self.working:
                self.start()
                time.sleep(LOOK)
                self.collect()
                self.admit()
        finally:
            stop([stage.process for stage in self.working.values()])

    def admit(self):
        """Let those wait for a lane that have to run; the others are done at once."""
        while ready := self.order.get_ready():
            if self.unsure & {*ready}:  # one question about many: it takes DVC a second
                names = {n for n in self.unsure if self.stale & {*self.before[n]} <= self.done}
                self.unsure -= names
                self.stale |= not_up_to_date(self.folder, *sorted(names))
            self.waiting |= {name: 0 for name in ready if name in self.stale}
            for name in {*ready} - self.stale:
                self.finish(name)

    def finish(self, name):
        self.done.add(name)
        self.order.done(name)

    def start(self):
        for name in [name for name in self.before if name in self.waiting]:
            gpus = self.emptiest(needed := self.needs.get(name, 0))
            if (len(self.working) < self.at_once and len(gpus) == needed
                    and self.waiting[name] <= time.monotonic()):
                self.room.subtract(gpus)
                self.working[name] = started(self.folder, name, gpus)
                del self.waiting[name]

    def emptiest(self, count):
        """The `count` GPUs with the most room, or all that have room if they are fewer."""
        return sorted(filter(self.room.get, self.room), key=self.room.get, reverse=True)[:count]

    def collect(self):
        """See who has ended, and how."""
        for name, stage in [*self.working.items()]:
            if (status := stage.process.poll()) is None:
                continue
            del self.working[name]
            self.room.update(stage.gpus)
            seconds, lines = time.monotonic() - stage.began, stage.tail()
            stage.output.close()
            if status == 0:
                print(f"{name:27} {seconds:7.1f} s", flush=True)
                self.unsure |= {n for n in self.before if name in self.before[n]} - self.stale
                self.finish(name)
            elif BUSY.search("\n".join(lines)) and self.tries[name] < TRIES:
                self.tries[name] += 1
                self.waiting[name] = time.monotonic() + PAUSE
            else:
                self.failed[name] = exit_status(lines)
                print(f"\nmaa: {name} failed after {seconds:.1f} s; its last lines:",
                      *lines, sep="\n    ", end="\n\n", file=sys.stderr, flush=True)


def make(folder, target, at_once, share=1):
    """Exit status, after all that `target` needs is up to date or has failed."""
    stale = not_up_to_date(folder, target, "--with-deps")
    if not stale:
        print(f"{target}: everything is up to date")
        return 0
    before = graph(folder, target)
    limits = jobs.read_yaml(folder / "params.yaml")[jobs.LIMITS]["gpus"]
    needs = {name: gpus_of(limits, name) for name in before}
    gpus = jobs.visible_gpus() if any(needs.values()) else ()
    lanes = Lanes(folder, before, stale, at_once, gpus, needs, share)
    lanes.go()
    if lanes.failed:
        left = [name for name in before if name not in lanes.done | {*lanes.failed}]
        print(f"maa: failed: {', '.join(lanes.failed)}; not run: {', '.join(left) or 'none'}; "
              "once that is mended, the same command goes on", file=sys.stderr)
    return next(iter(lanes.failed.values()), 0)


def not_up_to_date(folder, *targets):
    """Names of those of the stages that DVC would run again."""
    return {*json.loads(asked(folder, "status", "--json", *targets))}


def graph(folder, target):
    """{stage: [stages it reads from]} for `target`; first who has the longest chain behind it."""
    text = asked(folder, "dag", "--dot", target)
    before = {name: [] for name in re.findall(r'^"([^"]+)";$', text, re.MULTILINE)}
    for first, then in re.findall(r'^"([^"]+)" -> "([^"]+)";$', text, re.MULTILINE):
        before[then].append(first)
    behind = dict.fromkeys(before, 0)
    for name in reversed([*graphlib.TopologicalSorter(before).static_order()]):
        for first in before[name]:
            behind[first] = max(behind[first], behind[name] + 1)
    return {name: before[name] for name in sorted(before, key=behind.get, reverse=True)}


def asked(folder, *words):
    """What a question to DVC prints; MaaError R-DVC if it knows no such stage, or is at work."""
    for _ in range(TRIES):
        answer = subprocess.run([*DVC, *words], cwd=folder, capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout
        if not BUSY.search(answer.stderr):
            break
        time.sleep(PAUSE)
    raise MaaError("R-DVC", f"`dvc {' '.join(words)}` says: {answer.stderr.strip()[-600:]}")


def gpus_of(limits, name):
    """GPUs that a stage such as "clap@small" needs; limits are those of params.yaml."""
    section, _, values = name.partition("@")
    rows = limits.get(section, {})
    return next((rows[value] for value in values.split("-") if value in rows), 0)


def started(folder, name, gpus):
    """The Stage `name` at work, with these GPUs; it ends when this process does."""
    output = tempfile.TemporaryFile()
    own = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    process = subprocess.Popen(
        [*DVC, "repro", "--single-item", name], cwd=folder, env={**os.environ, **own},
        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C comes to us alone: no stage gets a second signal
        preexec_fn=files.die_with_parent)
    return Stage(process, output, time.monotonic(), gpus)


def stop(processes):
    """End what DVC runs; then DVC ends by itself, with its own files whole."""
    limit, told = time.monotonic() + GRACE, set()
    while working := [process for process in processes if process.poll() is None]:
        for process in working:
            if time.monotonic() > limit:
                process.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in {*psutil.Process(process.pid).children()} - told:
                    child.terminate()
                    told.add(child)
        time.sleep(LOOK)


def exit_status(lines):
    """That of the command which DVC ran; 1 if it was DVC itself that failed."""
    found = re.findall(r"exited with (\d+)$", "\n".join(lines), re.MULTILINE)
    return int(found[-1]) if found else 1


def main(arguments=None):
    """Exit status of `python -m maa.lanes`."""
    parser = argparse.ArgumentParser(prog="python -m maa.lanes", description=__doc__.split("\n")[0])
    parser.add_argument("target", help="stage of dvc.yaml, such as report@mini")
    parser.add_argument("--at-once", type=int, default=CORES, metavar="N",
                        help="stages at the same time; as many as there are cores when not given")
    parser.add_argument("--share", type=int, default=1, metavar="N",
                        help="of these on one GPU, if its memory is large enough; 1 when not given")
    wanted = parser.parse_args(arguments)
    try:
        with run.stoppable():
            return make(project.root(), wanted.target, max(1, wanted.at_once), max(1, wanted.share))
    except MaaError as error:
        print(f"maa: {error}", file=sys.stderr)
        return error.exit_status
    except (KeyboardInterrupt, SystemExit) as end:
        print(f"\nmaa: stopped; {run.GOES_ON}", file=sys.stderr)
        return getattr(end, "code", 130)


if __name__ == "__main__":
    sys.exit(main())
