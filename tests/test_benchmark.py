"""Speed is measured as it is told: how often, of what, and every part of it."""

import json
from types import SimpleNamespace

import pytest
import torch

from maa import benchmark, clock, fast

TINY = {"unet": {"widths": (32, 32), "layers": 1, "heads": 2, "text_width": 16, "size": (10, 2)},
        "vae": {"widths": (32, 32, 32, 32), "layers": 1, "attention": 0},
        "text": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                 "intermediate_size": 16, "projection_dim": 16, "vocab_size": 300}}
VOICE = {"istft": {"width": 16, "inner": 16, "depth": 1}}
PLAIN = {"compiled": False, "recorded": False, "dtype": torch.float32}


def tiny():
    return benchmark.paper("istft", voice=VOICE["istft"], **TINY)


def test_both_ways_are_measured_and_the_parts_are_told_apart():
    plain = benchmark.plainly(tiny(), 2, 4, times=2)
    quick = benchmark.quickly(tiny(), 2, 4, times=2, **PLAIN)
    assert plain["sounds"] == quick["sounds"] == 2 and plain["n"] == quick["n"] == 2
    assert plain["vocoder"] == quick["vocoder"] == "IstftVocoder"
    parts = [quick[f"{part}_ms"] for part in ("read", "denoise", "decode", "vocode")]
    assert min(parts) > 0
    json.dumps([plain, quick])


def test_every_part_has_its_own_time_and_the_whole_that_of_all(monkeypatch):
    took, now, run = {"read": 1, "denoise": 4, "decode": 2, "vocode": 3}, [0], fast.Chain.run

    def slowly(chain, part):
        run(chain, part)
        now[0] += took[part]

    monkeypatch.setattr(fast.Chain, "run", slowly)
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    quick = benchmark.quickly(tiny(), 2, 2, times=3, **PLAIN)
    assert {part: quick[f"{part}_ms"] for part in fast.PARTS} == {
        part: 1000 * seconds for part, seconds in took.items()}
    assert quick["p50_ms"] == quick["p95_ms"] == 10_000
    assert quick["per_second"] == pytest.approx(0.2) and quick["n"] == 3


def test_every_vocoder_and_number_of_steps_has_a_row_and_networks_are_made_once(monkeypatch):
    made, chains, one = [], [], tiny()
    monkeypatch.setattr(benchmark, "paper", lambda voice, **sizes: made.append(voice) or one)
    monkeypatch.setattr(benchmark, "quickly", lambda pipe, sounds, steps: chains.append(pipe) or {
        "vocoder": type(pipe.vocoder).__name__, "steps": steps})
    found = benchmark.latency((4, 2), ("istft", "another"), sounds=1)
    assert [row["steps"] for row in found] == [4, 4, 2, 4, 2]
    assert found[0]["what"] == "plainly"
    assert made == ["istft", "another"] and len({*map(id, chains)}) == 1


def test_both_ways_are_held_to_each_other():
    found, = benchmark.same((4,), sounds=2, scale="none", form=PLAIN, voice=VOICE["istft"], **TINY)
    assert found["steps"] == 4 and found["lowest_correlation"] > 1 - 1e-9


def test_the_peak_is_that_of_a_matrix_product():
    found, = benchmark.machine()
    assert 0.001 < found["teraflops"] < 10_000
    assert found["torch"] == torch.__version__


def test_the_command_writes_one_file_a_subject(tmp_path, capsys):
    assert benchmark.main(["machine", "--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "machine.json").read_text())[0]["n"] == 20
    assert capsys.readouterr().out.startswith("machine {")
    found = benchmark.read(tmp_path)
    assert list(found.subject) == ["machine"] and found.n[0] == 20
    assert benchmark.read(tmp_path / "none").empty
    with pytest.raises(SystemExit):
        benchmark.main(["speed"])
