"""Measured numbers in one tidy table: a number is never without what, by whom, and of how many.

Conventions: one row a number; columns scale, what (a sentence), metric, evaluator (the network or
    formula that judged), value, low and high (95 % interval, nan where there is none), n, seed. A
    table of several models or settings has keys before them, such as row and set, or guidance.
Source: Section 5.3.  Notebooks: 41_scores, 5x, 90_report.
"""

import math
from pathlib import Path

import numpy as np
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
    Source: Section 5.3.  Notebook: 41_scores.
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


def write(path, rows, keys=()):
    """Rows of row() → a CSV file; returns them as a DataFrame.

    keys:     leading columns that each row has besides: {"row": "clap", "set": "held_out"} | row(…)

    Raises ValueError without rows, for an empty or missing key, or if two rows measure the same.
    """
    if not rows:
        raise ValueError("there are no rows to write; was anything measured?")
    frame = checked(pd.DataFrame(rows), list(keys))
    files.write_table(Path(path), frame)
    return frame


def read(path, keys=()):
    """The table that write() made, with the same keys, every row checked again.

    Raises MaaError C-COLUMNS or C-ROWS for a damaged file, S-NAN and ValueError as row() and write.
    """
    frame = checked(files.read_table(Path(path), [*keys, *COLUMNS]), list(keys))
    for one in frame.itertuples():
        interval = None if math.isnan(one.low) else (one.low, one.high)
        row(one.scale, one.what, one.metric, one.evaluator, one.value, one.n, one.seed, interval)
    return frame


def checked(frame, keys):
    """The columns of a table in their order; ValueError if a key is empty or a row there twice."""
    if missing := [key for key in keys if key not in frame]:
        raise ValueError(f"rows have no {missing}, expected the keys {keys} in each of them")
    for key in keys:
        if empty := [cell for cell in frame[key] if str(cell).strip() in ("", "nan", "None")]:
            raise ValueError(
                f"{key} is {empty[0]!r} in {len(empty)} rows, expected a word or a number")
    twice = frame[frame.duplicated([*keys, *WORDS])]
    if len(twice):
        raise ValueError(f"{twice.iloc[0][[*keys, *WORDS]].to_dict()} is measured twice, expected "
                         f"once; were the keys of its table named?")
    return frame[[*keys, *COLUMNS]]


def value(frame, what, metric):
    """The one number of a table.

    Raises ValueError if the table has none or several, listing what it has.
    """
    found = frame[(frame["what"] == what) & (frame["metric"] == metric)]
    if len(found) != 1:
        known = sorted(set(zip(frame["what"], frame["metric"])))
        raise ValueError(f"{len(found)} rows are {metric!r} of {what!r}, expected 1 among {known}")
    return float(found["value"].iloc[0])


def digits(number):
    """A number with three significant digits and no exponent: 1234.5 → "1230", 0.5 → "0.5"."""
    return np.format_float_positional(number, 3, unique=False, fractional=False, trim="-")


def words(one):
    """"value (low … high)" of a row with these fields; without an interval, the value alone."""
    number = digits(one.value)
    return number if math.isnan(one.low) else f"{number} ({digits(one.low)} … {digits(one.high)})"


def shown(frame):
    """The table for readers: one column a number with its interval, three significant digits."""
    table = frame[["what", "metric", "n", "evaluator"]].copy()
    table.insert(2, "value (95 % interval)", [words(one) for one in frame.itertuples()])
    return table.set_index("what")
