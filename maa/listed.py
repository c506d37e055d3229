"""Sounds of any folder, as a CSV in it lists them.

Conventions: the CSV has the columns file (relative to the folder), label and caption, and may have
    split, source_id, licence and annotation; see maa.clips.from_folder for their meaning, of which
    a blank cell has that of no column. A file may have several rows with different captions: each
    is a clip, all of one recording.
Notebook: 10_clips.
"""

import functools
import hashlib
import os
import pathlib
import re
import unicodedata

import pandas

from maa import corpus, errors, files, recordings, sounds


def find(root, *, table, seconds, made, follow_links=False):
    """The clips that a table of a folder lists.

    root:      folder with the sounds and the table
    table:     name of the CSV
    seconds:   longer sounds are cut
    made:      folder of the corpus that is made: sounds in it are none of the list
    returns    list of maa.corpus.Clip

    Raises MaaError C-… for a damaged table. Warns D-UNLISTED of sounds that no row names.
    Notebook: 10_clips.
    """
    rows = _rows(root / table)
    _count_unlisted(root, rows, pathlib.Path(made))
    spelling = {}
    for file in rows.file:
        spelling.setdefault(unicodedata.normalize("NFC", file), file)
    options = {"seconds": seconds, "follow_links": follow_links, "root": root}
    return [
        corpus.Clip(
            id=safe_id(row.file, row.caption),
            label=row.label,
            split=row.split,
            source_id=row.source_id,
            licence=row.licence,
            path=row.file,
            read=functools.partial(_read, row, spelling, options),
            annotation=row.annotation,
        )
        for row in rows.itertuples()
    ]


def _rows(path):
    """The table of a folder with every column filled and every row once."""
    rows = files.read_table(path, ("file", "label", "caption"), str)
    rows["source_id"] = _filled(rows, "source_id", rows.file)
    rows["licence"] = _filled(rows, "licence", "unknown")
    rows["annotation"] = _filled(rows, "annotation", "caption")
    rows["split"] = _filled(rows, "split", rows.source_id.map(corpus.hashed_split))
    rows = rows.drop_duplicates()
    for column, code, known in (
        ("split", "C-SPLIT", corpus.SPLITS), ("annotation", "C-ANNOTATION", corpus.ANNOTATIONS)
    ):
        if unknown := set(rows[column]) - set(known):
            raise errors.MaaError(
                code, f"{str(path)!r} has {column}s {sorted(unknown)}, expected {known}"
            )
    if len(twice := rows[rows.duplicated(["file", "caption"])]):
        raise errors.MaaError(
            "C-ID", f"{str(path)!r} has {twice.file.iloc[0]!r} twice with one caption and "
            f"different {_differing(rows, twice.iloc[0])}, expected one row"
        )
    return rows


def _filled(rows, column, value):
    """A column with the value in its blank cells, or in all where there is no such column."""
    own = rows.get(column, pandas.Series("", rows.index))
    return own.where(own.str.strip() != "", value)


def _differing(rows, one):
    same = rows[(rows.file == one.file) & (rows.caption == one.caption)]
    return [column for column in rows.columns if same[column].nunique() > 1]


def _count_unlisted(root, rows, made):
    known = {os.path.normpath(root / file) for file in rows.file}
    own = os.path.abspath(made)
    found = [
        path for path in root.rglob("*")
        if path.suffix.lower() in recordings.ENDINGS
        and own not in map(str, path.absolute().parents)
    ]
    unlisted = sorted(
        str(path.relative_to(root)) for path in found if os.path.normpath(path) not in known
    )
    if unlisted:
        errors.warn(
            "D-UNLISTED", f"{len(unlisted)} of {len(found)} sounds under {str(root)!r} are in no "
            f"row and are left out; first: {unlisted[0]!r}"
        )


def safe_id(file, caption):
    """A plain file name that no other row has, whatever letters the file's own name holds."""
    digest = hashlib.sha256(f"{file}\n{caption}".encode("utf-8", "surrogateescape")).hexdigest()
    return re.sub(r"[^a-zA-Z0-9]+", "_", os.path.splitext(file)[0])[-60:] + "-" + digest[:8]


def _is_said(text):
    return any(c.isprintable() and not c.isspace() for c in text)


def _read(row, spelling, options):
    known = spelling[unicodedata.normalize("NFC", row.file)]
    if row.file != known:
        raise errors.MaaError(
            "D-DUP", f"{ascii(row.file)} and {ascii(known)} are one name in two spellings"
        )
    if row.annotation == "caption" and not (_is_said(row.caption) and _is_said(row.label)):
        raise errors.MaaError("C-EMPTY", f"{row.file!r} has an empty label or caption")
    wave = sounds.read(options["root"] / row.file, **options)
    return wave, row.caption.strip()
