"""Files that are whole or absent: atomic writes, JSON, tables, hashes and a lock for a folder.

Conventions: a path is anything os.fspath takes; text is UTF-8; rows are as long as the header.
Notebook: none.
"""

import contextlib
import ctypes
import datetime
import errno
import hashlib
import io
import json
import os
import pathlib
import secrets
import signal
import socket
import sys

import pandas

from maa import delimited, errors

HASHES = "hashes.json"
LOCK = ".lock"
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
WRITE_FAULTS = {
    errno.ENOSPC: ("F-SPACE", "the disk is full"),
    errno.EDQUOT: ("F-SPACE", "the disk quota is used up"),
    errno.EFBIG: ("F-SPACE", "the file is larger than this account may write"),
    errno.EACCES: ("F-ACCESS", "no permission to write there"),
    errno.EPERM: ("F-ACCESS", "no permission to write there"),
    errno.EROFS: ("F-ACCESS", "the disk is read-only"),
    errno.EISDIR: ("F-ACCESS", "a folder has that name"),
}
LOCK_FAULTS = {
    errno.ENOSYS: "is it Lustre mounted without -o flock?",
    errno.ENOLCK: "is it NFS without its lock service?",
    errno.EOPNOTSUPP: "has its file system no locks?",
    errno.ENOTSUP: "has its file system no locks?",  # another number on macOS
}


def atomic_write(path, content):
    """Write a file so that a crash at any moment leaves the old one or the new one, whole.

    path:      where; missing folders are made
    content:   bytes, or a function that is given an open binary file and writes to it

    Raises MaaError F-SPACE, F-ACCESS or F-WRITE; the old file is then untouched.
    Notebook: none.
    """
    path = pathlib.Path(path)
    # a name of its own: one built on path.name could pass the 255 bytes a name may have
    temporary = path.parent / f".maa-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(temporary, content)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as fault:
        code, cause = WRITE_FAULTS.get(fault.errno, ("F-WRITE", os.strerror(fault.errno or 0)))
        raise errors.MaaError(code, f"cannot write {str(path)!r}: {cause}") from fault
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_through(path, content):
    with open(path, "xb") as file:
        if callable(content):
            content(file)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path, value):
    """Write a value as indented JSON, atomically; NaN and infinity raise ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False)
    atomic_write(path, (text + "\n").encode())


def read_json(path):
    """The value in a JSON file.

    Raises MaaError C-JSON if the file is not JSON in UTF-8.
    Notebook: none.
    """
    try:
        return json.loads(pathlib.Path(path).read_text("utf-8"))
    except ValueError as fault:
        raise errors.MaaError("C-JSON", f"{str(path)!r} is not JSON in UTF-8: {fault}") from fault


def write_table(path, frame):
    """Write a DataFrame as CSV without its index, atomically; missing numbers become "nan".

    A cell that a spreadsheet would run as a formula gets an apostrophe, which read_table takes off.
    """
    text = delimited.guarded(frame).to_csv(index=False, lineterminator="\n", na_rep="nan")
    atomic_write(path, text.encode())


def read_table(path, columns=(), dtype=None):
    """A CSV file as a DataFrame in which the words "NA", "None" and "null" stay words.

    path:      CSV in UTF-8, with or without a byte order mark
    columns:   names that must be there
    dtype:     as for pandas.read_csv: str keeps every cell as written; None recognises numbers

    Raises MaaError C-ENCODING, C-NUL, C-ROWS (a row of another length) or C-COLUMNS.
    Notebook: none.
    """
    return parse_table(pathlib.Path(path).read_bytes(), str(path), columns, dtype)


def parse_table(content, name, columns=(), dtype=None):
    """As read_table, from the bytes of a file called `name` in messages."""
    delimited.check(content, name, columns)
    frame = pandas.read_csv(
        io.BytesIO(content), dtype=dtype, keep_default_na=False, index_col=False,
        float_precision="round_trip")
    frame = delimited.unguarded(frame, content)
    return frame if dtype else frame.apply(_as_numbers)


def _as_numbers(column):
    """The column as numbers if every cell is one; pandas took "nan" for a word."""
    if pandas.api.types.is_numeric_dtype(column) or not len(column):
        return column
    numbers = pandas.to_numeric(column, errors="coerce")
    return numbers if (numbers.notna() | (column == "nan")).all() else column


def sha256(path):
    """SHA-256 of a file's bytes in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def unchanged(path):
    """Work on what a file says; MaaError C-CHANGED at the end if it says something else by then."""
    before = sha256(path)
    yield
    if (after := sha256(path)) != before:
        raise errors.MaaError(
            "C-CHANGED",
            f"{str(path)!r} has SHA-256 {after[:12]}…, expected {before[:12]}…; it was edited "
            f"while it was used: run this again",
        )


def hashes(folder):
    """{name: SHA-256} of every file under a folder, hidden ones and its hashes.json aside."""
    folder = pathlib.Path(folder)
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    kept = [name for name in names if name != HASHES and not name.split("/")[-1].startswith(".")]
    return {name: sha256(folder / name) for name in kept}


def write_hashes(folder):
    """Record hashes() of a folder in its hashes.json."""
    write_json(pathlib.Path(folder) / HASHES, hashes(folder))


def check_hashes(folder):
    """Compare every file with the folder's hashes.json.

    Raises MaaError K-MISSING for an absent file, K-HASH for one with other bytes.
    Notebook: none.
    """
    folder = pathlib.Path(folder)
    if not (folder / HASHES).is_file():
        raise errors.MaaError("K-MISSING", f"{str(folder / HASHES)!r} is not there; was it copied?")
    for name, expected in read_json(folder / HASHES).items():
        path = folder / name
        if not path.is_file():
            raise errors.MaaError("K-MISSING", f"{str(path)!r} is not there; was the copy whole?")
        if (found := sha256(path)) != expected:
            raise errors.MaaError(
                "K-HASH",
                f"{str(path)!r} has SHA-256 {found[:12]}…, expected {expected[:12]}…; "
                f"it changed after it was written: fetch it again",
            )


@contextlib.contextmanager
def locked(folder):
    """Hold a folder for this process; a second holder fails at once, and a killed one lets go.

    Raises MaaError F-LOCKED with the process id of the holder, F-LOCK on a disk without locks.
    Notebook: none.
    """
    import fcntl  # not on Windows, where everything but locking works

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            raise errors.MaaError("F-LOCKED", f"{str(folder)!r} is locked by {holder}") from fault
        except OSError as fault:
            if fault.errno not in LOCK_FAULTS:
                raise
            raise errors.MaaError("F-LOCK", (
                f"{str(folder)!r} cannot be locked ({os.strerror(fault.errno)}), expected a disk "
                f"with locks; {LOCK_FAULTS[fault.errno]}")) from fault
        file.truncate(0)  # a killed holder leaves its line
        since = datetime.datetime.now().isoformat(timespec="seconds")
        file.write(f"pid {os.getpid()} on {socket.gethostname()} since {since}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # an empty lock file is the same after every run


def die_with_parent():
    """Ask Linux to send this process SIGTERM when the process that started it ends."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), signal.SIGTERM)
