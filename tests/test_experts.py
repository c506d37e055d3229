"""Distilled captions: CLAP picks the best candidate or none; every sound has its row."""

import json
import math

import pandas as pd
import pytest
import torch

from maa import clap, errors, experts, files, mel, text, training

CANDIDATES = [["a dog", "a cat"], ["rain", "wind"], []]
SCORES = [[0.2, 0.9], [0.3, 0.1], []]


def score(candidates):
    """Longer sentences fit better: a tenth for each letter."""
    return [[len(one) / 10 for one in several] for several in candidates]


def distilled(threshold=0.45):
    written = {"captioning": [["A cat.", "a cat"], ["rain"], [" "]],
               "retrieval": [["a cat", "a big dog"], ["hail"], []]}
    return experts.distil(["x", "y", "z"], written, score, threshold)


def test_the_highest_score_wins():
    assert experts.select([[1.0]], [["a dog"]], 0.0) == ["a dog"]
    assert experts.select(SCORES, CANDIDATES, 0.0) == ["a cat", "rain", None]


def test_nothing_is_chosen_below_the_threshold_and_something_at_it():
    assert experts.select(SCORES, CANDIDATES, 0.3) == ["a cat", "rain", None]
    assert experts.select(SCORES, CANDIDATES, 0.31) == ["a cat", None, None]
    assert experts.select(SCORES, CANDIDATES, 0.91) == [None, None, None]


def test_of_equal_scores_the_first_wins():
    assert experts.select([[0.5, 0.5]], [["a dog", "a cat"]], 0.0) == ["a dog"]


def test_one_clip_and_no_clip_are_selected_like_many():
    """S02."""
    assert experts.select(SCORES[:1], CANDIDATES[:1], 0.0) == ["a cat"]
    assert experts.select([], [], 0.0) == []


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(errors.MaaError, match="S-NAN: a score is not finite"):
        experts.select([[math.nan]], [["a dog"]], 0.0)


def test_scores_of_other_candidates_are_refused():
    with pytest.raises(ValueError, match="expected one score a candidate"):
        experts.select([[0.1, 0.2]], [["a dog"]], 0.0)


def judge():
    tokenizer = text.build_tokenizer(["a dog", "a cat", "rain", "wind"], 300)
    with training.seeded(0):
        network = clap.build(len(tokenizer), width=16, text_layers=1, spec_size=80, audio_width=8,
                             audio_depths=(1,)).eval()
        torch.nn.init.normal_(network.text_model.embeddings.word_embeddings.weight)
    return network, tokenizer


def test_scores_are_the_cosines_of_each_sound_with_its_own_candidates():
    network, tokenizer = judge()
    mels = torch.randn(3, 1, mel.BANDS, 80, generator=torch.Generator().manual_seed(0))
    found = experts.clap_scores(network, tokenizer, mels, CANDIDATES)
    assert [len(several) for several in found] == [2, 2, 0]
    with torch.no_grad():
        sounds = clap.hear(network, mels)
        said = clap.read(network, *text.tokenize(tokenizer, ["a dog", "a cat", "rain", "wind"]))
    cosines = sounds @ said.T
    assert found[0] == pytest.approx(cosines[0, :2].tolist(), abs=1e-4)
    assert found[1] == pytest.approx(cosines[1, 2:].tolist(), abs=1e-4)


def test_sounds_without_any_candidate_have_no_score():
    network, tokenizer = judge()
    assert experts.clap_scores(network, tokenizer, torch.zeros(2, 1, 80, 80), [[], []]) == [[], []]


def test_candidates_of_another_number_of_sounds_are_refused():
    network, tokenizer = judge()
    with pytest.raises(ValueError, match="2 mels for 3 lists of candidates"):
        experts.clap_scores(network, tokenizer, torch.zeros(2, 1, 80, 80), CANDIDATES)


def test_the_table_tells_who_wrote_what_and_what_was_chosen():
    frame = distilled()
    assert list(frame.columns) == experts.COLUMNS
    first = frame.iloc[0]
    assert json.loads(first.candidates) == ["a cat", "a big dog"]
    assert json.loads(first.scores) == [0.5, 0.9]
    assert json.loads(first.sources) == ["captioning and retrieval", "retrieval"]
    assert (first.chosen, first.source, first.score, first.rejected) == (
        "a big dog", "retrieval", 0.9, "no")


def test_sound_without_a_caption_keeps_its_row_and_is_counted():
    """C26; C01, C02: a sentence of nothing is no candidate."""
    frame = distilled()
    assert frame.id.tolist() == ["x", "y", "z"]
    assert frame.rejected.tolist() == ["no", "yes", "yes"]
    assert frame.chosen.tolist()[1:] == frame.source.tolist()[1:] == ["", ""]
    assert frame.score[1] == 0.4
    assert json.loads(frame.candidates[2]) == []
    assert math.isnan(frame.score[2])


def test_distilling_twice_gives_the_same_table():
    pd.testing.assert_frame_equal(distilled(), distilled())


def test_an_id_that_is_there_twice_is_refused():
    """C07, C08."""
    with pytest.raises(errors.MaaError, match="C-ID: clips .'x'. are there twice"):
        experts.distil(["x", "x"], {"captioning": [["a dog"], ["a cat"]]}, score, 0.0)


def test_an_expert_that_left_out_a_clip_is_refused():
    with pytest.raises(ValueError, match="wrote for {'captioning': 1} clips, expected 2"):
        experts.distil(["x", "y"], {"captioning": [["a dog"]]}, score, 0.0)


def test_the_written_table_is_read_back_cell_by_cell(tmp_path):
    """C03, C04, C05: long sentences, other scripts and the word "NA" come back as they were."""
    said = [["na"], ["犬 🐕 \u200b"], ["rain " * 5_000], ['"a", b']]
    frame = experts.distil(list("abcd"), {"captioning": said}, score, 0.0)
    files.write_table(tmp_path / "expert.csv", frame)
    back = experts.read(tmp_path / "expert.csv")
    assert back.chosen.tolist() == frame.chosen.tolist()
    assert back.chosen[0] == "na"
    assert [json.loads(cell) for cell in back.candidates] == [
        json.loads(cell) for cell in frame.candidates]


def test_a_row_that_is_there_twice_counts_once_and_two_captions_of_a_clip_are_refused(tmp_path):
    """C07, C08."""
    path, frame = tmp_path / "expert.csv", distilled()
    files.write_table(path, pd.concat([frame, frame]))
    assert experts.read(path).id.tolist() == ["x", "y", "z"]
    files.write_table(path, pd.concat([frame, frame.assign(chosen="thunder")]))
    with pytest.raises(errors.MaaError, match="C-ID: .* two captions for 'x'"):
        experts.read(path)


@pytest.mark.parametrize(("content", "code"), [
    (b"", "C-COLUMNS"), (b"id,text\n1,rain\n", "C-COLUMNS: .*lacks .*'chosen'"),
    (b"id\0", "C-NUL")])
def test_a_damaged_table_is_refused(tmp_path, content, code):
    """C06, C16, C18."""
    (tmp_path / "expert.csv").write_bytes(content)
    with pytest.raises(errors.MaaError, match=code):
        experts.read(tmp_path / "expert.csv")


def test_a_table_of_a_header_alone_has_no_rows(tmp_path):
    """C17."""
    files.write_table(tmp_path / "expert.csv", distilled()[:0])
    assert len(experts.read(tmp_path / "expert.csv")) == 0


def test_candidates_that_repeat_a_caption_of_the_training_are_counted():
    """C30: of "a cat", "a big dog", "rain" and "hail", two are such captions."""
    assert experts.repeated(distilled(), ["A cat.", "rain", "thunder"]) == 0.5
    assert experts.repeated(distilled()[:0], ["rain"]) == 0.0
