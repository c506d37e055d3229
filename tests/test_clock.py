"""A clock counts what it is asked to, and says how often."""

import pytest

from maa import clock


def test_a_row_holds_median_percentile_and_how_often():
    found = clock.row("x", [0.1, 0.2, 0.3, 0.4, 10.0], 6, steps=5)
    assert found["n"] == 5 and found["steps"] == 5
    assert found["p50_ms"] == pytest.approx(300)
    assert found["p95_ms"] == pytest.approx(8080)
    assert found["per_second"] == pytest.approx(20)


def test_calls_before_the_clock_starts_are_not_counted():
    calls = []
    assert len(clock.timed(lambda: calls.append(1), 4, warm=2)) == 4
    assert len(calls) == 6
