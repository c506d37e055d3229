"""Sources of sound, each made into a folder of wav files with clips.csv, and the way to load it.

Conventions: the columns of clips.csv are id, file, seconds, label, caption, annotation, split,
    source_id and licence; split is "train", "held_out" or "unheard" (kinds or sources of sound of
    which nothing is trained on), and no recording is in two of them; annotation
    is "caption", or "none" for sound without language, whose label serves for scoring alone; sounds
    are mono, 16 kHz.
Source: Section 5.1, Table 4.  Notebook: 10_clips.
"""

import functools
import hashlib
import os
import pathlib

import numpy as np

from maa import corpora, corpus, errors, files, listed, recordings, sounds, synthesis

ROOT_VARIABLE = "MAA_DATA"
IN_MEMORY = 100 * 3600  # seconds of sound (23 GB) that a process holds; of more it holds the paths
SAMPLE = 1000  # clips that are looked at where all would not fit in memory with their mels


def load(folder, split=None, annotation=None, most=None):
    """The table and the sounds of a corpus.

    folder:      written by one of SOURCES
    split:       "train", "held_out", "unheard" or None for all three
    annotation:  "caption", "none" (sound without language) or None for both
    most:        clips of these, spread evenly over the table; None gives all
    returns      DataFrame and, row by row, a list of (samples,) float32 at 16 kHz; of more than
                 IN_MEMORY seconds a list of Unread instead

    Raises ValueError for an unknown split or annotation; MaaError D-MISSING without clips.csv or
    without clips, C-… for one that is damaged or edited meanwhile, A-… for a missing or damaged
    sound.
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
    with files.unchanged(folder / "clips.csv"):
        table = _table(folder / "clips.csv")
        for column, word in (("split", split), ("annotation", annotation)):
            table = table if word is None else table[table[column] == word]
        table = spread(table, most)
        waves = [
            Unread(folder / file, seconds)
            for file, seconds in zip(table.file, table.seconds, strict=True)
        ]
        many = table.seconds.sum() > IN_MEMORY
        waves = [wave if many and wave.path.is_file() else np.asarray(wave) for wave in waves]
    return table.reset_index(drop=True), waves


class Unread:
    """A sound that is read whenever it is used: numpy takes it for the array of its samples.

    path:      of the file
    seconds:   that it lasts
    """

    def __init__(self, path, seconds):
        self.path, self.seconds = path, seconds

    @property
    def shape(self):
        """(samples,), as clips.csv says, which corpus.write counted them for."""
        return (round(self.seconds * sounds.RATE),)

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        wave = sounds.read(self.path, min_seconds=0, expected_seconds=self.seconds)
        return wave.astype(dtype or wave.dtype, copy=False)


def spread(table, most=None):
    """`most` rows of a table, evenly over it, or all of them where there are no more."""
    count = len(table) if most is None else min(most, len(table))
    return table.iloc[np.arange(count) * len(table) // max(1, count)]


def _table(path):
    table = files.read_table(path, corpus.COLUMNS, str)
    table["seconds"] = table.seconds.astype(float)
    if not len(table):
        raise errors.MaaError("D-MISSING", f"{str(path)!r} has no clip below its header")
    if len(twice := table[table.id.duplicated()]):
        raise errors.MaaError(
            "C-ID", f"{str(path)!r} has {twice.id.iloc[0]!r} twice, expected one row a clip"
        )
    return table


def from_synthesis(
    folder, *, clips_per_label=40, seconds=2.56, seed=0, captioned=1.0, unheard=()
):
    """A corpus of synthesised sounds; every fifth clip of a label is held out.

    captioned:  share of the training clips with a caption; the rest is sound without language
    unheard:    labels of which no clip is for training: all of theirs go to the split "unheard"
    returns     DataFrame, as clips.csv

    Raises ValueError for an unknown label.
    Notebook: 10_clips.
    """
    if unknown := set(unheard) - set(synthesis.EVENTS):
        raise ValueError(
            f"unheard has {sorted(unknown)}, expected some of {', '.join(sorted(synthesis.EVENTS))}"
        )
    clips = [
        _synthetic(label, number, label in unheard, seconds, seed, captioned)
        for label in synthesis.EVENTS
        for number in range(clips_per_label)
    ]
    return corpus.write(folder, clips, max_reject=0)


def _synthetic(label, number, unheard, seconds, seed, captioned):
    name = f"{label}-{number:04d}"
    split = "unheard" if unheard else "held_out" if number % 5 == 4 else "train"
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
    unheard=(),
    held_out_folds=(3, 5),
    seconds=5.0,
    captioned=1.0,
    max_reject=0.01,
    follow_links=False,
):
    """A corpus of real recordings in the layouts of ESC-50 and UrbanSound8K; see maa.recordings.

    root:       folder with the sets; None takes the environment variable MAA_DATA
    unheard:    more subsets, of which nothing is for training: the split "unheard"
    captioned:  share of the training recordings with captions; the rest is sound without language
    returns     DataFrame, as clips.csv

    Raises as maa.recordings.find and maa.corpus.write do.
    Notebook: 10_clips.
    """
    clips = recordings.find(
        data_root(root),
        subsets=subsets,
        unheard=unheard,
        held_out_folds=held_out_folds,
        seconds=seconds,
        captioned=captioned,
        follow_links=follow_links,
    )
    return corpus.write(folder, clips, max_reject=max_reject)


def from_folder(
    folder, *, root=None, table="clips.csv", seconds=10.0, max_reject=0.01, follow_links=False
):
    """A corpus from any folder of sounds with a CSV; see maa.listed.

    root:       folder with the CSV; None takes the environment variable MAA_DATA
    table:      the CSV: columns file (relative to root), label, caption; and, if known, split
                ("train", "held_out" or "unheard"), source_id, licence and annotation. Without
                split, one source in five is held out; without source_id, every file is a source;
                a clip whose annotation is "none" needs neither caption nor label.
    seconds:    longer sounds are cut
    returns     DataFrame, as clips.csv

    Raises MaaError C-CHANGED if the table was edited meanwhile; as maa.listed.find and
    maa.corpus.write do.
    Notebook: 10_clips.
    """
    root = data_root(root)
    with files.unchanged(root / table):
        clips = listed.find(
            root, table=table, seconds=seconds, made=folder, follow_links=follow_links)
        return corpus.write(folder, clips, max_reject=max_reject)


def from_corpora(
    folder, *, yours, root=None, seconds=10.0, splits=None, max_reject=0.05, follow_links=False
):
    """A corpus of published ones, as they are unpacked; see maa.corpora.

    yours:      {word of maa.corpora.READERS: folder below root}
    root:       None takes the environment variable MAA_DATA
    seconds:    longer sounds are cut
    splits:     {word: {part: split}} in place of the published ones
    returns     DataFrame, as clips.csv; a sound with several captions is as many clips

    Raises as maa.corpora.find and maa.corpus.write do.
    Notebook: 10_clips.
    """
    found = corpora.find(
        data_root(root), yours, seconds=seconds, splits=splits, follow_links=follow_links)
    return corpus.write(folder, found, max_reject=max_reject)


def data_root(root, things="recordings"):
    """The folder with the data: the one given, or else that of the environment variable MAA_DATA.

    Raises MaaError F-ROOT if it is no folder.
    """
    root = root or os.environ.get(ROOT_VARIABLE)
    if not root or not pathlib.Path(root).is_dir():
        raise errors.MaaError(
            "F-ROOT",
            f"root is {root!r}, expected a folder with {things}; "
            f"name it in the parameter root or in the environment variable {ROOT_VARIABLE}",
        )
    return pathlib.Path(root)


SOURCES = {"synthesis": from_synthesis, "recordings": from_recordings, "folder": from_folder,
           "corpora": from_corpora}
