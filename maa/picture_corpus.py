"""A list of pictures made into a folder: one PNG each, pictures.csv, and the pictures refused.

Conventions: pictures.csv has the columns COLUMNS; rejects.jsonl has one {"path", "code", "reason"}
    a line; nothing is in both splits.
Source: Section 4.3.  Notebook: 15_clip.
"""

import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import shutil
import warnings

import numpy as np
import pandas
from PIL import Image

from maa import errors, files

COLUMNS = ["id", "file", "label", "caption", "split", "source_id", "licence"]
THREADS = 16  # that wait for the disk


def write(folder, pictures, max_reject):
    """Write the pictures and pictures.csv, replacing the corpus that was in the folder.

    pictures:   list of maa.corpus.Clip whose read() gives (picture, caption)
    returns     DataFrame with COLUMNS; if it raises, the folder keeps its earlier corpus
    """
    folder = pathlib.Path(folder)
    staging = folder / ".building"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        rows, refused = _save_all(pictures, staging)
        _check_rejects(folder / "rejects.jsonl", refused, len(pictures), max_reject)
        table = pandas.DataFrame(rows)
        _check_overlap(table)
        (folder / "pictures.csv").unlink(missing_ok=True)  # without it a folder is no corpus
        shutil.rmtree(folder / "pictures", ignore_errors=True)
        os.replace(staging, folder / "pictures")
        files.write_table(folder / "pictures.csv", table[COLUMNS])
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return table[COLUMNS]


def _save_all(pictures, folder):
    """(rows of the table, with the content's hash; [(path, MaaError), …] of those refused)."""
    rows, refused, writes = [], [], []
    with (warnings.catch_warnings(record=True) as notes,
          concurrent.futures.ThreadPoolExecutor(THREADS) as pool):
        warnings.simplefilter("always")
        for one in pictures:  # one after the other, as catching warnings knows no threads
            try:
                picture, caption = one.read()
            except errors.MaaError as fault:
                refused.append((one.path, fault))
                continue
            pixels = np.rint(255 * picture).astype(np.uint8).transpose(1, 2, 0)
            save = functools.partial(Image.fromarray(pixels).save, format="PNG")
            writes.append(pool.submit(files.atomic_write, folder / f"{one.id}.png", save))
            rows.append(_row(one, caption, pixels))
        for write in writes:
            write.result()  # raises what the writing raised
    if notes:
        counts = collections.Counter(str(note.message).split(":")[0] for note in notes)
        errors.warn("D-NOTES", f"{dict(counts)} in {len(pictures)}; first: {notes[0].message}")
    return rows, refused


def _row(one, caption, pixels):
    plain = not np.ptp(pixels, (0, 1)).any()  # one colour all over is nobody's content
    content = one.id if plain else hashlib.sha256(pixels.tobytes()).hexdigest()
    own = {name: getattr(one, name) for name in ("id", "label", "split", "source_id", "licence")}
    return {**own, "file": f"pictures/{one.id}.png", "caption": caption, "content": content}


def _check_rejects(path, refused, count, max_reject):
    lines = [json.dumps({"path": name, "code": fault.code, "reason": str(fault)}) + "\n"
             for name, fault in refused]
    files.atomic_write(path, "".join(lines).encode())
    where = f"the first: {refused[0][1]}; all in {str(path)!r}" if refused else "is the list empty?"
    if len(refused) == count:
        raise errors.MaaError("D-EMPTY", f"none of {count} pictures can be used; {where}")
    if len(refused) > max_reject * count:
        raise errors.MaaError(
            "D-REJECTS", f"{len(refused)} of {count} pictures refused, expected {max_reject:.1%} "
            f"or fewer; {where}")


def _check_overlap(table):
    """Refuse a source or a content in both splits; tell of a content twice in one."""
    for what in ("source_id", "content"):
        both = table[table.groupby(what).split.transform("nunique") > 1]
        if len(both):
            raise errors.MaaError(
                "D-OVERLAP", f"{len(both)} pictures such as {both.id.iloc[0]!r} share their {what} "
                f"with the other split, expected none; scores would measure memory")
    if len(twins := table[table.content.duplicated()]):
        errors.warn("D-DUPCONTENT", f"{len(twins)} pictures repeat another: {twins.id.iloc[0]!r}")
