"""Numbers for and against the paper's claims, in one tidy form: what it printed, what we measured.

Conventions: tidy frames have the columns TIDY, a row a number; `shown` is its text. Row names are
    those of scores/rows.csv; besides, `base` is the main model where Table 7 varies it, and curves
    give their ends. Parameters are in millions. The paper's set names are as printed ("Clotho"),
    ours are those of the notebooks ("unheard"): no number of one can stand for one of the other.
Source: Tables 1 to 3, 5, 7 and 8, Figures 5 and 7.
Notebooks: 51_table_1, 55_table_5, 57_table_7, 90_report.
"""

from pathlib import Path

import pandas as pd

from maa import files, scores

TIDY = ["row", "set", "metric", "value", "low", "high", "n", "evaluator", "seed", "shown"]
PAPER = "as the paper says"
SCORES = {"rows.csv": ("row", "set"), "captions.csv": ("row", "set"), "guidance.csv": ("guidance",),
          "sizes.csv": ("row", "part")}
ENCODERS = {"": "reference", "clap": "clap", "bert": "bert", "t5_large": "t5", "clip": "clip"}
SETS = {"audiocaps": "AudioCaps", "clotho": "Clotho"}
OPINIONS = {"mos_q": "MOS-Q", "mos_f": "MOS-F"}
QUALITY = {"fid": "FID", "kl": "KL"}
PRINTED = {  # file: (row of a line, set of a line, {column: metric, or (metric, set)})
    "table_1.csv": (
        lambda line: "diffsound" if line.model == "diffsound" else ENCODERS[line.text_encoder],
        lambda line: "AudioCaps",
        QUALITY | OPINIONS | {"clap": "CLAP", "fid_clotho": ("FID", "Clotho"),
                              "kl_clotho": ("KL", "Clotho"), "params_m": ("parameters", "sizes")}),
    "table_2.csv": (
        lambda line: line.training_mask, lambda line: "",
        {f"{width}_{name}": (metric, width) for width in ("narrow", "wide")
         for name, metric in {**QUALITY, "mos_q": "MOS-Q"}.items()}),
    "table_3.csv": (lambda line: line.method, lambda line: line.task, OPINIONS),
    "table_5.csv": (
        lambda line: line.caption_source, lambda line: "",
        {"fsd50k": ("CLAP", "FSD50K"), "esc50": ("CLAP", "ESC-50"),
         "urbansound8k": ("CLAP", "UrbanSound8K")}),
    "table_7.csv": (
        lambda line: "plain" if line.variant != "base" else
        "base" if line.latent_channels == "4" else f"channels_{line.latent_channels}",
        lambda line: SETS[line.evaluation_set], QUALITY),
    "table_8.csv": (lambda line: line.condition, lambda line: line.dataset,
                    {**QUALITY, "clap": "CLAP"}),
    "figure_5.csv": (lambda line: {"0": "least noise", "0.99": "most noise"}.get(line.t0),
                     lambda line: "personalised", {"clap": "CLAP", "one_minus_mse": "realism"}),
    "figure_7.csv": (lambda line: {"1": "lowest guidance", "3": "guidance of the lowest FID",
                                   "8": "highest guidance"}.get(line.point),
                     lambda line: "guidance", {"clap": "CLAP", "fid": "FID"}),
}


def printed(folder, sources=tuple(PRINTED)):
    """Every number of the paper that a claim is about, from results/reported.

    sources:  the files to read, keys of PRINTED

    A number with a confidence interval has low and high; one without is taken as exact.
    """
    rows = []
    for file in sources:
        row_of, set_of, columns = PRINTED[file]
        for line in files.read_table(Path(folder) / file, dtype=str).itertuples(index=False):
            for column, target in columns.items():
                metric, own = target if isinstance(target, tuple) else (target, set_of(line))
                if row_of(line) is None or not (text := getattr(line, column)):
                    continue
                value, width = float(text), getattr(line, f"{column}_ci95", "")
                low, high = value - float(width or 0), value + float(width or 0)
                rows.append([row_of(line), own, metric, value, low, high, 0, PAPER, "–",
                             f"{text} ± {width}" if width else text])
    return pd.DataFrame(rows, columns=TIDY)


def measured(folder):
    """Every number that a claim may be about, of the tables there are in results/<scale>/scores."""
    there = [Path(folder) / "scores" / file for file in SCORES]
    frames = [read(path) for path in there if path.is_file()]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=TIDY)


def missing(folder):
    """Names of the tables of numbers that are not in results/<scale>/scores."""
    return [file for file in SCORES if not (Path(folder) / "scores" / file).is_file()]


def read(path):
    """One of the tables of scores/, tidy."""
    if path.name == "sizes.csv":
        return counts(files.read_table(path, ["row", "part", "parameters"]))
    frame = scores.read(path, SCORES[path.name])
    return tidy(named(frame) if path.name == "guidance.csv" else frame)


def tidy(frame):
    """Numbers of scores.read, with the keys row and set, as a tidy frame; `base` comes along."""
    base = frame[frame.row == "clap"].assign(row="base")
    whole = pd.concat([frame, base], ignore_index=True)
    return whole.assign(shown=[scores.words(one) for one in whole.itertuples()])[TIDY]


def counts(sizes):
    """Parameters of each row of sizes.csv, all parts together, in millions, as a tidy frame."""
    total = sizes.groupby("row", sort=False).parameters.sum() / 1e6
    frame = total.rename("value").reset_index()
    return frame.assign(set="sizes", metric="parameters", low=frame.value, high=frame.value, n=1,
                        evaluator="counted, in millions", seed="–",
                        shown=frame.value.map(scores.digits))[TIDY]


def named(curve):
    """The rows of three settings of guidance.csv by name: lowest, highest, and that of best FID."""
    fid = curve[curve.metric == "FID"]
    known = {"lowest guidance": curve.guidance.min(), "highest guidance": curve.guidance.max(),
             "guidance of the lowest FID": fid.guidance[fid.value.idxmin()]}
    return pd.concat([curve[curve.guidance == setting].assign(row=name, set="guidance")
                      for name, setting in known.items()], ignore_index=True)
