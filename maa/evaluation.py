"""What a generator is asked for when it is judged, and the sounds that it answers with.

Three sets of prompts, the same for every generator. Phrases for a kind of sound are none of those
for training (published captions may hold one: at scale small 3 of 182 held-out prompts stand among
them); where none were written for it, a recording's own caption is asked for:
    held_out    a kind of sound it was trained on; the reference is a recording it never heard
    unheard     a kind of sound, or a source of recordings, that it never heard of: zero-shot
    two_events  a phrase for one kind of sound, then the name of another, in a frame that training
                texts have too: "a dog barking, then rain"; the reference is made of two recordings

Conventions: a plan is a DataFrame, one row a sound: id, file, set, label, reference, prompt, seed;
    for two events label and reference hold two, joined by "+", and so none with a "+" of its own.
    Waves (samples,) at 16 kHz.
Source: Section 5.3 (AudioCaps, and Clotho for zero-shot), Section 3.2 (events in an order).
Notebooks: 23_diffsound, 24_variant, 30_text_to_audio.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from maa import corpus, files, mel, naming, prompts, scenes, sounds

SETS = ("held_out", "unheard", "two_events")
SEVERAL = "+"
TEXTS = ["id", "file", "set", "label", "reference", "prompt"]  # columns that are no numbers
LEAST = 1e-30  # a probability below counts as this one: a sure classifier gives exact zeros


def plan(table, sets, *, per_label, pairs, seed):
    """What is asked for.

    table:      clips.csv, all splits
    sets:       words of SETS
    per_label:  sounds for each label of held-out and unheard clips, or as many as it has clips
    pairs:      sounds with two events
    seed:       of the draws, and of the first sound; the next ones have seed + 1, …
    returns     plan

    Raises ValueError for an unknown set.
    """
    if unknown := [one for one in sets if one not in SETS]:
        raise ValueError(f"sets has {unknown}, expected words of {SETS}")
    rows = []
    for which in sets:
        generator = np.random.default_rng(seed)
        rows += (_two_events(table, pairs, generator) if which == "two_events"
                 else _single(table, which, per_label, generator))
    frame = pd.DataFrame(rows, columns=["set", "label", "reference", "prompt"])
    frame.insert(0, "id", frame["set"] + [f"-{n:04d}" for n in frame.groupby("set").cumcount()])
    frame.insert(1, "file", frame["id"] + ".wav")
    return frame.assign(seed=range(seed, seed + len(frame)))


def _single(table, split, per_label, generator):
    rows = []
    for label, own in table[table.split == split].groupby("label"):
        said, told = naming.phrases(label, "evaluation"), dict(zip(own.id, own.caption))
        picks = generator.permutation(own.id.to_numpy())[:per_label]
        asked = [said[number % len(said)] for number in range(len(picks))]
        if not naming.has_phrases(label):
            asked = [told[one] or phrase for one, phrase in zip(picks, asked)]
        rows += [(split, label, one, phrase) for one, phrase in zip(picks, asked)]
    return rows


def _two_events(table, pairs, generator):
    table = table[(table.split == "held_out") & (table.label != corpus.UNNAMED)]
    table = table[~(table.id + table.label).str.contains(SEVERAL, regex=False)]
    own = {label: part.id.to_numpy() for label, part in table.groupby("label")}
    rows = []
    for _ in range(pairs):
        two = [sorted(own)[i] for i in generator.choice(len(own), 2, replace=False)]
        first = str(generator.choice(naming.phrases(two[0], "evaluation")))
        clips = [str(generator.choice(own[label])) for label in two]
        prompt = scenes.ORDER[0].format(first, prompts.plain(two[1]))
        rows.append(("two_events", SEVERAL.join(two), SEVERAL.join(clips), prompt))
    return rows


def _parts(asked, column):
    """What each row of a plan names in a column: two for two events, else one, "+" and all."""
    return [one.split(SEVERAL) if which == "two_events" else [one]
            for one, which in zip(asked[column], asked["set"])]


def read_plan(path):
    """The plan in a CSV file: TEXTS as they are written, though all labels be numbers.

    Raises as maa.files.read_table.
    """
    texts = files.read_table(path, dtype=str)
    return files.read_table(path).assign(**{name: texts[name] for name in TEXTS if name in texts})


def answer(make, asked, folder, at_once, **told):
    """Ask a generator for every sound of a plan and write them, with audio.csv beside them.

    make:      make(prompts, seeds) -> (sounds, samples) array
    asked:     plan
    at_once:   sounds of one call
    told:      more columns for audio.csv, such as seconds, steps, guidance
    returns    the plan with these columns
    """
    for start in range(0, len(asked), at_once):
        part = asked[start : start + at_once]
        _write(make(list(part.prompt), list(part.seed)), part.file, folder)
    asked = asked.assign(**told)
    files.write_table(Path(folder) / "audio.csv", asked)
    return asked


def keep(waves, asked, folder):
    """Sounds → wav files under the names of a plan, and the plan beside them as audio.csv."""
    _write(waves, asked.file, folder)
    files.write_table(Path(folder) / "audio.csv", asked)


def _write(waves, names, folder):
    for name, wave in zip(names, waves, strict=True):
        sounds.write(Path(folder) / name, np.asarray(wave), force=True)


def by(pipe, seconds, steps, guidance):
    """The `make` of a MakeAnAudioPipeline, for answer(): each sound has a generator of its own."""
    def make(prompts, seeds):
        return pipe(prompts, audio_length_in_s=seconds, num_inference_steps=steps,
                    guidance_scale=guidance,
                    generator=[torch.Generator().manual_seed(int(one)) for one in seeds]).audios

    return make


def heard(folder):
    """(audio.csv, sounds (clips, samples) tensor) of what answer() wrote."""
    table = read_plan(Path(folder) / "audio.csv")
    waves = [sounds.read(Path(folder) / file) for file in table.file]
    return table, torch.from_numpy(np.stack(waves))


def references(asked, waves, seconds):
    """The recording that each row of a plan refers to, repeated until it fills the time; of two,
    each fills its half.

    waves:     {id of a clip: (samples,)}
    returns    (clips, samples) float32 tensor
    """
    samples, found = round(seconds * mel.RATE), []
    for names in _parts(asked, "reference"):
        own = [waves[name] for name in names]
        parts = scenes.of_clips(own, -(-samples // len(own)) / mel.RATE)
        found.append(parts.flatten()[:samples])
    return torch.stack(found)


def stand_ins(asked, table, seed):
    """A plan with other real clips for references: training clips of the same labels. How far they
    are from the references is the floor: no generator can be expected to come nearer.

    asked:     plan
    table:     clips.csv
    returns    the sets of the plan whose every label was trained on, with another `reference`: of
               fewer sounds a floor would be no floor, their FID is higher for that alone
    """
    own = {label: part.id.to_numpy()
           for label, part in table[table.split == "train"].groupby("label")}
    known = pd.Series([own.keys() >= set(labels) for labels in _parts(asked, "label")],
                      index=asked.index, dtype=bool)
    asked = asked[known.groupby(asked["set"]).transform("all")]
    generator = np.random.default_rng(seed)
    return asked.assign(reference=[
        SEVERAL.join(str(generator.choice(own[one])) for one in labels)
        for labels in _parts(asked, "label")])


def in_order(first, second, names, labels):
    """For each sound of two events 1.0 if its halves are heard in the order asked for, else 0.0;
    0.5 where neither order is likelier, as of two equal halves.

    first, second:  (clips, classes) probabilities that a classifier gives the two halves
    names:          the classes in their order
    labels:         "first+second" of each sound
    returns         (clips,), 0.5 on average for a generator that does not care
    """
    rows = np.arange(len(labels))
    one, other = np.array([[names.index(part) for part in label.split(SEVERAL)]
                           for label in labels]).T
    first, second = (np.log(np.maximum(part, LEAST)) for part in (first, second))
    right = first[rows, one] + second[rows, other]
    wrong = first[rows, other] + second[rows, one]
    return (1 + np.sign(right - wrong)) / 2
