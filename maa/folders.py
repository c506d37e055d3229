"""The folder of a saved pipeline: found, checked, and sealed with the hashes of its files.

Conventions: a folder holds model_index.json, one folder a part, and hashes.json over all of these;
    a model card README.md may lie beside them and change freely.
Source: none.  Notebook: 00_listen_first.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from maa import files
from maa.errors import MaaError

INDEX, SOURCE = "model_index.json", "source.json"
PLACES = ("results/small/pipeline", "results/mini/pipeline")  # best first
ORIGIN = "_name_or_path"  # where a part was loaded from: an absolute path of somebody's computer


def find(folder=None):
    """The folder of the pipeline to use: the given one, else the best that was made or came along.

    Raises MaaError K-MISSING.
    """
    if folder is not None:
        check_index(Path(folder))
        return Path(folder)
    roots = (Path.cwd(), Path(__file__).parents[1])
    for place in (root / place for place in PLACES for root in roots):
        if (place / INDEX).is_file():
            return place
    raise MaaError(
        "K-MISSING",
        f"there is no model, expected a folder {' or '.join(PLACES)}; type `make paper` to train "
        f"the small one here",
    )


def check(folder):
    """Refuse a folder that is no pipeline, or in which a byte changed since it was sealed.

    Raises MaaError K-MISSING or K-HASH.
    """
    check_index(folder)
    if (folder / files.HASHES).is_file():
        files.check_hashes(folder)


def check_index(folder):
    if not (folder / INDEX).is_file():
        raise MaaError(
            "K-MISSING",
            f"{str(folder)!r} has no {INDEX}, expected a folder written by save_pretrained",
        )


def seal(folder, parts):
    """Take out where the parts came from, then record the hash of every file, in hashes.json.

    parts:   names of the folders of the parts
    """
    inside = [path for part in parts for path in sorted((folder / part).rglob("*"))]
    saved = [path for path in [folder / INDEX, *inside] if path.is_file()]
    for path in saved:
        if path.suffix == ".json":
            value = files.read_json(path)
            if value.pop(ORIGIN, None) is not None:
                files.write_json(path, value)
    hashes = {path.relative_to(folder).as_posix(): files.sha256(path) for path in saved}
    files.write_json(folder / files.HASHES, hashes)


@contextlib.contextmanager
def new(folder):
    """Inside: an empty folder to fill. After it: `folder`, whole; after an error: nothing.

    Raises MaaError K-EXISTS if there is something at `folder`, F-ACCESS if nothing can be written.
    """
    folder = Path(folder)
    if os.path.lexists(folder):
        raise MaaError(
            "K-EXISTS", f"{str(folder)!r} exists, expected a new folder; was it imported before?")
    root = next(place for place in folder.parents if os.path.exists(place))
    with contextlib.ExitStack() as stack:
        try:
            inside = stack.enter_context(tempfile.TemporaryDirectory(prefix=".maa-", dir=root))
            (made := Path(inside) / folder.name).mkdir()
        except OSError as fault:
            raise MaaError("F-ACCESS", f"cannot write {str(folder)!r}: {fault.strerror}") from fault
        yield made
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)


def record(folder, sources, result):
    """Write what a folder was made from, source.json.

    sources:   files that were read
    result:    name of the file in it that holds the weights; where several do, files.HASHES, which
               must be written already and stays as it is: source.json is then not in it
    returns    {"files": {name: SHA-256}, "result": SHA-256}
    """
    told = {"files": {Path(path).name: files.sha256(path) for path in sources},
            "result": files.sha256(folder / result)}
    files.write_json(folder / SOURCE, told)
    return told
