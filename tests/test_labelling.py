"""maa.labelling, maa.sharing, maa.tarred: every clip labelled once, whatever is killed."""

import io
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import made_sounds
import numpy as np
import pandas as pd
import psutil
import pytest
import tiny_trainers
import torch

from maa import captioner, clap, experts, files, labelling, mel, retriever, scenes, sharing
from maa import tarred, text
from maa.errors import MaaError

LABEL = "tiny_labels:numbers"
PER_SHARD = 250


@pytest.fixture(autouse=True)
def one_thread_and_the_label_within_reach(monkeypatch):
    """For the workers, which are processes of their own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def noise(number, samples=1024):
    wave = np.random.default_rng(number).uniform(-0.5, 0.5, samples).astype(np.float32)
    return made_sounds.encoded(wave)


def write_tar(path, members):
    """A tar file with members {name: bytes}, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return path


def clip(number, ending="wav"):
    """The two members of a clip: its sound and its words."""
    one = f"clip{number:05d}"
    return {f"{one}.{ending}": noise(number), f"{one}.json": json.dumps({"id": one}).encode()}


def write_shards(folder, count, per_shard=4):
    """Shards with as many clips each, numbered through."""
    for shard in range(count):
        numbers = range(shard * per_shard, (shard + 1) * per_shard)
        members = {name: data for number in numbers for name, data in clip(number).items()}
        write_tar(folder / f"shard-{shard:04d}.tar", members)
    return folder


def job(shards, out, seed=0, batch=64, **options):
    return sharing.Job(sorted(shards.glob("*.tar")), out, LABEL, options, seed, batch)


def slow(folder):
    """Name of a file that makes label() slow."""
    (folder / "slow").touch()
    return str(folder / "slow")


def label_alone(one, stopped=()):
    """The job done in this process alone: bytes of expert.csv."""
    sharing.check(one)
    before = one.left()
    sharing.work(one, tarred.labeller(one.label, one.options), stopped)
    labelling.finish(one, time.monotonic() - 1, before)
    return (one.out / "expert.csv").read_bytes()


def arguments(one, processes, folder):
    """Command line of a job; its options go through a file in `folder`."""
    files.write_json(folder / "options.json", one.options)
    return [str(one.shards[0].parent), str(one.out), "--label", one.label, "--processes",
            str(processes), "--options", str(folder / "options.json"), "--seed", str(one.seed),
            "--batch", str(one.batch)]


def start(one, processes, folder, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "maa.labelling", *arguments(one, processes, folder)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})


def results(one):
    return len([*one.out.glob("shards/*.csv")])


def no_part_is_left(out):
    return not [*out.rglob("*.tmp")]


# the bar

def test_ten_thousand_clips_are_labelled_once_and_the_same_though_a_worker_is_killed_three_times(
        tmp_path):
    """T01, T14: kill -9 of one of two workers at three moments; every clip once, the same bytes."""
    shards = write_shards(tmp_path / "tars", 40, PER_SHARD)
    disturbed = job(shards, tmp_path / "disturbed", log=str(tmp_path / "log"), slow=slow(tmp_path))
    process, chance = start(disturbed, 2, tmp_path), random.Random(5)
    for count in (4, 12, 20):
        tiny_trainers.wait_for(lambda: results(disturbed) >= count, process)
        time.sleep(chance.uniform(0, 0.25))  # a shard takes this long
        victim = chance.choice(psutil.Process(process.pid).children())
        victim.kill()
        tiny_trainers.wait_for(lambda: not victim.is_running(), process)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    assert complaints.count("a worker died with status -9; the next takes over") == 3
    assert f"10000 clips of 40 shards in '{disturbed.out}/expert.csv'; 10000 of them" in said
    table = files.read_table(disturbed.out / "expert.csv", tarred.COLUMNS, str)
    assert table.id.tolist() == [f"clip{number:05d}" for number in range(10_000)]
    assert (table.reason == "").all() and table.chosen.is_unique
    work = [one for line in (tmp_path / "log").read_text().splitlines() for one in line.split()]
    assert set(work) == set(table.id) and len(work) <= 10_000 + 3 * PER_SHARD
    undisturbed = label_alone(job(shards, tmp_path / "undisturbed"))
    assert (disturbed.out / "expert.csv").read_bytes() == undisturbed
    assert no_part_is_left(disturbed.out)


# what stops a job, and how it goes on

@pytest.mark.parametrize("number, status, processes", [
    (signal.SIGTERM, 143, 2), (signal.SIGINT, 130, 1), (signal.SIGKILL, -9, 2)])
def test_a_stopped_job_leaves_no_process_and_the_same_command_goes_on(
        tmp_path, number, status, processes):
    """T07, T01: SIGTERM, Ctrl-C and kill -9 of everything."""
    shards = write_shards(tmp_path / "tars", 30)
    one = job(shards, tmp_path / "out", batch=1, slow=slow(tmp_path))
    process = start(one, processes, tmp_path)
    tiny_trainers.wait_for(lambda: results(one) >= 2, process)
    workers = psutil.Process(process.pid).children()
    process.send_signal(number)
    if number == signal.SIGKILL:
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=20)
    assert process.wait(20) == status
    assert not any(worker.is_running() for worker in workers)
    said = process.communicate()[1]
    assert ("maa: stopped; the same command goes on" in said) == (status > 0)
    assert 2 <= results(one) < 30 and not (one.out / "expert.csv").exists()
    if status > 0:  # a stop is no try
        assert not any(one.state(shard).get("tries") for shard in one.shards)
    done = {path: path.stat().st_mtime_ns for path in one.out.glob("shards/*.csv")}
    Path(one.options["slow"]).unlink()
    (one.out / "shards" / ".maa-1-00.tmp").touch()  # of a process killed while it wrote
    sharing.forgive(one)
    assert label_alone(one) == label_alone(job(shards, tmp_path / "other", batch=1))
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert no_part_is_left(one.out)


def test_two_jobs_on_one_folder_share_the_work(tmp_path):
    """T09: as on two machines; each shard is labelled by one of them, both end well."""
    shards, log = write_shards(tmp_path / "tars", 20), tmp_path / "log"
    one = job(shards, tmp_path / "out", batch=1, log=str(log), slow=slow(tmp_path))
    both = [start(one, 1, tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(log.read_text().split()) == [f"clip{number:05d}" for number in range(80)]
    assert all(" clips of 20 shards in " in text for text, _ in said)
    alone = label_alone(job(shards, tmp_path / "other", batch=1))
    assert (one.out / "expert.csv").read_bytes() == alone


def test_a_shard_that_another_finished_or_holds_is_left_alone(tmp_path):
    one = job(write_shards(tmp_path / "tars", 2), tmp_path / "out", log=str(tmp_path / "log"))
    label, (done, held) = tarred.labeller(one.label, one.options), one.shards
    assert sharing.attempt(one, done, label, lambda: None)
    assert not sharing.attempt(one, done, label, lambda: None)
    with files.locked(one.claim(held)):
        assert not sharing.attempt(one, held, label, lambda: None)
    assert (tmp_path / "log").read_text().split() == [f"clip{number:05d}" for number in range(4)]


def test_a_shard_that_kills_its_workers_is_set_aside_and_the_others_go_on(tmp_path, capfd):
    shards = write_shards(tmp_path / "tars", 4)
    one = job(shards, tmp_path / "out", poison="clip00005")
    assert labelling.main(arguments(one, 1, tmp_path)) == 3
    said = capfd.readouterr().err
    assert said.count("a worker died with status -9") == sharing.TRIES
    assert "set aside: F-DIED: 3 workers died at 'shard-0001.tar'" in said
    assert "D-REJECTS: 1 of 4 shards refused" in said
    rejects = [json.loads(line) for line in (one.out / "rejects.jsonl").read_text().splitlines()]
    assert [(row["path"], row["code"]) for row in rejects] == [("shard-0001.tar", "F-DIED")]
    table = files.read_table(one.out / "expert.csv", tarred.COLUMNS, str)
    assert table.id.tolist() == [f"clip{n:05d}" for n in (*range(4), *range(8, 16))]


def test_workers_that_can_do_nothing_are_not_replaced_for_ever(tmp_path, capfd):
    """What is missing is said once; who dies before taking a shard is replaced some times."""
    one = job(write_shards(tmp_path / "tars", 1), tmp_path / "out", experts="nowhere")
    assert labelling.main(arguments(one, 1, tmp_path)) == 5
    assert capfd.readouterr().err == "maa: K-MISSING: no experts at 'nowhere'\n"
    dying = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with pytest.raises(MaaError, match="F-WORKERS: 4 workers died, the last with status -9"):
        labelling.supervise(one, dying, 1)


SETS_ASIDE_AND_DIES = """
import os, pathlib, sys
for claim in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if not (claim / "state.json").exists():
        (claim / "state.json").write_text('{"code": "F-DIED", "reason": "its workers died"}')
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("results, left", [(0, 4), (1, 0)])
def test_shards_are_not_set_aside_for_ever_where_none_was_ever_labelled(
        tmp_path, capfd, results, left):
    """As a label() does that always fails; one that gave a result may fail at many shards."""
    one = job(write_shards(tmp_path / "tars", 8 + results, 0), tmp_path / "out")
    for shard in one.shards:
        one.claim(shard).mkdir(parents=True)
    for shard in one.shards[:results]:
        one.note(shard, {"bytes": 0})
        files.atomic_write(one.result(shard), b"")
    command = [sys.executable, "-c", SETS_ASIDE_AND_DIES, str(tmp_path / "out" / "claims")]
    if results:
        assert labelling.supervise(one, command, 1) == 0
    else:
        with pytest.raises(MaaError, match="F-WORKERS: 4 workers died, .* no shard was finished"):
            labelling.supervise(one, command, 1)
    assert len(one.left()) == left


def test_processes_that_accelerate_launches_are_workers_and_the_first_merges(tmp_path):
    """With the environment that accelerate gives each process."""
    shards, log = write_shards(tmp_path / "tars", 10), tmp_path / "log"
    one = job(shards, tmp_path / "out", batch=1, log=str(log), slow=slow(tmp_path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [start(one, 1, tmp_path, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
                   LOCAL_WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
             for rank in range(2)]
    said = [process.communicate(timeout=120) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], said
    assert ["10 shards in" in text for text, _ in said] == [True, False]
    assert sorted(log.read_text().split()) == [f"clip{number:05d}" for number in range(40)]
    alone = label_alone(job(shards, tmp_path / "other", batch=1))
    assert (one.out / "expert.csv").read_bytes() == alone


# one process, without any kill

def test_labels_depend_on_the_shard_its_name_and_the_seed_alone(tmp_path):
    shards = write_shards(tmp_path / "tars", 3)
    whole = label_alone(job(shards, tmp_path / "whole"))
    lone = write_tar(tmp_path / "lone" / "shard-0002.tar", {**clip(8), **clip(9), **clip(10),
                                                            **clip(11)})
    part = label_alone(job(lone.parent, tmp_path / "part"))
    assert whole.splitlines()[-4:] == part.splitlines()[1:]
    assert label_alone(job(shards, tmp_path / "other", seed=1)) != whole
    lone.rename(lone.with_stem("renamed"))
    assert label_alone(job(lone.parent, tmp_path / "renamed")) != part


def test_the_columns_are_those_of_the_experts_and_a_reason():
    assert tarred.COLUMNS == [*experts.COLUMNS, "reason"]


def test_an_unreadable_sound_is_a_row_without_caption_and_with_a_reason(tmp_path):
    """A01, A19, A25, C25: the others of its shard get theirs."""
    flac = made_sounds.encoded(made_sounds.tone(0.5), "FLAC")
    broken = {"a.wav": b"", "b.flac": flac[: len(flac) // 2], "c.wav": b"<html>404</html>",
              "d.json": b"{}", **clip(1), "e.flac": flac, "e.txt": b"a tone"}
    write_tar(tmp_path / "tars" / "one.tar", broken)
    one = job(tmp_path / "tars", tmp_path / "out", batch=2)
    with pytest.raises(MaaError, match="D-REJECTS: 4 of 6 clips refused, expected 1.0% or fewer; "
                                       "the first: A-EMPTY: .*; all are in .*expert.csv"):
        label_alone(one)
    table = experts.read(one.out / "expert.csv").set_index("id")
    assert table.index.tolist() == ["a", "b", "c", "d", "clip00001", "e"]
    assert [reason.split(":")[0] for reason in table.reason] == [
        "A-EMPTY", "A-TRUNC", "A-FORMAT", "A-ACCESS", "", ""]
    bad, good = table.iloc[:4], table.iloc[4:]
    assert (bad.chosen == "").all() and (bad.rejected == "yes").all() and (bad.score == "nan").all()
    assert (good.chosen != "").all() and (good.rejected == "no").all()
    assert [json.loads(cell) for cell in bad.candidates] == [[]] * 4


def test_a_corpus_of_unreadable_sounds_ends_with_status_3_and_all_their_reasons(tmp_path, capfd):
    """MP3, which no shard may have; the same command ends in the same way."""
    members = {name: data for number in range(5) for name, data in clip(number, "mp3").items()}
    write_tar(tmp_path / "tars" / "one.tar", members)
    one = job(tmp_path / "tars", tmp_path / "out")
    for new in (5, 0):
        assert labelling.main(arguments(one, 1, tmp_path)) == 3
        said = capfd.readouterr()
        assert f"5 clips of 1 shards in '{one.out}/expert.csv'; {new} of them gone" in said.out
        assert "5 have no usable sound" in said.out
        assert ("maa: D-EMPTY: none of 5 clips can be used; the first: A-ACCESS: 'clip00000' has "
                "no sound, expected one of") in said.err
    table = files.read_table(one.out / "expert.csv", tarred.COLUMNS, str)
    assert table.reason.str.startswith("A-ACCESS").all() and len(table) == 5


@pytest.mark.parametrize("share, status", [("0.25", 0), ("0.24", 3)])
def test_a_share_of_unreadable_sounds_may_be_allowed(tmp_path, capfd, share, status):
    write_tar(tmp_path / "tars" / "one.tar", {**clip(0), **clip(1), **clip(2), "x.wav": b""})
    one = job(tmp_path / "tars", tmp_path / "out")
    assert labelling.main([*arguments(one, 1, tmp_path), "--max-reject", share]) == status
    said = capfd.readouterr()
    assert "1 have no usable sound" in said.out
    assert ("D-REJECTS: 1 of 4 clips refused, expected 24.0% or" in said.err) == (status == 3)


@pytest.mark.parametrize("option, value", [
    ("--max-reject", "1.5"), ("--max-reject", "-0.1"), ("--max-reject", "nan"), ("--batch", "0"),
    ("--processes", "-3"), ("--processes", "0")])
def test_an_option_out_of_range_is_refused_before_any_work(tmp_path, capfd, option, value):
    write_tar(tmp_path / "tars" / "one.tar", clip(0))
    one = job(tmp_path / "tars", tmp_path / "out")
    assert labelling.main([*arguments(one, 1, tmp_path), option, value]) == 2
    assert f"P-RANGE: {option} is {value}, expected" in capfd.readouterr().err
    assert not one.out.exists()


@pytest.mark.parametrize("content, said", [
    (None, "C-JSON: --options '.*options.json' is no file; is the name right"),
    ("5", "C-JSON: '.*options.json' holds 5 .int., expected a dict: the keywords of the label"),
    ("{", "C-JSON: '.*options.json' is not JSON in UTF-8"),
])
def test_options_that_are_no_keywords_are_refused_in_one_line(tmp_path, capfd, content, said):
    write_tar(tmp_path / "tars" / "one.tar", clip(0))
    one = job(tmp_path / "tars", tmp_path / "out")
    command = arguments(one, 1, tmp_path)
    (tmp_path / "options.json").unlink()
    if content:
        (tmp_path / "options.json").write_text(content)
    assert labelling.main(command) == 3
    assert re.fullmatch(f"maa: {said}.*\n", capfd.readouterr().err)
    assert not one.out.exists()


def test_sounds_at_another_rate_are_heard_at_16_khz(tmp_path):
    wave = tarred.heard("x", made_sounds.encoded(made_sounds.tone(0.5, rate=8_000), rate=8_000))
    assert wave.shape == (8_000,) and wave.dtype == np.float32


def test_an_empty_shard_has_a_result_without_rows(tmp_path):
    write_tar(tmp_path / "tars" / "a.tar", {})
    write_tar(tmp_path / "tars" / "b.tar", clip(1))
    one = job(tmp_path / "tars", tmp_path / "out")
    assert label_alone(one).count(b"\n") == 2
    assert files.read_table(one.result(one.shards[0]), tarred.COLUMNS, str).empty


def damaged_tar(path, kind):
    """A shard of four clips that something happened to."""
    data = write_shards(path.parent, 1).joinpath("shard-0000.tar").read_bytes()
    with tarfile.open(path.with_name("shard-0000.tar")) as tar:
        third = tar.getmembers()[4].offset
    path.with_name("shard-0000.tar").unlink()
    changed = bytearray(data)
    changed[third + 20] ^= 1
    path.write_bytes({"in a sound": data[: third + 1000], "between clips": data[:third],
                      "in a header": data[: third + 100], "a byte of a header": bytes(changed),
                      "empty": b"", "text": b"<html>" * 500}[kind])


@pytest.mark.parametrize("kind", ["in a sound", "between clips", "in a header",
                                  "a byte of a header", "empty", "text"])
def test_a_damaged_tar_is_set_aside_and_named_and_the_others_go_on(tmp_path, capsys, kind):
    """T13: a tar cut between two clips reads well to its early end; it is refused all the same."""
    damaged_tar(tmp_path / "tars" / "damaged.tar", kind)
    write_tar(tmp_path / "tars" / "whole.tar", clip(1))
    one = job(tmp_path / "tars", tmp_path / "out")
    with pytest.raises(MaaError, match="D-REJECTS: 1 of 2 shards.*D-TAR: 'damaged.tar'") as end:
        label_alone(one)
    assert end.value.exit_status == 3
    assert "maa: set aside: D-TAR: 'damaged.tar'" in capsys.readouterr().err
    assert files.read_table(one.out / "expert.csv", tarred.COLUMNS, str).id.tolist() == [
        "clip00001"]


def test_a_shard_that_was_set_aside_gets_another_chance(tmp_path):
    path = tmp_path / "tars" / "a.tar"
    write_tar(tmp_path / "tars" / "b.tar", clip(2))
    path.write_bytes(b"")
    one = job(tmp_path / "tars", tmp_path / "out")
    with pytest.raises(MaaError, match="D-REJECTS"):
        label_alone(one)
    write_tar(path, clip(1))
    sharing.forgive(one)
    with pytest.raises(MaaError, match="F-LOCKED: .* tries 1 shards such as 'a.tar' again"):
        labelling.finish(one, 0, [])  # as a job that another one overtook
    label_alone(one)
    assert experts.read(one.out / "expert.csv").id.tolist() == ["clip00001", "clip00002"]
    assert (one.out / "rejects.jsonl").read_text() == ""


@pytest.mark.parametrize("members, reason", [
    ({"a.1.wav": b"", "a.2.wav": b""}, "C-ID: 'bad.tar' has 'a.1.wav', expected one point"),
    ({"a.wav": b"", "b.wav": b"", "a.json": b""}, "C-ID: 'bad.tar' has 'a' at two places"),
    ({"a.wav": b"", "\udcff.wav": b""}, "D-TAR: 'bad.tar' is damaged: 'utf-8' codec"),
])
def test_a_shard_in_which_a_clip_could_be_lost_is_set_aside(tmp_path, members, reason):
    write_tar(tmp_path / "tars" / "bad.tar", members)
    with pytest.raises(MaaError, match=f"D-EMPTY.*{reason}"):
        label_alone(job(tmp_path / "tars", tmp_path / "out"))


def test_what_the_experts_refuse_or_leave_out_sets_their_shard_aside(tmp_path):
    shards = write_shards(tmp_path / "tars", 3)
    with pytest.raises(MaaError, match="D-REJECTS: 1 of 3 shards.*S-NAN: a score is not finite"):
        label_alone(job(shards, tmp_path / "one", refused="clip00005"))
    with pytest.raises(MaaError, match="D-REJECTS: 1 of 3 shards.*R-LABEL: .* 3 rows for 4 clips"):
        label_alone(job(shards, tmp_path / "two", short="clip00005"))


def test_a_clip_in_two_shards_is_refused(tmp_path):
    """C07, C08."""
    for name in ("a", "b"):
        write_tar(tmp_path / "tars" / f"{name}.tar", clip(1))
    with pytest.raises(MaaError, match="C-ID: clip 'clip00001' is in 'a.tar' and 'b.tar'"):
        label_alone(job(tmp_path / "tars", tmp_path / "out"))
    assert not (tmp_path / "out" / "expert.csv").exists()


@pytest.mark.parametrize("changed", [{"seed": 1}, {"batch": 3}, {"slow": "x"}])
def test_a_job_does_not_go_on_with_other_settings(tmp_path, changed):
    """T10."""
    shards = write_shards(tmp_path / "tars", 1)
    sharing.check(job(shards, tmp_path / "out"))
    sharing.check(job(shards, tmp_path / "out"))
    with pytest.raises(MaaError, match="R-SETTINGS: .* begun with other (seed|batch|options)"):
        sharing.check(job(shards, tmp_path / "out", **changed))


def test_a_job_does_not_go_on_with_other_experts(tmp_path):
    """T10: the folder is the same, the weights in it are not."""
    shards, weights = write_shards(tmp_path / "tars", 1), tmp_path / "experts" / "weights"
    files.atomic_write(weights, b"one")
    one = job(shards, tmp_path / "out", experts=str(weights.parent))
    sharing.check(one)
    files.atomic_write(weights, b"two")
    with pytest.raises(MaaError, match="R-SETTINGS: .* begun with other files"):
        sharing.check(one)


def test_a_shard_that_changed_after_it_was_labelled_is_refused_and_a_copy_is_not(tmp_path):
    """T11."""
    one = job(write_shards(tmp_path / "tars", 1), tmp_path / "out")
    label_alone(one)
    os.utime(one.shards[0])
    sharing.check(one)
    write_tar(one.shards[0], {**clip(0), **clip(1), **clip(2), **clip(4)})
    with pytest.raises(MaaError, match="D-CHANGED: 'shard-0000.tar' changed after"):
        sharing.check(one)
    one.result(one.shards[0]).unlink()
    sharing.check(one)
    assert b"clip00004" in label_alone(one)


def test_a_folder_without_shards_and_unknown_labels_are_refused(tmp_path, capsys):
    """S15."""
    assert labelling.main([str(tmp_path), str(tmp_path / "out")]) == 3
    assert "D-EMPTY" in capsys.readouterr().err
    for name in ("tiny_labels", "tiny_labels:letters", "no_such_module:numbers"):
        with pytest.raises(MaaError, match=f"R-LABEL: {name!r}.*expected the name module:function"):
            tarred.labeller(name, {})
    with pytest.raises(MaaError, match=r"R-LABEL: .* with \['colour'\]: got an unexpected keyword"):
        sharing.check(job(write_shards(tmp_path / "tars", 1), tmp_path / "out", colour="red"))


def test_a_full_disk_ends_the_worker_and_sets_nothing_aside(tmp_path, monkeypatch):
    """T04: it is not the shard's fault."""
    one = job(write_shards(tmp_path / "tars", 2), tmp_path / "out")
    with monkeypatch.context() as patch:
        def full(path, frame):
            raise MaaError("F-SPACE", "the disk is full")
        patch.setattr(files, "write_table", full)
        with pytest.raises(MaaError, match="F-SPACE"):
            label_alone(one)
    assert one.left() == one.shards
    label_alone(one)


# the paper's experts, at their smallest

@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Options of tarred.distillers: the experts as notebooks 11 and 14 write them."""
    where = tmp_path_factory.mktemp("trained")
    models = where / "models"
    words, writer = tiny_trainers.train_captioner(where / "captioner")
    captioner.save(words, writer, models / "captioner")
    retriever.save(*tiny_trainers.train_retriever(where / "retriever"), models / "retriever")
    judge = tiny_trainers.train_clap(where / "clap")
    text.save(tiny_trainers.tokenizer(), clap.text_half(judge), models / "text/clap")
    judge.save_pretrained(models / "clap")
    rows = [(one, "train", "caption") for one in tiny_trainers.TEXTS] + [("hail", "held_out", "")]
    files.write_table(where / "clips.csv",
                      pd.DataFrame(rows, columns=["caption", "split", "annotation"]))
    return {"writer": str(models / "captioner"), "finder": str(models / "retriever"),
            "clap": str(models / "clap"), "clap_words": str(models / "text/clap"),
            "captions": str(where / "clips.csv"), "pool": "captioned", "seconds": 1.28,
            "count": 2, "threshold": -1.0}


def test_the_experts_write_find_and_select_and_the_rest_of_a_killed_job_is_the_same(
        tmp_path, trained):
    shards = write_shards(tmp_path / "tars", 3, 5)
    one, other = (sharing.Job(sorted(shards.glob("*.tar")), tmp_path / name,
                              "maa.tarred:distillers", trained, batch=3) for name in "ab")
    table = label_alone(one)
    first = other.shards[0]
    other.note(first, {"tries": 1})  # as a killed worker leaves it
    assert label_alone(other) == table
    frame = experts.read(one.out / "expert.csv")
    assert frame.id.tolist() == [f"clip{number:05d}" for number in range(15)]
    for row in frame.itertuples():
        candidates, scores = json.loads(row.candidates), json.loads(row.scores)
        assert row.chosen == candidates[np.argmax(scores)] and row.rejected == "no"
        found = [name for name, own in zip(candidates, json.loads(row.sources))
                 if "retrieval" in own]
        assert len(found) == 2 and set(found) <= set(tiny_trainers.TEXTS)  # "hail" is held out


def test_the_finder_is_asked_as_in_the_notebook(trained):
    """The pool is read once for all batches, and what is found is what retriever.retrieve finds."""
    waves = [wave.numpy() for wave in tiny_trainers.sounds()]
    frame = tarred.labeller("maa.tarred:distillers", {**trained, "threshold": 2.0})(
        waves, list("abcdef"), torch.Generator().manual_seed(0))
    mels = mel.log_mel(scenes.of_clips(waves, 1.28))[..., :mel.trained_frames(1.28)]
    found = retriever.retrieve(retriever.load(trained["finder"]), mels, tiny_trainers.TEXTS, 2)
    for row, own in zip(frame.itertuples(), found):
        said = dict(zip(json.loads(row.candidates), json.loads(row.sources)))
        assert {name for name in said if "retrieval" in said[name]} == set(own)
    assert (frame.rejected == "yes").all() and (frame.chosen == "").all()
    assert not any(math.isnan(value) for value in frame.score)


def test_experts_without_captions_to_find_are_refused(tmp_path, trained):
    files.write_table(tmp_path / "clips.csv", pd.DataFrame(
        [("rain", "held_out", "caption")], columns=["caption", "split", "annotation"]))
    with pytest.raises(MaaError, match="C-POOL: .* has no caption in split 'train'"):
        tarred.labeller("maa.tarred:distillers", {**trained, "captions": tmp_path / "clips.csv"})
    with pytest.raises(MaaError, match="K-MISSING"):
        tarred.labeller("maa.tarred:distillers", {**trained, "writer": tmp_path / "nobody"})
