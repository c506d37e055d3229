"""Checkpoints from elsewhere, read without trusting them: tensors and numbers, and no code is run.

Conventions: a checkpoint is a file of torch.save, zipped or in the older form. What is wrong with
    it is told in one line, by a code of its own.
Notebook: none.
"""

import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import torch

from maa.errors import MaaError

SCALAR = np.float64(0).__reduce__()[0]  # many files keep their scores as numbers of numpy
NUMBERS = [(SCALAR, "numpy.core.multiarray.scalar"), (SCALAR, "numpy._core.multiarray.scalar"),
           np.dtype, *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8"))]
KINDS = (  # the first bytes of what is no checkpoint
    ("K-EMPTY", rb"\Z", "has 0 bytes; download it again"),
    ("K-POINTER", rb"version \S*git-lfs", "is a git LFS pointer; run `git lfs pull` beside it"),
    ("K-FORMAT", rb"\s*<", "is a web page, expected a checkpoint; did the site ask for a login?"),
    ("K-FORMAT", rb"(?!PK\x03\x04|\x80)", "is no PyTorch file, neither a zip nor a pickle"),
)
SEVERAL = "module."  # what training on several GPUs puts before each name


def read(path):
    """What a checkpoint file holds: tensors and numbers, in dictionaries, lists or bare.

    Raises MaaError K-MISSING, K-EMPTY, K-POINTER (git LFS), K-FORMAT (a web page, something else),
    K-TRUNC (the end is missing), K-HASH (a byte changed), K-UNSAFE (more than tensors and numbers).
    """
    _check_head(Path(path))
    try:
        _check_sums(path)
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except MaaError:
        raise
    except pickle.UnpicklingError as fault:
        named = re.search(r"GLOBAL ([\w.]+)", str(fault))
        raise MaaError("K-UNSAFE", (
            f"{str(path)!r} asks for {named[1] if named else 'something unknown'}, expected only "
            f"weights; reading it could run code. If you trust its origin: on a computer apart, "
            f"torch.load it with weights_only=False, torch.save its state_dict, import that file"
        )) from fault
    except Exception as fault:  # what is damaged can raise anything
        raise MaaError("K-TRUNC", f"{str(path)!r} is cut short; download it again") from fault


def weights(content, under=("state_dict",)):
    """The dictionary of weights in what read() gave, or None if it holds no dictionary.

    under:    keys that it may lie under, one in the other; it may lie bare too
    returns   {name: value}; "module." is dropped where every name begins so. Values are not checked
    """
    for key in under:
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        return None
    several = all(isinstance(key, str) and key.startswith(SEVERAL) for key in content)
    return {key.removeprefix(SEVERAL) if several else key: value
            for key, value in content.items()}


def unnamed(found):
    """Keys of a dictionary of weights that are no text, or whose value is no tensor."""
    return [key for key, value in found.items()
            if not (isinstance(key, str) and torch.is_tensor(value))]


def _check_head(path):
    """Refuse a file whose first bytes are not those of a checkpoint."""
    if not path.is_file():
        raise MaaError("K-MISSING", f"{str(path)!r} is no file; was it downloaded?")
    with open(path, "rb") as file:
        head = file.read(200)
    for code, fits, text in KINDS:
        if re.match(fits, head):
            raise MaaError(code, f"{str(path)!r} {text}")


def _check_sums(path):
    """Refuse a zip in which a byte changed: torch would read it all the same."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise MaaError("K-HASH", f"{str(path)!r} is damaged at {damaged!r}; download it again")
