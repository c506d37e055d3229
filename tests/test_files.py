"""maa.files: whole files or none, tables read as written, folders locked and hashed.

Damaged tables are in tests/test_delimited.py.
"""

import errno
import os
import signal
import sys
import time

import pandas
import psutil
import pytest

from maa import errors, files


def in_child(action):
    """The wait status of a child process that does something and ends."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def has_ended(process):
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"new", lambda file: file.write(b"new")])
def test_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path, content):
    path = tmp_path / "folder" / "a.bin"
    files.atomic_write(path, b"old")
    files.atomic_write(path, content)
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["a.bin"]


def test_a_name_of_255_bytes_can_be_written(tmp_path):
    files.atomic_write(tmp_path / ("é" * 127 + "a"), b"x")


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "F-SPACE"), (errno.EACCES, "F-ACCESS"), (errno.EIO, "F-WRITE")],
)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, step, number, code):
    path = tmp_path / "a.bin"
    files.atomic_write(path, b"old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(errors.MaaError) as raised:
        patch.setattr(os, step, fail)
        files.atomic_write(path, b"new")
    assert raised.match(f"^{code}: cannot write .*a.bin")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_writer_that_fails_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "a.bin"
    files.atomic_write(path, b"old")
    with pytest.raises(ZeroDivisionError):
        files.atomic_write(path, lambda file: file.write(b"half") / 0)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_process_killed_while_writing_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "a.bin"
    files.atomic_write(path, b"old")

    def half(file):
        file.write(b"half")
        file.flush()
        die()

    assert in_child(lambda: files.atomic_write(path, half)) == signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(errors.MaaError, match="F-ACCESS: cannot write .*a folder has that name"):
        files.atomic_write(tmp_path / "a", b"x")


def test_json_comes_back_equal(tmp_path):
    value = {"a": [1, 2.5, None], "name": "dog \udcff 犬"}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value


def test_json_refuses_nan_and_text_that_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", float("nan"))
    (tmp_path / "b.json").write_text("<html>")
    with pytest.raises(errors.MaaError, match="C-JSON: .*b.json' is not JSON"):
        files.read_json(tmp_path / "b.json")


def test_a_table_comes_back_equal(tmp_path):
    frame = pandas.DataFrame({"name": ["NA", "a,\"b\n"], "x": [0.1, float("nan")], "n": [1, 2]})
    files.write_table(tmp_path / "a.csv", frame)
    pandas.testing.assert_frame_equal(files.read_table(tmp_path / "a.csv"), frame)


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "007", "1e5"])
def test_c05_cells_read_as_text_stay_as_written(tmp_path, word):
    """C05, C20."""
    (tmp_path / "a.csv").write_text(f"id,caption\n1,{word}\n")
    assert files.read_table(tmp_path / "a.csv", dtype=str).caption[0] == word


def test_a_file_that_is_edited_while_it_is_used_is_told_of(tmp_path):
    """C29."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    with files.unchanged(path):
        path.write_bytes(b"abc")  # the same again is no change
    with pytest.raises(errors.MaaError, match="C-CHANGED: .*a.csv' has SHA-256 .*, expected ba7816"
                       ) as caught:
        with files.unchanged(path):
            path.write_bytes(b"abd")
    assert caught.value.exit_status == 3
    with pytest.raises(ZeroDivisionError):
        with files.unchanged(path):
            path.write_bytes(b"abe")
            raise ZeroDivisionError


def test_sha256_of_abc_is_the_published_one(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_hashes_hold_until_a_byte_changes(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "a").write_bytes(b"abc")
    (tmp_path / ".lock").write_bytes(b"")
    files.write_hashes(tmp_path)
    assert list(files.read_json(tmp_path / "hashes.json")) == ["unet/a"]
    files.check_hashes(tmp_path)
    (tmp_path / "unet" / "a").write_bytes(b"abd")
    with pytest.raises(errors.MaaError, match="K-HASH: .*a' has SHA-256 .*, expected ba7816bf8f01"):
        files.check_hashes(tmp_path)


@pytest.mark.parametrize("name", ["a", "hashes.json"])
def test_a_missing_file_is_named(tmp_path, name):
    (tmp_path / "a").write_bytes(b"abc")
    files.write_hashes(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(errors.MaaError, match=f"K-MISSING: .*{name}' is not there"):
        files.check_hashes(tmp_path)


def test_a_locked_folder_names_its_holder_and_is_free_afterwards(tmp_path):
    with files.locked(tmp_path):
        with pytest.raises(errors.MaaError, match=f"F-LOCKED: .* pid {os.getpid()} on") as fault:
            with files.locked(tmp_path):
                pass
    assert fault.value.exit_status == 6
    with files.locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_bytes() == b""


@pytest.mark.parametrize("number, cause", [
    (errno.ENOSYS, "Lustre mounted without -o flock"), (errno.ENOLCK, "NFS without its lock"),
    (errno.EOPNOTSUPP, "has its file system no locks")])
def test_a_disk_without_locks_is_named_with_its_likely_cause(tmp_path, monkeypatch, number, cause):
    def flock(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    told = f"F-LOCK: '{tmp_path}' cannot be locked .*, expected a disk with locks; .*{cause}"
    with pytest.raises(errors.MaaError, match=told) as fault:
        with files.locked(tmp_path):
            pass
    assert fault.value.exit_status == 7


def test_another_fault_of_a_lock_is_told_as_it_is(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="the disk is broken"):
        with files.locked(tmp_path):
            pass


def test_a_killed_holder_lets_go(tmp_path):
    def hold():
        with files.locked(tmp_path):
            die()

    assert in_child(hold) == signal.SIGKILL
    with files.locked(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"pid {os.getpid()} on")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of such an end")
def test_a_process_ends_with_the_one_that_started_it():
    (inner_read, inner_write), (read, write) = os.pipe(), os.pipe()

    def start_and_die():
        if os.fork() == 0:
            files.die_with_parent()
            os.write(inner_write, str(os.getpid()).encode())
            time.sleep(60)
        os.write(write, os.read(inner_read, 20))  # waits until the grandchild is ready
        die()

    assert in_child(start_and_die) == signal.SIGKILL
    grandchild, deadline = int(os.read(read, 20)), time.monotonic() + 10
    while not has_ended(grandchild):
        assert time.monotonic() < deadline, "the grandchild lives on"
        time.sleep(0.02)
