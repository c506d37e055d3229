"""Real recordings found under one folder: ESC-50 and UrbanSound8K as published, or zips of them.

A table is known by its columns, a sound by its name without ending; so folders, zips and recoded
copies (.opus for .wav) of a set are read alike. A clip is refused (D-DUP) if another sound has its
name and ending. A manifest.csv, where present, adds licences.

Conventions: subsets are the keys of LAYOUTS; a source id is the recording that a clip was cut from,
    "fs" and its freesound number where a set gives one.
Source: Section 5.1 uses larger sets of the same kind.  Notebook: 10_clips.
"""

import dataclasses
import functools
import os
import pathlib

import numpy as np
import pandas

from maa import corpus, decoding, delimited, errors, files, inputs, sounds, words

ENDINGS = {".wav", ".ogg", ".opus", ".flac", ".mp3"}
DEPTH = 4  # folders: ESC-50-master/audio is 2 below the root, UrbanSound8K/audio/fold1 is 3
SAME_LABEL = {"dog_bark": "dog"}
MANIFEST = {"filename", "source_id", "license", "seconds"}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the table of a set names things.

    file, label, source:   its columns, beside "fold"; source is the recording
    prefix:                what makes a source a source id
    licence:               of clips that no manifest lists
    padded:                True if short clips end in zeros
    only:                  value wanted in the column "subset" of a table of several sets
    """

    file: str
    label: str
    source: str
    prefix: str = "fs"
    licence: str = "CC BY-NC 3.0 (set licence)"
    padded: bool = False
    only: str = ""

    def columns(self):
        return {self.file, self.label, self.source, "fold"} | ({"subset"} if self.only else set())


LAYOUTS = {
    "esc": Layout("filename", "category", "src_file", padded=True),
    "urbansound": Layout("slice_file_name", "class", "fsID"),
    "ambient": Layout(
        "filename", "category", "source_id", prefix="", licence="unknown", only="cc_ambient"
    ),
}


def find(
    root, *, subsets, held_out_folds, seconds, unheard=(), captioned=1.0, follow_links=False
):
    """The clips of some sets, split by recording.

    root:             folder with the sets, each at the top or some folders down, or in a zip
    subsets:          keys of LAYOUTS
    held_out_folds:   folds held out, and with them every clip that shares a recording with them;
                      clips without a fold are split by a hash of the recording
    seconds:          longer clips are cut
    unheard:          other keys of LAYOUTS: their clips are the split "unheard", except those that
                      share a recording with a clip of `subsets`, which are left out
    captioned:        share of the training recordings with captions
    follow_links:     True reads through links that lead out of the root
    returns           list of maa.corpus.Clip

    Raises MaaError F-ROOT if a subset is not there, C-… for a damaged table, D-SPLIT if the folds
    hold out nothing or everything or no unheard clip is left; ValueError for an unknown subset or
    one that is named twice. Warns D-SHARED of unheard clips that are left out.
    Notebook: 10_clips.
    """
    _check_subsets(subsets, unheard)
    tables, found_sounds = _take_inventory(root, follow_links)
    manifest = _manifest(tables)
    rows = pandas.concat(
        [_rows(subset, tables, root) for subset in (*subsets, *unheard)], ignore_index=True)
    listed = rows.stem.map(lambda stem: manifest.get(stem, {}))
    rows["source_id"] = [m.get("source_id", s) for m, s in zip(listed, rows.source_id)]
    rows["licence"] = [m.get("license", own) for m, own in zip(listed, rows.licence)]
    rows["expected"] = [float(m.get("seconds") or 0) for m in listed]
    is_unheard = rows.subset.isin(list(unheard))
    heard = rows[~is_unheard]
    rows.loc[~is_unheard, "split"] = _split(heard, set(map(str, held_out_folds)))
    rows.loc[is_unheard, "split"] = "unheard"
    rows = _without_shared(rows, set(heard.source_id))
    rows["annotation"] = [corpus.hashed_annotation(source, split, captioned)
                          for source, split in zip(rows.source_id, rows.split)]
    options = {"seconds": seconds, "follow_links": follow_links, "root": root}
    return [_clip(row, found_sounds.get(row.stem, {}), options) for row in rows.itertuples()]


def _check_subsets(subsets, unheard):
    for name, keys in (("subsets", subsets), ("unheard", unheard)):
        if unknown := set(keys) - set(LAYOUTS):
            raise ValueError(f"{name} has {sorted(unknown)}, expected some of {list(LAYOUTS)}")
    if both := set(subsets) & set(unheard):
        raise ValueError(
            f"{sorted(both)} is in subsets and in unheard; is it for training or not?")


def _take_inventory(root, follow_links):
    """(tables with known columns, {name without ending: {ending: sources}}) under a root."""
    tables, found_sounds = [], {}
    known = [layout.columns() for layout in LAYOUTS.values()] + [MANIFEST]
    for source in _sources(pathlib.Path(root), follow_links):
        stem, ending = os.path.splitext(os.path.basename(_file_name(source)))
        if ending.lower() in ENDINGS:
            found_sounds.setdefault(stem, {}).setdefault(ending.lower(), []).append(source)
        elif ending.lower() == ".csv":
            with inputs.opened(source, root=root, follow_links=follow_links) as file:
                content = file.read()
            header = delimited.first_row(content)
            if any(columns <= header for columns in known):
                tables.append(files.parse_table(content, inputs.name_of(source), dtype=str))
    return tables, found_sounds


def _sources(root, follow_links):
    """Every file under the root, and every member of every zip, in alphabetical order."""
    for folder, folders, names in os.walk(root, followlinks=follow_links):
        folders.sort()
        if len(pathlib.Path(folder).relative_to(root).parts) >= DEPTH:
            folders.clear()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.startswith("."):  # "._name": macOS leaves them beside the real ones
                continue
            if name.lower().endswith(".zip"):
                archive = inputs.open_zip(path)
                yield from ((archive, member) for member in sorted(archive.namelist()))
            else:
                yield path


def _file_name(source):
    return source[1] if isinstance(source, tuple) else source


def _manifest(tables):
    """{name without ending: row} of the tables with the columns MANIFEST."""
    return {
        os.path.splitext(row["filename"])[0]: row
        for table in tables
        if set(table.columns) >= MANIFEST
        for row in table.to_dict("records")
    }


def _rows(subset, tables, root):
    """The tables of one set as columns stem, subset, label, fold, source_id, licence."""
    layout = LAYOUTS[subset]
    found = [table for table in tables if set(table.columns) >= layout.columns()]
    if not found:
        raise errors.MaaError(
            "F-ROOT",
            f"no table of the subset {subset!r} under {str(root)!r}, expected a CSV with columns "
            f"{sorted(layout.columns())}; is the set elsewhere, or meant to be left out?",
        )
    table = pandas.concat(found, ignore_index=True)
    if layout.only:
        table = table[table.subset == layout.only].reset_index(drop=True)
    rows = pandas.DataFrame(
        {
            "stem": [os.path.splitext(name)[0] for name in table[layout.file]],
            "subset": subset,
            "label": [SAME_LABEL.get(label, label) for label in table[layout.label]],
            "fold": table.fold,
            "source_id": layout.prefix + table[layout.source],
            "licence": layout.licence,
        }
    )
    rows = rows.drop_duplicates()
    if rows.stem.duplicated().any():
        stem = rows.stem[rows.stem.duplicated()].iloc[0]
        told = {name: sorted(set(rows[rows.stem == stem][name]))
                for name in ("label", "fold", "source_id")}
        raise errors.MaaError(
            "C-ID",
            f"{stem!r} of {subset!r} has several rows with {told}, expected one; are there two "
            f"tables?",
        )
    return rows


def _split(rows, held_out_folds):
    held = rows.fold.isin(held_out_folds)
    hashed = rows.source_id.map(corpus.hashed_split) == "held_out"
    held = held | ((rows.fold == "") & hashed)
    held = rows.source_id.isin(set(rows.source_id[held]))  # a whole recording, never a part of one
    if held.all() or not held.any():
        raise errors.MaaError(
            "D-SPLIT",
            f"folds {sorted(held_out_folds)} hold out {held.sum()} of {len(rows)} clips, "
            f"expected some; the folds there are {sorted(set(rows.fold))}",
        )
    return np.where(held, "held_out", "train")


def _without_shared(rows, heard):
    """The rows without those unheard ones whose recording is among `heard`, with a warning."""
    unheard = rows.split == "unheard"
    shared = unheard & rows.source_id.isin(heard)
    if shared.any():
        first = rows[shared].iloc[0]
        text = (f"{shared.sum()} of {unheard.sum()} unheard clips share a recording with others, "
                f"such as {first.stem!r} of {first.source_id!r}")
        if shared.sum() == unheard.sum():
            raise errors.MaaError("D-SPLIT", f"{text}; expected some that do not")
        errors.warn("D-SHARED", f"{text}; they are left out")
    return rows[~shared]


def _clip(row, kinds, options):
    clip_id = f"{row.subset}-{row.stem}"
    read = functools.partial(
        _read,
        next(iter(kinds.values()), [row.stem]),  # other endings are recoded copies
        caption=corpus.choose(words.phrases(row.label), clip_id),
        expected=row.expected,
        padded=LAYOUTS[row.subset].padded,
        options=options,
    )
    return corpus.Clip(
        clip_id, row.label, row.split, row.source_id, row.licence, row.stem, read, row.annotation
    )


def _read(sources, *, caption, expected, padded, options):
    corpus.check_copies(sources, root=options["root"], follow_links=options["follow_links"])
    wave = sounds.read(sources[0], expected_seconds=expected, **options)
    return (_trim_end(wave) if padded else wave), caption


def _trim_end(wave):
    """The wave without the silence after its last sound; a silent wave stays as it is."""
    loud = np.flatnonzero(np.abs(wave) >= decoding.QUIETEST)
    return wave[: loud[-1] + 1] if len(loud) else wave
