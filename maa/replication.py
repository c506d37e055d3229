"""The authors' row of Table 1, measured again: a pipeline answers the captions of a corpus, and the
published judges compare its sounds with the recordings.

    maa evaluate audiocaps data/AudioCaps --model results/paper/release -o results/paper/table_1 \\
        --melception melception-21-05-10T09-28-40.pt --statistics bands.txt \\
        --clap results/paper/msclap

Conventions: sounds are stored under their ids, 16 kHz, so that a stopped run goes on where it was;
    each has a seed of its own. References are cut, or padded with silence, to the same length.
Source: Section 5.3, Table 1. Differs: references and answers are heard whole and alike; the release
    hears 3.27 s of its own and up to 9 s of the others (maa.release.padded gives its files); the
    paper does not say how it fed 16 kHz to Melception, which hears 22.05 kHz (maa.melception).
Notebook: none.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from maa import (classifier, corpora, diffusion, evaluation, fast, files, mel, melception, metrics,
                 msclap, release, requests, rows, scores, sounds, training)
from maa.errors import MaaError, warn

LISTENER, READER = "Melception (published, VGGSound)", "CLAP (published, Microsoft 2022)"
SET, CARD = "held_out", "README.md"
NOT_HEARD = ["id", "set", "label", "reference"]  # of a plan: a sound does not depend on them


def plan(table, seed=0):
    """What is asked for: every caption of the sounds of a corpus that are here.

    table:     of corpora.read()
    returns    plan of maa.evaluation, with the path of the recording as `reference`

    Raises MaaError D-MISSING if no sound is here; warns D-ABSENT of sounds that are not here.
    """
    listed = table[(table.split == SET) & (table.caption.str.strip() != "")]
    own = listed.assign(seed=range(seed, seed + len(listed)))  # the same when more are here
    own = own[own.here]
    if not len(own):
        raise MaaError("D-MISSING", (
            f"none of {len(table)} rows is held out, has a caption and its sound on this disk; "
            f"maa.corpora.report says what is missing"))
    recordings = listed.drop_duplicates(corpora.SOUND)
    if len(absent := recordings.file[~recordings.here]):
        warn("D-ABSENT", (
            f"{len(absent)} of {len(recordings)} listed sounds are not here, so that "
            f"{len(listed) - len(own)} of {len(listed)} captions are left out and scores are of "
            f"fewer; first: {absent.iloc[0]!r}"))
    found = pd.DataFrame({"id": own.id, "file": own.id + ".wav", "set": SET, "label": own.label,
                          "reference": own.root + "/" + own.file, "prompt": own.caption,
                          "seed": own.seed})
    return found.reset_index(drop=True)


def settled(seconds, steps, guidance, pipe=None):
    """The numbers as keywords of answer(), each in one form: 1 and 1.0 s are the same sounds.

    pipe:      what is asked, to refuse what it would refuse later

    Raises MaaError P-DURATION, P-STEPS, P-RANGE or P-TYPE.
    """
    shortest = 1 / mel.RATE
    seconds = requests.number(seconds, "seconds", shortest, requests.LONGEST, "P-DURATION")
    steps = requests.whole(steps, "steps", 1, diffusion.STEPS, "P-STEPS")
    form = {"seconds": seconds, "steps": steps, "guidance": requests.guidance(guidance)}
    if pipe is not None:
        pipe.check(**form)
    return form


def answer(pipe, asked, folder, *, seconds=10.0, steps=100, guidance=3.0, at_once=16, quick=None,
           origin=None):
    """Sounds for a plan in `folder`; those that are there already are not made again.

    quick:     keywords of fast.Chain, to make them by one; None makes them plainly
    origin:    {name: value} of what else they depend on, as the model's hash and the sampler

    Raises MaaError as settled(), R-CHANGED if sounds are there that were made otherwise, or for
    other words, or if it is not known how.
    """
    folder, form = Path(folder), settled(seconds, steps, guidance, pipe)
    agree(folder, asked.assign(**form, quick=quick is not None, **(origin or {})))
    left = asked[[not (folder / name).is_file() for name in asked.file]]
    if len(left):
        make = (evaluation.by(pipe, **form) if quick is None
                else fast.by(pipe, **form, at_once=at_once, **quick))
    for start in tqdm(range(0, len(left), at_once), desc=f"{at_once} sounds at a time"):
        part = left[start : start + at_once]
        for name, wave in zip(part.file, make(list(part.prompt), list(part.seed)), strict=True):
            sounds.write(folder / name, np.asarray(wave), force=True)


def agree(folder, told):
    """Write down how the sounds of a folder are made, unless some there were made otherwise.

    A plan may have grown, or been moved: only sounds that are there and its own are compared; what
    is known of others that are there is kept.
    """
    table, new = folder / "audio.csv", told.astype(str).set_index("file")
    known = files.read_table(table, dtype=str).set_index("file") if table.is_file() else new[:0]
    old = known.reindex(columns=new.columns)
    here = [name for name in new.index if (folder / name).is_file()]
    if strange := [name for name in here if name not in old.index]:
        raise MaaError("R-CHANGED", (
            f"{str(folder / strange[0])!r} is there, expected a row of it in {table.name}: nobody "
            f"knows how it was made; give another folder"))
    for column in new.columns.difference(NOT_HEARD):
        for name in here:
            if old.at[name, column] != new.at[name, column]:
                raise MaaError("R-CHANGED", (
                    f"{str(folder / name)!r} was made with {column} {old.at[name, column]!r}, "
                    f"not {new.at[name, column]!r}; give another folder"))
    others = [name for name in known.index.difference(new.index) if (folder / name).is_file()]
    files.write_table(table, pd.concat([told, known.loc[others].reset_index()])
                      if others else told)


def mark(folder):
    """SHA-256 that tells the files of a saved model from all others; its card may change."""
    told = {name: known for name, known in files.hashes(folder).items() if name != CARD}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def load_judges(melception_file, statistics, clap_folder, tokenizer):
    """(Melception, (tokenizer, MsClap)), on training.device().

    statistics:   SpecVQGAN's text file of means and deviations of mel bands
    """
    listener = melception.load_published(melception_file, *melception.statistics(statistics))
    reader = msclap.load(clap_folder).to(training.device())
    return listener, (release.load_tokenizer(tokenizer, fetch=False), reader)


def heard_references(asked, judges, seconds=10.0, batch=16):
    """As hear(), row i about the recording that prompt i was written for; each is heard once."""
    paths, row = np.unique(asked.reference, return_inverse=True)
    return {name: array[row] for name, array in hear(paths, judges, seconds, batch).items()}


def judged(asked, folder, judges, real, *, what, seconds=10.0, batch=16, seed=None):
    """Rows of maa.scores: FID, KL and CLAP of the answers, CLAP of the recordings.

    real:     of heard_references()
    what:     the generator in words
    seed:     of plan(); None is that of the first sound that is asked for

    Intervals are of recordings drawn anew: the captions of one are no strangers to each other.
    """
    _, (tokenizer, reader) = judges
    made = hear([Path(folder) / one for one in asked.file], judges, seconds, batch)
    words = np.concatenate([reader.texts(tokenizer, list(asked.prompt[start : start + batch])).cpu()
                            for start in range(0, len(asked), batch)])
    real, made = (side | {"cosines": metrics.clap_score(side["sounds"], words)}
                  for side in (real, made))
    groups = list(asked.reference)
    found = rows.distances(real, made, kernel=False, groups=groups)
    found = [(what, *one) for one in found + rows.obedience(made, groups)]
    found += [("recordings", *one) for one in rows.obedience(real, groups)]
    seed = int(asked.seed.iloc[0]) if seed is None else seed
    by, of = {"CLAP": READER}, f", {len(set(groups)):,} recordings"
    return [scores.row("paper", name + of, metric, by.get(metric, LISTENER), value, len(asked),
                       seed, interval) for name, metric, value, interval in found]


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


def evaluate(asked, pipe, output, judges, name, *, seconds=10.0, steps=100, guidance=3.0,
             seed=None, **told):
    """Answers in `output`/audio, then their scores in `output`/scores.csv, which are returned.

    asked:    of plan()
    judges:   of load_judges()
    name:     of the corpus, in words
    seed:     as for judged()
    told:     more keywords of answer()

    The recordings are heard first, so that a damaged one is known before hours of work.
    Raises MaaError as answer().
    Source: Section 5.3, Table 1.  Notebook: none.
    """
    form = settled(seconds, steps, guidance, pipe)
    real = heard_references(asked, judges, form["seconds"])
    answer(pipe, asked, Path(output) / "audio", **form, **told)
    found = judged(asked, Path(output) / "audio", judges, real, seconds=form["seconds"],
                   seed=seed, what=f"{name}, answers of a pipeline")
    return scores.write(Path(output) / "scores.csv", found)
