"""A list of pictures made into a folder: one PNG each, pictures.csv, and the pictures refused.

Conventions: pictures.csv has the columns COLUMNS; several captions of a picture have BETWEEN
    between them; rejects.jsonl has one {"path", "code", "reason"} a line; nothing is in both
    splits.
Source: Section 4.3.  Notebook: 15_clip.
"""

import collections
import concurrent.futures
import functools
import hashlib
import os
import pathlib
import shutil
import warnings

import numpy as np
import pandas
from PIL import Image

from maa import corpus, errors, files

COLUMNS = ["id", "file", "label", "caption", "split", "source_id", "licence"]
BETWEEN = " | "  # between the captions of one picture
THREADS = 16  # that wait for the disk


def write(folder, pictures, max_reject):
    """Write the pictures and pictures.csv, replacing the corpus that was in the folder.

    pictures:   list of maa.corpus.Clip whose read() gives (picture, caption)
    returns     DataFrame with COLUMNS; if it raises, the folder keeps its earlier corpus

    Raises MaaError as maa.corpus.write() does.
    """
    folder = pathlib.Path(folder)
    corpus.check_ids(pictures)
    corpus.check_overlap(pictures, [one.source_id for one in pictures], "source")
    staging = folder / ".building"
    with files.locked(folder):
        shutil.rmtree(staging, ignore_errors=True)
        try:
            kept, refused = _save_all(pictures, staging)
            corpus.record_rejects(
                folder / "rejects.jsonl", refused, len(pictures), max_reject, "pictures")
            corpus.check_contents(
                [one for one, _, _ in kept], [digest for *_, digest in kept], "pictures")
            table = pandas.DataFrame(
                [_row(one, caption) for one, caption, _ in kept], columns=COLUMNS)
            (folder / "pictures.csv").unlink(missing_ok=True)  # without it a folder is no corpus
            shutil.rmtree(folder / "pictures", ignore_errors=True)
            os.replace(staging, folder / "pictures")
            files.write_table(folder / "pictures.csv", table)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return table


def _save_all(pictures, folder):
    """([(picture, caption, hash of its content), …], [(path, MaaError), …] of those refused)."""
    kept, refused, writes = [], [], []
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
            kept.append((one, caption, _digest(pixels)))
        for write in writes:
            write.result()  # raises what the writing raised
    if notes:
        counts = collections.Counter(str(note.message).split(":")[0] for note in notes)
        errors.warn("D-NOTES", f"{dict(counts)} in {len(pictures)}; first: {notes[0].message}")
    return kept, refused


def _digest(pixels):
    """Hash of a picture; "" for one colour all over, which is nobody's content."""
    return hashlib.sha256(pixels.tobytes()).hexdigest() if np.ptp(pixels, (0, 1)).any() else ""


def _row(one, caption):
    own = {name: getattr(one, name) for name in ("id", "label", "split", "source_id", "licence")}
    return {**own, "file": f"pictures/{one.id}.png", "caption": caption}
