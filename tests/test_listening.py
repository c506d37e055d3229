"""Mean opinion scores: the mean is worked by hand, the interval is honest or not there at all."""

import math

import numpy as np
import pandas as pd
import pytest

from maa import listening
from maa.errors import MaaError

NAN = float("nan")


def ratings(table):
    """Rows of a table (raters, clips)."""
    rows = [(f"r{rater}", f"c{clip}", score)
            for rater, scores in enumerate(table) for clip, score in enumerate(scores)]
    return pd.DataFrame(rows, columns=listening.COLUMNS)


def study(generator, raters=20, clips=50, taste=6.0, luck=4.0, noise=10.0, mean=60.0):
    """Ratings whose true mean is known: raters and clips differ, and every rating scatters."""
    scores = (mean + taste * generator.normal(size=(raters, 1))
              + luck * generator.normal(size=(1, clips))
              + noise * generator.normal(size=(raters, clips)))
    return np.clip(scores, *listening.SCALE)


def test_the_score_is_the_mean_of_the_ratings_and_says_how_many_of_what():
    found = listening.opinion(ratings([[60, 80, 100], [40, 60, 80]]))
    assert found["value"] == 70
    assert (found["n"], found["raters"], found["clips"], found["skipped"]) == (6, 2, 3, 0)
    assert found["low"] < 70 < found["high"]


def test_one_rating_has_a_score_and_no_interval():
    """S18."""
    found = listening.opinion(ratings([[72]]))
    assert found["value"] == 72 and found["n"] == 1
    assert math.isnan(found["low"]) and math.isnan(found["high"])


@pytest.mark.parametrize("table", [[[60, 70, 80]], [[60], [70], [80]]])
def test_one_rater_or_one_clip_has_a_score_and_no_interval(table):
    """S18: nobody knows what another rater would have said, or of another clip."""
    found = listening.opinion(ratings(table))
    assert found["value"] == 70 and math.isnan(found["low"]) and math.isnan(found["high"])


def test_ratings_that_all_agree_have_an_interval_of_one_point():
    """S18."""
    found = listening.opinion(ratings([[80, 80], [80, 80]]))
    assert found["low"] == found["value"] == found["high"] == 80


@pytest.mark.parametrize("empty", [NAN, None, "", " "])
def test_an_empty_cell_is_skipped_and_counted(empty):
    """S18: a rater and a clip without any rating count for nothing."""
    rows = ratings([[60, empty, empty], [80, 100, empty], [empty, empty, empty]])
    found = listening.opinion(rows)
    assert found["value"] == 80
    assert (found["n"], found["raters"], found["clips"], found["skipped"]) == (3, 2, 2, 6)


@pytest.mark.parametrize(("scale", "usual", "other", "end"), [
    ((20, 100), 100, 60, "high"), ((20, 100), 20, 60, "low"),
    ((1, 5), 5, 3, "high"), ((1, 5), 1, 3, "low")])
def test_the_interval_ends_where_the_scale_does(scale, usual, other, end):
    """S18: nine ratings, all but one at that end; without the bound it would lie beyond."""
    table = np.full((3, 3), float(usual))
    table[0, 0] = other
    found = listening.opinion(ratings(table), scale)
    assert scale[0] <= found["low"] < found["value"] < found["high"] <= scale[1]
    assert found[end] == usual
    wide = listening.opinion(ratings(table), (scale[0] - 100, scale[1] + 100))
    assert not scale[0] <= wide[end] <= scale[1]


def test_text_numbers_count_as_numbers():
    """As files.read_table with dtype=str gives them."""
    assert listening.opinion(ratings([["60", "80"], ["40", ""]]))["value"] == 60


def test_the_same_ratings_have_the_same_interval_in_any_order():
    rows = ratings(study(np.random.default_rng(0), 6, 8))
    assert listening.opinion(rows) == listening.opinion(rows[::-1])
    assert listening.opinion(rows) != listening.opinion(rows, seed=1)


def test_s19_the_interval_covers_the_true_mean_where_the_usual_one_does_not():
    """S19: the usual one takes 1,000 ratings of 20 raters for 1,000 raters."""
    generator, held, usual = np.random.default_rng(0), [], []
    for number in range(120):
        table = study(generator)
        found = listening.opinion(ratings(table), draws=300, seed=number)
        held.append(found["low"] <= 60 <= found["high"])
        usual.append(abs(table.mean() - 60) <= 1.96 * table.std(ddof=1) / math.sqrt(table.size))
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(usual) < 0.7


@pytest.mark.parametrize(("rows", "message"), [
    (ratings([[60]]).drop(columns="rater"), r"C-COLUMNS: ratings lack \['rater'\]; have"),
    (pd.concat([ratings([[60]])] * 2), "C-ID: rater 'r0' rated clip 'c0' twice, expected once"),
    (ratings([]), "S-EMPTY: 0 rows have no score"),
    (ratings([[NAN, ""]]), "S-EMPTY: 2 rows have no score, expected one or more"),
    (ratings([[60, 19]]), "S-SCALE: score 19 of clip 'c1' is off the scale, expected 20 … 100"),
    (ratings([[60, 101]]), "S-SCALE: score 101"),
    (ratings([[float("inf")]]), "S-SCALE: score inf"),
    (ratings([["good"]]), "S-SCALE: score 'good' of clip 'c0'"),
])
def test_ratings_that_cannot_be_meant_are_refused(rows, message):
    with pytest.raises(MaaError, match=message) as caught:
        listening.opinion(rows)
    assert caught.value.exit_status in (3, 4)
