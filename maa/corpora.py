"""The corpora of the paper, as far as you have them: read alike, counted, and kept apart.

    tables = [corpora.read(name, folder) for name, folder in yours.items()]
    table, dropped = corpora.separate(tables)      # no recording both trained on and judged
    corpora.report(table)                          # what is listed, here, missing

Conventions: tables have COLUMNS, a row for every caption: the columns of clips.csv, and the corpus,
    the part of it, all labels, and where the file is; see maa.published_corpora. Nothing is
    fetched. Captions are raw; maa.spelling has the form of Section 5.1, maa.shards stores sounds.
Source: Section 5.1, Table 4.  Notebook: 10_clips.
"""

import concurrent.futures
import functools
import math
import os

import pandas
import soundfile

from maa import (corpus, decoding, errors, inputs, naming, published_corpora, sounds, spelling,
                 words)

COLUMNS = [*corpus.COLUMNS, "corpus", "part", "labels", "root", "here"]
READERS = {
    "audiocaps": published_corpora.audiocaps, "clotho": published_corpora.clotho,
    "fsd50k": published_corpora.fsd50k, "wavcaps": published_corpora.wavcaps,
    "audioset": published_corpora.audioset}
SPLITS = {  # published part → split
    "audiocaps": {"train": "train", "val": "held_out", "test": "held_out"},
    "clotho": {"development": "train", "validation": "held_out", "evaluation": "held_out"},
    "fsd50k": {"train": "train", "val": "held_out", "eval": "held_out"},
    "wavcaps": {word: "train" for word, _ in published_corpora.WAVCAPS.values()},
    "audioset": {"balanced_train": "train", "unbalanced_train": "train", "eval": "held_out"}}
SOUND = ["corpus", "part", "root", "file"]  # what one sound is known by
AT_ONCE = 10_000  # files whose headers wait to be read
FIRST = ("held_out", "unheard", "train")  # a recording stays in the first of these it is in


def read(name, folder, *, splits=None, follow_links=False):
    """What the lists of a corpus say of its sounds, and which of them are on this disk.

    name:           a word of READERS
    folder:         where the corpus was unpacked
    splits:         {part: split}, the parts left out of it being left out; None takes SPLITS.
                    For Clotho without training: {part: "unheard" for part in SPLITS["clotho"]}
    follow_links:   True goes through links that lead out of the folder
    returns         DataFrame with COLUMNS, a row for every caption

    Raises ValueError for an unknown name, part or split; MaaError F-ROOT if a list is missing,
    C-… for one that is damaged, D-DUP if a file could be two sounds; warns D-SOURCE. A sound that
    is missing is none of these.
    Source: Table 4.
    """
    if name not in READERS:
        raise ValueError(f"corpus {name!r} is unknown, expected one of {list(READERS)}")
    splits = SPLITS[name] if splits is None else splits
    if unknown := set(splits) - set(SPLITS[name]):
        raise ValueError(
            f"parts {sorted(unknown)} of {name!r} are unknown, expected some of "
            f"{list(SPLITS[name])}")
    if unknown := set(splits.values()) - set(corpus.SPLITS):
        raise ValueError(f"splits has {sorted(unknown)}, expected some of {corpus.SPLITS}")
    rows = READERS[name](folder, follow_links)
    rows["split"] = rows.part.map(splits)
    return rows[rows.split.notna()][COLUMNS].reset_index(drop=True)


def separate(tables):
    """All corpora in one table, without rows that would let scores measure memory.

    A recording that is held out in one corpus is trained on in none: AudioCaps is part of AudioSet;
    Clotho, FSD50K and much of WavCaps are all from Freesound. One that is held out is not unheard.

    tables:    list of DataFrames of read(), with every corpus that is judged or trained on
    returns    (DataFrame without those rows, DataFrame of the rows that were dropped)

    Raises MaaError C-ID for a corpus read twice, D-SPLIT if nothing of a split is left; warns
    D-SHARED of how many rows were dropped.
    """
    table = pandas.concat(tables, ignore_index=True)
    if len(twice := table.id[table.id.duplicated()]):
        raise errors.MaaError("C-ID", (
            f"{twice.iloc[0]!r} is there twice, expected one row; was a corpus read twice?"))
    rank = table.split.map(FIRST.index)
    shared = rank > rank.groupby(table.source_id).transform("min")
    kept, dropped = table[~shared].reset_index(drop=True), table[shared].reset_index(drop=True)
    if gone := set(table.split) - set(kept.split):
        lost = sorted(gone)[0]
        holders = kept.split[kept.source_id.isin(dropped.source_id[dropped.split == lost])]
        raise errors.MaaError("D-SPLIT", (
            f"every recording of the split {lost!r} is in "
            f"{' or '.join(map(repr, sorted(set(holders))))} too, expected some that are not"))
    if len(dropped):
        counts = dropped.groupby(["corpus", "split"], sort=False).size()
        told = ", ".join(f"{count} of {name} ({split})" for (name, split), count in counts.items())
        errors.warn("D-SHARED", (
            f"{len(dropped)} of {len(table)} rows share a recording with rows held out, such as "
            f"{dropped.id[0]!r} of {dropped.source_id[0]!r}, and are dropped: {told}"))
    return kept, dropped


def report(table, *, names=3, follow_links=False):
    """How much of each corpus and split is on this disk; a sound with five captions counts once.

    table:     of read() or separate()
    names:     how many missing files are named
    returns    DataFrame with columns corpus, split, listed, here, missing, hours_here (as the list
               says, or else the header of the file; 0 if that cannot be read) and first_missing

    Raises MaaError D-MISSING if no sound is here at all.
    """
    files = table.drop_duplicates(SOUND, ignore_index=True)
    if not files.here.any():
        where = ", ".join(f"{root!r}" for root in sorted(set(files.root))) or "no corpus"
        first = f", such as {files.file.iloc[0]!r}" if len(files) else ""
        raise errors.MaaError("D-MISSING", (
            f"none of {len(files)} listed sounds is below {where}{first}; the lists alone are not "
            f"enough: unpack the sounds there"))
    files.loc[files.here, "seconds"] = lengths(files[files.here], follow_links)
    rows = []
    for (name, split), part in files.groupby(["corpus", "split"], sort=False):
        missing = part.file[~part.here]
        rows.append({
            "corpus": name, "split": split, "listed": len(part), "here": int(part.here.sum()),
            "missing": len(missing), "hours_here": round(part.seconds[part.here].sum() / 3600, 3),
            "first_missing": ", ".join(missing[:names])})
    return pandas.DataFrame(rows)


def find(root, yours, *, seconds, splits=None, follow_links=False):
    """The clips of some corpora: every caption of every sound that is here, in the form of 5.1.

    root:      folder that the corpora lie below
    yours:     {word of READERS: folder below root}
    seconds:   longer sounds are cut
    splits:    {word of READERS: as for read()}, for those that shall not be split as published
    returns    list of maa.corpus.Clip; one with a caption alone has the label that the caption
               names, of those that other sounds have, or else corpus.UNNAMED; one with labels
               alone that is not trained on is worded

    Raises as read(), separate() and report(); warns D-ABSENT of sounds that are not here.
    Notebook: 10_clips.
    """
    tables = [read(name, os.path.join(root, folder), splits=(splits or {}).get(name),
                   follow_links=follow_links) for name, folder in yours.items()]
    table = worded(separate(tables)[0])
    counts = report(table, follow_links=follow_links)
    if counts.missing.sum():
        errors.warn("D-ABSENT", (
            f"{counts.missing.sum()} of {counts.listed.sum()} listed sounds are not here and are "
            f"left out; first: {table.file[~table.here].iloc[0]!r}"))
    heard = functools.partial(_heard, seconds=seconds, follow_links=follow_links)
    labels = sorted(set(table.label) - {""}) or words.labels()
    return [
        corpus.Clip(
            id=row.id, label=row.label or naming.label_named(row.caption, labels)
            or corpus.UNNAMED, split=row.split, source_id=row.source_id,
            licence=row.licence, path=row.file, read=functools.partial(heard, row),
            annotation=row.annotation)
        for row in table[table.here].itertuples()]


def worded(table):
    """The table with a caption for all that is not trained on, as corpus.hashed_annotation has it:
    a phrase for the label where a corpus has labels alone. Scores of words need words."""
    mute = (table.split != "train") & (table.annotation == "none") & (table.label != "")
    said = [corpus.choose(naming.phrases(label, "evaluation"), name)
            for label, name in zip(table.label[mute], table.id[mute])]
    return table.assign(annotation=table.annotation.mask(mute, "caption"),
                        caption=table.caption.mask(mute, pandas.Series(said, mute.index[mute])))


def wave_of(row, seconds, follow_links=False):
    """The sound of a row that is here, (samples,) at 16 kHz; as long as its list says, or refused.

    row:       of itertuples()
    seconds:   a longer sound is cut; None keeps it whole

    Raises as maa.sounds.read.
    """
    stated = None if math.isnan(row.seconds) else row.seconds
    return sounds.read(f"{row.root}/{row.file}", expected_seconds=stated, seconds=seconds,
                       root=row.root, follow_links=follow_links)


def _heard(row, seconds, follow_links):
    wave = wave_of(row, seconds, follow_links)
    caption = spelling.spelt_out(row.caption) if row.annotation == "caption" else ""
    if row.annotation == "caption" and not caption:
        raise errors.MaaError("C-EMPTY", f"{row.file!r} has no caption, expected words")
    return wave, caption


def lengths(rows, follow_links=False):
    """Seconds of the file of each row."""
    found, measure = [], functools.partial(length, follow_links=follow_links)
    with concurrent.futures.ThreadPoolExecutor(corpus.THREADS) as pool:
        for start in range(0, len(rows), AT_ONCE):
            found += pool.map(measure, rows[start : start + AT_ONCE].itertuples())
    return found


def length(row, follow_links=False):
    """Seconds of the file of a row, 0 if it cannot be read; a header's word counts for an hour."""
    if not math.isnan(row.seconds):
        return row.seconds
    path = f"{row.root}/{row.file}"
    try:
        with inputs.opened(path, root=row.root, follow_links=follow_links) as file:
            with soundfile.SoundFile(file) as sound:
                return min(sound.frames / sound.samplerate, decoding.LONGEST)
    except (errors.MaaError, soundfile.LibsndfileError):
        return 0.0
