"""Every row of a table judged alike: what the judges hear in its sounds, and what follows from it.

Hearing takes networks and sounds; what follows takes the arrays they leave, so that rows judged on
different days, or machines, are compared without hearing any of them again.

Conventions: what is heard of one set of prompts is a dictionary of arrays, row i about prompt i:
        features, scores   of the listener, (clips, width) and (clips, classes)
        guesses            of the classifier, probabilities (clips, classes)
        first, second      the same of the two halves of each sound, for two events
        cosines            of CLAP, between sound and prompt (clips,)
    A finding is (metric, value, (low, high)), the interval of 95 % by drawing the clips anew.
Source: Section 5.3, Tables 1, 5 and 7.  Notebooks: 42_judged, 43_rows, 44_captions, 45_guidance.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from safetensors.numpy import save as dump
from scipy.special import softmax

from maa import evaluation, files, metrics, naming

DRAWS = 100  # for the intervals of FID, KAD, KL and IS
ABOUT = "judges.json"


def hear(judge, mels, asked):
    """What maa.judges.Judges hear in the answers to one set of prompts: a dictionary of arrays.

    mels:      (clips, 1, 80, frames) log10
    asked:     rows of a plan, one for each
    """
    features, scores = judge.heard(mels)
    one_for_both = judge.listener is judge.classifier
    heard = {"features": features, "scores": scores, "cosines": judge.clap(mels, list(asked.prompt)),
             "guesses": softmax(scores, axis=1) if one_for_both else judge.guesses(mels)}
    if (asked["set"] == "two_events").all():
        middle = mels.shape[-1] // 2
        heard |= {"first": judge.guesses(mels[..., :middle]),
                  "second": judge.guesses(mels[..., middle:])}
    return heard


def save(folder, heard, judge, asked):
    """{set: what was heard}, the judges' names and the plan that was answered → folder."""
    for which, arrays in heard.items():
        content = dump({name: np.ascontiguousarray(array, np.float32)
                        for name, array in arrays.items()})
        files.atomic_write(Path(folder) / f"{which}.safetensors", content)
    files.write_table(Path(folder) / "asked.csv", asked)
    files.write_json(Path(folder) / ABOUT, {"names": judge.names, "evaluators": judge.evaluators})


def load(folder):
    """({set: what was heard}, plan, {"names": of the classes, "evaluators": {metric: evaluator}})
    that save() wrote."""
    folder = Path(folder)
    asked = evaluation.read_plan(folder / "asked.csv")
    heard = {which: load_file(folder / f"{which}.safetensors") for which in asked["set"].unique()}
    return heard, asked, files.read_json(folder / ABOUT)


def check_paired(asked, others):
    """MaaError S-PAIR unless a plan asks for the same as `others` in every set of the latter."""
    for which, part in others.groupby("set"):
        metrics.paired(list(asked[asked["set"] == which].prompt), list(part.prompt))


def distances(real, made, kernel=True, groups=None):
    """FID, KAD and KL of sounds from the real ones they are paired with: list of findings.

    kernel:   False leaves out KAD, whose cost grows with the square of the clips
    groups:   label of each clip: those of one recording are drawn together
    """
    pairs = np.stack([real["scores"], made["scores"]], 1)  # (clips, 2, classes)
    clouds = real["features"], made["features"]
    found = [finding("FID", metrics.frechet_distance, *clouds, groups=groups)]
    found += [finding("KAD", metrics.kernel_distance, *clouds, groups=groups)] if kernel else []
    return [*found, finding("KL", lambda both: metrics.kl(both[:, 0], both[:, 1]), pairs,
                            groups=groups)]


def obedience(heard, groups=None):
    """CLAP score: how near sounds are to the words that asked for them."""
    cosines = heard["cosines"]
    return [mean("CLAP", cosines) if groups is None
            else finding("CLAP", lambda those: float(those.mean()), cosines, groups=groups)]


def recognition(heard, names, labels):
    """Accuracy of the classifier, and inception score of the listener: for labels they know."""
    hits = np.array(names)[heard["guesses"].argmax(1)] == np.array(labels)
    return [mean("accuracy", hits), finding("IS", metrics.inception_score, heard["scores"])]


def order(heard, names, labels):
    """Share of sounds of two events whose halves are heard in the order asked for; chance 0.5."""
    return [mean("order", evaluation.in_order(heard["first"], heard["second"], names, labels))]


def every(which, heard, names, labels, real=None):
    """All findings about the answers to one set of prompts.

    which:    a word of evaluation.SETS; only sounds of trained labels are recognised
    real:     what was heard of the references; None for real sound itself
    """
    found = obedience(heard) if real is None else distances(real, heard) + obedience(heard)
    if which == "held_out":
        found += recognition(heard, names, labels)
    if which == "two_events":
        found += order(heard, names, labels)
    return found


def finding(metric, function, *arrays, groups=None):
    """One metric with its bootstrap interval."""
    return metric, function(*arrays), metrics.bootstrap(
        function, *arrays, draws=DRAWS, groups=groups)


def mean(metric, values):
    """One metric that is a mean, with its bootstrap interval."""
    values = np.asarray(values, float)
    return metric, values.mean(), metrics.interval(values)


def captions(distilled, labels):
    """The sentences of Table 5 for each clip without language: {row of the table: sentences}.

    distilled:  table of experts.distil, all cells as text
    labels:     hidden label of each of its clips
    returns     original_label, captioning, retrieval, both_with_clap_selection; "" where an expert
                wrote nothing, or all was rejected
    """
    def first(row, expert):
        both = zip(json.loads(row.candidates), json.loads(row.sources))
        return next((one for one, source in both if expert in source), "")

    return {
        "original_label": [label.replace("_", " ") for label in labels],
        **{expert: [first(row, expert) for row in distilled.itertuples()]
           for expert in ("captioning", "retrieval")},
        "both_with_clap_selection": list(distilled.chosen)}


def named(sentences, labels):
    """For each sentence 1.0 if it names the label, else 0.0: (clips,)."""
    among = sorted(set(labels))
    return np.array([float(naming.names_label(one, label, among))
                     for one, label in zip(sentences, labels)])
