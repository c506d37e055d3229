"""A list of clips made into a folder: one 16 kHz wav file each, clips.csv, and the clips refused.

One bad sound does not end a corpus; too many do, and so does the same sound in two splits.

Conventions: clips.csv has the columns COLUMNS; `file` is relative to the folder; sounds are mono,
    16-bit, with peak 0.95; rejects.jsonl has one {"path", "code", "reason"} a line. Networks learn
    from the split "train"; "held_out" are other recordings of the same kinds of sound; "unheard"
    are kinds or sources of which nothing is trained on, for judging without an example.
Notebook: 10_clips.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import typing
import warnings

import numpy as np
import pandas

from maa import decoding, errors, files, inputs, sounds

COLUMNS = ["id", "file", "seconds", "label", "caption", "annotation", "split", "source_id",
           "licence"]
ANNOTATIONS = ("caption", "none")
SPLITS = ("train", "held_out", "unheard")
UNNAMED = "sound"  # the label of what has a caption and no label: no event to join to others
THREADS = 16
# an id becomes a file name: never hidden, a path, or taken for an option of a command
UNSAFE = re.compile(r"^[-.]|^$|[/\\\x00-\x1f\x7f]")
LONGEST_ID = 200  # bytes; a name may have 255


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip before it is written.

    id:          file name without ending
    split:       one of SPLITS
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
    """"caption" for that share of the training recordings and for all that are not trained on."""
    chance = int(hashlib.sha256(f"language {source_id}".encode()).hexdigest()[:8], 16) / 16**8
    return "caption" if split != "train" or chance < captioned else "none"


def choose(options, name):
    """One of the options; the same name always gives the same one, on any machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return options[int.from_bytes(digest[:4], "big") % len(options)]


def write(folder, clips, *, max_reject=0.01):
    """Write the clips and clips.csv, replacing the corpus that was in the folder.

    clips:        list of Clip, of any splits
    max_reject:   share of clips that may be refused
    returns       DataFrame with COLUMNS

    Raises MaaError D-EMPTY, D-REJECTS (too many refused), D-OVERLAP (one recording or one content
    in two splits), C-ID (one id twice) or F-LOCKED (another run writes there); the folder then
    keeps its earlier corpus. Warns D-DUPCONTENT and D-NOTES.
    Notebook: 10_clips.
    """
    folder = pathlib.Path(folder)
    check_ids(clips)
    check_overlap(clips, [clip.source_id for clip in clips], "source")
    staging = folder / ".building"
    with files.locked(folder):
        shutil.rmtree(staging, ignore_errors=True)
        try:
            saved = _save_all(clips, staging / "sounds")
            kept = [(clip, result) for clip, result in saved if isinstance(result, _Saved)]
            refused = [(clip.path, fault) for clip, fault in saved if not isinstance(fault, _Saved)]
            record_rejects(folder / "rejects.jsonl", refused, len(saved), max_reject, "clips")
            check_contents(
                [clip for clip, _ in kept], [result.digest for _, result in kept], "clips")
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
        if UNSAFE.search(clip.id) or len(os.fsencode(clip.id)) > LONGEST_ID:
            raise errors.MaaError(
                "C-ID", f"{clip.path!r} has id {clip.id[:80]!r}, expected one that can be a file "
                f"name: no '/' or control character, no '-' or '.' first, {LONGEST_ID} bytes")
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


def record_rejects(path, refused, count, max_reject, things):
    """Write rejects.jsonl; raise MaaError D-EMPTY if all are refused, D-REJECTS if too many are.

    refused:   [(path of a thing, the MaaError that refused it), …]
    count:     how many things there were
    things:    what a message calls them, "clips"
    """
    lines = [json.dumps({"path": name, "code": fault.code, "reason": str(fault)}) + "\n"
             for name, fault in refused]
    files.atomic_write(path, "".join(lines).encode())
    check_rejects([fault for _, fault in refused], count, max_reject, things, path)


def check_rejects(reasons, count, max_reject, things, path):
    """As record_rejects, for reasons that the file `path` tells already."""
    where = "is the list empty?"
    if reasons:
        where = f"the first: {reasons[0]}; all are in {str(path)!r}"
    if len(reasons) == count:
        raise errors.MaaError("D-EMPTY", f"none of {count} {things} can be used; {where}")
    if len(reasons) > max_reject * count:
        raise errors.MaaError(
            "D-REJECTS",
            f"{len(reasons)} of {count} {things} refused, expected {max_reject:.1%} or fewer; "
            f"{where}",
        )


def check_ids(clips):
    """Raise MaaError C-ID if two clips have one id, and so one file."""
    counts = collections.Counter(clip.id for clip in clips)
    if twice := [one for one, times in counts.items() if times > 1]:
        raise errors.MaaError(
            "C-ID", f"{len(twice)} ids such as {twice[0]!r} are there twice, expected one a clip; "
            f"does the table list a clip twice?")


def check_contents(clips, digests, things):
    """Refuse one content in two splits; tell of the same content twice in one.

    digests:   of each clip's content; "" is nobody's
    things:    what a message calls them, "clips"
    """
    own = [(clip, digest) for clip, digest in zip(clips, digests, strict=True) if digest]
    check_overlap([clip for clip, _ in own], [digest for _, digest in own], "content")
    first = {}
    twins = [
        f"{clip.id} = {first[digest]}"
        for clip, digest in own
        if first.setdefault(digest, clip.id) != clip.id
    ]
    if twins:
        errors.warn("D-DUPCONTENT", f"{len(twins)} {things} repeat another: {', '.join(twins[:5])}")


def check_copies(sources, **opening):
    """Raise MaaError D-DUP if sounds of one name, of which the first is taken, have other bytes.

    sources:   as maa.inputs.opened takes them, with its options; one that cannot be read is passed
    """
    found = {}
    for source in sources if len(sources) > 1 else ():
        with contextlib.suppress(errors.MaaError), inputs.opened(source, **opening) as file:
            found.setdefault(hashlib.file_digest(file, "sha256").digest(), inputs.name_of(source))
    if len(found) > 1:
        raise errors.MaaError("D-DUP", (
            f"{' and '.join(found.values())} have one name and other bytes, expected one sound; "
            f"which is meant? Move the others away"))


def check_overlap(clips, keys, what):
    """Raise MaaError D-OVERLAP if a key (recording or content) occurs in two splits."""
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
