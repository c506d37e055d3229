"""maa.tables: no number without its source, no winner by chance, no "nan", no stale quotation."""

import dataclasses
import json
import re
from pathlib import Path

import made_scores
import pandas as pd
import pytest

from maa import files, tables
from maa.errors import MaaError

ROOT = Path(__file__).parents[1]
NAMES = {"clap": "CLAP", "bert": "BERT", "clip": "CLIP"}
COLUMNS = {"FID": {"set": "held_out", "metric": "FID"}}


@dataclasses.dataclass
class Number:
    """As much of a row of scores as the best one is chosen by."""

    value: float
    low: float
    high: float
    metric: str = "FID"
    evaluator: str = "listener"
    n: int = 104


def ours(rows=NAMES, columns=COLUMNS, **options):
    return tables.measured(pd.DataFrame(made_scores.rows()), rows, columns, **options)


def paper():
    frame = pd.DataFrame({"fid": ["4.61", "5.15", ""], "mos_q": ["72.5", "70.5", ""],
                          "mos_q_ci95": ["0.90", "0.87", ""]}, index=list(NAMES.values()))
    return tables.printed(frame, {"FID": ("fid", "Melception", "494 clips"),
                                  "MOS-Q": ("mos_q", "raters", "")})


def finished():
    return tables.stacked({"here, scale mini": ours(), "paper": paper()})


def test_a_block_has_a_row_a_model_and_ends_in_who_judged_how_many_and_the_seed():
    block = ours()
    assert list(block.index) == ["CLAP", "BERT", "CLIP", "judged by", "n", "seed"]
    assert list(block.FID) == ["101 (92.9 … 109)", "118 (109 … 127)", "140 (129 … 151)",
                               made_scores.LISTENER, "104", "0"]


def test_another_n_than_the_usual_one_stands_in_its_cell():
    names = {"reference": "real", **NAMES}
    block = ours(names, {"CLAP": {"set": "held_out", "metric": "CLAP"}})
    assert block.CLAP["real"] == "0.71 (0.653 … 0.767), n = 208"
    assert block.CLAP["n"] == "104"


def test_what_was_not_measured_says_so():
    block = ours({"channels_32": "32 channels", **NAMES},
                 {"order": {"set": "two_events", "metric": "order"}})
    assert block.order["32 channels"] == tables.ABSENT
    assert block.order["CLAP"] == "0.72 (0.662 … 0.778)"


def test_two_judges_in_one_column_are_refused():
    rows = made_scores.rows()
    rows[next(i for i, one in enumerate(rows) if one["row"] == "bert")]["evaluator"] = "another"
    with pytest.raises(ValueError, match="gave the numbers of 'FID', expected one evaluator"):
        tables.measured(pd.DataFrame(rows), NAMES, COLUMNS)


def test_two_rows_for_one_cell_are_refused():
    frame = pd.DataFrame(made_scores.rows()[:3] * 2)
    with pytest.raises(ValueError, match="2 rows are .*expected one; did two judges"):
        tables.find(frame, {"row": "reference", "set": "held_out", "metric": "FID"})


def test_the_papers_cells_are_as_printed_with_their_confidence_interval():
    block = paper()
    assert list(block.FID) == ["4.61", "5.15", "not reported", "Melception", "494 clips",
                               "not reported"]
    assert list(block["MOS-Q"]) == ["72.5 ± 0.90", "70.5 ± 0.87", "not reported", "raters",
                                    "not reported", "not reported"]


def test_ours_and_the_papers_stand_in_two_blocks_and_are_never_subtracted():
    table = finished()
    assert list(table.index.get_level_values(0).unique()) == ["here, scale mini", "paper"]
    assert table.loc[("here, scale mini", "CLAP"), "MOS-Q"] == tables.ABSENT
    assert table.loc[("paper", "CLAP"), "FID"] == "4.61"
    assert list(table.columns) == ["FID", "MOS-Q"]


def test_what_is_counted_has_its_provenance_too():
    column = tables.counted({"clap": 2.57}, {"reference": "real", "clap": "CLAP"})
    assert dict(column) == {"real": tables.ABSENT, "CLAP": "2.57", "judged by": "counted",
                            "n": "–", "seed": "–"}


@pytest.mark.parametrize("name", tables.PROVENANCE)
def test_a_number_without_its_source_is_refused(name):
    """S20."""
    for block in (ours().drop(name), ours().assign(FID=ours().FID.replace(
            ours().FID[name], tables.ABSENT))):
        with pytest.raises(MaaError, match=f"S-SOURCE: 'FID' of 'here'.* without '{name}'"):
            tables.stacked({"here": block})


def test_a_column_without_numbers_needs_no_source():
    """S20."""
    block = pd.DataFrame({"annotation": ["caption", "none"]}, index=["AudioCaps", "LibriTTS"])
    assert len(tables.stacked({"here": block})) == 2


@pytest.mark.parametrize("others, winner", [
    ([(118, 109, 127)], "a"),
    ([(118, 110, 127), (111, 109.5, 130)], "a"),  # a: 92 … 109
    ([(118, 108.9, 127)], None),
    ([(118, 108.95, 127)], None),  # they touch
    ([(118, 109, 127), (101, 92, 109)], None),  # a tie
    ([(101, 92, 109)], None),
    ([(80, 70, 91.9)], "1"),
    ([(118, float("nan"), float("nan"))], None),
    ([], None),
])
def test_the_best_is_marked_only_where_no_interval_reaches_it(others, winner):
    """S23."""
    found = {"a": Number(101, 92, 108.95), **{str(k): Number(*one)
                                              for k, one in enumerate(others, start=1)}}
    assert tables.best(found) == winner


def test_more_is_better_for_a_clap_score():
    """S23."""
    found = {"a": Number(0.5, 0.45, 0.55, "CLAP"), "b": Number(0.3, 0.25, 0.35, "CLAP")}
    assert tables.best(found) == "a"
    found["b"] = Number(0.44, 0.4, 0.46, "CLAP")
    assert tables.best(found) is None


@pytest.mark.parametrize("changed", [{"evaluator": "another"}, {"n": 52}])
def test_numbers_that_do_not_compare_have_no_best(changed):
    """S23: another judge, or a distance of sets at another n."""
    found = {"a": Number(101, 92, 109), "b": Number(300, 290, 310, **changed)}
    assert tables.best(found) is None
    assert tables.best(found | {"b": Number(300, 290, 310)}) == "a"


def test_a_mean_compares_at_another_n():
    found = {"a": Number(0.5, 0.45, 0.55, "CLAP"), "b": Number(0.3, 0.25, 0.35, "CLAP", n=52)}
    assert tables.best(found) == "a"


def test_only_rows_that_compete_can_be_best():
    """S23."""
    names = {"reference": "real", "clap": "CLAP", "t5": "T5", "clip": "CLIP"}
    assert ours(names, compete=("clap", "clip")).FID["CLAP"] == "101 (92.9 … 109), best"
    assert ours(names, compete=("clap", "t5")).FID["CLAP"] == "101 (92.9 … 109)"
    assert ours(names, compete=names).FID["real"] == "12 (11 … 13), best"
    assert "best" not in ours(names).to_csv()


def test_a_metric_that_is_not_known_has_no_better_side():
    with pytest.raises(ValueError, match="metric is 'loudness', expected one of .'CLAP'"):
        tables.more_is_better("loudness")


@pytest.mark.parametrize("text", [
    "nan", "4.1 (nan … 5)", "", "  ", "None", "inf", "<NA>", float("nan"), None, 4.61])
def test_a_cell_that_says_nothing_is_refused(text):
    """S24."""
    table = finished()
    table.loc[("here, scale mini", "BERT"), "FID"] = text
    with pytest.raises(MaaError, match="S-NAN: 'FID' of .*'BERT'"):
        tables.checked(tables.complete(table))


def test_a_word_that_holds_nan_is_a_word():
    """S24."""
    assert len(tables.complete(pd.DataFrame({"label": ["finance", "banana", "none"]}))) == 3


@pytest.mark.parametrize("text", [
    "FID falls to 101, from 140", "FID 92.9 … 109, n = 104", "about 4.6", "12 % of 118",
    "Table 1 and Figure 7 give 4.61; the 95 % interval is 92.9 … 109", "no number", "-3 and 3,671"])
def test_a_text_may_say_what_stands_in_the_table(text):
    """S22."""
    table = pd.DataFrame({"FID": ["101 (92.9 … 109), n = 104", "118", "140", "4.61", "0.12", "-3",
                                  "3671"]})
    assert tables.quoted(text, table) == text


@pytest.mark.parametrize("text, number", [
    ("FID falls to 102", "102"), ("FID is 4.62", "4.62"), ("FID is 4.7", "4.7"),
    ("27 %", "27 %"), ("13%", "13%"), ("−101", "-101"), ("3,670 hours", "3670"), ("n = 208", "208"),
])
def test_a_number_that_does_not_stand_in_the_table_is_refused(text, number):
    """S22."""
    table = pd.DataFrame({"FID": ["101 (92.9 … 109), n = 104", "4.61", "0.12", "3671"]})
    with pytest.raises(MaaError, match=f"S-QUOTE: '{number}' is said in"):
        tables.quoted(text, table)


def test_numbers_of_two_cells_are_not_read_as_one():
    table = pd.DataFrame({"a": [0.0], "b": [367], "c": [100]})
    assert tables.quoted("367 and 100", table)
    with pytest.raises(MaaError, match="S-QUOTE"):
        tables.quoted("367,100", table)


def reported():
    """Every number that the paper printed, as one frame of texts."""
    texts = [path.read_text("utf-8").replace(",", " ")
             for path in sorted((ROOT / "results/reported").glob("*.csv"))]
    return pd.DataFrame({"text": texts})


@pytest.mark.parametrize("name", ["51_table_1", "57_table_7", "59_figure_7"])
def test_what_notebooks_quote_of_the_paper_is_what_it_printed(name):
    """S22: numbers with a point or three digits; 0.037 is said in the paper's text alone."""
    book = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    text = " ".join("".join(cell["source"]) for cell in book["cells"]
                    if cell["cell_type"] == "markdown").partition("## What the paper found")[2]
    said = {*re.findall(r"\b\d+\.\d+\b|\b\d{3}\b", text)} - {"0.037"}
    assert len(said) >= 2
    tables.quoted("; ".join(said), reported())


def test_a_table_is_written_and_shown_in_full(tmp_path):
    long = "a reason that is longer than the fifty letters that pandas shows of a cell"
    table = finished()
    table.loc[("paper", "CLIP"), "FID"] = long
    page = tables.write(tmp_path / "tables" / "table_1.csv", table)
    read = files.read_table(tmp_path / "tables" / "table_1.csv", ["where", "row"], str)
    assert long in page._repr_html_() and long in set(read.FID)
    assert list(read.columns) == ["where", "row", "FID", "MOS-Q"] and len(read) == len(table)


def test_the_same_table_is_the_same_bytes(tmp_path):
    """S21, for tables."""
    for name in ("a.csv", "b.csv"):
        tables.write(tmp_path / name, finished())
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_table_with_an_empty_cell_is_not_written(tmp_path):
    table = finished()
    table.iloc[0, 0] = ""
    with pytest.raises(MaaError, match="S-NAN"):
        tables.write(tmp_path / "table.csv", table)
    assert not (tmp_path / "table.csv").exists()
