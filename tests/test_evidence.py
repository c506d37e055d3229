"""maa.evidence: what was printed and what was measured, in one tidy form."""

from pathlib import Path

import made_scores
import pytest

from maa import evidence, files, tables

REPORTED = Path(__file__).parents[1] / "results/reported"


def one(frame, row, own, metric):
    return tables.find(frame, {"row": row, "set": own, "metric": metric})


@pytest.fixture(scope="module")
def paper():
    return evidence.printed(REPORTED)


@pytest.fixture
def measured(tmp_path):
    made_scores.write(tmp_path)
    return evidence.measured(tmp_path)


@pytest.mark.parametrize("row, own, metric, shown", [
    ("reference", "AudioCaps", "CLAP", "0.526"), ("clap", "AudioCaps", "FID", "4.61"),
    ("t5", "Clotho", "KL", "7.02"), ("diffsound", "sizes", "parameters", "520"),
    ("clip", "AudioCaps", "MOS-F", "75.4 ± 0.96"), ("frame_30", "wide", "KL", "0.62"),
    ("make_an_audio", "video_to_audio", "MOS-Q", "60.0 ± 1.31"),
    ("retrieval", "ESC-50", "CLAP", "0.44"), ("base", "Clotho", "FID", "18.75"),
    ("channels_128", "AudioCaps", "KL", "3.68"), ("plain", "Clotho", "KL", "7.19"),
    ("normalised_global", "fsd50k", "FID", "31.1"),
    ("most noise", "personalised", "CLAP", "0.5005"),
    ("guidance of the lowest FID", "guidance", "FID", "4.766"),
    ("highest guidance", "guidance", "CLAP", "0.5501")])
def test_the_papers_numbers_are_found_by_row_set_and_metric(paper, row, own, metric, shown):
    assert one(paper, row, own, metric).shown == shown


def test_a_confidence_interval_becomes_an_interval_and_none_is_exact(paper):
    opinion, distance = one(paper, "clap", "AudioCaps", "MOS-Q"), one(
        paper, "clap", "AudioCaps", "FID")
    assert (opinion.low, opinion.high) == pytest.approx((71.6, 73.4))
    assert (distance.low, distance.high) == (4.61, 4.61)


def test_no_number_of_the_paper_is_there_twice_and_none_is_invented(paper):
    assert not paper.duplicated(["row", "set", "metric"]).any()
    assert one(paper, "reference", "AudioCaps", "FID") is None  # an empty cell of the table
    assert set(paper.evaluator) == {evidence.PAPER}


def test_only_the_files_asked_for_are_read(tmp_path):
    (tmp_path / "table_5.csv").write_bytes((REPORTED / "table_5.csv").read_bytes())
    assert len(evidence.printed(tmp_path, ["table_5.csv"])) == 12


def test_what_was_measured_keeps_its_interval_judge_n_and_seed(measured):
    found = one(measured, "clap", "held_out", "FID")
    assert found.shown == "101 (92.9 … 109)"
    assert (found.evaluator, found.n, found.seed) == (made_scores.LISTENER, 104, 0)
    assert one(measured, "captioning", "hidden labels", "named").value == 0.74


def test_the_main_model_is_the_base_of_table_7_too(measured):
    base, main = (one(measured, row, "unheard", "KL") for row in ("base", "clap"))
    assert base[3:] == main[3:]


def test_parameters_are_counted_over_all_parts_in_millions(measured):
    found = one(measured, "clap", "sizes", "parameters")
    assert (found.value, found.low, found.high) == (2.57, 2.57, 2.57)


def test_guidance_is_known_by_its_ends_and_by_its_lowest_fid(measured):
    names = ("lowest guidance", "guidance of the lowest FID", "highest guidance")
    assert [one(measured, name, "guidance", "FID").value for name in names] == [180, 101, 125]
    assert one(measured, names[1], "guidance", "CLAP").value == 0.38


def test_a_scale_without_scores_has_no_numbers_and_says_what_is_missing(tmp_path):
    assert evidence.measured(tmp_path).empty
    assert list(evidence.measured(tmp_path).columns) == evidence.TIDY
    assert evidence.missing(tmp_path) == list(evidence.SCORES)
    files.write_table(tmp_path / "scores" / "sizes.csv", made_scores.sizes())
    assert evidence.missing(tmp_path) == ["rows.csv", "captions.csv", "guidance.csv"]
    assert set(evidence.measured(tmp_path).metric) == {"parameters"}
