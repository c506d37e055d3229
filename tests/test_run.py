"""maa.run: a notebook is run whole or refused, and the last good copy outlives every failure."""

import json
import signal
import subprocess
import sys
import time

import made_projects
import psutil
import pytest
import tiny_trainers
import torch

from maa import files, run

GOOD = b"the last good copy"


@pytest.fixture(autouse=True)
def settings_of_the_user(monkeypatch):
    for name in run.SETTINGS:
        monkeypatch.setenv(name, "")  # so that what the run sets is taken back
        monkeypatch.delenv(name)


@pytest.fixture
def started(tmp_path, monkeypatch, capsys):
    """started(*cells, ...) -> (exit status, the line it said, folder of executed copies)."""
    def start(*cells, words=(), parameters="seed = 0", **options):
        books = {"10_one": made_projects.notebook(*cells, parameters=parameters)}
        folder = made_projects.project(tmp_path / "project", books, **options)
        copies = folder / "results" / "mini" / "notebooks"
        copies.mkdir(parents=True)
        (copies / "10_one.ipynb").write_bytes(GOOD)
        monkeypatch.chdir(folder)
        status = run.main(["mini", *words])
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) <= 1
        return status, "".join(lines), copies

    return start


def words_of(path):
    """All text that the cells of an executed notebook printed."""
    cells = json.loads(path.read_text())["cells"]
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    return "".join("".join(out.get("text", [])) for out in outputs)


def test_equal_runs_leave_equal_bytes_from_whatever_folder_they_start(tmp_path, monkeypatch):
    """N08, N15, N17, N18."""
    book = made_projects.notebook(
        "import os, sys\nfrom pathlib import Path\nprint(Path.cwd(), seed, scale)",
        "print([os.environ[n] for n in ('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')])",
        "print('\\r 10%', end='', file=sys.stderr)\nprint(object())\nhidden = 1",
        "print(hash('words'), [n for n in dir() if 'files' in n])",
    )
    folder = made_projects.project(tmp_path / "project", {"10_one": book}, row={"seed": 7})
    kept = folder / "results" / "mini" / "notebooks" / "10_one.ipynb"
    contents = []
    for start in (folder, folder / "notebooks"):
        monkeypatch.chdir(start)
        assert run.main(["mini"]) == 0
        contents.append(kept.read_bytes())
    assert contents[0] == contents[1]
    assert words_of(kept).splitlines()[:2] == [". 7 mini", "['1', '1']"]
    assert [path.name for path in kept.parent.iterdir()] == ["10_one.ipynb"]


FAULTS = {  # cell: (exit status, what the line says)
    "N01 raise ValueError('mel has 3 bands,\\nexpected 80')": (3, "ValueError: mel has 3 bands"),
    "N02 import sys; sys.exit(0)": (3, "N-EXIT"),
    "N03 import os; os.kill(os.getpid(), 9)": (3, "its kernel died"),
    "N09 print('x' * 3_000_000)": (3, "3.0 MB of output, expected at most 2 MB"),
    "N13 input()": (3, "StdinNotImplementedError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_cell_is_named_in_one_line_and_the_good_copy_stays(started, fault):
    """N01, N02, N03, N09, N10, N13."""
    status, line, copies = started(fault[4:], "print('never')")
    assert (status, copies.joinpath("10_one.ipynb").read_bytes()) == (FAULTS[fault][0], GOOD)
    assert FAULTS[fault][1] in line and "10_one at scale 'mini'" in line
    assert "cell [3]" in line or "N03" in fault
    assert "never" not in words_of(copies / "10_one.failed.ipynb")
    assert copies.joinpath("10_one.failed.ipynb").stat().st_size < 100_000


def test_a_notebook_that_takes_too_long_is_stopped(started):
    """N04."""
    began = time.monotonic()
    status, line, copies = started("import time; time.sleep(100)", minutes=1 / 30)
    assert status == 7 and "F-TIME" in line and time.monotonic() - began < 40
    assert copies.joinpath("10_one.ipynb").read_bytes() == GOOD


def test_a_missing_kernel_is_named(started, monkeypatch):
    """N07."""
    monkeypatch.setattr(run, "KERNEL", "fortran")
    status, line, copies = started("1")
    assert status == 3 and "no Jupyter kernel 'fortran'" in line
    assert copies.joinpath("10_one.ipynb").read_bytes() == GOOD


@pytest.mark.parametrize("row, said", [
    ({"seed": 0, "sead": 1}, "'sead', which the notebook does not know; it has: scale, seed"),
    ({"seed": "1e-4"}, "write 0.0001"),
    ({"seed": True}, "expected number"),
    ({"sead": 0}, "'sead'"),
])
def test_a_wrong_parameter_is_refused_before_anything_starts(started, row, said):
    """N06."""
    status, line, copies = started("1", row=row)
    assert status == 2 and said in line and "R-PARAMETERS" in line
    assert [path.name for path in copies.iterdir()] == ["10_one.ipynb"]


def test_a_missing_parameter_is_refused(started):
    status, line, _ = started("1", parameters="seed = 0\nwidth = 3")
    assert status == 2 and "lacks 'width'" in line


def test_a_row_that_needs_gpus_is_refused_without_them(started, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    status, line, _ = started("1", gpus=2)
    assert status == 7 and "needs 2 GPU(s), this machine has 1; run `make paper`" in line


def test_an_unknown_scale_is_refused(tmp_path, monkeypatch, capsys):
    book = made_projects.notebook("1")
    monkeypatch.chdir(made_projects.project(tmp_path / "project", {"10_one": book}))
    assert run.main(["huge"]) == 2
    assert "no row 'huge' in section 'one', expected one of: mini" in capsys.readouterr().err


def test_an_unknown_notebook_is_refused(started):
    status, line, _ = started("1", words=["two"])
    assert status == 2 and "'two' is unknown, expected one of: one" in line


def test_broken_settings_are_named_in_one_line(started, tmp_path, capsys):
    started("1", row={"sead": 0})
    (tmp_path / "project" / "params.yaml").write_text("one: {mini: [}")
    assert run.main(["mini"]) == 3
    assert "C-YAML: 'params.yaml' is not YAML" in capsys.readouterr().err


def test_checkpoints_of_a_finished_notebook_are_removed_and_no_others(tmp_path):
    for name in ("one/vae/step-00000010-ab.pt", "one/vae/log.csv", "two/step-00000010-ab.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    run.forget_checkpoints(tmp_path / "one")
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert left == ["one/vae/log.csv", "two/step-00000010-ab.pt"]


@pytest.fixture
def varied(tmp_path, monkeypatch):
    """A project whose notebook has two variants, each with a checkpoint of a run that was cut."""
    books = {"24_variant": made_projects.notebook(
        "print('read by', encoder)", parameters='variant = "bert"\nencoder = "clap"')}
    folder = made_projects.project(
        tmp_path / "project", books, row={"encoder": "clap"},
        variants={"variant": {"bert": {"encoder": "bert"}, "t5": {"encoder": "t5"}}})
    for name in ("bert", "t5"):
        place = folder / "results/mini/checkpoints/variant" / name / "unet"
        place.mkdir(parents=True)
        (place / "step-00000010-ab.pt").touch()
    monkeypatch.chdir(folder)
    return folder / "results" / "mini"


def test_a_variant_has_a_copy_a_lock_and_checkpoints_of_its_own(varied, capsys):
    """N16."""
    with files.locked(varied / "locks" / "24_variant.t5"):
        assert run.main(["mini", "variant@bert"]) == 0
        assert run.main(["mini", "variant@t5"]) == 6
    assert "F-LOCKED" in capsys.readouterr().err
    assert [path.name for path in (varied / "notebooks").iterdir()] == ["24_variant.bert.ipynb"]
    assert words_of(varied / "notebooks/24_variant.bert.ipynb") == "read by bert\n"
    left = [path.parts[-3] for path in varied.rglob("step-*.pt")]
    assert left == ["t5"], "only what bert would have resumed is forgotten"


def test_an_unknown_variant_is_refused_in_one_line(varied, capsys):
    assert run.main(["mini", "variant@bart"]) == 2
    said = capsys.readouterr().err.strip()
    assert said == "maa: R-NAME: 24_variant has no variant 'bart', expected one of: bert, t5"
    assert len(said.splitlines()) == 1 and not (varied / "notebooks").exists()


def test_killing_a_run_leaves_no_kernel_and_a_second_run_waits_its_turn(
        tmp_path, monkeypatch, capsys):
    """N05, N16: kill -9 of the runner, SIGTERM, Ctrl-C; twice the same notebook."""
    endings = {"killed": (signal.SIGKILL, -9), "ended": (signal.SIGTERM, 143),
               "interrupted": (signal.SIGINT, 130)}
    cell = ("import os, time\nfrom pathlib import Path\nif not Path('stop').exists():\n"
            "    Path('NAME.new').write_text(str(os.getpid()))\n"
            "    os.replace('NAME.new', 'NAME')\n    time.sleep(100)")
    books = {f"10_{name}": made_projects.notebook(cell.replace("NAME", name)) for name in endings}
    folder = made_projects.project(tmp_path / "project", books)
    monkeypatch.chdir(folder)
    processes = {name: subprocess.Popen([sys.executable, "-m", "maa.run", "mini", name], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                 for name in endings}
    for name, process in processes.items():
        tiny_trainers.wait_for((folder / name).exists, process)
        kernel = psutil.Process(int((folder / name).read_text()))
        assert run.main(["mini", name]) == 6
        assert f"is locked by pid {process.pid}" in capsys.readouterr().err
        number, status = endings[name]
        process.send_signal(number)
        psutil.wait_procs([kernel], timeout=20)
        assert not kernel.is_running()
        said = process.communicate(timeout=20)[1]
        assert process.returncode == status
        assert said.strip() in ("", f"maa: stopped; {run.GOES_ON}")
    (folder / "stop").touch()
    assert run.main(["mini", "killed"]) == 0
