"""The authors' row of Table 1, measured again: a pipeline answers the captions of a corpus, and the
published judges compare its sounds with the recordings.

    maa evaluate audiocaps data/AudioCaps --model results/paper/release -o results/paper/table_1 \\
        --melception melception.pt --clap results/paper/msclap

Conventions: sounds are stored under their ids, 16 kHz, so that a stopped run goes on where it was;
    each has a seed of its own. References are cut, or padded with silence, to the same length.
Source: Section 5.3, Table 1. Differs: references and answers are heard whole and alike; the release
    hears 3.27 s of its own and up to 9 s of the others (maa.release.padded gives its files).
Notebook: none.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from maa import (classifier, corpora, evaluation, fast, files, mel, melception, metrics, msclap,
                 release, rows, scores, sounds, training)
from maa.errors import MaaError

LISTENER, READER = "Melception (published, VGGSound)", "CLAP (published, Microsoft 2022)"
SET = "held_out"


def plan(table, seed=0):
    """What is asked for: every caption of the sounds of a corpus that are here.

    table:     of corpora.read()
    returns    plan of maa.evaluation, with the path of the recording as `reference`

    Raises MaaError D-MISSING if no sound is here.
    """
    own = table[(table.split == SET) & table.here & (table.caption.str.strip() != "")]
    if not len(own):
        raise MaaError("D-MISSING", (
            f"none of {len(table)} rows is held out, has a caption and its sound on this disk; "
            f"maa.corpora.report says what is missing"))
    found = pd.DataFrame({"id": own.id, "file": own.id + ".wav", "set": SET, "label": own.label,
                          "reference": own.root + "/" + own.file, "prompt": own.caption})
    return found.reset_index(drop=True).assign(seed=range(seed, seed + len(own)))


def answer(pipe, asked, folder, *, seconds=10.0, steps=100, guidance=3.0, at_once=16, quick=None):
    """Sounds for a plan in `folder`; those that are there already are not made again.

    quick:     keywords of fast.Chain, to make them by one; None makes them plainly
    """
    folder = Path(folder)
    told = asked.assign(seconds=seconds, steps=steps, guidance=guidance, quick=quick is not None)
    files.write_table(folder / "asked.csv", told)
    if not (folder / "audio.csv").is_file():
        (folder / "asked.csv").rename(folder / "audio.csv")
    elif (folder / "asked.csv").read_bytes() != (folder / "audio.csv").read_bytes():
        raise MaaError("R-CHANGED", (
            f"{str(folder)!r} holds answers to another plan, or with other steps or guidance; "
            f"give another folder"))
    left = asked[[not (folder / name).is_file() for name in asked.file]]
    if len(left):
        make = (evaluation.by(pipe, seconds, steps, guidance) if quick is None
                else fast.by(pipe, seconds, steps, guidance, at_once, **quick))
    for start in tqdm(range(0, len(left), at_once), desc=f"{at_once} sounds at a time"):
        part = left[start : start + at_once]
        for name, wave in zip(part.file, make(list(part.prompt), list(part.seed)), strict=True):
            sounds.write(folder / name, np.asarray(wave), force=True)
    return told


def load_judges(melception_file, clap_folder, tokenizer, statistics=None):
    """(Melception, (tokenizer, MsClap)), on training.device().

    statistics:   SpecVQGAN's text file of means and deviations of mel bands, or None
    """
    bands = () if statistics is None else melception.statistics(statistics)
    listener = melception.load_published(melception_file, *bands)
    reader = msclap.MsClap.from_pretrained(clap_folder).eval().to(training.device())
    return listener, (release.load_tokenizer(tokenizer, fetch=False), reader)


def judged(asked, folder, judges, *, what, seconds=10.0, batch=16):
    """Rows of maa.scores: FID, KL and CLAP of the answers, CLAP of the recordings.

    what:     the generator in words
    """
    _, (tokenizer, reader) = judges
    paths, row = np.unique(asked.reference, return_inverse=True)  # of several captions one sound
    real = {name: array[row] for name, array in hear(paths, judges, seconds, batch).items()}
    made = hear([Path(folder) / one for one in asked.file], judges, seconds, batch)
    words = np.concatenate([reader.texts(tokenizer, list(asked.prompt[start : start + batch])).cpu()
                            for start in range(0, len(asked), batch)])
    for sides in (real, made):
        sides["cosines"] = metrics.clap_score(sides["sounds"], words)
    found = rows.distances(real, made, kernel=False) + rows.obedience(made)
    found = [(what, *one) for one in found]
    found += [("recordings", *one) for one in rows.obedience(real)]
    by = {"CLAP": READER}
    return [scores.row("paper", name, metric, by.get(metric, LISTENER), value, len(asked),
                       int(asked.seed.iloc[0]), interval) for name, metric, value, interval in found]


def fitted(path, seconds):
    """A sound at 16 kHz, cut or padded with silence: (samples,)."""
    wave, length = torch.from_numpy(sounds.read(path)), round(seconds * mel.RATE)
    return F.pad(wave[:length], (0, max(0, length - len(wave))))


def hear(paths, judges, seconds, batch):
    """What the judges leave of sound files: features and scores of the listener, CLAP's vectors."""
    listener, (_, reader) = judges
    place, parts = training.device(), []
    for start in range(0, len(paths), batch):
        waves = torch.stack([fitted(one, seconds) for one in paths[start : start + batch]])
        waves = waves.to(place)
        features = classifier.apply(listener.features, mel.log_mel(waves))
        parts.append({"features": features, "sounds": reader.sounds(waves).cpu(),
                      "scores": classifier.apply(listener.head, features)})
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}


def evaluate(asked, pipe, output, judges, name, *, seconds=10.0, **told):
    """Answers in `output`/audio, then their scores in `output`/scores.csv, which are returned.

    asked:    of plan()
    judges:   of load_judges()
    name:     of the corpus, in words
    told:     keywords of answer()

    Raises MaaError as answer().
    Source: Section 5.3, Table 1.  Notebook: none.
    """
    answer(pipe, asked, Path(output) / "audio", seconds=seconds, **told)
    found = judged(asked, Path(output) / "audio", judges, seconds=seconds,
                   what=f"{name}, answers of a pipeline")
    return scores.write(Path(output) / "scores.csv", found)
