"""The ends of a 95 % interval, from what a number becomes when its clips are drawn anew.

Conventions: draws of a bootstrap are made with as many rows as there are, with replacement.
Source: after Hesterberg, What Teachers Should Know about the Bootstrap (2015), who widens it alike.
    The paper gives intervals of opinions alone (Appendix C).
Notebook: 40_judges.
"""

import math

import numpy as np
from scipy import special

PERCENT = [0.025, 0.975]
AT_ONCE = 2**24  # values that are drawn before their means are taken


def of_draws(drawn, value, count):
    """95 % interval of a number, as wide as Student's t has it for few clips: (low, high).

    drawn:   the number in each draw of a bootstrap
    value:   the number itself
    count:   rows that were drawn from. They vary less than their source, by √(1 − 1/count), and
             that variation is only estimated: without correction, intervals of 20 clips hold the
             truth 92 % of the time. 1 is not corrected: one row cannot tell
    """
    # not the default, whose ends lie further in the fewer draws there are
    ends = np.quantile(drawn, PERCENT, method="weibull")
    low, high = value + few(count) * (ends - value)
    return float(low), float(high)


def of_equal(values):
    """95 % interval of the mean of equal values, which no draw can widen: (low, high).

    Of a share, all hits or none, it is Wilson's; of anything else the value, or NaN if there is
    only one.
    """
    if values[0] in (0, 1):
        square = special.ndtri(0.975) ** 2
        width = float(square / (len(values) + square))
        return (1 - width, 1.0) if values[0] else (0.0, width)
    return (float(values[0]),) * 2 if len(values) > 1 else (math.nan, math.nan)


def means(values, draws, generator):
    """Means of `values` (rows,) drawn anew, `draws` times: (draws,)."""
    count = len(values)
    most = max(1, AT_ONCE // count)
    return np.concatenate([
        values[generator.integers(count, size=(min(most, draws - done), count))].mean(1)
        for done in range(0, draws, most)])


def redraws(sets, draws, generator, groups=None):
    """Rows to draw for a bootstrap, `draws` times: a list of (rows,) numbers for each of the sets.

    groups:   (rows,) label of each row of all sets: those of one label come together, and the sets
              are drawn alike; without them each set is drawn by itself
    """
    if groups is None:
        for _ in range(draws):
            yield [generator.integers(len(one), size=len(one)) for one in sets]
        return
    if any(len(one) != len(groups) for one in sets):
        raise ValueError(f"{len(groups)} labels of groups for {[*map(len, sets)]} rows, expected "
                         "one for each row")
    label = np.unique(np.asarray(groups), return_inverse=True)[1]
    members = [np.flatnonzero(label == one) for one in range(label.max() + 1)]
    for _ in range(draws):
        chosen = generator.integers(len(members), size=len(members))
        yield [np.concatenate([members[one] for one in chosen])] * len(sets)


def few(count):
    """How much wider an interval of `count` rows is than the bootstrap says: 1 for very many."""
    if count < 2:
        return 1.0
    return math.sqrt(count / (count - 1)) * special.stdtrit(count - 1, 0.975) / special.ndtri(0.975)
