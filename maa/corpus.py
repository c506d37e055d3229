"""A list of clips made into a folder: one 16 kHz wav file each, clips.csv, and the clips refused.

One bad sound does not end a corpus; too many do, and so does the same sound in both splits.

Conventions: clips.csv has the columns COLUMNS; `file` is relative to the folder; sounds are mono,
    16-bit, with peak 0.95; rejects.jsonl has one {"path", "code", "reason"} a line.
Notebook: 10_clips.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import typing
import warnings

import numpy as np
import pandas

from maa import decoding, errors, files, sounds

COLUMNS = ["id", "file", "seconds", "label", "caption", "annotation", "split", "source_id",
           "licence"]
ANNOTATIONS = ("caption", "none")
SPLITS = ("train", "held_out")
THREADS = 16


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip before it is written.

    id:          file name without ending
    split:       "train" or "held_out"
    source_id:   the recording it was cut from
    path:        what rejects.jsonl calls it
    read:        function without arguments giving ((samples,) float32 at 16 kHz, caption)
    annotation:  "caption", or "none" for sound without language: its caption is then left out, and
                 its label is there for scoring alone
    """

    id: str
    label: str
    split: str
    source_id: str
    licence: str
    path: str
    read: typing.Callable
    annotation: str = "caption"


def hashed_split(source_id):
    """The split by name alone: one recording in five is held out."""
    return choose(("held_out", "train", "train", "train", "train"), source_id)


def hashed_annotation(source_id, split, captioned):
    """"caption" for held-out recordings and for that share of the others, "none" for the rest."""
    chance = int(hashlib.sha256(f"language {source_id}".encode()).hexdigest()[:8], 16) / 16**8
    return "caption" if split == "held_out" or chance < captioned else "none"


def choose(options, name):
    """One of the options; the same name always gives the same one, on any machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return options[int.from_bytes(digest[:4], "big") % len(options)]


def write(folder, clips, *, max_reject=0.01):
    """Write the clips and clips.csv, replacing the corpus that was in the folder.

    clips:        list of Clip, of one or both splits
    max_reject:   share of clips that may be refused
    returns       DataFrame with COLUMNS

    Raises MaaError D-EMPTY, D-REJECTS (too many refused) or D-OVERLAP (one recording or one content
    in both splits); the folder then keeps its earlier corpus. Warns D-DUPCONTENT and D-NOTES.
    Notebook: 10_clips.
    """
    folder = pathlib.Path(folder)
    _check_overlap(clips, [clip.source_id for clip in clips], "source")
    staging = folder / ".building"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        saved = _save_all(clips, staging / "sounds")
        _record_rejects(folder / "rejects.jsonl", saved, max_reject)
        kept = [(clip, result) for clip, result in saved if isinstance(result, _Saved)]
        _check_contents(kept)
        table = pandas.DataFrame([_row(clip, result) for clip, result in kept], columns=COLUMNS)
        _promote(staging / "sounds", folder, table)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return table


class _Saved(typing.NamedTuple):
    samples: int
    caption: str
    digest: str  # of the decoded samples; "" for silence, which is nobody's content


def _save_all(clips, folder):
    """[(clip, its _Saved or the MaaError that refused it), …], with one warning for all of them."""
    save = functools.partial(_save, folder=folder)
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        workers = min(THREADS, os.cpu_count() or 1)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            results = list(pool.map(save, clips))
    if notes:
        counts = collections.Counter(str(note.message).split(":")[0] for note in notes)
        errors.warn("D-NOTES", f"{dict(counts)} in {len(clips)} clips; first: {notes[0].message}")
    return list(zip(clips, results, strict=True))


def _save(clip, folder):
    try:
        wave, caption = clip.read()
    except errors.MaaError as fault:
        return fault
    wave = sounds.peak_normalise(wave)
    sounds.write(folder / f"{clip.id}.wav", wave, force=True)
    silent = np.abs(wave).max(initial=0.0) < decoding.QUIETEST
    digest = "" if silent else hashlib.sha256((wave * 32_767).astype("<i2").tobytes()).hexdigest()
    return _Saved(len(wave), caption, digest)


def _row(clip, saved):
    return {
        **{name: getattr(clip, name)
           for name in ("id", "label", "annotation", "split", "source_id", "licence")},
        "file": f"sounds/{clip.id}.wav",
        "seconds": saved.samples / sounds.RATE,
        "caption": saved.caption if clip.annotation == "caption" else "",
    }


def _record_rejects(path, saved, max_reject):
    faults = [(clip, fault) for clip, fault in saved if isinstance(fault, errors.MaaError)]
    lines = [
        json.dumps({"path": clip.path, "code": fault.code, "reason": str(fault)}) + "\n"
        for clip, fault in faults
    ]
    files.atomic_write(path, "".join(lines).encode())
    where = "is the list empty?"
    if faults:
        where = f"the first: {faults[0][1]}; all are in {str(path)!r}"
    if len(faults) == len(saved):
        raise errors.MaaError("D-EMPTY", f"none of {len(saved)} clips can be used; {where}")
    if len(faults) > max_reject * len(saved):
        raise errors.MaaError(
            "D-REJECTS",
            f"{len(faults)} of {len(saved)} clips refused, expected {max_reject:.1%} or fewer; "
            f"{where}",
        )


def _check_contents(kept):
    """Refuse one content in both splits; tell of the same content twice in one."""
    heard = [(clip, saved.digest) for clip, saved in kept if saved.digest]
    clips, digests = [clip for clip, _ in heard], [digest for _, digest in heard]
    _check_overlap(clips, digests, "content")
    first = {}
    twins = [
        f"{clip.id} = {first[digest]}"
        for clip, digest in heard
        if first.setdefault(digest, clip.id) != clip.id
    ]
    if twins:
        errors.warn("D-DUPCONTENT", f"{len(twins)} clips repeat another: {', '.join(twins[:5])}")


def _check_overlap(clips, keys, what):
    """Raise MaaError D-OVERLAP if a key (recording or content) occurs in both splits."""
    first = {}
    for clip, key in zip(clips, keys, strict=True):
        other = first.setdefault(key, clip)
        if other.split != clip.split:
            raise errors.MaaError(
                "D-OVERLAP",
                f"{other.path!r} ({other.split}) and {clip.path!r} ({clip.split}) are of one "
                f"{what}, expected every {what} in one split; scores would measure memory",
            )


def _promote(built, folder, table):
    """Put the new sounds in place; without clips.csv, written last, a folder is no corpus."""
    (folder / "clips.csv").unlink(missing_ok=True)
    shutil.rmtree(folder / "sounds", ignore_errors=True)
    os.replace(built, folder / "sounds")
    files.write_table(folder / "clips.csv", table)
