"""Checkpoints of a training run: written whole or not at all, read only if every byte is right.

Conventions: a checkpoint is one file, step-00001200-<hash>.pt, whose name carries the SHA-256 of
    its content; the two newest are kept; `state` is a dictionary of numbers, lists and tensors.
Notebook: 22_diffusion.
"""

import hashlib
import io
import itertools
from pathlib import Path

import torch

from maa import files
from maa.errors import MaaError, warn

KEPT = 2
DIGITS = 16  # of the hash, in the name


def write(folder, step, state):
    """Add a checkpoint, then remove all but the newest."""
    memory = io.BytesIO()
    torch.save(state, memory)
    data = memory.getbuffer()
    name = f"step-{step:08d}-{mark(data)}.pt"
    files.atomic_write(Path(folder) / name, lambda out: out.write(data))
    for old in newest(folder)[KEPT:]:
        old.unlink()


def newest(folder):
    """Checkpoint files, newest first."""
    return sorted(Path(folder).glob("step-*.pt"), reverse=True)


def read(path, device="cpu"):
    """State in a checkpoint, or None (with a warning) if its bytes are not those of its name."""
    data = Path(path).read_bytes()
    if mark(data) != Path(path).stem.split("-")[-1]:
        warn("K-HASH", f"checkpoint {Path(path).name!r} is damaged and is passed over")
        return None
    return torch.load(io.BytesIO(data), map_location=device, weights_only=True)


def latest(folder, device="cpu"):
    """(path, state) of the newest whole checkpoint, or (None, None)."""
    for path in newest(folder):
        state = read(path, device)
        if state is not None:
            return path, state
    return None, None


def remove_newer(folder, path):
    """Remove what latest() passed over to come to `path`: it would be kept in place of new ones."""
    for damaged in itertools.takewhile(lambda one: one != path, newest(folder)):
        damaged.unlink()


def refuse_changes(old, new, path):
    """MaaError T-SETTINGS naming every setting that differs from the checkpoint's."""
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if changed:
        listed = "; ".join(f"{k} is {new.get(k)!r}, was {old.get(k)!r}" for k in changed)
        raise MaaError("T-SETTINGS", (
            f"{path.name} in {path.parent.name!r} was trained with other settings: {listed}; "
            f"set them back or remove the folder to start again"))


def mark(data):
    return hashlib.sha256(data).hexdigest()[:DIGITS]
