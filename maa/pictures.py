"""Sources of pictures, each made into a folder of PNG files with pictures.csv.

Conventions: a picture is float32 (3, size, size) in 0 … 1, red, green, blue; a larger one is cut
    to its middle square. A label is that of a sound where the thing in the picture makes one;
    split is "train" or "held_out", nothing is in both. See maa.picture_corpus for the table.
Source: Section 3.3 (CLIP), Section 4.3 (pictures to sound).  Notebook: 15_clip.
"""

import functools
import hashlib
import pathlib

import numpy as np
import torch

from maa import (clips, corpus, drawings, errors, files, listed, photos, picture_corpus,
                 picture_files)

SPLITS = ("train", "held_out")
SAMPLE = 1000  # pictures that are looked at where all would not fit in memory


def load(folder, split=None, most=None, part=slice(None)):
    """The table and the pictures of a corpus.

    folder:    written by one of SOURCES
    split:     "train", "held_out" or None for both
    most:      pictures of these, spread evenly over the table; None gives all
    part:      slice of the rows, maa.processes.own() where each process holds its share; the rest
               is not read
    returns    DataFrame and, row by row, (rows, 3, size, size) float32 tensor in 0 … 1

    Raises ValueError for an unknown split; MaaError D-MISSING without pictures.csv or without rows,
    C-… for a damaged one, A-… or I-… for a missing or damaged picture.
    Notebook: 15_clip.
    """
    if split not in (None, *SPLITS):
        raise ValueError(f"split is {split!r}, expected None or one of {SPLITS}")
    path = pathlib.Path(folder) / "pictures.csv"
    if not path.is_file():
        raise errors.MaaError(
            "D-MISSING", f"{str(folder)!r} has no pictures.csv; was notebook 15_clip run?")
    table = files.read_table(path, picture_corpus.COLUMNS, str)
    if split is not None:
        table = table[table.split == split]
    table = clips.spread(table, most)[part].reset_index(drop=True)
    if not len(table):
        raise errors.MaaError("D-MISSING", f"{str(path)!r} has no picture of split {split!r}")
    found = [picture_files.read(path.parent / file) for file in table.file]
    sizes = {picture.shape[-1] for picture in found}
    if len(sizes) > 1:
        raise errors.MaaError("I-SIZE", f"{str(folder)!r} has sides {sorted(sizes)}, expected one")
    return table, torch.from_numpy(np.stack(found))


def captions(table):
    """One list of captions for each row of pictures.csv: the plainest first, all true of it."""
    return [[one.strip() for one in said.split(picture_corpus.BETWEEN) if one.strip(" |")]
            for said in table.caption]


def from_drawings(folder, *, pictures_per_label=40, size=64, seed=0):
    """A corpus of drawings; every fifth picture of a label is held out.

    returns  DataFrame, as pictures.csv
    Notebook: 15_clip.
    """
    def one(label, number):
        name = f"{label}-{number:04d}"
        split = "held_out" if number % 5 == 4 else "train"
        make = functools.partial(_draw, label, number, size, seed)
        return corpus.Clip(name, label, split, name, "CC0-1.0 (drawn)", name, make)

    return picture_corpus.write(folder, [one(label, number) for label in drawings.DRAWINGS
                           for number in range(pictures_per_label)], max_reject=0)


def _draw(label, number, size, seed):
    # a generator a picture: the other labels change nothing
    name = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big")
    return drawings.make(label, np.random.default_rng([seed, name, number]), size)


def from_photos(folder, *, root=None, size=64, max_reject=0.01, follow_links=False):
    """A corpus of the photos of CIFAR-10 and of ImageNet's sample, as folders or in zips.

    A table with the columns filename, split, class is CIFAR-10's, one with filename, wnid, class is
    ImageNet's, which has one photo a class: those are for training, as a class seen once cannot be
    tested too. See maa.photos for their labels and captions.

    root:       folder with the tables, at any depth; None takes the environment variable MAA_DATA
    returns     DataFrame, as pictures.csv

    Raises MaaError as maa.photos.find; D-… as in from_folder.
    Notebook: 15_clip.
    """
    root = clips.data_root(root, "pictures")
    found = photos.find(root, size=size, follow_links=follow_links)
    return picture_corpus.write(folder, found, max_reject)


def from_folder(folder, *, root=None, table="pictures.csv", size=64, max_reject=0.01,
                follow_links=False):
    """A corpus from any folder of pictures with a CSV.

    root:       folder with the CSV; None takes the environment variable MAA_DATA
    table:      the CSV: columns file (relative to root), label, caption (or several, with " | "
                between them); and, if known, split ("train" or "held_out"), source_id and
                licence. Without split, one source in five is held out; without source_id, every
                file is a source.
    returns     DataFrame, as pictures.csv

    Raises MaaError C-… for a damaged table; D-EMPTY, D-REJECTS (too many refused) or D-OVERLAP (one
    source or one content in both splits). Warns D-DUPCONTENT and D-NOTES.
    Notebook: 15_clip.
    """
    root = clips.data_root(root, "pictures")
    rows = files.read_table(root / table, ("file", "label", "caption"), str).drop_duplicates()
    rows["source_id"] = rows.get("source_id", rows.file)
    rows["licence"] = rows.get("licence", "unknown")
    rows["split"] = rows.get("split", rows.source_id.map(corpus.hashed_split))
    if unknown := set(rows.split) - set(SPLITS):
        raise errors.MaaError(
            "C-SPLIT", f"{table!r} has splits {sorted(unknown)}, expected {SPLITS}")
    options = {"size": size, "root": root, "follow_links": follow_links}
    return picture_corpus.write(folder, [
        corpus.Clip(listed.safe_id(row.file, row.caption), row.label, row.split, row.source_id,
                    row.licence, row.file, functools.partial(
                        picture_files.captioned, root / row.file, row.caption, options))
        for row in rows.itertuples()], max_reject)


SOURCES = {"drawings": from_drawings, "photos": from_photos, "folder": from_folder}
