"""Sources of sound, each made into a folder of wav files with clips.csv, and the way to load it.

Conventions: the columns of clips.csv are id, file, seconds, label, caption, annotation, split,
    source_id and licence; split is "train" or "held_out", and no recording is in both; annotation
    is "caption", or "none" for sound without language, whose label serves for scoring alone; sounds
    are mono, 16 kHz.
Source: Section 5.1, Table 4.  Notebook: 10_clips.
"""

import functools
import hashlib
import os
import pathlib
import re
import unicodedata

import numpy as np

from maa import corpus, errors, files, recordings, sounds, synthesis

ROOT_VARIABLE = "MAA_DATA"


def load(folder, split=None, annotation=None):
    """The table and the sounds of a corpus.

    folder:      written by one of SOURCES
    split:       "train", "held_out" or None for both
    annotation:  "caption", "none" (sound without language) or None for both
    returns      DataFrame and, row by row, a list of (samples,) float32 at 16 kHz

    Raises ValueError for an unknown split or annotation; MaaError D-MISSING without clips.csv,
    C-… for a damaged one, A-… for a missing or damaged sound.
    Notebook: 10_clips.
    """
    if split not in (None, *corpus.SPLITS):
        raise ValueError(f"split is {split!r}, expected None or one of {corpus.SPLITS}")
    if annotation not in (None, *corpus.ANNOTATIONS):
        raise ValueError(
            f"annotation is {annotation!r}, expected None or one of {corpus.ANNOTATIONS}")
    folder = pathlib.Path(folder)
    if not (folder / "clips.csv").is_file():
        raise errors.MaaError(
            "D-MISSING", f"{str(folder)!r} has no clips.csv; was notebook 10_clips run to its end?"
        )
    table = files.read_table(folder / "clips.csv", corpus.COLUMNS, str)
    table["seconds"] = table.seconds.astype(float)
    if split is not None:
        table = table[table.split == split].reset_index(drop=True)
    if annotation is not None:
        table = table[table.annotation == annotation].reset_index(drop=True)
    waves = [
        sounds.read(folder / file, min_seconds=0, expected_seconds=seconds)
        for file, seconds in zip(table.file, table.seconds, strict=True)
    ]
    return table, waves


def from_synthesis(folder, *, clips_per_label=40, seconds=2.56, seed=0, captioned=1.0):
    """A corpus of synthesised sounds; every fifth clip of a label is held out.

    captioned:  share of the training clips with a caption; the rest is sound without language
    returns     DataFrame, as clips.csv
    Notebook: 10_clips.
    """
    clips = [
        _synthetic(label, number, seconds, seed, captioned)
        for label in synthesis.EVENTS
        for number in range(clips_per_label)
    ]
    return corpus.write(folder, clips, max_reject=0)


def _synthetic(label, number, seconds, seed, captioned):
    name = f"{label}-{number:04d}"
    split = "held_out" if number % 5 == 4 else "train"
    return corpus.Clip(
        id=name,
        label=label,
        split=split,
        source_id=name,
        licence="CC0-1.0 (synthesised)",
        path=name,
        read=functools.partial(_synthesise, label, seconds, seed, number),
        annotation=corpus.hashed_annotation(name, split, captioned),
    )


def _synthesise(label, seconds, seed, number):
    # a generator a clip: the order of threads and the other labels change nothing
    name = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big")
    return synthesis.make(label, seconds, np.random.default_rng([seed, name, number]))


def from_recordings(
    folder,
    *,
    root=None,
    subsets=("esc", "urbansound"),
    held_out_folds=(3, 5),
    seconds=5.0,
    captioned=1.0,
    max_reject=0.01,
    follow_links=False,
):
    """A corpus of real recordings in the layouts of ESC-50 and UrbanSound8K; see maa.recordings.

    root:       folder with the sets; None takes the environment variable MAA_DATA
    captioned:  share of the training recordings with captions; the rest is sound without language
    returns     DataFrame, as clips.csv

    Raises as maa.recordings.find and maa.corpus.write do.
    Notebook: 10_clips.
    """
    clips = recordings.find(
        _root(root),
        subsets=subsets,
        held_out_folds=held_out_folds,
        seconds=seconds,
        captioned=captioned,
        follow_links=follow_links,
    )
    return corpus.write(folder, clips, max_reject=max_reject)


def from_folder(
    folder, *, root=None, table="clips.csv", seconds=10.0, max_reject=0.01, follow_links=False
):
    """A corpus from any folder of sounds with a CSV.

    root:       folder with the CSV; None takes the environment variable MAA_DATA
    table:      the CSV: columns file (relative to root), label, caption; and, if known, split
                ("train" or "held_out"), source_id, licence and annotation. Without split, one
                source in five is held out; without source_id, every file is a source; a clip
                whose annotation is "none" needs neither caption nor label.
    seconds:    longer sounds are cut
    returns     DataFrame, as clips.csv

    Raises MaaError C-… for a damaged table; D-… as maa.corpus.write does.
    Notebook: 10_clips.
    """
    root = _root(root)
    rows = _folder_rows(root / table)
    spelling = {}
    for file in rows.file:
        spelling.setdefault(unicodedata.normalize("NFC", file), file)
    options = {"seconds": seconds, "follow_links": follow_links, "root": root}
    clips = [
        corpus.Clip(
            id=_safe_id(row.file, row.caption),
            label=row.label,
            split=row.split,
            source_id=row.source_id,
            licence=row.licence,
            path=row.file,
            read=functools.partial(_read_row, row, spelling, options),
            annotation=row.annotation,
        )
        for row in rows.itertuples()
    ]
    return corpus.write(folder, clips, max_reject=max_reject)


def _folder_rows(path):
    """The table of a folder with every column filled and every row once."""
    rows = files.read_table(path, ("file", "label", "caption"), str).drop_duplicates()
    rows["source_id"] = rows.get("source_id", rows.file)
    rows["licence"] = rows.get("licence", "unknown")
    rows["annotation"] = rows.get("annotation", "caption")
    rows["split"] = rows.get("split", rows.source_id.map(corpus.hashed_split))
    if unknown := set(rows.split) - set(corpus.SPLITS):
        raise errors.MaaError(
            "C-SPLIT", f"{str(path)!r} has splits {sorted(unknown)}, expected {corpus.SPLITS}"
        )
    if unknown := set(rows.annotation) - set(corpus.ANNOTATIONS):
        raise errors.MaaError(
            "C-ANNOTATION",
            f"{str(path)!r} has annotations {sorted(unknown)}, expected {corpus.ANNOTATIONS}",
        )
    return rows


def _safe_id(file, caption):
    """A plain file name that no other row has, whatever letters the file's own name holds."""
    digest = hashlib.sha256(f"{file}\n{caption}".encode("utf-8", "surrogateescape")).hexdigest()
    return re.sub(r"[^a-zA-Z0-9]+", "_", pathlib.PurePath(file).stem)[:60] + "-" + digest[:8]


def _read_row(row, spelling, options):
    known = spelling[unicodedata.normalize("NFC", row.file)]
    if row.file != known:
        raise errors.MaaError(
            "D-DUP", f"{ascii(row.file)} and {ascii(known)} are one name in two spellings"
        )
    if row.annotation == "caption" and not (row.caption.strip() and row.label.strip()):
        raise errors.MaaError("C-EMPTY", f"{row.file!r} has an empty label or caption")
    wave = sounds.read(options["root"] / row.file, **options)
    return wave, row.caption.strip()


def _root(root):
    root = root or os.environ.get(ROOT_VARIABLE)
    if not root or not pathlib.Path(root).is_dir():
        raise errors.MaaError(
            "F-ROOT",
            f"root is {root!r}, expected a folder with recordings; "
            f"name it in the parameter root or in the environment variable {ROOT_VARIABLE}",
        )
    return pathlib.Path(root)


SOURCES = {"synthesis": from_synthesis, "recordings": from_recordings, "folder": from_folder}
