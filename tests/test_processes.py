"""Two processes train as one does; what one writes, all could have written."""

import dataclasses
import json
import multiprocessing
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
import tiny_trainers
import torch
from torch import distributed

from maa import (autoencoder, captioner, classifier, contrast, diffusion, jobs, processes, retriever,
                 run, training)
from maa.errors import MaaError

STOPPED = 143


@pytest.fixture(scope="module", autouse=True)
def server():
    tiny_trainers.start_server()


def member(folder, place, steps, pause):
    """One of several processes that train a small denoiser; it writes what it ends with."""
    os.environ.update(place)
    rank, prompts = processes.rank(), torch.randn(
        64, 4, 12, generator=torch.Generator().manual_seed(2))
    with open(folder / f"errors-{rank}", "w") as errors:
        os.dup2(errors.fileno(), 2)
    latents = torch.randn(64, 4, 10, 4, generator=torch.Generator().manual_seed(1))

    def say(generator, rows):
        time.sleep(pause)
        return prompts[rows]

    unet = diffusion.train(
        folder, latents, say, torch.zeros(1, 4, 12), widths=(32, 32), layers=1, heads=2,
        attention=1, steps=steps, batch=16, learning_rate=0.003, save_every=20)
    sums = [float(value.double().sum()) for value in unet.state_dict().values()]
    (folder / f"sums-{rank}.json").write_text(json.dumps(sums))


def report(folder, place, task):
    """One of several processes; it writes what task(folder, rank) returns, or its error."""
    os.environ.update(place)
    torch.set_num_threads(1)
    rank = processes.rank()
    try:
        told = task(folder, rank)
    except MaaError as error:
        told = str(error)
    (folder / f"told-{rank}.json").write_text(json.dumps(told))


def told(folder, task, count=2, context=tiny_trainers.PROCESSES, **place):
    """What task(folder, rank) returns in each process; place: environment that all have."""
    folder.mkdir(exist_ok=True)
    started = [context.Process(target=report, args=(folder, own | place, task))
               for own in places(count)]
    for process in started:
        process.start()
    assert ended(started) == [0] * count
    return [json.loads((folder / f"told-{rank}.json").read_text()) for rank in range(count)]


def sums(network):
    return [float(value.double().sum()) for value in network.state_dict().values()]


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def places(count):
    """The environment that a launcher gives each of `count` processes on the CPU."""
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port(), "WORLD_SIZE": str(count),
              "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    if count == 1:
        return [{}]
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def start(folder, count, steps=60, pause=0.0):
    folder.mkdir(exist_ok=True)
    started = [tiny_trainers.PROCESSES.Process(target=member, args=(folder, place, steps, pause))
               for place in places(count)]
    for process in started:
        process.start()
    return started


def ended(started):
    for process in started:
        process.join(300)
    return [process.exitcode for process in started]


def trained(folder, count, steps=60):
    """Sums of the weights that each process holds in the end, and the log."""
    codes = ended(start(folder, count, steps))
    told = "\n".join(path.read_text()[-2000:] for path in folder.glob("errors-*"))
    assert codes == [0] * count, told
    sums = [json.loads((folder / f"sums-{rank}.json").read_text()) for rank in range(count)]
    return sums, pd.read_csv(folder / "log.csv")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("two"), 2)


def test_both_processes_end_with_the_same_weights(two):
    first, second = two[0]
    assert first == second


def test_two_processes_learn_as_one_does_with_the_same_whole_batch(two, tmp_path):
    """The same curve but for other draws: noise of a batch of 16."""
    _, alone = trained(tmp_path, 1)
    error, single = (log[log.name == "noise error"].value.to_numpy() for log in (two[1], alone))
    assert len(error) == len(single)
    assert abs(error - single).max() < 0.1
    assert error[-1] < 0.9 * error[0] and single[-1] < 0.9 * single[0]


def test_only_the_first_process_writes_and_each_step_is_logged_once(two):
    assert not two[1].duplicated(["step", "split", "name"]).any()


def test_a_run_of_two_that_was_killed_goes_on_to_the_same_bits(two, tmp_path):
    started = start(tmp_path, 2, pause=0.1)
    while not [*tmp_path.glob("step-00000020-*.pt")]:
        assert all(process.is_alive() for process in started)
        time.sleep(0.02)
    started[1].kill()
    time.sleep(0.2)
    started[0].kill()
    assert ended(started)[1] == -signal.SIGKILL
    assert trained(tmp_path, 2)[0] == two[0]


def test_a_run_of_two_is_not_resumed_by_one(tmp_path):
    trained(tmp_path, 2, steps=20)
    assert ended(start(tmp_path, 1, steps=20)) == [1]
    told = (tmp_path / "errors-0").read_text()
    assert "T-SETTINGS" in told and "processes is 1, was 2" in told


def test_a_signal_stops_both_after_the_same_step(tmp_path):
    started = start(tmp_path, 2, steps=1000, pause=0.01)
    while not [*tmp_path.glob("step-*.pt")]:
        time.sleep(0.05)
    for process in started:
        os.kill(process.pid, signal.SIGTERM)
    assert ended(started) == [STOPPED, STOPPED]
    assert int(max(tmp_path.glob("step-*.pt")).name[5:13]) % 50 == 0  # where they ask one another


def share_of_a_gpu(folder, rank):
    """A training on the GPU that one process has, or two have between them."""
    if processes.count() > 1:
        distributed.init_process_group("gloo")  # NCCL would ask for a GPU each
    with training.seeded(0):
        latents, words = torch.randn(8, 4, 10, 8), torch.randn(8, 3, 16)
    words = words.to(processes.device())
    unet = diffusion.train(
        folder / "run", latents, lambda generator, rows: words[rows], words[:1], widths=(32, 64),
        layers=1, heads=2, batch=16, steps=150, learning_rate=0.003)
    return sums(unet)


@pytest.mark.gpu
def test_recorded_steps_of_two_processes_learn_as_one_does(tmp_path):
    spawn = multiprocessing.get_context("spawn")  # a GPU cannot be begun before a fork
    shared = {"CUDA_VISIBLE_DEVICES": "0", "ACCELERATE_USE_CPU": "false", "LOCAL_RANK": "0"}
    first, second = told(tmp_path / "two", share_of_a_gpu, 2, spawn, **shared)
    assert first == second
    told(tmp_path / "one", share_of_a_gpu, 1, spawn)
    two, one = (log[log.name == "noise error"].value.to_numpy() for log in (
        pd.read_csv(tmp_path / name / "run/log.csv") for name in ("two", "one")))
    assert abs(two - one).max() < 0.1 and max(two[-1] / two[0], one[-1] / one[0]) < 0.9


def launched(folder):
    """`python -m maa.run mini line` in two processes, as a launcher would start it."""
    clean = {key: value for key, value in os.environ.items() if key != "RANK"}
    root = str(Path(__file__).parents[1])
    started = [subprocess.Popen(
        [sys.executable, "-m", "maa.run", "mini", "line"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**clean, **place, "PYTHONPATH": root}) for place in places(2)]
    return started, [process.communicate(timeout=240) for process in started]


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
    started, printed = launched(folder)
    assert [process.returncode for process in started] == [0, 0], printed
    kept = [*(folder / "results/mini/notebooks").iterdir()]
    assert [path.name for path in kept] == ["22_line.ipynb"]
    assert "rank 0 of 2" in kept[0].read_text()
    assert len([*(folder / "results/mini/checkpoints/line").glob("log.csv")]) == 1


def two_gpus(folder, monkeypatch):
    """The job of a notebook that asks for two GPUs, where a launcher takes the CPU for them."""
    for name, value in {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "",
                        "PYTHONPATH": str(Path(__file__).parents[1])}.items():
        monkeypatch.setenv(name, value)
    job, = jobs.prepare(folder, "mini", ["line"])
    return dataclasses.replace(job, gpus=2)


def test_a_notebook_of_two_gpus_is_launched_in_two_processes(tmp_path, monkeypatch):
    folder = made_projects.project(
        tmp_path / "made", {"22_line": made_projects.notebook("import torch\n" + CELLS[0],
                                                              CELLS[1])})
    run.run(folder, two_gpus(folder, monkeypatch))
    assert "rank 0 of 2" in (folder / "results/mini/notebooks/22_line.ipynb").read_text()


def test_a_launched_notebook_that_fails_says_so_in_one_line(tmp_path, monkeypatch):
    folder = made_projects.project(tmp_path / "made", {"22_line": made_projects.notebook("1 / 0")})
    with pytest.raises(MaaError, match="R-PROCESSES: 22_line at scale 'mini' failed in 2 process"):
        run.run(folder, two_gpus(folder, monkeypatch))
    assert not (folder / "results/mini/notebooks/22_line.ipynb").exists()


def launch(folder, job):
    """A process that runs a job of two GPUs, until it is stopped."""
    with run.stoppable():
        run.run(folder, job)


def gone(process):
    """Whether there is no such process, or only what is left of it until its parent has asked."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_when_a_launch_is_stopped_its_processes_end_too(tmp_path, monkeypatch):
    folder = made_projects.project(tmp_path / "made", {"22_line": made_projects.notebook(
        "import os, pathlib, time", "pathlib.Path(f'pid-{os.getpid()}').touch(); time.sleep(300)")})
    job = two_gpus(folder, monkeypatch)
    started = multiprocessing.get_context("spawn").Process(target=launch, args=(folder, job))
    started.start()
    tiny_trainers.wait_for(lambda: len([*folder.glob("pid-*")]) == 2 or not started.is_alive())
    kernels = [int(path.name[4:]) for path in folder.glob("pid-*")]
    started.terminate()
    started.join(60)
    assert started.exitcode == STOPPED and len(kernels) == 2
    tiny_trainers.wait_for(lambda: all(map(gone, kernels)))


def test_several_notebooks_under_one_launcher_are_refused(monkeypatch):
    chosen = jobs.prepare(Path(run.__file__).parents[1], "mini", ["diffusion", "autoencoder"])
    run.check_launch(chosen)
    monkeypatch.setenv("RANK", "1")
    run.check_launch(chosen[:1])
    with pytest.raises(MaaError, match="R-LAUNCH: 2 notebooks under one launcher, the first 2"):
        run.check_launch(chosen)


def test_a_notebook_of_one_gpu_is_refused_by_a_launcher_of_several_processes(monkeypatch):
    root = Path(run.__file__).parents[1]
    monkeypatch.setenv("RANK", "0")
    judges, = jobs.prepare(root, "paper", ["judges"])
    run.check_launch([judges])  # a launcher of one
    monkeypatch.setenv("WORLD_SIZE", "16")
    with pytest.raises(MaaError, match="R-LAUNCH: 40_judges in 16 processes, expected one, as lim"):
        run.check_launch([judges])
    run.check_launch(jobs.prepare(root, "paper", ["diffusion"]))


def test_a_failure_in_one_process_is_the_failure_of_both(tmp_path):
    cells = ("from maa import processes", "1 / (1 - processes.rank())")
    folder = made_projects.project(
        tmp_path / "made", {"22_line": made_projects.notebook(*cells)})
    started, printed = launched(folder)
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
    processes.add([gradient])
    assert gradient.tolist() == [1, 1, 1]
    assert processes.means({"a": 2}, "cpu") == {"a": 2}
    assert processes.gathered("x") == ["x"]
    assert processes.device() == training.device()


SHARES = [[["a dog barks", "a cat"], ["the bark of a dog", "rain falls"]],
          [["an umbrella in a quick wind", "bees"], ["a zebra", "jazz"], ["a violin", "a lamb"]]]
SIZES = {"steps": 4, "batch": 4, "frames": 32}


def added(folder, rank):
    whole = torch.arange(24.0).reshape(2, 3, 2, 2)
    picture, vector = (rank + 1) * whole.to(memory_format=torch.channels_last), torch.ones(3)
    processes.gathered(rank)  # they know each other from then on
    processes.add([picture, vector])
    return [torch.equal(picture, 3 * whole), vector.tolist(),
            picture.is_contiguous(memory_format=torch.channels_last)]


def test_gradients_are_added_where_they_lie(tmp_path):
    assert told(tmp_path, added) == [[True, [2.0, 2.0, 2.0], True]] * 2


def written_once(folder, rank):
    def write():
        (folder / f"by-{rank}").touch()
        return rank

    def fail():
        raise MaaError("F-SPACE", "the disk is full")

    def break_down():
        raise KeyError("label")

    told = [processes.first(write)]
    for call in (fail, break_down):
        try:
            processes.first(call)
        except MaaError as fault:
            told.append(str(fault))
    return told


def test_what_one_process_writes_the_others_know_and_so_they_do_when_it_fails(tmp_path):
    for found in told(tmp_path, written_once):
        assert found[:2] == [0, "F-SPACE: the disk is full"]
        assert found[2].startswith("R-PROCESSES: the first process failed: KeyError('label'")
    assert [path.name for path in tmp_path.glob("by-*")] == ["by-0"]


def doubled(folder, rank):
    return [processes.divided(list(range(count)), lambda own: [[2 * one, rank] for one in own])
            for count in (0, 1, 5)]


def test_work_that_is_divided_is_put_together_in_its_order(tmp_path):
    expected = [[], [[0, 0]], [[0, 0], [2, 1], [4, 0], [6, 1], [8, 0]]]
    assert told(tmp_path, doubled) == [expected] * 2
    assert processes.divided("ab", lambda own: [one + one for one in own]) == ["aa", "bb"]


def taken_apart(folder, rank):
    def first_doubled(own):
        return [2 * own[0]] + [2 * one for one in own[1:]]  # fails where there are none

    return processes.divided([7], first_doubled)


def test_a_process_without_a_share_of_the_work_does_none(tmp_path):
    assert told(tmp_path, taken_apart) == [[14]] * 2


def taught_from_shares(folder, rank):
    """Vocabularies, labels and weights of networks whose scenes differ from process to process."""
    captions = SHARES[rank]
    sounds = tiny_trainers.sounds(len(captions))
    small = {**SIZES, "width": 16, "layers": 1, "vocabulary": 400}
    words, finder = retriever.train(folder / "a", sounds, captions, widths=(4, 8), **small)
    others, writer = captioner.train(folder / "b", sounds, captions, heads=2, **small)
    labels = [several[0] for several in captions]
    namer = classifier.train(folder / "c", sounds, labels, network="vgg", widths=(4, 8), **SIZES)
    return [words.get_vocab(), others.get_vocab(), namer.names, sums(finder), sums(writer),
            sums(namer)]


def test_what_is_learnt_from_shares_has_the_words_and_labels_of_all(tmp_path):
    first, second = told(tmp_path, taught_from_shares)
    assert first == second
    assert first[2] == sorted(several[0] for captions in SHARES for several in captions)
    assert {"\u0120jazz", "\u0120dog"} <= set(first[0]) & set(first[1])


def taught_unlike(folder, rank):
    """A network whose width is that of the process's own share."""
    model = torch.nn.Linear(3 + rank, 1)
    turn = training.Turn(("line",), lambda now, step: (model(now["x"]).mean(), {}), 0.1)
    training.train(folder / str(rank), modules={"line": model}, turns=[turn], steps=2, settings={},
                   batch=lambda generator: {"x": torch.ones(4, 3 + rank)})


def test_networks_that_differ_between_processes_are_refused_in_all_of_them(tmp_path):
    first, second = told(tmp_path, taught_unlike)
    assert first == second == (
        "T-UNLIKE: 'weight' of 'line' is [1, 4] in process 1, expected [1, 3] as in process 0; was "
        "its tokenizer or its list of labels made of one process's share of the scenes?")


def a_line(folder, rank, steps, settings):
    """How many steps each process takes in a training of so many, and its weight at the end."""
    with training.seeded(0):
        model = torch.nn.Linear(1, 1)
    taken = []

    def batch(generator):
        taken.append(1)
        return {"x": torch.rand(4, 1, generator=generator)}

    turn = training.Turn(("line",), lambda now, step: (model(now["x"]).square().mean(), {}), 0.1)
    made = training.train(folder, modules={"line": model}, turns=[turn], batch=batch, steps=steps,
                          settings=settings, save_every=20)
    return len(taken), made["line"].weight.item()


def on_a_disk_of_its_own(folder, rank):
    return a_line(folder / f"host-{rank}" / "line", rank, 40, {})


def on_one_disk(folder, rank):
    return a_line(folder, rank, 40, {"scenes": 4 - rank})


def test_hosts_that_do_not_see_one_folder_are_told_so_when_they_resume(tmp_path):
    assert [steps for steps, _ in told(tmp_path, on_a_disk_of_its_own)] == [40, 40]
    path, = (tmp_path / "host-0/line").glob("step-00000040-*.pt")
    first, second = told(tmp_path, on_a_disk_of_its_own)
    assert first == second == (
        f"T-HOSTS: process 1 resumes 'line' from no checkpoint, expected {path.name} as process 0; "
        f"all hosts must see one folder, is results/ on a disk of each?")


def test_processes_whose_shares_are_not_of_one_size_are_resumed(tmp_path):
    (_, weight), _ = told(tmp_path, on_one_disk)
    assert told(tmp_path, on_one_disk) == [[0, weight]] * 2


PAIRS = [[0, 1, 6, 7], [2, 3, 4, 5]]  # of each process: a thing and what was added to it, together


def pairs_of(rank):
    """A process's share of eight pairs, some of things alike; one alone has them all."""
    rows = torch.arange(8) if processes.count() == 1 else torch.tensor(PAIRS[rank])
    chance = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 8, 6, generator=chance)
    share = 0.5 + 0.5 * torch.rand(8, 1, generator=chance)
    return {"first": first[rows], "second": second[rows], "share": share[rows],
            "group": torch.tensor([5, 1, 2, 5, 3, 1, 4, 6])[rows]}


def towers():
    with training.seeded(0):
        model = torch.nn.ModuleDict({"a": torch.nn.Linear(6, 4), "b": torch.nn.Linear(6, 4)})
    model.scale = torch.nn.Parameter(torch.tensor(5.0))
    return model


def contrast_of(model, now, added):
    first, second = (torch.nn.functional.normalize(model[key](now[name]), dim=-1)
                     for key, name in (("a", "first"), ("b", "second")))
    return contrast.pair_loss(first, second, model.scale, now["group"],
                              now["share"] if added else None)


def contrasted(folder, rank):
    """Losses and gradients, without and with added things, then weights after some steps."""
    found = processes.gathered([])[0]
    for added in (False, True):
        model = towers()
        value = contrast_of(model, pairs_of(rank), added)
        (value / processes.count()).backward()
        gradients = [one.grad for one in model.parameters()]
        processes.add(gradients)
        found += [value.item(), *torch.cat([one.flatten() for one in gradients]).tolist()]
    model = towers()

    def loss(now, step):
        value = contrast_of(model, now, True)
        return value, {"contrast": value}

    contrast.train(folder, "towers", model, batch=lambda _: pairs_of(rank), loss=loss,
                   settings={"steps": 10, "learning_rate": 0.05, "seed": 0}, save_every=10)
    return found + sums(model)


def test_contrast_of_two_processes_is_that_of_one_with_the_same_whole_batch(tmp_path):
    first, second = told(tmp_path / "two", contrasted)
    alone, = told(tmp_path / "one", contrasted, 1)
    assert first == pytest.approx(alone, abs=1e-5) and second == pytest.approx(alone, abs=1e-5)


def alike_in_both(folder, rank):
    captions = [["a zebra", "jazz"], ["a cat", "rain falls", "a dog barks"]][:: 1 - 2 * rank]
    if rank:
        captions = [captions[0], captions[1][::-1], ["a bee", "a lamb"]]
    words = tiny_trainers.tokenizer()
    return contrast.Sentences(words, captions, torch.device("cpu"), 0.0).groups.tolist()


def test_things_with_the_same_captions_are_alike_in_whichever_process(tmp_path):
    first, second = told(tmp_path, alike_in_both)
    assert first == second[1::-1] and len({*first, *second}) == 3


def standardised(folder, rank):
    """By what an autoencoder divides its latents, its sounds being louder in the second process."""
    ear = classifier.build("vgg", ["dog", "rain"], widths=(4, 8))
    vae = autoencoder.train(
        folder, tiny_trainers.sounds() * (1 + 4 * rank), ear=ear, widths=(16,) * 4, layers=1,
        batch=2, frames=16, critic_windows=(16,), steps=2)
    return vae.config.latents_mean, vae.config.latents_std


def test_latents_are_standardised_alike_in_both_processes(tmp_path):
    first, second = told(tmp_path, standardised)
    assert first == second
