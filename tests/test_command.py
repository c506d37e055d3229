import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_pipeline
import torch

from maa import command, folders, loading, pipeline

QUICK = ["--steps", "2", "--seed", "0"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    place = tmp_path_factory.mktemp("model")
    tiny_pipeline.build(width=16, inner=16, depth=1).save_pretrained(place)
    (place / "README.md").write_text("Trained on nothing.")
    return place


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAA_DEBUG", raising=False)


@pytest.fixture
def maa(capsys):
    """maa(words…) -> (exit status, output stream, error stream)."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            command.app([str(word) for word in words])
        return ended.value.code, *capsys.readouterr()

    return run


def refused(answer, status, text):
    code, out, err = answer
    line = err.splitlines()[-1]
    assert code == status
    assert line.startswith("maa: ") and text in line
    assert "Traceback" not in err and not out


def test_a_prompt_becomes_a_sound_file(maa, model, tmp_path):
    code, out, err = maa("generate", "a dog barking", "-o", "dog.wav", "--model", model, *QUICK)
    wave, rate = soundfile.read("dog.wav")
    assert code == 0 and not err
    assert (len(wave), rate) == (tiny_pipeline.COLUMNS * 2048, 16_000)
    assert out.startswith("dog.wav: 0.51 s of sound in ") and out.endswith("s, seed 0\n")


def test_a_file_holds_what_the_pipeline_makes_with_this_seed(maa, model):
    maa("generate", "a cat", "-o", "cat.wav", "--model", model, "--steps", 2, "--seed", 5)
    pipe = pipeline.MakeAnAudioPipeline.from_pretrained(model)
    seed = torch.Generator().manual_seed(5)
    wave = pipe("a cat", num_inference_steps=2, generator=seed).audios[0]
    wave = wave * min(1, 0.95 / abs(wave).max()) if abs(wave).max() > 1 else wave
    assert np.abs(soundfile.read("cat.wav")[0] - wave).max() < 1e-4


def test_several_prompts_and_counts_give_numbered_files(maa, model, tmp_path):
    code, out, _ = maa("generate", "a dog", "a cat", "--count", 2, "-o", "x.flac", "--seconds",
                       0.25, "--guidance", 1, "--sampler", "ddim", "--model", model, *QUICK)
    names = [f"x-{place}.flac" for place in (1, 2, 3, 4)]
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [soundfile.info(name).frames for name in names] == [4000] * 4
    assert [line.rsplit(" ", 1)[1] for line in out.splitlines()] == ["0", "1", "2", "3"]


def test_a_sound_of_several_can_be_made_again_alone(maa, model):
    maa("generate", "a dog", "a cat", "-o", "x.wav", "--model", model, *QUICK)
    maa("generate", "a cat", "-o", "alone.wav", "--model", model, "--steps", 2, "--seed", 1)
    assert np.array_equal(soundfile.read("x-2.wav")[0], soundfile.read("alone.wav")[0])


def test_a40_a_file_is_never_replaced_without_force(maa, model, tmp_path):
    kept = tmp_path / "dog.wav"
    kept.write_bytes(b"mine")
    refused(maa("generate", "a dog", "-o", kept, "--model", model), 2, "--force")
    assert kept.read_bytes() == b"mine"
    assert maa("generate", "a dog", "-o", kept, "--model", model, "--force", *QUICK)[0] == 0
    assert soundfile.info(kept).frames == tiny_pipeline.COLUMNS * 2048


def test_a40_numbered_files_are_looked_for_before_any_work(maa, model, tmp_path):
    (tmp_path / "x-2.wav").write_bytes(b"mine")
    refused(maa("generate", "a", "b", "-o", "x.wav", "--model", model), 2, "'x-2.wav' is there")
    assert [path.name for path in tmp_path.iterdir()] == ["x-2.wav"]


@pytest.mark.parametrize("words, status, text", [
    pytest.param(["-o", "a.mp3"], 2, "A-NAME: 'a.mp3' ends in '.mp3', expected", id="A40-ending"),
    pytest.param(["-o", "sound"], 2, "A-NAME: 'sound' ends in ''", id="A40-no-ending"),
    pytest.param(["-o", "folder.wav", "--force"], 2, "A-EXISTS", id="A40-folder"),
    pytest.param(["--steps", "0"], 2, "P-STEPS", id="P16"),
    pytest.param(["--steps", "2.5"], 2, "P-USAGE: Invalid value for '--steps'", id="P18"),
    pytest.param(["--seconds", "0"], 2, "P-DURATION", id="P20"),
    pytest.param(["--seconds", "nan"], 2, "P-DURATION", id="P20-nan"),
    pytest.param(["--seconds", "10000"], 2, "GB of memory", id="P22"),
    pytest.param(["--guidance", "nan"], 2, "P-RANGE", id="P14"),
    pytest.param(["--guidance", "strong"], 2, "P-USAGE", id="P15"),
    pytest.param(["--seed", "-1"], 2, "P-SEED: seed is -1", id="P24-negative"),
    pytest.param(["--seed", str(2**64)], 2, "P-SEED", id="P24-large"),
    pytest.param(["--count", "0"], 2, "P-COUNT: --count is 0", id="P25-0"),
    pytest.param(["--count", "1000000"], 2, "P-COUNT", id="P25-many"),
    pytest.param(["--sampler", "dpm+"], 2, "did you mean 'dpm++'", id="P27"),
    pytest.param(["--device", "gpu"], 2, "P-DEVICE: --device is 'gpu'", id="P28"),
    pytest.param(["--model", "absent"], 5, "K-MISSING: 'absent' has no model_index", id="K01"),
    pytest.param(["--colour", "red"], 2, "P-USAGE: No such option", id="option"),
])
def test_a_wrong_option_is_one_line_and_a_status(maa, model, tmp_path, words, status, text):
    (tmp_path / "folder.wav").mkdir()
    if "--model" not in words:
        words = [*words, "--model", model]
    refused(maa("generate", "a dog", *words), status, text)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


def test_a_prompt_with_bytes_outside_utf_8_is_refused(maa):
    refused(maa("generate", "caf\udce9"), 2, "P-TEXT")  # as Python gives such an argument


def test_a_note_is_one_line_too(maa, model):
    code, _, err = maa("generate", " ", "--model", model, *QUICK)
    assert code == 0
    assert err == "maa: P-EMPTY: prompt [0] has no words: the sound will be one of any kind\n"


def test_without_a_model_the_way_to_get_one_is_told(maa, monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "maa/folders.py"))
    refused(maa("generate", "a dog"), 5, "make paper")


def test_info_shows_the_parts_and_the_model_card(maa, model):
    code, out, _ = maa("info", "--model", model)
    assert code == 0
    assert "IstftVocoder" in out and "MiB" in out and "Trained on nothing." in out


def test_without_words_help_is_shown(maa):
    code, out, err = maa()
    assert code == 2 and "generate" in out and not err


def test_waiting_threads_sleep_so_that_a_busy_computer_is_not_slowed_down(maa, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    maa("--help")
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.parametrize("fault, status, text", [
    (ZeroDivisionError("so"), 1, "E-UNEXPECTED: ZeroDivisionError: so; MAA_DEBUG=1"),
    (MemoryError(), 7, "P-MEMORY"),
    (torch.OutOfMemoryError("much"), 7, "P-MEMORY"),
    (KeyboardInterrupt(), 130, "stopped"),
])
def test_whatever_goes_wrong_is_one_line(maa, monkeypatch, fault, status, text):
    def fail(*_):
        raise fault

    monkeypatch.setattr(loading, "pipeline", fail)
    refused(maa("generate", "a dog"), status, text)


def test_maa_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("MAA_DEBUG", "1")
    with pytest.raises(ValueError, match="A-NAME"):
        command.app(["generate", "a dog", "-o", "x.mp3"])


def test_help_imports_nothing_that_takes_seconds():
    code = "import sys; from maa import command; print({'torch', 'diffusers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_ctrl_c_in_a_step_keeps_the_sounds_that_are_finished(maa, model, monkeypatch, tmp_path):
    step = pipeline.MakeAnAudioPipeline.guess

    def press(self, latents, t, words, *rest):
        if (tmp_path / "x-1.wav").exists():
            signal.raise_signal(signal.SIGINT)
        return step(self, latents, t, words, *rest)

    monkeypatch.setattr(pipeline.MakeAnAudioPipeline, "guess", press)
    code, out, err = maa("generate", "a", "b", "c", "-o", "x.wav", "--model", model, *QUICK)
    assert code == 130
    assert err == "maa: stopped; the sounds that were finished are kept\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x-1.wav"]


def test_released_files_that_are_not_there_are_named(maa, tmp_path):
    answer = maa("import-release", "maa1_full.ckpt", "best_netG.pt", "args.yml", "-o", "release")
    refused(answer, 5, "K-MISSING: 'args.yml' is no file; was it downloaded?")
    assert not [*tmp_path.iterdir()]


def test_a_release_is_imported_by_the_command(maa, monkeypatch):
    from maa import release

    asked = {}
    monkeypatch.setattr(release, "import_release", lambda *files, **options: (
        asked.update(files=[str(path) for path in files], **options)
        or {"files": {"maa1_full.ckpt": "12ab"}, "result": "34cd"}))
    code, out, err = maa("import-release", "a.ckpt", "b.pt", "c.yml", "-o", "made",
                         "--tokenizer", "bert")
    assert code == 0 and not err
    assert asked == {"files": ["a.ckpt", "b.pt", "c.yml", "made"], "tokenizer": "bert",
                     "fetch": False}
    assert out.splitlines()[0] == "12ab  maa1_full.ckpt" and "--model made" in out


def test_diffsound_is_imported_by_the_command(maa, monkeypatch):
    from maa import diffsound_release

    asked = {}
    monkeypatch.setattr(diffsound_release, "import_diffsound", lambda *files, **options: (
        asked.update(files=[str(path) for path in files], **options)
        or {"files": {"diffsound.pth": "12ab"}, "result": "34cd"}))
    code, out, err = maa("import-diffsound", "diffsound.pth", "b.pt", "-o", "made",
                         "--codebook", "last.ckpt", "--tokenizer", "clip")
    assert code == 0 and not err
    assert asked == {"files": ["diffsound.pth", "b.pt", "made"], "book": Path("last.ckpt"),
                     "tokenizer": "clip", "fetch": False}
    assert out.splitlines()[0] == "12ab  diffsound.pth" and "--model made" in out


def test_files_of_diffsound_that_are_not_there_are_named(maa, tmp_path):
    answer = maa("import-diffsound", "diffsound.pth", "best_netG.pt", "-o", "made")
    refused(answer, 5, "K-MISSING: 'best_netG.pt' is no file; was it downloaded?")
    assert not [*tmp_path.iterdir()]
