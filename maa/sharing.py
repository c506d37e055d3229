"""Shards of one job shared out among workers by locks: nothing is lost with a worker that dies.

A worker locks a shard that has no result, labels its clips and writes the result in one piece. When
it dies the lock is free, and whoever comes next begins that shard anew. A shard that cannot be
read, or at which TRIES workers died, is set aside; the others go on.

Conventions: OUT/shards/<shard>.csv is the result of a shard, OUT/claims/<shard>/ has its lock and
    state.json: {"tries": workers that began}, {"code", "reason"} of one set aside, or the
    "bytes", "modified" and "sha256" of what was labelled. Locks work among machines too, on disks
    that share them (NFS does, Lustre with -o flock); a disk without any is refused, F-LOCK. Where
    they bind one machine only (-o localflock, local_lock) have one machine at a folder: several
    label a shard at once, the last result stays, and it may count as one at which workers died.
Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
"""

import dataclasses
import hashlib
import os
import sys
import time
from pathlib import Path

from maa import files, inputs, tarred
from maa.errors import MaaError, one_line

TRIES = 3  # workers that may die at one shard
LOOK = 0.1  # seconds between two looks at what is left


@dataclasses.dataclass
class Job:
    """What is labelled, by whom and to where.

    shards:    paths of the tar files, in the order of their names
    out:       folder of the results, of this job alone
    label:     "module:function" that makes a label(), see maa.tarred.labeller
    options:   keywords for it, all of JSON
    seed:      of all draws
    batch:     clips heard at once
    max_reject:   share of clips that may have no usable sound; what is written is the same
    """

    shards: list
    out: Path
    label: str
    options: dict
    seed: int = 0
    batch: int = 64
    max_reject: float = 0.01

    def result(self, shard):
        return self.out / "shards" / f"{shard.stem}.csv"

    def claim(self, shard):
        """Folder whose lock is held by the worker at this shard."""
        return self.out / "claims" / shard.stem

    def state(self, shard):
        try:
            return files.read_json(self.claim(shard) / "state.json")
        except FileNotFoundError:
            return {}

    def note(self, shard, state):
        files.write_json(self.claim(shard) / "state.json", state)

    def is_left(self, shard):
        """Whether a shard has no result and is not set aside."""
        return not self.result(shard).exists() and "code" not in self.state(shard)

    def left(self):
        return [shard for shard in self.shards if self.is_left(shard)]

    def has_results(self):
        return any(self.result(shard).exists() for shard in self.shards)


def work(job, label, stopped=()):
    """Label shards until none is left; one that is locked is another's, unless that one dies.

    label:     label(waves, ids, generator), see maa.tarred
    stopped:   list of received signals: the batch at hand is finished, its shard given up

    Raises SystemExit once a signal is received; MaaError F-… if results cannot be written. Any
    other error of label() counts as this worker's death.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    def pause():
        if stopped:
            raise SystemExit(128 + stopped[0])

    while left := job.left():
        if not any([attempt(job, shard, label, pause) for shard in left]):
            time.sleep(LOOK)


def attempt(job, shard, label, pause):
    """Whether a shard was dealt with here: no if another worker is at it, or was faster."""
    pause()
    try:
        with files.locked(job.claim(shard)):
            if not job.is_left(shard):
                return False
            settle(job, shard, label, pause)
            return True
    except MaaError as fault:
        if fault.code != "F-LOCKED":
            raise
        return False


def settle(job, shard, label, pause):
    """Label a shard, or set it aside; its lock is held."""
    begun, tries = time.monotonic(), job.state(shard).get("tries", 0)
    try:
        if tries >= TRIES:
            raise MaaError("F-DIED", f"{tries} workers died at {shard.name!r}, expected none; does "
                                     f"one of its clips fill the memory?")
        job.note(shard, {"tries": tries + 1})
        labelled = stamp(shard)
        table = tarred.labelled(shard, label, job.seed, job.batch, pause)
    except SystemExit:
        job.note(shard, {"tries": tries})
        raise
    except MaaError as fault:
        job.note(shard, {"code": fault.code, "reason": fault.args[1]})
        print(f"maa: set aside: {fault}", file=sys.stderr, flush=True)
        return
    job.note(shard, labelled)
    files.write_table(job.result(shard), table)
    seconds = time.monotonic() - begun
    print(f"{one_line(shard.stem):40} {len(table):7} clips {seconds:8.1f} s", flush=True)


def stamp(shard):
    """{"bytes", "modified" (ns), "sha256"} of a shard, by which a change of it is seen."""
    with inputs.opened(shard) as file:
        digest, found = hashlib.file_digest(file, "sha256"), os.fstat(file.fileno())
    return {"bytes": found.st_size, "modified": found.st_mtime_ns, "sha256": digest.hexdigest()}


def check(job):
    """Refuse to go on with anything else than what the job was begun with.

    Raises MaaError R-LABEL (no such label), R-SETTINGS (other experts, options, seed or batch),
    D-CHANGED (a shard holds other bytes than those that were labelled).
    """
    now = {"label": job.label, "options": job.options, "seed": job.seed, "batch": job.batch,
           "files": {str(path): files.sha256(path)
                     for path in tarred.read_by(job.label, job.options)}}
    path = job.out / "settings.json"
    if not path.exists():
        files.write_json(path, now)
    before = files.read_json(path)
    if other := [name for name in now if before.get(name) != now[name]]:
        raise MaaError("R-SETTINGS", (
            f"{str(job.out)!r} was begun with other {' and '.join(other)}, see {path.name!r} in "
            f"it; take those or another folder"))
    for shard in job.shards:
        state = job.state(shard) if job.result(shard).exists() else {}
        if "sha256" in state and changed(shard, state):
            raise MaaError("D-CHANGED", (
                f"{shard.name!r} changed after it was labelled; delete "
                f"{str(job.result(shard))!r} to label it anew"))


def changed(shard, state):
    """Whether a shard holds other bytes than when it was stamped; read only if it was written."""
    found = shard.stat()
    same = (found.st_size, found.st_mtime_ns) == (state["bytes"], state["modified"])
    return not same and files.sha256(shard) != state["sha256"]


def forgive(job):
    """Give shards at which workers died, or that were set aside, all their tries again."""
    for shard in job.shards:
        if not {"tries", "code"} & job.state(shard).keys():
            continue
        try:
            with files.locked(job.claim(shard)):  # else a worker is at it
                (job.claim(shard) / "state.json").unlink(missing_ok=True)
        except MaaError as fault:
            if fault.code != "F-LOCKED":
                raise
