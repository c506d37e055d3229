"""A pipeline answers a corpus and published judges score it; here all of them are small."""

import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import by_formula
import made_corpora
import numpy as np
import pytest
import tiny_pipeline
import torch
from transformers import BertConfig

from maa import (classifier, command, corpora, files, loading, melception, msclap,
                 paper_commands, published_diffsound, release, replication, sounds, training)
from maa.errors import MaaError, MaaWarning

SIZES = {"vocab_size": 200, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 32, "projection_dim": 24, "audio_widths": (4, 4, 4, 4, 4, 8)}
TOLD = {"seconds": 0.512, "steps": 2, "guidance": 3.0, "at_once": 2}
ORIGIN = {"origin": {"model": "a", "sampler": "ddim"}}


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    """A listener and a CLAP of the published kinds, small and at random."""
    words = release.load_tokenizer(
        by_formula.vocabulary(tmp_path_factory.mktemp("words") / "bert"), False)
    with training.seeded(0):
        listener = classifier.build("vgg", ["a", "b", "c"], widths=(4, 8)).eval()
        reader = msclap.MsClap(BertConfig(**SIZES)).eval()
    return listener, (words, reader)


@pytest.fixture
def asked(tmp_path):
    table = corpora.read("audiocaps", made_corpora.audiocaps(tmp_path / "corpus"),
                         splits={"train": replication.SET, "val": replication.SET})
    return replication.plan(table)


@pytest.fixture
def pipe():
    return tiny_pipeline.build(width=16, inner=16, depth=1)


def test_every_caption_of_a_sound_that_is_here_is_asked_for(asked):
    assert list(asked.prompt) == ["A dog barks, twice", "Rain falls", "A bell rings",
                                  "Someone rings a bell"]
    assert asked.reference[2] == asked.reference[3] != asked.reference[1]
    assert list(asked.seed) == [0, 1, 2, 3] and asked.id.is_unique


def test_a_corpus_without_its_sounds_is_refused(tmp_path):
    table = corpora.read("audiocaps", made_corpora.audiocaps(tmp_path / "c", names=("",) * 4))
    with pytest.raises(MaaError, match="D-MISSING: none of 5 rows is held out"):
        replication.plan(table)


def test_how_many_sounds_are_not_here_and_are_left_out_is_said(tmp_path):
    splits = {"train": replication.SET, "val": replication.SET}
    folder = made_corpora.audiocaps(tmp_path / "c", names=("audio/{0}.wav", "", "", ""))
    with pytest.warns(MaaWarning, match=(
            "D-ABSENT: 2 of 3 listed sounds are not here, so that 3 of 4 captions are left out .*"
            "first: ")):
        asked = replication.plan(corpora.read("audiocaps", folder, splits=splits))
    assert list(asked.prompt) == ["A dog barks, twice"]


def test_nothing_is_said_where_every_sound_is_here(tmp_path):
    table = corpora.read("audiocaps", made_corpora.audiocaps(tmp_path / "c"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(replication.plan(table)) == 3


def test_a_stopped_answer_goes_on_to_the_same_sounds(asked, pipe, tmp_path):
    replication.answer(pipe, asked, tmp_path / "whole", **TOLD)
    replication.answer(pipe, asked, tmp_path / "cut", **TOLD)
    (tmp_path / "cut" / asked.file[1]).unlink()
    kept = (tmp_path / "cut" / asked.file[0]).stat().st_mtime_ns
    replication.answer(pipe, asked, tmp_path / "cut", **TOLD)
    for name in asked.file:
        one, other = (sounds.read(tmp_path / place / name) for place in ("whole", "cut"))
        assert np.abs(one - other).max() < 1e-3
    assert (tmp_path / "cut" / asked.file[0]).stat().st_mtime_ns == kept


def test_answers_to_another_plan_or_of_another_model_are_not_mixed_in(asked, pipe, tmp_path):
    replication.answer(pipe, asked, tmp_path / "made", **TOLD | ORIGIN)
    for changed, said in (({"steps": 3}, "steps '2', not '3'"),
                          ({"origin": {"model": "b", "sampler": "ddim"}}, "model 'a', not 'b'"),
                          ({"origin": {"model": "a", "sampler": "dpm++"}}, "sampler 'ddim', not")):
        with pytest.raises(MaaError, match=f"R-CHANGED: .*{asked.file[0]}' was made with {said}"):
            replication.answer(pipe, asked, tmp_path / "made", **TOLD | ORIGIN | changed)
    other = asked.assign(prompt=["A cat", *asked.prompt[1:]])
    with pytest.raises(MaaError, match="prompt 'A dog barks, twice', not 'A cat'"):
        replication.answer(pipe, other, tmp_path / "made", **TOLD | ORIGIN)


def test_a_plan_may_grow_move_or_shrink_and_its_sounds_are_kept(asked, pipe, tmp_path):
    replication.answer(pipe, asked[:2], tmp_path, **TOLD)
    before = [(tmp_path / name).stat().st_mtime_ns for name in asked.file[:2]]
    moved = asked.assign(reference="elsewhere/" + asked.reference)
    replication.answer(pipe, moved, tmp_path, **TOLD)
    replication.answer(pipe, moved[1:], tmp_path, **TOLD)
    assert [(tmp_path / name).stat().st_mtime_ns for name in asked.file[:2]] == before
    assert all((tmp_path / name).is_file() for name in asked.file)


class StandIn:
    """A pipeline of a tone for each seed, which counts its sounds."""

    def __init__(self):
        self.made = 0

    def check(self, seconds, steps, guidance):
        """It can do everything."""

    def __call__(self, prompts, audio_length_in_s, generator, **told):
        self.made += len(prompts)
        time = torch.arange(round(16_000 * audio_length_in_s)) / 16_000
        waves = [0.5 * torch.sin(700 * (1 + one.initial_seed()) * time) for one in generator]
        return SimpleNamespace(audios=torch.stack(waves).numpy())


def test_a_sound_of_another_part_is_still_known_to_be_of_its_model(asked, tmp_path):
    one, other = StandIn(), StandIn()
    first, second = asked[:2], asked[2:]
    replication.answer(one, first, tmp_path, **TOLD, origin={"model": "a"})
    replication.answer(other, second, tmp_path, **TOLD, origin={"model": "b"})
    with pytest.raises(MaaError, match=f"R-CHANGED: .*{first.file[0]}' was made with model 'a'"):
        replication.answer(other, first, tmp_path, **TOLD, origin={"model": "b"})
    table = files.read_table(tmp_path / "audio.csv").set_index("file").model
    assert [table[name] for name in asked.file] == ["a", "a", "b", "b"] and len(table) == 4
    replication.answer(one, first, tmp_path, **TOLD, origin={"model": "a"})
    assert (one.made, other.made) == (2, 2)


def test_a_sound_of_which_nothing_is_known_is_not_taken_for_an_answer(asked, tmp_path):
    sounds.write(tmp_path / asked.file[1], np.zeros(8192))
    with pytest.raises(MaaError, match=f"R-CHANGED: .*{asked.file[1]}' is there, expected a row"):
        replication.answer(StandIn(), asked, tmp_path, **TOLD)
    assert not (tmp_path / "audio.csv").exists()


def test_whole_numbers_and_others_of_the_same_size_are_one_setting(asked, tmp_path):
    for form in ({"seconds": 1.0, "guidance": 3.0}, {"seconds": 1, "guidance": 3}):
        replication.answer(StandIn(), asked[:1], tmp_path, **form)
    assert files.read_table(tmp_path / "audio.csv", dtype=str).seconds[0] == "1.0"


@pytest.mark.parametrize(("form", "said"), [
    ({"steps": 0}, "P-STEPS: steps is 0, expected 1"), ({"guidance": 99}, "P-RANGE: guidance_sc"),
    ({"seconds": -1}, "P-DURATION: seconds is -1"), ({"seconds": 700}, "is 700, expected .* 600"),
    ({"seconds": float("nan")}, "P-DURATION: seconds is nan"), ({"steps": 1001}, "P-STEPS")])
def test_a_number_that_cannot_be_is_refused_before_anything_is_heard(
        asked, pipe, form, said, tmp_path, monkeypatch):
    monkeypatch.setattr(replication, "hear", lambda *_: pytest.fail("a recording was heard"))
    with pytest.raises(MaaError, match=said):
        replication.evaluate(asked, pipe, tmp_path / "out", None, "AudioCaps", **TOLD | form)
    assert not (tmp_path / "out").exists()


def test_what_this_sampler_or_rival_cannot_do_is_refused_at_once_too(pipe):
    pipe.use_sampler("ddim")
    with pytest.raises(MaaError, match="P-STEPS: .* is 30, expected .* divides 1000"):
        replication.settled(1.0, 30, 3.0, pipe)
    shape = SimpleNamespace(config=SimpleNamespace(sample_size=53))
    rival = published_diffsound.System(None, shape, None, None, None)
    with pytest.raises(MaaError, match="P-RANGE: guidance is 3.0, expected 1"):
        replication.settled(9.8, 100, 3, rival)
    assert replication.settled(9.8, 100, 1, rival) == {
        "seconds": 9.8, "steps": 100, "guidance": 1.0}


def test_an_attempt_that_made_nothing_holds_no_later_one_up(asked, pipe, tmp_path):
    with pytest.raises(MaaError, match="P-STEPS"):
        replication.answer(pipe, asked, tmp_path, **TOLD | {"steps": 0})
    replication.answer(pipe, asked, tmp_path, **TOLD)
    assert {path.name for path in tmp_path.glob("*.*")} == {*asked.file, "audio.csv"}


def test_a_sound_keeps_its_seed_when_others_come_or_go(tmp_path):
    folder = made_corpora.audiocaps(tmp_path / "c")
    splits = {"train": replication.SET, "val": replication.SET}
    all_of_them = replication.plan(corpora.read("audiocaps", folder, splits=splits))
    Path(all_of_them.reference[0]).unlink()
    with pytest.warns(MaaWarning, match="D-ABSENT: 1 of 3"):
        left = replication.plan(corpora.read("audiocaps", folder, splits=splits))
    assert list(left.id) == list(all_of_them.id[1:])
    assert list(left.seed) == list(all_of_them.seed[1:])


def test_a_damaged_recording_is_known_before_any_sound_is_made(asked, pipe, judges, tmp_path):
    Path(asked.reference[3]).write_bytes(b"<html>not found</html>")
    with pytest.raises(MaaError, match="A-FORMAT"):
        replication.evaluate(asked, pipe, tmp_path / "out", judges, "AudioCaps", **TOLD)
    assert not (tmp_path / "out").exists()


def test_a_model_is_told_from_another_by_any_byte_but_its_card(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/weights").write_bytes(b"1")
    first = replication.mark(tmp_path)
    (tmp_path / replication.CARD).write_text("words")
    assert replication.mark(tmp_path) == first
    (tmp_path / "unet/weights").write_bytes(b"2")
    assert replication.mark(tmp_path) != first


def test_a_recorded_chain_gives_the_same_answers_but_not_into_the_same_folder(
        asked, pipe, tmp_path):
    replication.answer(pipe, asked, tmp_path / "plain", **TOLD)
    form = {"compiled": False, "recorded": False, "dtype": torch.float32}
    replication.answer(pipe, asked, tmp_path / "quick", **TOLD, quick=form)
    for name in asked.file:
        one, other = (sounds.read(tmp_path / place / name) for place in ("plain", "quick"))
        assert np.abs(one - other).max() < 1e-3
    with pytest.raises(MaaError, match="R-CHANGED"):
        replication.answer(pipe, asked, tmp_path / "plain", **TOLD, quick=form)


def test_scores_say_by_whom_and_of_how_many(asked, pipe, judges, tmp_path):
    found = replication.evaluate(asked, pipe, tmp_path / "out", judges, "AudioCaps", **TOLD)
    made = found[found.what.str.startswith("AudioCaps")]
    assert list(made.metric) == ["FID", "KL", "CLAP"]
    assert set(found.n) == {4}
    assert made[made.metric == "FID"].evaluator.item() == replication.LISTENER
    assert set(made.what) == {"AudioCaps, answers of a pipeline, 3 recordings"}
    assert list(found[found.what.str.startswith("recordings")].metric) == ["CLAP"]
    assert found.equals(files.read_table(tmp_path / "out/scores.csv"))


def test_scores_state_the_seed_of_the_plan_though_its_first_sound_is_not_here(
        asked, judges, tmp_path):
    told = TOLD | {"name": "AudioCaps", "judges": judges}
    found = replication.evaluate(asked[1:], StandIn(), tmp_path / "out", seed=0, **told)
    assert set(found.seed) == {0}


def test_the_recordings_themselves_have_no_distance_from_themselves(asked, judges, tmp_path):
    for name, reference in zip(asked.file, asked.reference):
        sounds.write(tmp_path / name, replication.fitted(reference, 0.512).numpy())
    real = replication.heard_references(asked, judges, 0.512)
    found = {(row["what"].split(",")[0], row["metric"]): row["value"] for row in
             replication.judged(asked, tmp_path, judges, real, what="x", seconds=0.512)}
    assert found["x", "FID"] < 1e-3 and found["x", "KL"] < 1e-3
    assert found["x", "CLAP"] == pytest.approx(found["recordings", "CLAP"], abs=1e-3)


def test_a_recording_with_several_captions_is_heard_once(asked, judges, monkeypatch):
    read, fitted = [], replication.fitted
    monkeypatch.setattr(replication, "fitted", lambda path, seconds: (
        read.append(str(path)) or fitted(path, seconds)))
    real = replication.heard_references(asked, judges, TOLD["seconds"], batch=2)
    assert sorted(read) == sorted({*asked.reference}) and asked.reference.duplicated().any()
    assert all(len(array) == len(asked) for array in real.values())
    assert (real["features"][2] == real["features"][3]).all()


def test_published_judges_are_loaded_from_their_files(judges, tmp_path, monkeypatch):
    _, (_, reader) = judges
    reader.save_pretrained(tmp_path / "clap")
    files.write_hashes(tmp_path / "clap")
    listener = object()
    monkeypatch.setattr(melception, "load_published", lambda path, *bands: (listener, path, bands))
    (tmp_path / "bands.txt").write_text("0.5 0.1\n" * 80)
    heard, (words, read) = replication.load_judges(
        "file.pt", tmp_path / "bands.txt", tmp_path / "clap",
        by_formula.vocabulary(tmp_path / "bert"))
    assert heard[:2] == (listener, "file.pt") and len(heard[2][0]) == 80
    assert torch.equal(read.texts(words, ["a dog"]), reader.texts(words, ["a dog"]))


def test_a_short_recording_is_padded_and_a_long_one_cut(tmp_path):
    sounds.write(tmp_path / "a.wav", 0.5 * np.ones(4000, np.float32))
    assert replication.fitted(tmp_path / "a.wav", 0.125).shape == (2000,)
    long = replication.fitted(tmp_path / "a.wav", 0.5)
    assert long.shape == (8000,) and not long[4000:].any()
    assert torch.allclose(long[:4000], torch.tensor(0.5), atol=1e-3)


def test_the_command_answers_a_part_of_a_corpus_and_prints_its_scores(
        judges, pipe, tmp_path, monkeypatch, capsys):
    folder = made_corpora.audiocaps(tmp_path / "corpus")
    monkeypatch.setattr(loading, "pipeline", lambda model, device, sampler: pipe)
    monkeypatch.setattr(replication, "load_judges", lambda *files: judges)
    with pytest.raises(SystemExit) as ended:
        command.app(["evaluate", "audiocaps", str(folder), "--melception", "x.pt",
                     "--statistics", "z.txt", "--clap", "y", "--model", str(tmp_path),
                     "-o", str(tmp_path / "out"), "--part", "train", "--seconds", "0.512",
                     "--steps", "2"])
    printed = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert [line.split()[0] for line in printed] == ["FID", "KL", "CLAP", "CLAP"]
    assert "n = 2, audiocaps, answers of a pipeline, 2 recordings, by Melception" in printed[0]


@pytest.mark.parametrize(("wrong", "said"), [
    (["audiocap", "x"], "P-CORPUS: CORPUS is 'audiocap' .*did you mean 'audiocaps'"),
    (["audiocaps", "x", "--part", "valid"], "P-CORPUS: --part is 'valid' .*did you mean 'val'"),
    (["audiocaps", "x", "--at-once", "0"], "P-COUNT: --at-once is 0, expected 1"),
    (["audiocaps", "x", "--steps", "0"], "P-STEPS: steps is 0, expected 1"),
    (["audiocaps", "x", "--guidance", "99"], "P-RANGE: guidance_scale is 99"),
    (["audiocaps", "x", "--seconds", "nan"], "P-DURATION: seconds is nan")])
def test_what_the_command_cannot_take_is_refused_in_one_line(wrong, said, tmp_path, capsys):
    rest = [part for name in ("melception", "statistics", "clap", "model") for part in (
        f"--{name}", str(tmp_path))]
    with pytest.raises(SystemExit) as ended:
        command.app(["evaluate", *wrong, *rest, "-o", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize(("rival", "why"), [(False, "there is no GPU here"),
                                            (True, "this model is no pipeline of ours")])
def test_the_fast_way_is_refused_where_it_cannot_be_gone(rival, why, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: rival)
    with pytest.raises(MaaError, match=f"P-FAST: .*{why}; leave it out"):
        paper_commands.form(True, rival)
    assert paper_commands.form(False, rival) is None
    assert not rival or paper_commands.form(True, False) == {}
