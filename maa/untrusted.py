"""Checkpoints from elsewhere, read without trusting them: tensors and numbers, and no code is run.

Conventions: a checkpoint is a file of torch.save, zipped or in the older form. What is wrong with
    it is told in one line, by a code of its own.
Notebook: none.
"""

import pickle
import re
import warnings
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
        with torch.serialization.safe_globals(NUMBERS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
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


def named(path, under=("state_dict",)):
    """The weights in a checkpoint file: {name: tensor}.

    under:    as in weights()

    Raises MaaError as read(), K-KEYS if there are none or the file holds more than named tensors.
    """
    found = weights(read(path), under)
    if not found:
        raise MaaError("K-KEYS", f"{str(path)!r} holds no weights; is it another program's file?")
    refuse("K-KEYS", "are no named tensors", unnamed(found), path)
    return found


def fit(network, found, original, dropped, source):
    """Give a network the weights of a file: each is used, or known to be droppable, or refused.

    found:     {name in the file: tensor}
    original:  original(name of one of the network's weights) -> its name in the file
    dropped:   pattern of names that the network has no place for
    source:    the file's name, for errors

    1 × 1 convolutions fit linear layers. Raises MaaError K-KEYS (missing, unknown), K-SHAPE,
    K-DTYPE (no floating-point numbers) or K-NAN, each naming the first five.
    """
    expected = {original(name): (name, value) for name, value in network.state_dict().items()}
    refuse("K-KEYS", "are missing", expected.keys() - found.keys(), source)
    refuse("K-KEYS", "are unknown", [
        key for key in found.keys() - expected.keys() if not re.fullmatch(dropped, key)], source)
    shaped = {key: squeezed(found[key], value) for key, (_, value) in expected.items()}
    refuse("K-SHAPE", "have another shape", [
        f"{key} {tuple(found[key].shape)} for {tuple(value.shape)}"
        for key, (_, value) in expected.items() if shaped[key].shape != value.shape], source)
    refuse("K-DTYPE", "are no floating-point numbers", [
        f"{key} {found[key].dtype}" for key, (_, value) in expected.items()
        if value.is_floating_point() and not found[key].is_floating_point()], source)
    refuse("K-NAN", "are not finite", [
        key for key, (_, value) in expected.items()
        if not torch.isfinite(found[key].to(value.dtype)).all()], source)
    network.load_state_dict({name: shaped[key] for key, (name, _) in expected.items()})
    network.eval()


def squeezed(value, like):
    """A 1 × 1 convolution's weight as that of a linear layer, if that is what is wanted."""
    one = value.dim() > like.dim() and set(value.shape[like.dim():]) == {1}
    return value.reshape(value.shape[:like.dim()]) if one else value


def refuse(code, what, names, source):
    """MaaError about the weights of these names, if there are any."""
    if names := sorted(map(str, names)):
        first = ", ".join(names[:5]) + (", …" if names[5:] else "")
        raise MaaError(code, f"{len(names)} weights {what} in {Path(source).name!r}: {first}; "
                             f"is it another network's file?")


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
