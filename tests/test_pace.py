"""Training is timed as it runs, and its loss is told for any number of processes."""

import pytest

from maa import clock, pace

UNET = {"widths": (32, 32), "layers": 1, "heads": 2, "text_width": 16}


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(pace, "COLUMNS", 4)


def test_training_is_measured_several_steps_at_a_time(short, monkeypatch):
    settled = []
    monkeypatch.setattr(clock, "settle", lambda: settled.append(1))
    found = pace.trained(4, 8, UNET, block=2)
    assert len(settled) == 4  # not at every step
    assert found["sounds"] == 4 and found["steps_each"] == 2 and found["n"] == 1
    assert found["per_second"] == pytest.approx(4000 / found["p50_ms"])
    assert not found["recorded"]  # as CUDA graphs, on a GPU alone


def test_every_batch_has_a_row(short):
    found = pace.train((2, 4), steps=30, unet=UNET)
    assert [row["sounds"] for row in found] == [2, 4]
    assert all(row["teraflops"] > 0 and row["cold_s"] > 0 for row in found)


def test_work_grows_with_the_network_and_counts_both_gradients():
    paper = pace.work(pace.UNET)
    assert paper == pytest.approx(3 * 93.3e9, rel=0.001)  # at 78 columns
    assert pace.work(UNET) < paper / 100


def test_the_loss_of_a_task_that_can_be_learnt_falls(short):
    found = pace.curves((0,), steps=100, batch=4, unet=UNET)
    assert [row["step"] for row in found] == [50, 100]
    assert found[1]["loss"] < found[0]["loss"] < 1.5
    assert {(row["seed"], row["processes"], row["sounds"]) for row in found} == {(0, 1, 4)}
