"""Tables of numbers such as a run leaves in scores/, made up: for tables, claims and the report."""

import numpy as np
import pandas as pd

from maa import files, scores

LISTENER, CLASSIFIER = "listener (mini resnet18)", "classifier (mini resnet18)"
JUDGE = "CLAP judge (mini VGG and BERT)"
EVALUATORS = {"FID": LISTENER, "KL": LISTENER, "KAD": LISTENER, "IS": LISTENER, "CLAP": JUDGE,
              "accuracy": CLASSIFIER, "order": CLASSIFIER, "named": "labels, word by word"}
QUALITY = {  # FID, KL, KAD, IS, CLAP, accuracy
    "reference": (12, 1.5, 0.5, 9, 0.71, 0.75), "diffsound": (220, 6, 20, 2.5, 0.22, 0.13),
    "clap": (101, 4, 8, 4, 0.38, 0.27), "bert": (118, 4.3, 10, 3.6, 0.33, 0.24),
    "t5": (98, 3.9, 7.7, 4.1, 0.39, 0.28), "clip": (140, 4.9, 13, 3, 0.26, 0.17),
    "plain": (112, 4.1, 9, 3.8, 0.36, 0.25), "channels_32": (180, 5.2, 17, 2.8, 0.25, 0.15),
    "channels_128": (260, 6.1, 25, 2.2, 0.15, 0.08)}
METRICS = ("FID", "KL", "KAD", "IS", "CLAP", "accuracy")
SETS = {"held_out": METRICS, "unheard": ("FID", "KL", "KAD", "CLAP"),
        "two_events": ("FID", "KAD", "CLAP", "order")}


def number(metric, value, n=104, width=0.08, scale="mini", what="sounds"):
    """One row of scores with an interval of that share on both sides."""
    return scores.row(scale, what, metric, EVALUATORS[metric], value, n, 0,
                      interval=(value * (1 - width), value * (1 + width)))


def rows(scale="mini"):
    """Rows of scores/rows.csv."""
    found = []
    for own, metrics in SETS.items():
        for row, values in QUALITY.items():
            if own == "two_events" and row not in ("reference", "clap", "plain"):
                continue
            known = dict(zip(METRICS, values)) | {"order": 0.6 if row == "clap" else 0.5}
            for metric in metrics:
                n = 208 if row == "reference" and metric in ("accuracy", "CLAP") else 104
                value = known[metric] * (1 if own == "held_out" else 1.2)
                found.append({"row": row, "set": own, **number(
                    metric, value, n, 0.08, scale, f"{row}, {own}")})
    return found


def captions(scale="mini"):
    """Rows of scores/captions.csv."""
    known = {"original_label": (0.5, 1.0), "captioning": (0.55, 0.74), "retrieval": (0.6, 0.86),
             "both_with_clap_selection": (0.66, 0.9)}
    return [{"row": row, "set": "hidden labels", **number(metric, value, 313, 0.02, scale, row)}
            for row, values in known.items() for metric, value in zip(("CLAP", "named"), values)]


def guidance(scale="mini"):
    """Rows of scores/guidance.csv."""
    known = {1.0: (180, 0.2), 2.0: (120, 0.31), 3.0: (104, 0.36), 4.0: (101, 0.38), 6.0: (109, 0.4),
             8.0: (125, 0.41)}
    return [{"guidance": one, **number(metric, value, 104, 0.06, scale, f"guidance {one}")}
            for one, values in known.items() for metric, value in zip(("FID", "CLAP"), values)]


def sizes():
    """The frame of scores/sizes.csv."""
    text = {"clap": 300_000, "bert": 290_000, "t5": 410_000, "clip": 330_000}
    ends = {"channels_32": 28, "channels_128": 124}  # channels that the U-Net has besides four
    parts = [(row, part, count) for row in QUALITY if row != "reference" for part, count in {
        "text encoder": text.get(row, 300_000),
        "U-Net": 0 if row == "diffsound" else 1_500_000 + (18 * 32 + 1) * ends.get(row, 0),
        "autoencoder": 420_000, "vocoder": 350_000,
        "other": 900_000 if row == "diffsound" else 0}.items()]
    return pd.DataFrame(parts, columns=["row", "part", "parameters"])


def write(folder, scale="mini"):
    """All of them as files of a folder results/<scale>/scores."""
    folder = folder / "scores"
    scores.write(folder / "rows.csv", rows(scale), ("row", "set"))
    scores.write(folder / "captions.csv", captions(scale), ("row", "set"))
    scores.write(folder / "guidance.csv", guidance(scale), ("guidance",))
    files.write_table(folder / "sizes.csv", sizes())
    scores.write(folder / "judges.csv", [number("accuracy", 0.75, 208, scale=scale)])


def log(steps=5, seed=0):
    """A log.csv as a training run leaves it."""
    losses = np.exp(-np.arange(1, steps + 1) / steps) + 0.01 * seed
    return pd.DataFrame({"step": np.arange(1, steps + 1) * 100, "split": "train",
                         "name": "noise error", "value": losses})
