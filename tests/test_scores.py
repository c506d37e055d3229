"""The table of numbers: nothing without its words, its n and an interval that holds it."""

import math

import pandas as pd
import pytest

from maa import scores
from maa.errors import MaaError

NAN = float("nan")


def one(**changed):
    return scores.row(**{
        "scale": "mini", "what": "real held-out clips", "metric": "accuracy", "evaluator": "judge",
        "value": 0.8, "n": 40, "seed": 0, "interval": (0.7, 0.9), **changed})


def rows():
    return [one(), one(what="noise, as loud", value=0.1, interval=None),
            one(metric="FID", value=12.3456, interval=None)]


def test_a_table_that_is_written_and_read_is_the_same(tmp_path):
    written = scores.write(tmp_path / "scores.csv", rows())
    pd.testing.assert_frame_equal(scores.read(tmp_path / "scores.csv"), written, rtol=1e-15)
    assert list(written.columns) == scores.COLUMNS


def test_the_same_rows_are_the_same_bytes(tmp_path):
    for name in ("a.csv", "b.csv"):
        scores.write(tmp_path / name, rows())
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_row_without_an_interval_says_nan_for_both_ends():
    found = one(interval=None)
    assert math.isnan(found["low"]) and math.isnan(found["high"]) and found["value"] == 0.8


def test_an_interval_may_be_one_point():
    found = one(value=1, interval=(1, 1))
    assert (found["low"], found["value"], found["high"]) == (1, 1, 1)


def test_value_finds_the_one_number_of_a_sentence_and_a_metric():
    frame = pd.DataFrame(rows())
    assert scores.value(frame, "real held-out clips", "accuracy") == 0.8
    assert scores.value(frame, "real held-out clips", "FID") == 12.3456


def test_readers_see_three_digits_and_the_interval_beside_them():
    shown = scores.shown(pd.DataFrame(rows()))
    assert list(shown["value (95 % interval)"]) == ["0.8 (0.7 … 0.9)", "0.1", "12.3"]
    assert shown.index[1] == "noise, as loud"
    assert list(shown.n) == [40, 40, 40]


@pytest.mark.parametrize("changed, words", [
    *(({name: word}, f"{name} is {word!r}, expected words")
      for name in scores.WORDS for word in ("", "  ")),
    ({"evaluator": None}, "evaluator is None, expected words"),
    ({"n": 0}, "n is 0 for 'real held-out clips', expected the number of clips, 1 or more"),
    ({"n": -4}, "n is -4"),
    ({"n": 2.5}, "n is 2.5"),
    ({"n": True}, "n is True"),
    ({"interval": (0.81, 0.9)}, "is 0.8, outside its interval 0.81 … 0.9"),
    ({"interval": (0.1, 0.79)}, "outside its interval"),
    ({"interval": (0.9, 0.7)}, "outside its interval"),
])
def test_a_number_that_says_nothing_is_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        one(**changed)


@pytest.mark.parametrize("changed, words", [
    ({"value": NAN}, "value of accuracy for 'real held-out clips' is nan, expected a finite"),
    ({"value": NAN, "interval": None}, "value .* is nan.* is a clip damaged, or a class"),
    ({"value": float("inf")}, "value of accuracy .* is inf"),
    ({"interval": (NAN, 0.9)}, "low of accuracy .* is nan"),
    ({"interval": (0.7, float("inf"))}, "high of accuracy .* is inf"),
])
def test_a_number_that_is_none_is_refused(changed, words):
    with pytest.raises(MaaError, match=f"S-NAN: {words}") as caught:
        one(**changed)
    assert caught.value.exit_status == 4


def test_a_table_without_rows_or_with_one_twice_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no rows to write; was anything measured"):
        scores.write(tmp_path / "scores.csv", [])
    with pytest.raises(ValueError, match="'metric': 'accuracy'.* is measured twice, expected once"):
        scores.write(tmp_path / "scores.csv", [*rows(), one(value=0.75, seed=1)])
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize("before, after, words", [
    ("0.8,0.7,0.9", "0.95,0.7,0.9", "outside its interval"),
    ("0.8,0.7,0.9", "inf,nan,nan", "S-NAN: value of accuracy"),
    ("accuracy,judge", "accuracy,", "evaluator is '', expected words"),
    ("evaluator", "by", "C-COLUMNS: .*lacks .'evaluator'"),
    ("0.8,0.7,0.9", "0.8,0.7", "C-ROWS: .*line 2 has 8 fields, expected 9"),
])
def test_a_table_changed_by_hand_is_checked_again_when_read(tmp_path, before, after, words):
    path = tmp_path / "scores.csv"
    scores.write(path, [one()])
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")
    with pytest.raises(ValueError, match=words):
        scores.read(path)


def test_a_number_that_is_not_there_is_answered_with_what_is():
    frame = pd.DataFrame(rows())
    with pytest.raises(ValueError, match="0 rows are 'FID' of 'silence', expected 1 among .*noise"):
        scores.value(frame, "silence", "FID")
    twice = pd.DataFrame([one(), one(evaluator="another judge")])
    with pytest.raises(ValueError, match="2 rows are 'accuracy'"):
        scores.value(twice, "real held-out clips", "accuracy")


def keyed(**changed):
    return {"row": "clap", "set": "held_out", **one(**changed)}


def test_keys_stand_before_the_columns_and_come_back(tmp_path):
    written = scores.write(tmp_path / "rows.csv", [keyed(), keyed() | {"set": "unheard"}],
                           ("row", "set"))
    assert list(written.columns) == ["row", "set", *scores.COLUMNS]
    read = scores.read(tmp_path / "rows.csv", ("row", "set"))
    pd.testing.assert_frame_equal(read, written, rtol=1e-15)


def test_a_key_may_be_a_number(tmp_path):
    rows = [{"guidance": setting, **one()} for setting in (1.0, 2.5)]
    scores.write(tmp_path / "guidance.csv", rows, ("guidance",))
    assert list(scores.read(tmp_path / "guidance.csv", ("guidance",)).guidance) == [1.0, 2.5]


def test_rows_that_differ_by_a_key_alone_are_not_twice_unless_it_is_forgotten(tmp_path):
    rows = [keyed(), {**keyed(), "row": "bert"}]
    scores.write(tmp_path / "rows.csv", rows, ("row", "set"))
    with pytest.raises(ValueError, match="is measured twice, expected once; were the keys"):
        scores.read(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="'row': 'clap'.* is measured twice"):
        scores.write(tmp_path / "rows.csv", [keyed(), keyed(value=0.75)], ("row", "set"))


@pytest.mark.parametrize("rows, words", [
    ([one()], r"rows have no \['row', 'set'\], expected the keys"),
    ([keyed(), one(what="noise")], "row is nan in 1 rows, expected a word or a number"),
    ([{**keyed(), "set": " "}], "set is ' ' in 1 rows"),
    ([{**keyed(), "row": None}], "row is None in 1 rows")])
def test_a_row_without_its_key_is_refused(tmp_path, rows, words):
    with pytest.raises(ValueError, match=words):
        scores.write(tmp_path / "rows.csv", rows, ("row", "set"))
    assert not (tmp_path / "rows.csv").exists()


def test_a_file_without_the_keys_is_named(tmp_path):
    scores.write(tmp_path / "rows.csv", [one()])
    with pytest.raises(MaaError, match="C-COLUMNS: .*lacks .'row', 'set'"):
        scores.read(tmp_path / "rows.csv", ("row", "set"))


@pytest.mark.parametrize("number, digits", [
    (1234.5, "1230"), (0.5, "0.5"), (0.0, "0"), (1e-5, "0.00001"), (-119.04, "-119"),
    (2 / 3, "0.667"), (332e6, "332000000")])
def test_a_number_for_readers_has_three_digits_and_no_exponent(number, digits):
    assert scores.digits(number) == digits
