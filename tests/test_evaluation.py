"""Evaluation: every generator is asked the same, and each answer meets the recording it is for."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from maa import corpus, evaluation, files, mel, naming, sounds

TABLE = pd.DataFrame(
    [(f"{label}-{number}", label, split)
     for label, split in (("dog", "held_out"), ("rain", "held_out"), ("siren", "unheard"),
                          ("dog", "train"))
     for number in (range(2) if label == "rain" else range(5))],
    columns=["id", "label", "split"])
TABLE["id"] += "-" + TABLE.split
TABLE["caption"] = "heard in " + TABLE.id


def plan(sets=evaluation.SETS, per_label=3, pairs=8, seed=0, table=TABLE):
    return evaluation.plan(table, sets, per_label=per_label, pairs=pairs, seed=seed)


def level(value, seconds=2.0):
    """A clip that can be recognised: its every sample is `value`."""
    return np.full(round(seconds * mel.RATE), value, np.float32)


# ---- what is asked for --------------------------------------------------------------------------

def test_each_row_of_a_plan_has_an_id_a_file_and_a_seed_of_its_own():
    asked = plan(seed=40)
    assert list(asked.columns) == ["id", "file", "set", "label", "reference", "prompt", "seed"]
    assert list(asked.seed) == [*range(40, 40 + 5 + 3 + 8)]
    assert list(asked.id[3:7]) == [
        "held_out-0003", "held_out-0004", "unheard-0000", "unheard-0001"]
    assert asked.id.is_unique and list(asked.file) == [f"{one}.wav" for one in asked.id]


def test_a_label_is_asked_for_as_often_as_told_or_as_it_has_clips():
    counts = plan().groupby(["set", "label"]).size()
    assert (counts["held_out", "dog"], counts["held_out", "rain"]) == (3, 2)
    assert counts["unheard", "siren"] == 3
    assert len(plan(["two_events"], pairs=5)) == 5


def test_one_event_refers_to_a_clip_of_its_label_and_split_and_none_comes_twice():
    asked = plan(["held_out", "unheard"])
    rows = TABLE.set_index("id").loc[asked.reference]
    assert list(rows.split) == list(asked["set"]) and list(rows.label) == list(asked.label)
    assert asked.reference.is_unique


def test_prompts_are_phrases_of_evaluation_and_repeat_only_when_all_have_come():
    for label, own in plan(["held_out", "unheard"], per_label=5).groupby("label"):
        said = naming.phrases(label, "evaluation")
        assert list(own.prompt) == [said[number % len(said)] for number in range(len(own))]
        assert not set(own.prompt) & set(naming.phrases(label))


def test_a_sound_of_a_label_without_phrases_is_asked_for_by_its_own_caption():
    table = TABLE.replace({"label": {"dog": corpus.UNNAMED, "siren": "Sea_Lion"}})
    table.loc[table.label == "Sea_Lion", "caption"] = ""
    asked = plan(["held_out", "unheard"], table=table).set_index("reference")
    own = asked[asked.label == corpus.UNNAMED]
    assert len(own) == 3 and all(own.prompt == "heard in " + own.index)
    assert {*asked[asked.label == "Sea_Lion"].prompt} == {"the sound of sea lion"}
    two = plan(["two_events"], pairs=1, table=table.replace({"label": {"Sea_Lion": "dog"}}).assign(
        split="held_out"))
    assert {*two.label[0].split("+")} == {"dog", "rain"}


def test_two_events_name_two_labels_in_the_order_of_their_clips():
    asked = plan(["two_events"])
    assert set(asked.label) == {"dog+rain", "rain+dog"}
    for row in asked.itertuples():
        labels, clips = row.label.split("+"), row.reference.split("+")
        assert [one.split("-")[0] for one in clips] == labels
        assert all(one.endswith("held_out") for one in clips)
        first, second = row.prompt.split(", then ")
        assert first in naming.phrases(labels[0], "evaluation")
        assert second == labels[1]


def test_a_seed_gives_one_plan_and_a_set_is_the_same_whatever_else_is_asked():
    assert plan(seed=3).equals(plan(seed=3))
    assert not plan(seed=3).reference.equals(plan(seed=4).reference)
    columns = ["id", "label", "reference", "prompt"]
    whole, alone = plan(), plan(["two_events"])
    part = whole[whole["set"] == "two_events"].reset_index(drop=True)
    assert part[columns].equals(alone[columns])


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match=r"sets has \['overheard'\], expected words of \('held"):
        plan(["held_out", "overheard"])


# ---- what it answers ----------------------------------------------------------------------------

def test_answers_are_written_in_order_and_heard_again(tmp_path):
    asked, calls = plan(["unheard"]), []

    def make(prompts, seeds):
        calls.append((prompts, seeds))
        return np.stack([level(0.1 + seed / 10, 0.1) for seed in seeds])

    told = evaluation.answer(make, asked, tmp_path, 2, steps=7, guidance=1.5)
    assert calls == [(list(asked.prompt[:2]), [0, 1]), (list(asked.prompt[2:]), [2])]
    table, waves = evaluation.heard(tmp_path)
    assert table.equals(told) and told[asked.columns].equals(asked)
    assert set(zip(table.steps, table.guidance)) == {(7, 1.5)}
    assert waves.shape == (3, 1600)
    assert waves.mean(1).tolist() == pytest.approx([0.1, 0.2, 0.3], abs=1e-4)


def test_a_plan_of_numbers_for_labels_is_read_as_the_words_that_they_are(tmp_path):
    told = plan(["unheard"]).assign(label=["0", "07", "1e5"], prompt="", reference="True",
                                    steps=7, guidance=[1.5, math.nan, 2.0])
    files.write_table(tmp_path / "plan.csv", told)
    assert evaluation.read_plan(tmp_path / "plan.csv").equals(told)
    files.write_table(tmp_path / "plan.csv", told[["set", "seed"]])  # as small plans of tests
    assert evaluation.read_plan(tmp_path / "plan.csv").equals(told[["set", "seed"]])


def test_answers_made_anew_take_the_place_of_the_old(tmp_path):
    for value in (0.1, 0.3):
        evaluation.answer(lambda prompts, seeds: [level(value, 0.1)] * len(prompts),
                          plan(["unheard"]), tmp_path, 4)
    assert evaluation.heard(tmp_path)[1].mean().item() == pytest.approx(0.3, abs=1e-4)


def test_an_answer_too_few_is_refused_before_the_table_is_written(tmp_path):
    with pytest.raises(ValueError, match="is shorter"):
        evaluation.answer(lambda prompts, seeds: [level(0.1, 0.1)], plan(["unheard"]), tmp_path, 3)
    assert not (tmp_path / "audio.csv").exists()
    assert sounds.read(tmp_path / "unheard-0000.wav").shape == (1600,)


def test_a_pipeline_is_asked_with_a_generator_for_each_seed():
    seen = {}

    class Pipe:
        def __call__(self, prompts, generator, **told):
            seen.update(told, prompts=prompts)
            self.audios = [torch.rand(2, generator=one).tolist() for one in generator]
            return self

    found = evaluation.by(Pipe(), 2.56, 25, 3.0)(["a dog", "a bell"], np.array([4, 9]))
    assert found == [torch.rand(2, generator=torch.Generator().manual_seed(seed)).tolist()
                     for seed in (4, 9)]
    assert seen == {"prompts": ["a dog", "a bell"], "audio_length_in_s": 2.56,
                    "num_inference_steps": 25, "guidance_scale": 3.0}


# ---- what it is compared with -------------------------------------------------------------------

def test_a_reference_fills_the_time_and_two_share_it():
    waves = {"a": level(0.2), "b": level(-0.4)}
    asked = pd.DataFrame({"set": ["held_out", "two_events", "two_events"],
                          "reference": ["a", "a+b", "b+a"]})
    found = evaluation.references(asked, waves, 3.0)
    assert found.shape == (3, 48_000) and found.dtype == torch.float32
    half = 24_000
    assert torch.allclose(found[0], torch.tensor(0.2))
    for row, parts in ((1, (0.2, -0.4)), (2, (-0.4, 0.2))):
        assert torch.allclose(found[row, :half], torch.tensor(parts[0]))
        assert torch.allclose(found[row, half:], torch.tensor(parts[1]))


def test_stand_ins_are_training_clips_of_the_same_labels_in_the_same_order():
    asked = pd.DataFrame({"set": ["held_out", "two_events"] * 20, "label": ["dog", "dog+dog"] * 20,
                          "reference": ["x", "y+z"] * 20, "seed": range(40)})
    found = evaluation.stand_ins(asked, TABLE, 0)
    for label, reference in zip(found.label, found.reference):
        ids = reference.split("+")
        assert len(ids) == len(label.split("+"))
        assert all(one.startswith("dog") and one.endswith("train") for one in ids)
    assert found.reference.nunique() > 10
    assert found.drop(columns="reference").equals(asked.drop(columns="reference"))
    assert list(asked.reference[:2]) == ["x", "y+z"]
    assert found.equals(evaluation.stand_ins(asked, TABLE, 0))
    assert not found.equals(evaluation.stand_ins(asked, TABLE, 1))


def test_a_set_with_a_label_that_was_not_trained_on_has_no_stand_ins():
    asked = pd.DataFrame({"set": ["held_out", "unheard", "unheard", "two_events", "held_out"],
                          "label": ["dog", "siren", "dog", "dog+siren", "dog"], "reference": "x"})
    assert list(evaluation.stand_ins(asked, TABLE, 0).index) == [0, 4]


def test_a_plus_in_a_label_or_an_id_joins_no_two():
    """drum+bass is one label, beside which drum and bass are two."""
    table = pd.DataFrame([(f"{label}-{split}{more}", label, split, "said")
                          for label in ("drum+bass", "drum", "bass")
                          for split in ("train", "held_out") for more in ("", "+")],
                         columns=["id", "label", "split", "caption"])
    asked = plan(["held_out", "two_events"], table=table)
    two = asked[asked["set"] == "two_events"]
    assert set(two.label) <= {"bass+drum", "drum+bass"}
    assert set(two.reference) <= {"bass-held_out+drum-held_out", "drum-held_out+bass-held_out"}
    found = evaluation.stand_ins(asked, table, 0)
    assert found.label.equals(asked.label)
    alone = found[(found.label == "drum+bass") & (found["set"] == "held_out")]
    assert len(alone) == 2 and alone.reference.str.startswith("drum+bass-train").all()
    waves = {one: level(number / 20) for number, one in enumerate(table.id)}
    heard = evaluation.references(alone, waves, 1.0)
    assert heard[:, 0].tolist() == pytest.approx([waves[one][0] for one in alone.reference])


def test_the_order_is_right_where_each_half_is_more_like_its_own_event():
    names = ["bell", "dog", "rain"]
    dog, rain = [0.1, 0.7, 0.2], [0.1, 0.3, 0.6]
    first, second = np.array([dog, rain, dog]), np.array([rain, dog, rain])
    labels = ["dog+rain", "dog+rain", "rain+dog"]
    assert evaluation.in_order(first, second, names, labels).tolist() == [1, 0, 0]


def test_both_halves_decide_and_the_clearer_one_outweighs_the_other():
    """Dog, then bell: 0.5 · 0.6 > 0.4 · 0.3 in the first sound, 0.5 · 0.3 < 0.4 · 0.6 then."""
    first, second = np.array([[0.5, 0.4]] * 2), np.array([[0.3, 0.6], [0.6, 0.3]])
    assert evaluation.in_order(first, second, ["dog", "bell"], ["dog+bell"] * 2).tolist() == [1, 0]


def test_two_equal_halves_are_in_either_order_half_right():
    same = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]], np.float32)
    found = evaluation.in_order(same, same, ["dog", "rain", "bell"], ["dog+rain", "dog+bell"])
    assert found.tolist() == [0.5, 0.5]


@pytest.mark.filterwarnings("error")
def test_a_classifier_that_is_wholly_sure_is_believed_without_a_warning():
    first, second = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    assert evaluation.in_order(first, second, ["dog", "bell"], ["dog+bell"]).tolist() == [1]
    assert evaluation.in_order(second, first, ["dog", "bell"], ["dog+bell"]).tolist() == [0]
