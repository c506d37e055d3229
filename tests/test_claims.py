"""maa.claims: one rule, computed; the paper's own numbers are held against it as well."""

import math
from pathlib import Path

import made_scores
import pandas as pd
import pytest

from maa import claims, evidence, tables

REPORTED = Path(__file__).parents[1] / "results/reported"


def number(value, width=0.0, metric="CLAP", row="a", own="held_out", **changed):
    return {"row": row, "set": own, "metric": metric, "value": value, "low": value - width,
            "high": value + width, "n": 104, "evaluator": "judge", "seed": 0,
            "shown": f"{value:g}", **changed}


def as_row(**fields):
    return next(pd.DataFrame([fields]).itertuples(index=False))


def claim(**changed):
    return as_row(**{"claim": "a is better than b", "place": "Table 1", "order": "a > b",
                     "metrics": "CLAP", "sets": "held_out", "at_most": "", "untested": "",
                     "note": "", **changed})


def judged(one, *numbers):
    return claims.judged(one, claims.compared(one, pd.DataFrame(numbers, columns=evidence.TIDY)))


@pytest.fixture(scope="module")
def paper():
    return evidence.printed(REPORTED)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, paper):
    folder = tmp_path_factory.mktemp("mini")
    made_scores.write(folder)
    return claims.table(claims.read(), paper, evidence.measured(folder), "mini")


def test_a_difference_of_equal_numbers_is_zero_with_an_interval_about_it():
    value, low, high = claims.difference(*[as_row(**number(0.5, 0.1))] * 2)
    assert value == 0 and low == -high == pytest.approx(-math.hypot(0.1, 0.1))


def test_the_interval_of_a_difference_takes_the_side_of_each_that_counts():
    first = as_row(**number(10, low=9, high=13))
    second = as_row(**number(4, low=1, high=8))
    assert claims.difference(first, second) == pytest.approx((6, 6 - math.hypot(1, 4),
                                                              6 + math.hypot(3, 3)))


@pytest.mark.parametrize("a, b, metric, sign", [
    ((0.5, 0.02), (0.4, 0.02), "CLAP", claims.FOR),
    ((0.4, 0.02), (0.5, 0.02), "CLAP", claims.AGAINST),
    ((0.42, 0.02), (0.4, 0.02), "CLAP", claims.OPEN),
    ((101, 8), (220, 18), "FID", claims.FOR),  # less is better
    ((220, 18), (101, 8), "FID", claims.AGAINST),
    ((0.5, float("nan")), (0.4, 0.02), "CLAP", claims.OPEN),
    ((2.57, 0), (2.68, 0), "parameters", claims.FOR),
    ((0.32, 0), (0.32, 0), "KL", claims.OPEN)])
def test_a_comparison_is_clear_where_the_interval_of_its_difference_leaves_out_zero(
        a, b, metric, sign):
    assert claims.sign(as_row(**number(*a, metric)), as_row(**number(*b, metric))) == sign


@pytest.mark.parametrize("changed", [{"evaluator": "another"}, {"n": 52}])
def test_numbers_that_do_not_compare_decide_nothing(changed):
    """Another judge; FID at another n."""
    better, worse = as_row(**number(101, 8, "FID")), as_row(**number(220, 8, "FID", **changed))
    assert claims.sign(better, worse) == claims.OPEN


@pytest.mark.parametrize("signs, count, verdict", [
    ([claims.FOR] * 3, 3, claims.BORNE_OUT),
    ([claims.FOR] * 2, 3, claims.CANNOT),  # one was not measured
    ([claims.FOR, claims.OPEN], 2, claims.CANNOT),
    ([claims.FOR, claims.AGAINST], 2, claims.NOT_BORNE_OUT),
    ([claims.OPEN, claims.AGAINST], 3, claims.NOT_BORNE_OUT)])
def test_the_rule(signs, count, verdict):
    assert claims.verdict(signs, count) == verdict


def test_an_order_is_read_as_pairs_of_neighbours():
    assert claims.pairs("a > b > c; d > b") == [("a", "b"), ("b", "c"), ("d", "b")]


@pytest.mark.parametrize("order", ["a", "a >", "a > b; c", ""])
def test_an_order_that_compares_nothing_is_refused(order):
    with pytest.raises(ValueError, match="expected 'a > b'"):
        claims.pairs(order)


def test_a_claim_is_told_with_its_difference_its_numbers_and_their_source():
    found = judged(claim(), number(0.5, 0.03), number(0.4, 0.04, row="b"))
    assert found == {
        "verdict": claims.BORNE_OUT, "comparisons": "1 of 1 clear, 0 against",
        "differences": "CLAP, held out: a before b by 0.1 (0.05 … 0.15)",
        "numbers": "CLAP, held out, judge, seed 0: a 0.5, n = 104, b 0.4, n = 104"}


def test_a_claim_on_two_sets_needs_both():
    one = claim(sets="held_out; unheard")
    numbers = [number(0.5, 0.03), number(0.4, 0.03, row="b")]
    assert judged(one, *numbers)["verdict"] == claims.CANNOT
    more = [number(0.5, 0.03, own="unheard"), number(0.4, 0.03, row="b", own="unheard")]
    assert judged(one, *numbers, *more)["verdict"] == claims.BORNE_OUT


@pytest.mark.parametrize("untested, verdict", [
    ("", claims.UNTESTED), ("can't tell without raters", "can't tell without raters")])
def test_a_claim_that_was_not_tested_says_so(untested, verdict):
    assert judged(claim(untested=untested), number(0.5))["verdict"] == verdict


def test_a_size_is_judged_by_the_papers_own_evaluator_alone():
    one = claim(order="reference > a", at_most="0.037")
    numbers = [number(0.526, row="reference"), number(0.482)]
    assert judged(one, *numbers)["verdict"] == claims.CANNOT
    papers = [{**each, "evaluator": evidence.PAPER} for each in numbers]
    assert judged(one, *papers)["verdict"] == claims.NOT_BORNE_OUT
    papers[1]["value"] = papers[1]["low"] = papers[1]["high"] = 0.49
    assert judged(one, *papers)["verdict"] == claims.BORNE_OUT


def test_two_numbers_for_one_cell_are_refused():
    with pytest.raises(ValueError, match="2 rows for 1 numbers"):
        judged(claim(), number(0.5), number(0.6))


def test_every_claim_is_about_numbers_that_the_paper_prints(paper):
    for one in claims.read().itertuples(index=False):
        count = len(claims.wanted(one)) * len(claims.pairs(one.order))
        assert len(claims.compared(one, paper)) >= count, one.claim


@pytest.mark.parametrize("words, verdict, against", [
    ("better than those of Diffsound", claims.BORNE_OUT, "none"),
    ("highest CLAP score", claims.NOT_BORNE_OUT, "CLAP 0.482 < 0.486 (clap, t5; AudioCaps)"),
    ("zero-shot", claims.NOT_BORNE_OUT, "KL 6.98 > 6.53 (clap, diffsound; Clotho)"),
    ("0.037", claims.NOT_BORNE_OUT, "CLAP 0.526 > 0.482 (reference, clap; AudioCaps)"),
    ("Raters", claims.CANNOT, "none"),
    ("Frame masks", claims.NOT_BORNE_OUT, "FID 1.77 > 1.76 (frame 50, irregular medium; narrow); "
                                          "KL 0.32 > 0.31 (frame 50, irregular medium; narrow)"),
    ("Larger masks", claims.NOT_BORNE_OUT, "FID 1.77 > 1.64 (frame 50, frame 30; narrow)"),
    ("picture or a video", claims.CANNOT, "none"),
    ("more realistic", claims.NOT_BORNE_OUT,
     "realism 0.9777 < 0.9898 (most noise, least noise; personalised)")])
def test_where_the_paper_contradicts_itself_its_own_numbers_say_so(
        finished, words, verdict, against):
    row = finished[finished.index.str.contains(words)].iloc[0]
    assert (row["by the paper's numbers"], row["paper, against"]) == (verdict, against)


@pytest.mark.parametrize("words, verdict", [
    ("better than those of Diffsound", claims.BORNE_OUT),
    ("smaller than Diffsound", claims.NOT_BORNE_OUT),
    ("lowest FID of four", claims.CANNOT), ("0.037", claims.CANNOT),
    ("Two experts", claims.BORNE_OUT), ("Pseudo prompts", claims.CANNOT),
    ("Four latent", claims.BORNE_OUT), ("Beyond its best", claims.BORNE_OUT),
    ("Raters", "can't tell without raters"),
    ("Larger masks", "not tested here yet: its notebook is not there")])
def test_the_same_rule_judges_what_was_measured(finished, words, verdict):
    assert finished[finished.index.str.contains(words)].iloc[0]["here, mini"] == verdict


def test_other_numbers_turn_a_verdict_round(tmp_path, paper, monkeypatch):
    swapped = dict(made_scores.QUALITY)
    swapped["clap"], swapped["diffsound"] = swapped["diffsound"], swapped["clap"]
    monkeypatch.setattr(made_scores, "QUALITY", swapped)
    made_scores.write(tmp_path)
    frame = claims.table(claims.read(), paper, evidence.measured(tmp_path), "mini")
    assert frame.iloc[0]["here, mini"] == claims.NOT_BORNE_OUT


def test_a_scale_without_numbers_is_told_as_untested(paper):
    frame = claims.table(claims.read(), paper, pd.DataFrame(columns=evidence.TIDY), "small")
    assert frame.iloc[0][["here, small", "small, numbers"]].tolist() == [
        claims.UNTESTED, claims.NONE]
    assert list(claims.verdicts(frame)) == ["place", "by the paper's numbers", "here, small"]


def test_no_cell_of_the_finished_table_is_empty_or_nan(finished):
    """S24."""
    assert tables.complete(finished) is finished
    assert len(finished) == len(claims.read())


def test_the_notes_quote_what_the_paper_printed():
    """S22; 0.037 is said in its text alone."""
    known = pd.DataFrame({"text": [path.read_text("utf-8").replace(",", " ")
                                   for path in REPORTED.glob("*.csv")] + ["0.037"]})
    for note in claims.read().note:
        assert tables.quoted(note, known) == note


@pytest.mark.parametrize("before, after, words", [
    ("clap > diffsound", "clap", "expected 'a > b'"),
    ("FID KL CLAP", "FID loudness", "metric is 'loudness'"),
    ("The system is smaller than Diffsound", "Sounds are better than those of Diffsound",
     "is claimed twice")])
def test_a_list_of_claims_that_cannot_be_judged_is_refused(tmp_path, before, after, words):
    text = Path(claims.__file__).with_name("claims.csv").read_text("utf-8")
    (tmp_path / "claims.csv").write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(ValueError, match=words):
        claims.read(tmp_path / "claims.csv")
