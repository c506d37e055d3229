"""Corpora as shards: tar files of sounds and their words, which maa.streams reads.

A shard holds one stretch of the table and depends on nothing else: a run that was killed goes on
where it was and ends in the same bytes, and a shard whose rows have changed is made again.

Conventions: a sample is <id>.flac, 16 kHz, mono, 16-bit, peak 0.95, and <id>.json: the columns of
    its rows, with `captions`, all of them, for `caption`, and `seconds` as stored. index.json lists
    the shards; rejects.jsonl has one {"path", "code", "reason"} a line. Tar files carry no times
    and no owners, and nothing of where the corpora lay.
Source: Section 5.1.  Notebook: none.
"""

import collections
import concurrent.futures
import functools
import hashlib
import io
import json
import os
import pathlib
import re
import tarfile
import warnings

import soundfile

from maa import corpora, corpus, errors, files, sounds

INDEX, NAME = "index.json", "{:06d}.tar"
NAMED = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})\.tar")  # what NAME gives
STORED = ("id", "file", "label", "labels", "annotation", "corpus", "part", "split", "source_id",
          "licence")
LONGEST_ID = 90  # bytes; a name in a tar file may have 100, with its ending


def write(folder, rows, *, samples=512, seconds=10.0, max_reject=0.01, follow_links=False):
    """Store the sounds of some rows that are here as shards, those that are there already aside.

    folder:         for the shards and nothing else: numbered tar files of others are deleted
    rows:           DataFrame of maa.corpora, of one split
    samples:        sounds of a shard, with those that are refused
    seconds:        longer sounds are cut; None keeps them whole
    max_reject:     share that may be refused; they are tried again once their shard is deleted
    follow_links:   True reads through links that lead out of a corpus
    returns         the index: {"complete": True, "shards": {name: {"samples", "seconds", …}}}

    Raises ValueError for several splits or samples below 1; MaaError D-MISSING if no sound is here,
    C-ID, D-EXISTS (tar files of something else), F-LOCKED, and once all is written D-EMPTY or
    D-REJECTS: too many refused. Warns D-NOTES.
    """
    folder, stretches = pathlib.Path(folder), _stretches(rows, samples)
    with files.locked(folder):
        for left in folder.glob(".maa-*.tmp"):  # by a run that was killed
            left.unlink()
        known = _known(folder)
        shards = {name: known[name] for name, stretch in stretches.items()
                  if name in known and _is_kept(folder / name, known[name], stretch, seconds)}
        for name in sorted(stretches.keys() - shards.keys()):
            _save_index(folder, shards, complete=False)
            shards[name] = _write_shard(folder / name, stretches[name], seconds, follow_links)
        _save_index(folder, shards, complete=False)
        _tell(folder, shards, max_reject)
        for path in folder.glob("*.tar"):  # of a longer table, though no index may list them
            if NAMED.fullmatch(path.name) and path.name not in shards:
                path.unlink()
        return _save_index(folder, shards, complete=True)


def index(folder):
    """What is in each shard of a folder.

    Raises MaaError D-MISSING without an index, D-PARTIAL if write() did not end well, K-MISSING for
    a missing shard, K-HASH for one of another length.
    """
    folder = pathlib.Path(folder)
    if not (folder / INDEX).is_file():
        raise errors.MaaError("D-MISSING", f"{str(folder)!r} has no {INDEX}, expected shards")
    found = files.read_json(folder / INDEX)
    if not found["complete"]:
        raise errors.MaaError("D-PARTIAL", (
            f"{str(folder)!r} has {len(found['shards'])} shards and lacks some; the run that wrote "
            f"them was stopped: run it again and it goes on there"))
    for name, shard in found["shards"].items():
        if not (folder / name).is_file():
            raise errors.MaaError("K-MISSING", f"{str(folder / name)!r} is gone; was it moved?")
        if (size := (folder / name).stat().st_size) != shard["bytes"]:
            raise errors.MaaError("K-HASH", (
                f"{str(folder / name)!r} has {size} bytes, expected {shard['bytes']}; is it cut?"))
    return found


def check(folder):
    """Raises as index(), and MaaError K-HASH for a shard with other bytes than were written."""
    for name, shard in index(folder)["shards"].items():
        if (found := files.sha256(pathlib.Path(folder) / name)) != shard["sha256"]:
            raise errors.MaaError("K-HASH", (
                f"{name!r} has SHA-256 {found[:12]}…, expected {shard['sha256'][:12]}…; delete it "
                f"and write it again"))


def _stretches(rows, samples):
    """{name of a shard: its rows}, all captions of a sound together."""
    if samples < 1:
        raise ValueError(f"samples is {samples}, expected 1 or more in a shard")
    if len(splits := sorted(set(rows.split))) > 1:
        raise ValueError(f"rows are of the splits {splits}, expected one; give each a folder")
    if not len(rows := rows[rows.here]):
        raise errors.MaaError(
            "D-MISSING", "no row has its sound on this disk; maa.corpora.report says what is")
    for one in rows.id:
        if corpus.UNSAFE.search(one) or "." in one or len(os.fsencode(one)) > LONGEST_ID:
            raise errors.MaaError(
                "C-ID", f"id is {one[:80]!r}, expected a name without points, {LONGEST_ID} bytes")
    once = rows.drop_duplicates(["id", *corpora.SOUND])
    if len(twice := once.id[once.id.duplicated()]):
        raise errors.MaaError("C-ID", (
            f"{len(twice)} ids such as {twice.iloc[0]!r} are of two sounds, expected one; are two "
            f"tables joined?"))
    numbers = rows.groupby(corpora.SOUND, sort=False).ngroup()
    return {NAME.format(number): part for number, part in rows.groupby(numbers // samples)}


def _known(folder):
    """The entries of shards that earlier runs wrote; MaaError D-EXISTS for tar files of others."""
    if (folder / INDEX).is_file():
        return files.read_json(folder / INDEX)["shards"]
    if found := sorted(folder.glob("*.tar")):
        raise errors.MaaError("D-EXISTS", (
            f"{str(folder)!r} has {found[0].name!r} and no {INDEX}, expected a folder without tar "
            f"files; are they of something else?"))
    return {}


def _is_kept(path, entry, stretch, seconds):
    """Whether a shard was made from these rows, and is whole as far as its length tells."""
    return (entry["made_from"] == _origin(stretch, seconds) and path.is_file()
            and path.stat().st_size == entry["bytes"])


def _origin(stretch, seconds):
    """A digest of all that decides what is in a shard, but for the sounds themselves."""
    told = stretch[[*STORED, "caption", "seconds"]].to_csv(index=False, na_rep="nan")
    return hashlib.sha256(f"{seconds}\n{told}".encode("utf-8", "surrogateescape")).hexdigest()


def _save_index(folder, shards, complete):
    value = {"complete": complete, "shards": dict(sorted(shards.items()))}
    files.write_json(folder / INDEX, value)
    return value


def _write_shard(path, stretch, seconds, follow_links):
    """Write one shard; returns its entry in the index."""
    groups = collections.defaultdict(list)
    for row in stretch.itertuples():
        groups[tuple(getattr(row, column) for column in corpora.SOUND)].append(row)
    make = functools.partial(_sample, seconds=seconds, follow_links=follow_links)
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        workers = min(corpus.THREADS, os.cpu_count() or 1)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            results = list(zip(groups.values(), pool.map(make, groups.values())))
    made = [result for _, result in results if not isinstance(result, errors.MaaError)]
    refused = [(group[0].file, fault) for group, fault in results
               if isinstance(fault, errors.MaaError)]
    content = _packed([member for members, _ in made for member in members])
    files.atomic_write(path, content)
    return {
        "samples": len(made), "seconds": round(sum(length for _, length in made), 3),
        "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "made_from": _origin(stretch, seconds),
        "rejects": [[name, fault.code, fault.args[1]] for name, fault in refused],
        "notes": dict(collections.Counter(str(one.message).split(":")[0] for one in notes))}


def _sample(group, seconds, follow_links):
    """([(name, bytes) of the sound, (name, bytes) of its words], seconds), or why not."""
    row = group[0]
    told = [one.caption.strip() for one in group if row.annotation == "caption"]
    captions = [one for one in told if any(c.isprintable() and not c.isspace() for c in one)]
    try:
        if told and not captions:
            raise errors.MaaError("C-EMPTY", f"{row.file!r} has no caption, expected words")
        wave = corpora.wave_of(row, seconds, follow_links)
    except errors.MaaError as fault:
        return fault
    sound, length = io.BytesIO(), len(wave) / sounds.RATE
    soundfile.write(sound, sounds.peak_normalise(wave), sounds.RATE, "PCM_16", format="FLAC")
    words = {name: getattr(row, name) for name in STORED}
    words |= {"captions": captions, "seconds": length}
    return [(f"{row.id}.flac", sound.getvalue()),
            (f"{row.id}.json", json.dumps(words).encode())], length


def _packed(members):
    """The bytes of a tar file of (name, bytes), the same for the same members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)  # of time 0 and user 0
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _tell(folder, shards, max_reject):
    """Write rejects.jsonl and say what was noticed in all shards."""
    refused = [(name, errors.MaaError(code, text))
               for shard in shards.values() for name, code, text in shard["rejects"]]
    count = len(refused) + sum(shard["samples"] for shard in shards.values())
    notes = sum((collections.Counter(shard["notes"]) for shard in shards.values()),
                collections.Counter())
    if notes:
        errors.warn("D-NOTES", f"{dict(notes)} in {count} sounds of {str(folder)!r}")
    corpus.record_rejects(folder / "rejects.jsonl", refused, count, max_reject, "sounds")
