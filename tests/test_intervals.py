"""maa.intervals: ends lie where the draws say, further out for few clips, never further in."""

import numpy as np
import pytest

from maa import intervals


def test_the_ends_of_even_draws_are_their_outer_fortieths():
    """0 … 998: the k-th of 999 draws stands for k / 1000, so 24 and 974."""
    assert intervals.of_draws(np.arange(999.0), 499.0, 10**9) == pytest.approx((24, 974), abs=1e-3)


def test_draws_that_all_agree_give_one_point():
    assert intervals.of_draws(np.full(50, 2.5), 2.5, 4) == (2.5, 2.5)


@pytest.mark.parametrize(("count", "wider"), [
    (2, 2**0.5 * 12.7062 / 1.95996),  # Student's t with 1 degree of freedom
    (20, (20 / 19) ** 0.5 * 2.09302 / 1.95996),
    (10**6, 1.0)])
def test_an_interval_of_few_clips_is_wider_by_students_t(count, wider):
    assert intervals.few(count) == pytest.approx(wider, rel=1e-5)
    draws = np.linspace(-1, 3, 999)
    low, high = intervals.of_draws(draws, 1.0, count)
    plain = intervals.of_draws(draws, 1.0, 10**9)
    assert (low - 1) / (plain[0] - 1) == pytest.approx(wider, rel=1e-4)
    assert high - 1 == pytest.approx(1 - low, rel=1e-6)


def test_one_clip_is_not_corrected():
    assert intervals.few(1) == 1


def test_rows_of_one_group_are_drawn_together_and_all_sets_alike():
    sets = np.arange(6), np.arange(6)
    for one, other in intervals.redraws(sets, 50, np.random.default_rng(0), list("aabbbc")):
        assert one is other
        drawn = np.bincount(one, minlength=6)
        assert drawn[0] == drawn[1] and drawn[2] == drawn[3] == drawn[4]
        assert drawn[0] + drawn[2] + drawn[5] == 3  # groups


def test_without_groups_each_set_is_drawn_by_itself():
    drawn = list(intervals.redraws((np.arange(9), np.arange(4)), 20, np.random.default_rng(0)))
    assert {(len(one), len(other)) for one, other in drawn} == {(9, 4)}
    assert len({tuple(one) for one, _ in drawn}) == 20
