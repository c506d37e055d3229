"""dvc.yaml: what runs, what does not run again, and what is left when it is killed.

The real dvc.yaml and params.yaml are used, with a `python` that only pretends to run notebooks.
"""

import os
import re
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

from maa import jobs, notebooks

ROOT = Path(__file__).parents[1]
STAGES = jobs.read_yaml(ROOT / "dvc.yaml")["stages"]
SECTIONS = [name for name in STAGES if name != "code"]
VARIANTS = jobs.read_yaml(ROOT / "params.yaml")[jobs.VARIANTS]
DVC = [sys.executable, "-m", "dvc", "repro"]
SCALES = ["mini", "small", "paper"]
BESIDE = {"cost_plan", "how_fast"}  # no table and no claim waits for them
WITHOUT_GIT = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
PRETENDER = '''#!{python}
"""python -m maa.run SCALE SECTION, without notebooks: each output tells what it was made from."""
import hashlib, os, pathlib, sys, yaml
stages = yaml.safe_load(open("dvc.yaml"))["stages"]
scale, section = sys.argv[3:] or ("mini", "code")
section, _, variant = section.partition("@")
stage = stages[section]
def path(text):
    text = text.replace("${{item.scale}}", scale).replace("${{item.variant}}", variant)
    return pathlib.Path(text)
if section == os.environ.get("FAILS"):
    sys.exit(3)
row = yaml.safe_load(open("params.yaml")).get(section, {{}}).get(scale)
digest = hashlib.sha256(repr((row, variant)).encode())
for text in stage["deps"]:
    for file in sorted(p for p in [path(text), *path(text).rglob("*")] if p.is_file()):
        digest.update(file.read_bytes())
for out in stage["outs"]:
    out = path(out if isinstance(out, str) else next(iter(out)))
    if not out.suffix:
        out.mkdir(parents=True, exist_ok=True)
        out = out / "file"
    out.parent.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path("notebooks", out.with_suffix(".ipynb").name)
    out.write_bytes(source.read_bytes() if section == "code" else digest.digest())
with open("ran", "a") as log:
    log.write("@".join(filter(None, (section, variant))) + "\\n")
'''


def paths(section, kind, scale="mini"):
    """Plain paths of deps or outs of a stage, of all its variants."""
    stage = STAGES[section]
    entries = jobs.outs(stage if kind == "outs" else {**stage, "outs": stage.get(kind, [])})
    return list(dict.fromkeys(entry.replace("${item.scale}", scale) for entry in entries))


def number_of(section):
    return next(Path(p).stem for p in paths(section, "deps") if p.startswith("results/code"))


def test_every_stage_follows_the_same_pattern():
    for section in SECTIONS:
        stage, name = STAGES[section], number_of(section)
        several = VARIANTS.get(section, {})
        one = "@${item.variant}" if several else ""
        assert stage["matrix"] == {"scale": SCALES} | ({"variant": [*several]} if one else {})
        assert stage["cmd"] == f"exec python -m maa.run ${{item.scale}} {section}{one}"
        also = [f"variants.{section}.${{item.variant}}"] if any(several.values()) else []
        assert stage["params"] == [f"{section}.${{item.scale}}", *also]
        assert notebooks.section(name) == section
        for copy in [f".{variant}" for variant in several] or [""]:
            assert f"results/mini/notebooks/{name}{copy}.ipynb" in paths(section, "outs")


def test_code_is_written_for_exactly_the_notebooks_with_a_stage():
    names = sorted(map(number_of, SECTIONS))
    assert paths("code", "outs") == [f"results/code/{name}.py" for name in names]
    assert STAGES["code"]["deps"] == ["notebooks", "maa"]


def test_every_dependency_is_made_by_a_stage_of_the_same_scale():
    """D16."""
    made = {path for section in STAGES for path in paths(section, "outs")}
    for section in SECTIONS:
        given = {path for path in paths(section, "deps")
                 if path.startswith("results/reported/") or path == "params.yaml"}
        assert {*paths(section, "deps")} - given <= made, section
        assert not re.search("results/(mini|small|paper)", str(STAGES[section])), section


@pytest.mark.parametrize("section", SECTIONS)
def test_a_notebook_names_no_result_that_its_stage_does_not_declare(section):
    """N14: `here / "models/text"` and "results/reported/…" are in deps or outs of the stage."""
    book = notebooks.read(ROOT / "notebooks" / f"{number_of(section)}.ipynb")
    code = "\n".join(cell.source for cell in notebooks.code_cells(book))
    code = re.sub(r"\"\s*/\s*\"", "/", code)  # here / "models" / "text"
    named = {f"results/mini/{path}" for path in re.findall(r"\bhere / \"([^\"]+)\"", code)}
    named |= {*re.findall(r"\"(results/[^\"]+)\"", code)} - {"results/small/pipeline"}
    declared = [*paths(section, "deps"), *paths(section, "outs"),
                f"results/mini/checkpoints/{section}"]
    for path in named:
        assert any(f"{path}/".startswith(f"{known}/") for known in declared), path
    for start in re.findall(r"\bhere / f\"([^\"{]+)", code):  # here / f"logs/{part}.csv"
        start = f"results/mini/{start}"
        assert any(start.startswith(f"{k}/") or k.startswith(start) for k in declared), start


def test_every_score_is_made_again_when_sounds_models_or_code_change():
    """S16: nothing else is kept that was computed from them; the test above finds what is read."""
    judged = [s for s in SECTIONS if any("/scores" in path for path in paths(s, "outs"))]
    assert judged
    for section in judged:
        deps = paths(section, "deps")
        assert f"results/code/{number_of(section)}.py" in deps, section
        assert any(re.search("/(clips|audio|models)(/|$)", path) for path in deps), section


def test_one_failing_run_keeps_what_git_and_readers_see():
    for section in SECTIONS:
        for out in STAGES[section]["outs"]:
            path, options = (out, {}) if isinstance(out, str) else next(iter(out.items()))
            in_cache = re.search("/(clips|captions|pictures|models|audio|heard)(/|$)", path)
            assert options.get("persist", False) != bool(in_cache), path


def test_git_ignores_exactly_what_dvc_keeps(tmp_path):
    """Scores, figures, logs and the released pipeline are in git, all else in DVC's cache."""
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for section in SECTIONS:
        for out in STAGES[section]["outs"]:
            path, options = (out, {}) if isinstance(out, str) else next(iter(out.items()))
            path = path.replace("${item.scale}", "small")
            command = ["git", "check-ignore", "-q", f"{path}/x"]
            is_in_git = subprocess.run(command, cwd=tmp_path).returncode
            assert bool(is_in_git) == (options.get("cache") is False), path


@pytest.fixture(scope="module")
def pretended(tmp_path_factory):
    """A project without git in which report@mini was made once."""
    folder = tmp_path_factory.mktemp("dvc") / "project"
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        (folder / ".dvc").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    given = [p for s in SECTIONS for p in paths(s, "deps") if p.startswith("results/reported/")]
    books = [f"notebooks/{number_of(section)}.ipynb" for section in SECTIONS]
    for path in ["maa/mel.py", *books, *given]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    pretender = folder.parent / "bin" / "python"
    pretender.parent.mkdir()
    pretender.write_text(PRETENDER.format(python=sys.executable))
    pretender.chmod(0o755)
    assert sorted(repro(folder)) == sorted(
        one for section in STAGES if section not in BESIDE for one in runs(section))
    return folder


def runs(section):
    """What a stage runs at one scale."""
    return [f"{section}@{one}" for one in VARIANTS.get(section, {})] or [section]


def ran(folder):
    return (folder / "ran").read_text().split() if (folder / "ran").exists() else []


def repro(folder, **environment):
    """Names of the stages that `dvc repro report@mini` runs."""
    (folder / "ran").unlink(missing_ok=True)
    place = f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        [*DVC, "report@mini"], cwd=folder, text=True,
        env={**os.environ, "PATH": place, **environment}, capture_output=True)
    assert (result.returncode == 0) != bool(environment), result.stdout + result.stderr
    return ran(folder)


def test_a_second_time_nothing_runs_whatever_the_clock_says(pretended):
    """D12, and an unzipped copy without git."""
    for path in pretended.rglob("*"):
        if path.is_file() and ".dvc" not in path.parts:
            os.utime(path, (1e9, 1e9))
    assert repro(pretended) == []


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_one_changed_number_runs_only_what_depends_on_it(pretended):
    """D11; another scale's number runs nothing."""
    rows = yaml.safe_load((pretended / "params.yaml").read_text())
    rows["vocoder"]["mini"]["seed"] += 1
    rows["vocoder"]["small"]["seed"] += 1
    rows["limits"]["minutes"]["clips"]["mini"] += 1
    (pretended / "params.yaml").write_text(yaml.safe_dump(rows))
    assert {*repro(pretended)} == {
        "vocoder", "diffsound", "text_to_audio", "listen_first", "scores", "rows", "guidance",
        "table_1", "table_6", "table_7", "figure_7", "report", *runs("variant"), *runs("judged")}


def test_an_edited_module_runs_the_code_stage_and_then_what_it_changes(pretended):
    (pretended / "maa" / "mel.py").write_text("another comment")
    assert repro(pretended) == ["code"]
    (pretended / "notebooks" / "90_report.ipynb").write_text("another cell")
    assert repro(pretended) == ["code", "report"]


def test_a_failing_stage_keeps_what_was_there(pretended):
    """D18; and once it works, only what is missing runs."""
    kept = [pretended / path for path in paths("scores", "outs")]
    before = [next(iter([*p.glob("*"), p])).read_bytes() for p in kept]
    rows = yaml.safe_load((pretended / "params.yaml").read_text())
    rows["scores"]["mini"]["seed"] += 1
    (pretended / "params.yaml").write_text(yaml.safe_dump(rows))
    assert repro(pretended, FAILS="scores") == []
    assert [next(iter([*p.glob("*"), p])).read_bytes() for p in kept] == before
    assert repro(pretended) == ["scores", "report"]


def test_a_lost_result_comes_back_from_the_cache_or_is_made_again(pretended):
    """D08."""
    shutil.rmtree(pretended / "results" / "mini" / "audio")
    shutil.rmtree(pretended / ".dvc" / "cache")
    assert "text_to_audio" in repro(pretended)
    assert repro(pretended) == []


def test_a_killed_dvc_leaves_no_process_and_the_next_run_is_right(tmp_path):
    """D01, D02: kill -9 and SIGTERM in the middle of a stage."""
    book = made_projects.notebook(
        "import os, time\nfrom pathlib import Path\nPath('t').write_text(str(os.getpid()))\n"
        "os.replace('t', 'reached')\nfor part in '12':\n    with open('out', 'a') as file:\n"
        "        file.write(part)\n    time.sleep(0 if Path('stop').exists() else 2)")
    stages = {"one": {"cmd": "exec python -m maa.run mini one", "outs": ["out"],
                      "deps": ["notebooks"]}}
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = {}
    for number in (signal.SIGKILL, signal.SIGTERM):
        folder = made_projects.project(tmp_path / number.name, {"10_one": book}, stages=stages)
        (folder / ".dvc").mkdir()
        (folder / ".dvc" / "config").write_text(WITHOUT_GIT)
        started[number] = subprocess.Popen(
            DVC, cwd=folder, env={**os.environ, "PATH": place}, stdout=subprocess.DEVNULL)
    for number, dvc in started.items():
        folder = tmp_path / number.name
        limit = time.monotonic() + 60
        while not (folder / "reached").exists():
            assert dvc.poll() is None and time.monotonic() < limit
            time.sleep(0.05)
        family = psutil.Process(dvc.pid).children(recursive=True)
        assert len(family) == 2  # the run and its kernel, no shell
        dvc.send_signal(number)
        assert psutil.wait_procs(family, timeout=20)[1] == []
        dvc.wait()
    (tmp_path / "SIGKILL" / "stop").touch()
    subprocess.run(DVC, cwd=tmp_path / "SIGKILL", env={**os.environ, "PATH": place}, check=True)
    time.sleep(3)  # an orphan would write now
    assert (tmp_path / "SIGKILL" / "out").read_text() == "12"


@pytest.fixture
def unzipped(tmp_path):
    """A copy of what .ci/environment needs, with a .venv that it may believe to be right."""
    for name in (".ci/environment", "requirements.lock", "pyproject.toml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    both = b"".join((tmp_path / n).read_bytes() for n in ("requirements.lock", "pyproject.toml"))
    check = subprocess.run(["cksum"], input=both, capture_output=True, check=True).stdout.decode()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "stamp").write_text(f"{check}{tmp_path}\n")
    return tmp_path


def test_dvc_is_told_whether_there_is_git(unzipped):
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for is_git in (False, True):
        if is_git:
            subprocess.run(["git", "init", "-q"], cwd=unzipped, check=True)
        result = subprocess.run([".ci/environment"], cwd=unzipped, capture_output=True, text=True,
                                env={**os.environ, "PATH": place}, check=True)
        assert (result.stdout, result.stderr) == ("", "")
        assert ("no_scm" in (unzipped / ".dvc" / "config.local").read_text()) != is_git


@pytest.mark.notebooks
def test_the_paper_runs_at_scale_mini_and_the_second_time_nothing_does(tmp_path):
    """An unzipped copy without results and without git, and the two commands of `make paper`."""
    folder = tmp_path / "project"
    left_out = shutil.ignore_patterns(".git", ".venv", ".dvc", "mini", "small", "paper")
    shutil.copytree(ROOT, folder, ignore=left_out)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text(WITHOUT_GIT)
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lanes = [sys.executable, "-m", "maa.lanes"]
    for command, limit, says in ((lanes, 900, "report@mini"),
                                 (DVC, 20, "Data and pipelines are up to date")):
        done = subprocess.run([*command, "report@mini"], cwd=folder, timeout=limit, text=True,
                              env={**os.environ, "PATH": place}, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert says in done.stdout
    copies = sorted(path.stem for path in (folder / "results/mini/notebooks").glob("*.ipynb"))
    assert copies == [one for one in notebooks.names(ROOT) if notebooks.section(one) not in BESIDE]
