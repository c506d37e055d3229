"""Measured numbers in one tidy table: a number is never without what, by whom, and of how many.

Conventions: one row a number; columns scale, what (a sentence), metric, evaluator (the network or
    formula that judged), value, low and high (95 % interval, nan where there is none), n, seed.
Source: Section 5.3.  Notebooks: 40_scores, 90_report.
"""

import math
from pathlib import Path

import pandas as pd

from maa import files
from maa.errors import MaaError

COLUMNS = ["scale", "what", "metric", "evaluator", "value", "low", "high", "n", "seed"]
WORDS = ["scale", "what", "metric", "evaluator"]


def row(scale, what, metric, evaluator, value, n, seed, interval=None):
    """One number as {column: value}.

    what:      what was measured, in words: "real held-out clips"
    metric:    "accuracy", "FID", …
    evaluator: who judged: "judge (small ResNet-18, real clips only)"
    n:         clips measured
    interval:  (low, high) with low ≤ value ≤ high, or None

    Raises ValueError for an empty word or n below 1; MaaError S-NAN for a number that is none.
    Source: Section 5.3.  Notebook: 40_scores.
    """
    found = dict(zip(WORDS, (scale, what, metric, evaluator)))
    for name, word in found.items():
        if not isinstance(word, str) or not word.strip():
            raise ValueError(
                f"{name} is {word!r}, expected words; a number without them says nothing")
    if isinstance(n, bool) or n != int(n) or n < 1:
        raise ValueError(f"n is {n!r} for {what!r}, expected the number of clips, 1 or more")
    low, high = interval or (math.nan, math.nan)
    numbers = {"value": value} | ({"low": low, "high": high} if interval else {})
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise MaaError("S-NAN", (
                f"{name} of {metric} for {what!r} is {number}, expected a finite number; is a clip "
                f"damaged, or a class without clips?"))
    if interval and not low <= value <= high:
        raise ValueError(f"{metric} for {what!r} is {value}, outside its interval {low} … {high}")
    return found | {"value": float(value), "low": float(low), "high": float(high),
                    "n": int(n), "seed": int(seed)}


def write(path, rows):
    """Rows of row() → a CSV file; returns them as a DataFrame.

    Raises ValueError without rows or if two rows measure the same thing.
    """
    if not rows:
        raise ValueError("there are no rows to write; was anything measured?")
    frame = pd.DataFrame(rows)[COLUMNS]
    twice = frame[frame.duplicated(WORDS)]
    if len(twice):
        raise ValueError(f"{twice.iloc[0][WORDS].to_dict()} is measured twice, expected once")
    files.write_table(Path(path), frame)
    return frame


def read(path):
    """The table that write() made, every row checked again.

    Raises MaaError C-COLUMNS or C-ROWS for a damaged file, S-NAN and ValueError as row().
    """
    frame = files.read_table(Path(path), COLUMNS)
    for one in frame.itertuples():
        interval = None if math.isnan(one.low) else (one.low, one.high)
        row(one.scale, one.what, one.metric, one.evaluator, one.value, one.n, one.seed, interval)
    return frame


def value(frame, what, metric):
    """The one number of a table.

    Raises ValueError if the table has none or several, listing what it has.
    """
    found = frame[(frame["what"] == what) & (frame["metric"] == metric)]
    if len(found) != 1:
        known = sorted(set(zip(frame["what"], frame["metric"])))
        raise ValueError(f"{len(found)} rows are {metric!r} of {what!r}, expected 1 among {known}")
    return float(found["value"].iloc[0])


def shown(frame):
    """The table for readers: one column a number with its interval, three significant digits."""
    def words(one):
        number = f"{one.value:.3g}"
        return number if math.isnan(one.low) else f"{number} ({one.low:.3g} … {one.high:.3g})"

    table = frame[["what", "metric", "n", "evaluator"]].copy()
    table.insert(2, "value (95 % interval)", [words(one) for one in frame.itertuples()])
    return table.set_index("what")
