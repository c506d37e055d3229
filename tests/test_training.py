"""The loop that every train() shares: it learns, it survives, it refuses."""

import inspect
import math
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import tiny_trainers
import torch
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.aot_autograd import make_boxed_func

from maa import checkpoints, clock, diffusion, runs, training
from maa.errors import MaaError


@pytest.fixture(scope="module", autouse=True)
def server():
    tiny_trainers.start_server()


def start(name, folder, changed=None):
    folder.mkdir(exist_ok=True)
    process = tiny_trainers.PROCESSES.Process(
        target=tiny_trainers.run, args=(name, folder, changed))
    process.start()
    return process


def finish(name, folder, changed=None):
    process = start(name, folder, changed)
    process.join(120)
    return process.exitcode


def line(folder, steps=40, fault=None, learning_rate=0.1, save_every=10):
    """Fit y = 2x with one weight; `fault` changes the loss of a step."""
    with training.seeded(0):
        model = torch.nn.Linear(1, 1)

    def batch(generator):
        x = torch.rand(8, 1, generator=generator)
        return {"x": x, "y": 2 * x}

    def loss(now, step):
        value = (model(now["x"]) - now["y"]).square().mean()
        return (fault(step, value) if fault else value), {"error": value}

    return training.train(
        folder, modules={"line": model}, turns=[training.Turn(("line",), loss, learning_rate)],
        batch=batch, steps=steps, settings={"learning_rate": learning_rate, "steps": steps},
        averaged=("line",), decay=0.9, warm_up=0, log_every=5, save_every=save_every)["line"]


def test_the_loss_falls_on_a_straight_line(tmp_path):
    line(tmp_path, steps=200)
    log = pd.read_csv(tmp_path / "log.csv")
    error = log[log.name == "error"].value
    assert error.iloc[-1] < 0.02 * error.iloc[0]


def test_the_log_has_one_row_a_name_and_step(tmp_path):
    line(tmp_path)
    log = pd.read_csv(tmp_path / "log.csv")
    assert not log.duplicated(["step", "split", "name"]).any()
    assert sorted(log.step.unique()) == [5, 10, 15, 20, 25, 30, 35, 40]


def test_only_the_two_newest_checkpoints_are_kept(tmp_path):
    line(tmp_path)
    kept = [path.name[:13] for path in checkpoints.newest(tmp_path)]
    assert kept == ["step-00000040", "step-00000030"]


def test_a_finished_run_is_not_run_again(tmp_path):
    first = line(tmp_path).weight.clone()
    before = {path: path.stat().st_mtime_ns for path in checkpoints.newest(tmp_path)}
    assert torch.equal(line(tmp_path).weight, first)
    assert {path: path.stat().st_mtime_ns for path in checkpoints.newest(tmp_path)} == before


def test_no_train_of_maa_is_missing_here():
    called = inspect.getsource(tiny_trainers)
    loops = {"training.train", "contrast.train"}  # what the others call
    found = {f"{path.stem}.{name}" for path in Path(training.__file__).parent.glob("*.py")
             for name in re.findall(r"^def (train\w*)\(folder,", path.read_text("utf-8"), re.M)}
    assert loops < found
    assert [name for name in sorted(found - loops) if f"{name}(folder," not in called] == []
    assert len(tiny_trainers.TRAINERS) == len(found - loops)


@pytest.mark.parametrize("name", tiny_trainers.TRAINERS)
def test_T01_a_run_killed_at_ten_random_moments_ends_in_the_same_bits(tmp_path, name):
    begun = time.monotonic()
    assert finish(name, tmp_path / "whole") == 0
    whole = time.monotonic() - begun
    moments, killed, folder = random.Random(name), 0, tmp_path / "killed"
    while killed < 10:
        process = start(name, folder)
        process.join(moments.uniform(0.1, 0.6) * whole)
        killed += process.is_alive()
        process.kill()
        process.join()
        for path in checkpoints.newest(folder):
            assert checkpoints.read(path) is not None, "a kill left an unreadable checkpoint"
        if process.exitcode == 0 and killed < 10:  # it was over before the moment came
            shutil.rmtree(folder)
    assert finish(name, folder) == 0
    assert tiny_trainers.digest(folder) == tiny_trainers.digest(tmp_path / "whole")


@pytest.mark.parametrize("name", tiny_trainers.TRAINERS)
def test_a_run_stopped_a_step_after_its_checkpoint_ends_in_the_same_bits(
        tmp_path, name, monkeypatch):
    """Draws, dropout and mixed sounds of the lost step come again, those after it are new."""
    train, settings = tiny_trainers.TRAINERS[name], {"steps": 4, "save_every": 2}
    train(tmp_path / "whole", **settings)
    stop_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", **settings)
    monkeypatch.undo()
    assert checkpoints.read(checkpoints.newest(tmp_path / "cut")[0], "cpu")["step"] == 2
    train(tmp_path / "cut", **settings)
    whole = tiny_trainers.digest(tmp_path / "whole")
    assert tiny_trainers.digest(tmp_path / "cut") == whole
    train(tmp_path / "other", **settings, seed=9)
    assert tiny_trainers.digest(tmp_path / "other") != whole


@pytest.mark.parametrize("part", ["modules", "averages", "optimizers", "generator"])
def test_T20_a_resume_that_forgot_one_part_is_noticed(tmp_path, part, monkeypatch):
    """The bit-equality above is only worth something if losing any part of the state breaks it."""
    whole = line(tmp_path / "whole")
    stop_at(20, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        line(tmp_path / "cut")
    monkeypatch.undo()
    assert torch.equal(line_copy(tmp_path, "good").weight, whole.weight)
    forget(tmp_path, "cut", part)
    assert not torch.equal(line(tmp_path / "cut").weight, whole.weight)


def stop_at(step, monkeypatch):
    advance = runs.Run.advance

    def stopping(run, batch):
        if run.step == step:
            raise KeyboardInterrupt
        advance(run, batch)

    monkeypatch.setattr(runs.Run, "advance", stopping)


def line_copy(tmp_path, name):
    (tmp_path / name).mkdir()
    for path in checkpoints.newest(tmp_path / "cut"):
        (tmp_path / name / path.name).write_bytes(path.read_bytes())
    return line(tmp_path / name)


def forget(tmp_path, name, part):
    """Replace one part of the newest checkpoint by that of a run that has not begun."""
    line(tmp_path / "fresh", steps=40, save_every=1000)
    path = checkpoints.newest(tmp_path / name)[0]
    state = checkpoints.read(path, "cpu")
    with training.seeded(0):
        fresh = torch.nn.Linear(1, 1)
    blank = torch.optim.AdamW(fresh.parameters())
    state[part] = {
        "modules": {"line": fresh.state_dict()}, "averages": {"line": fresh.state_dict()},
        "optimizers": [{**state["optimizers"][0], "state": blank.state_dict()["state"]}],
        "generator": torch.Generator().manual_seed(5).get_state()[None]}[part]
    for old in checkpoints.newest(tmp_path / name):
        old.unlink()
    checkpoints.write(tmp_path / name, state["step"], state)


@pytest.mark.parametrize("name, number", [("SIGTERM", signal.SIGTERM), ("SIGINT", signal.SIGINT)])
def test_T07_a_signal_saves_and_exits(tmp_path, name, number):
    folder = tmp_path / "run"
    process = start("diffusion", folder, {"steps": 100_000, "save_every": 100_000})
    said = folder / "stderr.txt"
    tiny_trainers.wait_for(lambda: said.exists() and "/100000" in said.read_text())
    time.sleep(1)
    os.kill(process.pid, number)
    process.join(10)
    assert process.exitcode == 128 + number
    assert checkpoints.read(checkpoints.newest(folder)[0], "cpu")["step"] > 0


def test_T10_a_changed_setting_is_refused_and_named(tmp_path):
    line(tmp_path)
    with pytest.raises(MaaError, match=r"learning_rate is 0.2, was 0.1"):
        line(tmp_path, learning_rate=0.2)


def unnamed(folder, learning_rate=0.1, clip=1.0, **options):
    """Two steps whose settings name nothing."""
    model = torch.nn.Linear(1, 1)
    turn = training.Turn(
        ("line",), lambda now, step: (model(now["x"]).mean(), {}), learning_rate, clip=clip)
    training.train(folder, modules={"line": model}, turns=[turn], settings={},
                   batch=lambda generator: {"x": torch.ones(2, 1)}, **{"steps": 2, **options})


@pytest.mark.parametrize("changed, words", [
    ({"steps": 4}, "steps is 4, was 2"), ({"steps": 1}, "steps is 1, was 2"),
    ({"seed": 5}, "seed is 5, was 0"), ({"decay": 0.5}, "decay is 0.5, was 0.999"),
    ({"warm_up": 0.5}, "warm_up is 0.5, was 0.05"),
    ({"learning_rate": 0.2}, "learning_rate of turn 1 is 0.2, was 0.1"),
    ({"clip": 3.0}, "clip of turn 1 is 3.0, was 1.0")])
def test_T10_a_changed_schedule_is_refused_though_no_setting_names_it(tmp_path, changed, words):
    unnamed(tmp_path)
    with pytest.raises(MaaError, match=f"T-SETTINGS: .* with other settings: {words}; set them"):
        unnamed(tmp_path, **changed)
    unnamed(tmp_path, save_every=7, log_every=3)


def test_a_checkpoint_from_before_schedules_were_kept_is_resumed(tmp_path):
    unnamed(tmp_path)
    path, state = checkpoints.latest(tmp_path)
    path.unlink()
    assert state.pop("schedule")["betas of turn 1"] == (0.9, 0.999)
    checkpoints.write(tmp_path, 2, state)
    unnamed(tmp_path)


def test_a_setting_wins_over_what_a_checkpoint_from_before_schedules_cannot_say(tmp_path):
    line(tmp_path)
    path, state = checkpoints.latest(tmp_path)
    path.unlink()
    del state["schedule"]
    checkpoints.write(tmp_path, 40, state)
    with pytest.raises(MaaError, match="other settings: steps is 60, was 40; set them"):
        line(tmp_path, steps=60)
    line(tmp_path)


def test_a_step_that_fails_leaves_no_network_frozen(tmp_path):
    modules = {name: torch.nn.Linear(1, 1) for name in ("line", "other")}

    def loss(now, step):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        training.train(tmp_path, modules=modules, turns=[training.Turn(("line",), loss, 0.1)],
                       batch=lambda generator: {}, steps=1, settings={})
    assert all(one.requires_grad for one in modules["other"].parameters())


def test_T06_a_loss_that_is_nan_stops_and_names_the_last_good_checkpoint(tmp_path):
    with pytest.raises(MaaError, match=r"T-NAN.*step-00000020-") as caught:
        line(tmp_path, fault=lambda step, value: value * (float("nan") if step == 22 else 1))
    assert caught.value.exit_status == 4
    assert checkpoints.newest(tmp_path)[0].name.startswith("step-00000020")


def test_T06_an_infinite_gradient_is_found_before_the_next_save(tmp_path):
    with pytest.raises(MaaError, match="T-NAN"):
        line(tmp_path, fault=lambda step, value: value * 1e38 * 1e38 if step == 27 else value)
    assert checkpoints.newest(tmp_path)[0].name.startswith("step-00000020")


def test_T09_a_second_run_in_the_same_folder_is_refused(tmp_path):
    folder = tmp_path / "run"
    process = start("diffusion", folder, {"steps": 100_000})
    tiny_trainers.wait_for(lambda: (folder / "log.csv").exists())
    try:
        with pytest.raises(MaaError, match=f"F-LOCKED.*{process.pid}") as caught:
            line(folder)
        assert caught.value.exit_status == 6
    finally:
        process.kill()
        process.join()


def test_T17_a_resumed_log_has_no_row_after_its_checkpoint(tmp_path, monkeypatch):
    stop_at(28, monkeypatch)  # logged at 25, saved at 20
    with pytest.raises(KeyboardInterrupt):
        line(tmp_path)
    monkeypatch.undo()
    line(tmp_path)
    log = pd.read_csv(tmp_path / "log.csv")
    assert not log.duplicated(["step", "split", "name"]).any()


def test_T19_a_damaged_newest_checkpoint_is_passed_over_with_a_warning(tmp_path):
    whole = line(tmp_path)
    newest = checkpoints.newest(tmp_path)[0]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    with pytest.warns(UserWarning, match="K-HASH"):
        again = line(tmp_path)
    assert torch.equal(again.weight, whole.weight)


def test_T19_new_checkpoints_are_kept_though_all_of_later_steps_were_damaged(
        tmp_path, monkeypatch):
    line(tmp_path)
    for path in checkpoints.newest(tmp_path):
        path.write_bytes(path.read_bytes()[:-1])
    stop_at(25, monkeypatch)
    with pytest.warns(UserWarning, match="K-HASH"), pytest.raises(KeyboardInterrupt):
        line(tmp_path)
    kept = [path.name[:13] for path in checkpoints.newest(tmp_path)]
    assert kept == ["step-00000020", "step-00000010"]


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    with training.seeded(0):
        torch.rand(5)
    assert torch.equal(torch.rand(2), wanted)


def test_pictures_lie_channels_last_on_a_gpu_alone():
    assert training.layout(torch.device("cuda")) == torch.channels_last
    assert training.layout(torch.device("cpu")) == torch.contiguous_format


@pytest.mark.gpu
@pytest.mark.parametrize("name", tiny_trainers.TRAINERS)
def test_whatever_is_compiled_learns_on_a_gpu_and_is_resumed(tmp_path, name, monkeypatch):
    train, settings = tiny_trainers.TRAINERS[name], {"steps": 6, "save_every": 2}
    stop_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, **settings)
    monkeypatch.undo()
    train(tmp_path, **settings)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log.step.max() == 6 and log.value.map(math.isfinite).all()


@pytest.mark.gpu
def test_recorded_steps_learn_what_single_operations_learn(tmp_path, monkeypatch):
    latents, words = torch.randn(6, 4, 10, 8), torch.randn(6, 3, 16, device="cuda")

    def learnt(name):
        diffusion.train(tmp_path / name, latents, lambda generator, rows: words[rows], words[:1],
                        widths=(32, 64), layers=1, heads=2, batch=4, steps=100)
        clock.clear()
        return pd.read_csv(tmp_path / name / "log.csv").set_index(["step", "split", "name"]).value

    before = torch.cuda.memory_allocated()
    recorded = learnt("recorded")
    assert torch.cuda.memory_allocated() < before + 2**26  # what was recorded is gone
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: None)
    plain = learnt("plain")
    assert recorded.to_numpy() == pytest.approx(plain[recorded.index].to_numpy(), rel=0.02)


def test_gradients_reach_convolutions_with_their_channels_last():
    net = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3), torch.nn.Conv2d(8, 4, 1),
                              torch.nn.Flatten()).to(memory_format=torch.channels_last)
    picture = torch.randn(2, 8, 5, 7).to(memory_format=torch.channels_last)
    graphs, gradients = [], []

    def keep(graph, inputs):
        graphs.append(graph)
        return make_boxed_func(graph.forward)

    def learn():
        """Whether channels lie last in the gradient of each convolution's picture: a set."""
        torch.compiler.reset()  # it would not notice that a hook is gone
        net.zero_grad()
        compiled = torch.compile(net, fullgraph=True, backend=aot_autograd(fw_compiler=keep))
        compiled(picture).square().sum().backward()
        gradients.append([one.grad for one in net.parameters()])
        return {node.args[0].meta["val"].is_contiguous(memory_format=torch.channels_last)
                for node in graphs[-1].graph.nodes  # the last one goes back
                if "convolution_backward" in str(node.target)}

    before = learn()
    with training.straight([net]):
        within = learn()
    assert before == learn() == {True, False} and within == {True}
    for plain, straight in zip(*gradients[:2]):
        assert torch.allclose(plain, straight, atol=1e-5)
