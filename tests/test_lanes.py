"""maa.lanes: stages of DVC side by side, in order, and nothing left behind.

Most tests use a DVC that only pretends: it starts fast, and it writes down what it was asked.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import made_projects
import psutil
import pytest
import yaml

from maa import jobs, lanes, run

ROOT = Path(__file__).parents[1]
WITHOUT_GIT = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
PRETENDER = '''"""DVC for a project whose stages are in stages.json: {name: {"before": [], ...}}."""
import json, os, pathlib, subprocess, sys, time
stages = json.load(open("stages.json"))
made = pathlib.Path("made")
word, name = sys.argv[2], [text for text in sys.argv if text[0] != "-"][-1]
def log(text):
    with open("log", "a") as file:
        file.write(text + "\\n")
if word == "status":
    asked = [*stages] if "--with-deps" in sys.argv else sys.argv[4:]
    log("? " + " ".join(asked))
    print(json.dumps({n: [] for n in asked if n in stages and not (made / n).exists()}))
    sys.exit(0 if name in stages else "ERROR: no stage " + name)
if word == "dag":
    for n in stages:
        print(f'"{n}";')
    for n in stages:
        for b in stages[n]["before"]:
            print(f'"{b}" -> "{n}";')
    sys.exit()
stage = stages[name]
log(f"+ {name} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}")
while not all(f"+ {other}" in open("log").read() for other in stage.get("meets", [])):
    time.sleep(0.01)
if code := subprocess.call(["sleep", str(stage.get("seconds", 0))]):
    sys.exit(f"ERROR: failed to run: sleep, exited with {code}")
print("a word of", name)
if stage.get("busy"):
    stage["busy"] -= 1
    json.dump(stages, open("stages.json", "w"))
    log(f"- {name}")
    sys.exit("ERROR: 'x' is busy, it is being blocked by:\\n  (PID 1): dvc repro")
if stage.get("fails"):
    log(f"- {name}")
    sys.exit(f"ERROR: failed to reproduce: failed to run: x, exited with {stage['fails']}")
(made / name).touch()
for other in stage.get("spoils", []):
    (made / other).unlink()
log(f"- {name}")
'''


def stage(*before, **behaviour):
    return {"before": before, **behaviour}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """made(stages, ...) -> (exit status, lines of the log); `done` are up to date already."""
    def make(stages, target="report@mini", at_once=2, done=(), gpus=(), share=1):
        folder = tmp_path / "project"
        books = {f"10_{name.partition('@')[0]}": made_projects.notebook() for name in stages}
        made_projects.project(folder, books)
        rows = {"limits": {"gpus": {n.partition("@")[0]: {"mini": s.get("gpus", 0)}
                                    for n, s in stages.items()}}}
        (folder / "params.yaml").write_text(yaml.safe_dump(rows))
        (folder / "made").mkdir()
        for name in done:
            (folder / "made" / name).touch()
        (folder / "dvc.py").write_text(PRETENDER)
        (folder / "stages.json").write_text(json.dumps(stages))
        monkeypatch.setattr(lanes, "DVC", [sys.executable, "-SE", "dvc.py", "--wait-for-lock"])
        monkeypatch.setattr(lanes, "PAUSE", 0.01)
        monkeypatch.setattr(jobs, "visible_gpus", lambda: [*gpus])
        monkeypatch.chdir(folder)
        status = lanes.main([target, "--at-once", str(at_once), "--share", str(share)])
        log = (folder / "log").read_text().splitlines()
        return status, [line.strip() for line in log]

    return make


def most_at_once(log):
    working = [(line[0] == "+") - (line[0] == "-") for line in log]
    return max(sum(working[:end]) for end in range(len(working) + 1))


def test_stages_work_side_by_side_and_each_after_those_that_it_reads_from(made, capsys):
    """Each of two stages waits until the other has started."""
    status, log = made({
        "one": stage(), "left@mini": stage("one", meets=["right@mini"]),
        "right@mini": stage("one", meets=["left@mini"]),
        "report@mini": stage("left@mini", "right@mini")})
    assert status == 0
    assert log[:3] == ["? one left@mini right@mini report@mini", "+ one", "- one"]
    assert sorted(log[3:5]) == ["+ left@mini", "+ right@mini"]
    assert log[7:] == ["+ report@mini", "- report@mini"]
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert {line[0] for line in lines} == {"one", "left@mini", "right@mini", "report@mini"}
    assert all(float(line[1]) < 30 and line[2] == "s" for line in lines)
    assert said.err == ""


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_stages_work_than_there_are_lanes(made, at_once):
    pause = 0.1 if at_once == 1 else 1.0  # seconds, so that a slow start still meets the others
    several = {f"part@mini-{n}": stage(seconds=pause) for n in range(4)}
    _, log = made({**several, "report@mini": stage(*several)}, at_once=at_once)
    assert most_at_once(log) == at_once


def test_who_keeps_the_longest_chain_waiting_starts_first(made):
    _, log = made({"leaf@mini": stage(), "first@mini": stage(), "second@mini": stage("first@mini"),
                   "report@mini": stage("leaf@mini", "second@mini")}, at_once=1)
    started = [line[2:] for line in log if line[0] == "+"]
    assert started == ["first@mini", "leaf@mini", "second@mini", "report@mini"]


def test_when_all_is_up_to_date_one_question_is_all(made, capsys):
    status, log = made({"one": stage(), "report@mini": stage("one")}, done=["one", "report@mini"])
    assert (status, log) == (0, ["? one report@mini"])
    assert capsys.readouterr().out == "report@mini: everything is up to date\n"


def test_what_reads_an_equal_result_does_not_run(made):
    """`code` changes something for `other` only; DVC is asked once about all that read it."""
    names = ["same@mini", "other@mini", "far@mini", "report@mini"]
    status, log = made({
        "code": stage(spoils=["other@mini"]), "same@mini": stage("code"),
        "other@mini": stage("code"), "far@mini": stage("same@mini", "code"),
        "report@mini": stage("far@mini", "other@mini")}, done=names)
    assert status == 0
    assert log[1:] == ["+ code", "- code", "? far@mini other@mini same@mini",
                       "+ other@mini", "- other@mini", "? report@mini"]


def test_a_failing_stage_holds_up_only_those_that_read_from_it(made, capsys):
    status, log = made({
        "bad@mini": stage(fails=3), "good@mini": stage(seconds=0.3),
        "next@mini": stage("good@mini"),
        "worse@mini": stage("next@mini", fails=7), "after@mini": stage("bad@mini"),
        "report@mini": stage("after@mini", "next@mini")})
    assert status == 3  # of the first that failed
    assert "- next@mini" in log and "+ after@mini" not in log and "+ report@mini" not in log
    said = capsys.readouterr()
    assert "maa: failed: bad@mini, worse@mini; not run: after@mini, report@mini" in said.err
    assert "a word of bad@mini" in said.err and "exited with 3" in said.err
    assert "a word of good@mini" not in said.out + said.err
    assert not [line for line in said.out.splitlines() if line.startswith(("bad", "worse"))]


def test_another_dvc_at_work_is_waited_for(made):
    """D04."""
    status, log = made({"one@mini": stage(busy=2), "report@mini": stage("one@mini")})
    assert status == 0 and log.count("+ one@mini") == 3


def test_another_dvc_that_never_ends_is_named(made, capsys):
    status, log = made({"one@mini": stage(busy=99), "report@mini": stage("one@mini")})
    assert status == 1 and log.count("+ one@mini") == lanes.TRIES + 1
    assert "is busy, it is being blocked by:" in capsys.readouterr().err


def test_gpus_are_shared_out(made):
    """Two GPUs: no GPU has two stages, a stage that needs both works without another such one."""
    needs = {"a": 1, "b": 1, "c": 2, "d": 1, "e": 8, "f": 0}
    stages = {f"{name}@mini": stage(gpus=gpus, seconds=0.1) for name, gpus in needs.items()}
    status, log = made({**stages, "report@mini": stage(*stages)}, at_once=6, gpus=["4", "GPU-5"])
    held = {line.split()[1][0]: line.split()[2:] for line in log if line[0] == "+"}
    assert status == 0 and held["f"] == held["r"] == []
    for name in "ce":  # e gets all there are; maa.run refuses it
        assert sorted(held[name][0].split(",")) == ["4", "GPU-5"]
    assert all(held[name] in (["4"], ["GPU-5"]) for name in "abd")
    working = []
    for line in log:
        name = line.split()[1][0]
        if line[0] == "+" and held[name]:
            taken = {gpu for other in working for gpu in held[other][0].split(",")}
            assert not {*held[name][0].split(",")} & taken, log
            working.append(name)
        elif line[0] == "-" and held[name]:
            working.remove(name)


def test_two_stages_do_not_share_a_gpu_while_another_is_empty(made):
    stages = {f"{name}@mini": stage(gpus=1, seconds=0.5) for name in "ab"}
    _, log = made({**stages, "report@mini": stage(*stages)}, gpus=["0", "1"], share=2)
    assert {line.split()[2] for line in log if line[:3] in ("+ a", "+ b")} == {"0", "1"}


def test_a_gpu_takes_in_as_many_stages_as_may_share_it(made):
    stages = {f"{name}@mini": stage(gpus=1, seconds=2) for name in "abcdef"}
    stages["wide@mini"] = stage(gpus=2, seconds=0.1)
    stages["report@mini"] = stage(*stages)
    status, log = made(stages, at_once=9, gpus=["0", "1"], share=2)
    held, room, fewest = {}, {"0": 2, "1": 2}, 4
    for line in log:
        sign, name, *gpus = line.split()
        if sign == "+" and gpus:
            held[name] = gpus[0].split(",")
        for gpu in held.get(name, ()):
            room[gpu] += {"+": -1, "-": 1}[sign]
        assert min(room.values()) >= 0, log
        fewest = min(fewest, sum(room.values()))
    assert status == 0 and fewest == 0 and len(held["wide@mini"]) == 2


def test_gpus_of_a_stage_are_those_of_its_section_and_scale():
    limits = {"variant": {"mini": 0, "paper": 8}}
    assert lanes.gpus_of(limits, "variant@paper-bert") == 8
    assert lanes.gpus_of(limits, "variant@mini-bert") == 0
    assert lanes.gpus_of(limits, "report@paper") == lanes.gpus_of(limits, "code") == 0


def test_an_unknown_stage_is_refused(made, capsys):
    status, _ = made({"report@mini": stage()}, target="rapport@mini")
    assert status == 2
    assert "R-DVC: `dvc status --json rapport@mini --with-deps` says: ERROR: no stage rapport" in (
        capsys.readouterr().err)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_who_stops_it_stops_every_stage(made, number, status):
    """D03: Ctrl-C and kill -9; SIGTERM is below, with the real DVC."""
    stages = {"a@mini": stage(seconds=60), "b@mini": stage(seconds=60)}
    stages |= {"report@mini": stage(*stages)}
    made(stages, done=stages)
    shutil.rmtree("made")
    code = f"import sys; from maa import lanes; lanes.DVC = {lanes.DVC!r}; " \
           "sys.exit(lanes.main(['report@mini', '--at-once', '2']))"
    process = subprocess.Popen([sys.executable, "-c", code], text=True, stderr=subprocess.PIPE)
    wait_until(lambda: len(family_of(process)) == 4, process)
    dvc = psutil.Process(process.pid).children()
    sleepers = [sleeper for parent in dvc for sleeper in parent.children()]
    process.send_signal(number)
    said = process.communicate(timeout=20)[1]
    assert psutil.wait_procs(dvc, timeout=20)[1] == []
    assert process.returncode == status
    if number == signal.SIGKILL:  # nobody is left to end these; a notebook dies with its DVC
        for sleeper in sleepers:
            sleeper.kill()
    else:
        assert said.strip() == f"maa: stopped; {run.GOES_ON}"
        assert psutil.wait_procs(sleepers, timeout=20)[1] == []


def family_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def wait_until(condition, process):
    limit = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < limit, process.communicate()
        time.sleep(0.02)


WORK = """import pathlib, sys, time
path = pathlib.Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(sys.argv[1])
time.sleep(0 if pathlib.Path("go").exists() else 60)
"""


@pytest.fixture
def real(tmp_path):
    """A project for the real DVC; the matrix of the stage in the middle has two axes."""
    scales, variants = ["mini", "small"], ["bert", "t5"]
    out = "results/${item.scale}/${item.variant}"
    stages = {
        "code": {"cmd": "exec python work.py code", "outs": ["code"]},
        "variant": {"matrix": {"scale": scales, "variant": variants},
                    "cmd": f"exec python work.py {out}", "deps": ["code"], "outs": [out]},
        "report": {"matrix": {"scale": scales}, "cmd": "exec python work.py report.${item.scale}",
                   "deps": [f"results/${{item.scale}}/{variant}" for variant in variants],
                   "outs": ["report.${item.scale}"]}}
    folder = made_projects.project(tmp_path / "project", {"10_variant": made_projects.notebook()},
                                   stages=stages)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text(WITHOUT_GIT)
    (folder / "work.py").write_text(WORK)
    return folder


def test_with_the_real_dvc_a_stopped_run_goes_on_and_the_second_time_nothing_runs(real):
    """D02: SIGTERM while both stages of the middle work."""
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "maa.lanes", "report@mini", "--at-once", "2"]
    options = {"cwd": real, "text": True, "env": {**os.environ, "PATH": place}}
    (real / "go").touch()
    subprocess.run([*lanes.DVC, "repro", "-q", "code"], check=True, **options)
    (real / "go").unlink()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    parts = [real / "results" / "mini" / variant for variant in ("bert", "t5")]
    wait_until(lambda: all(part.exists() for part in parts), process)
    family = family_of(process)
    assert len(family) == 4  # two of DVC, each with the stage's command, no shell
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, psutil.wait_procs(family, timeout=1)[1]) == (143, "", [])
    assert err.strip() == f"maa: stopped; {run.GOES_ON}"
    (real / "go").touch()
    for says in (["report@mini", "variant@mini-bert", "variant@mini-t5"], ["report@mini:"]):
        done = subprocess.run(command, capture_output=True, **options)
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(line.split()[0] for line in done.stdout.splitlines()) == says
    assert sorted(yaml.safe_load((real / "dvc.lock").read_text())["stages"]) == [
        "code", "report@mini", "variant@mini-bert", "variant@mini-t5"]
    assert not (real / "results" / "small").exists()


def test_make_paper_uses_the_lanes_and_then_asks_dvc():
    done = subprocess.run(["make", "--no-print-directory", "-n", "paper"], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.stdout.splitlines()[-2:] == ["python -m maa.lanes report@mini",
                                             "dvc repro report@mini"]
