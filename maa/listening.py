"""Mean opinion scores: how good the sounds are to human ears, and how sure that is.

Raters differ in taste and clips in luck. An interval that takes all ratings for independent, as is
usual, holds the truth about every second time; here both raters and clips are drawn anew. That errs
on the safe side: too wide where neither differ, only their ratings scatter.

Conventions: one row a rating, columns rater, clip, score; an empty score is a rating not given.
Source: Section 5.3, Appendix C (20 … 100, 95 % intervals). Differs: the interval, as said above.
Notebook: none.
"""

import math

import numpy as np
import pandas as pd

from maa import intervals
from maa.errors import MaaError

COLUMNS = ["rater", "clip", "score"]
SCALE = (20.0, 100.0)  # of the paper; the usual one is 1 … 5


def opinion(ratings, scale=SCALE, draws=2000, seed=0):
    """Mean opinion score of one system with its 95 % interval.

    ratings:  DataFrame with COLUMNS; "" and NaN are ratings not given: skipped and counted
    scale:    lowest and highest score that a rater may give; the interval stays between them
    returns   {"value", "low", "high", "n" (ratings), "raters", "clips", "skipped"}; low and high
              are NaN for one rater or one clip: others could have said anything

    Raises MaaError C-COLUMNS, C-ID (a rater rated a clip twice), S-EMPTY (no rating at all) or
    S-SCALE (text, or a score off the scale).
    Source: Appendix C.  Notebook: none.
    """
    table = matrix(ratings, scale)  # (raters, clips)
    given = ~np.isnan(table)
    found = {"value": float(np.nanmean(table)), "low": math.nan, "high": math.nan,
             "n": int(given.sum()), "raters": len(table), "clips": table.shape[1],
             "skipped": len(ratings) - int(given.sum())}
    if min(table.shape) > 1:
        drawn = redrawn(np.where(given, table, 0), given, draws, np.random.default_rng(seed))
        low, high = intervals.of_draws(drawn, found["value"], min(table.shape))
        found |= {"low": max(low, float(scale[0])), "high": min(high, float(scale[1]))}
    return found


def matrix(ratings, scale):
    """(raters, clips) scores, NaN where none was given; without raters and clips that have none."""
    if missing := [name for name in COLUMNS if name not in ratings]:
        raise MaaError("C-COLUMNS", f"ratings lack {missing}; have {list(ratings)}")
    if len(twice := ratings[ratings.duplicated(["rater", "clip"])]):
        raise MaaError("C-ID", (
            f"rater {twice.rater.iloc[0]!r} rated clip {twice['clip'].iloc[0]!r} twice, expected "
            f"once; which one counts?"))
    given = ratings[~ratings.score.isna() & (ratings.score.astype(str).str.strip() != "")]
    if not len(given):
        raise MaaError("S-EMPTY", f"{len(ratings)} rows have no score, expected one or more")
    scores = pd.to_numeric(given.score, errors="coerce")
    off = given[~scores.between(*scale)]  # NaN, infinity and text are between nothing
    if len(off):
        raise MaaError("S-SCALE", (
            f"score {off.score.iloc[0]!r} of clip {off['clip'].iloc[0]!r} is off the scale, "
            f"expected {scale[0]:g} … {scale[1]:g}; was another scale used?"))
    return given.assign(score=scores).pivot(
        index="rater", columns="clip", values="score").to_numpy(float)


def redrawn(scores, given, draws, generator):
    """The mean of the ratings in each of `draws` draws of as many raters and as many clips."""
    raters, clips = (generator.multinomial(count, np.full(count, 1 / count), draws)
                     for count in scores.shape)  # (draws, raters), (draws, clips): how often each
    total, number = (((raters @ part) * clips).sum(1) for part in (scores, given.astype(float)))
    return total[number > 0] / number[number > 0]  # of few ratings a draw may meet none
