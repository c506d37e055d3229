"""Two processes train as one does; what one writes, all could have written."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import made_projects
import pandas as pd
import pytest
import torch

from maa import diffusion, processes

ROOT = Path(__file__).parents[1]
TRAIN = """
import json, sys, torch
from maa import diffusion, processes
folder, steps, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
latents = torch.randn(64, 4, 10, 4, generator=torch.Generator().manual_seed(1))
def say(generator, rows):
    __import__("time").sleep(pause)
    return latents[rows, :, :3, :].reshape(len(rows), 4, 12)
unet = diffusion.train(folder, latents, say, torch.zeros(1, 4, 12), widths=(32, 32), layers=1,
                       heads=2, attention=1, steps=steps, batch=16, learning_rate=0.003,
                       save_every=20)
sums = [float(value.double().sum()) for value in unet.state_dict().values()]
print("RESULT", json.dumps([processes.rank(), sums]))
"""


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start(program, count, *arguments, **options):
    """`program` in `count` processes, as a launcher would start it on the CPU."""
    place = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port(),
             "WORLD_SIZE": str(count), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1",
             "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    if count == 1:
        del place["WORLD_SIZE"]
    return [subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)], text=True, stdout=subprocess.PIPE,
        env=place | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {}),
        stderr=subprocess.PIPE, **options) for rank in range(count)]


def finish(started):
    """What each printed; it must have ended well."""
    printed = [process.communicate(timeout=240) for process in started]
    for process, (out, err) in zip(started, printed):
        assert process.returncode == 0, "\n".join(err[-1500:] for _, err in printed)
    return [out for out, _ in printed]


def trained(folder, count, steps=60, pause=0.0):
    """Sums of the weights that each process holds in the end, and the log."""
    found = [json.loads(out.split("RESULT ")[1]) for out in
             finish(start(["-c", TRAIN], count, folder, steps, pause))]
    assert [rank for rank, _ in found] == [*range(count)]
    return [sums for _, sums in found], pd.read_csv(folder / "log.csv")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("two"), 2)


def test_both_processes_end_with_the_same_weights(two):
    first, second = two[0]
    assert first == second


def test_two_processes_learn_as_one_does_with_the_same_whole_batch(two, tmp_path):
    """The same curve but for other draws: noise of a batch of 16."""
    _, alone = trained(tmp_path, 1)
    _, log = two
    error = log[log.name == "noise error"].value.to_numpy()
    single = alone[alone.name == "noise error"].value.to_numpy()
    assert len(error) == len(single)
    assert abs(error - single).max() < 0.1
    assert error[-1] < 0.85 and single[-1] < 0.85


def test_only_the_first_process_writes_and_each_step_is_logged_once(two):
    assert not two[1].duplicated(["step", "split", "name"]).any()


def test_a_run_of_two_that_was_killed_goes_on_to_the_same_bits(two, tmp_path):
    started = start(["-c", TRAIN], 2, tmp_path, 60, 0.1)
    while not [*tmp_path.glob("step-00000020-*.pt")]:
        assert all(process.poll() is None for process in started)
        time.sleep(0.02)
    started[1].kill()
    time.sleep(0.2)
    started[0].kill()
    for process in started:
        process.communicate()
    again, _ = trained(tmp_path, 2)
    assert again == two[0]


def test_a_run_of_two_is_not_resumed_by_one(tmp_path):
    trained(tmp_path, 2, steps=20)
    process, = start(["-c", TRAIN], 1, tmp_path, 20, 0.0)
    _, err = process.communicate(timeout=120)
    assert "T-SETTINGS" in err and "processes is 1, was 2" in err


def test_a_signal_stops_both_after_the_same_step(tmp_path):
    started = start(["-c", TRAIN], 2, tmp_path, 1000, 0.01)
    while not [*tmp_path.glob("step-*.pt")]:
        time.sleep(0.05)
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        process.communicate(timeout=120)
    assert [process.returncode for process in started] == [143, 143]
    last = max(tmp_path.glob("step-*.pt"))
    assert int(last.name[5:13]) % 50 == 0  # where they ask one another


CELLS = ("from maa import processes, training", """
model = torch.nn.Linear(1, 1)
def batch(generator):
    x = torch.rand(training.share(8), 1, generator=generator)
    return {"x": x, "y": 2 * x}
def loss(now, step):
    value = (model(now["x"]) - now["y"]).square().mean()
    return value, {"error": value}
training.train("results/mini/checkpoints/line", modules={"line": model}, batch=batch, steps=10,
               turns=[training.Turn(("line",), loss, 0.1)], settings={})
print("rank", processes.rank(), "of", processes.count())""")


def test_a_notebook_runs_in_two_processes_and_the_first_ones_copy_is_kept(tmp_path):
    folder = made_projects.project(
        tmp_path / "made", {"22_line": made_projects.notebook("import torch\n" + CELLS[0],
                                                              CELLS[1])})
    finish(start(["-m", "maa.run"], 2, "mini", "line", cwd=folder))
    kept = [*(folder / "results/mini/notebooks").iterdir()]
    assert [path.name for path in kept] == ["22_line.ipynb"]
    assert "rank 0 of 2" in kept[0].read_text()
    assert len([*(folder / "results/mini/checkpoints/line").glob("log.csv")]) == 1


def test_a_failure_in_one_process_is_the_failure_of_both(tmp_path):
    cells = ("from maa import processes", "1 / (1 - processes.rank())")
    folder = made_projects.project(
        tmp_path / "made", {"22_line": made_projects.notebook(*cells)})
    started = start(["-m", "maa.run"], 2, "mini", "line", cwd=folder)
    printed = [process.communicate(timeout=120) for process in started]
    assert started[1].returncode == 3
    assert "N-CELL" in printed[1][1] or "ZeroDivisionError" in printed[1][1]


def test_a_batch_is_shared_out_evenly_or_refused(monkeypatch):
    assert processes.share(144) == 144
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert processes.share(144) == 18
    with pytest.raises(ValueError, match="batch is 100 for 8 processes, expected a multiple"):
        processes.share(100)


def test_one_process_exchanges_nothing():
    gradient = torch.ones(3)
    processes.average([gradient])
    assert gradient.tolist() == [1, 1, 1]
    assert processes.means({"a": 2}, "cpu") == {"a": 2}
    assert processes.gathered("x") == ["x"]
    assert processes.device() == diffusion.training.device()
