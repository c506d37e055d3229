"""A file from outside, opened without trusting it: never a link out of the data, never a pipe.

Conventions: a source is a path (text, bytes or Path) or a pair (zip archive, member name); messages
    quote it with repr, so that a name with a newline stays on one line.
Notebook: none.
"""

import contextlib
import errno
import io
import os
import stat
import zipfile
import zlib

from maa import errors

MEMBER_CAP = 128 * 2**20  # bytes of one zip member held in memory
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
ACCESS_FAULTS = {
    errno.ENOENT: "it is not there; was it moved after the list was made?",
    errno.EACCES: "no permission to read it",
    errno.ENAMETOOLONG: "its name is longer than this disk allows",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
}
ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def name_of(source):
    """How messages call a source: the quoted path, or the quoted member and its archive."""
    if isinstance(source, tuple):
        archive, member = source
        path = getattr(archive, "filename", archive)
        return f"{member!r} in {os.fsdecode(path)!r}"
    return repr(os.fsdecode(source))


@contextlib.contextmanager
def opened(source, *, root=None, follow_links=False):
    """An open binary file with the bytes of a source.

    source:         path, or (path of a zip or an open zipfile.ZipFile, member name)
    root:           folder that a path must lie in once links are followed; None allows any
    follow_links:   True allows links out of the root

    Raises MaaError A-LINK (loop, out of root), A-KIND (not a regular file), A-ACCESS (absent,
    unreadable), A-ZIP (damaged archive), A-SIZE (huge member) or A-CHANGED (changed meanwhile).
    Notebook: none.
    """
    if isinstance(source, tuple):
        yield io.BytesIO(_member(*source))
        return
    path = _resolve(os.fsdecode(source), root, follow_links)
    with os.fdopen(_open_regular(path), "rb") as file:
        before = os.fstat(file.fileno())
        yield file
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise errors.MaaError(
            "A-CHANGED",
            f"{path!r} changed while it was read, from {before.st_size} to {after.st_size} bytes; "
            f"is it still being written?",
        )


def _resolve(path, root, follow_links):
    try:
        real = os.path.realpath(path, strict=True)
    except (OSError, ValueError) as fault:
        raise _access_error(path, fault) from fault
    if root is None or follow_links:
        return real
    inside = os.path.realpath(root)
    if os.path.commonpath([real, inside]) != inside:
        raise errors.MaaError(
            "A-LINK",
            f"{path!r} leads to {real!r}, expected a file inside {inside!r}; "
            f"pass follow_links=True if that is meant",
        )
    return real


def _open_regular(path):
    """A file descriptor; the kind is checked before opening, as opening a pipe would wait."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
        if kind == stat.S_IFREG:
            return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as fault:
        raise _access_error(path, fault) from fault
    found = KINDS.get(kind, "of an unknown kind")
    raise errors.MaaError("A-KIND", f"{path!r} is {found}, expected a regular file")


def _access_error(path, fault):
    number = getattr(fault, "errno", None)
    if number == errno.ELOOP:
        return errors.MaaError("A-LINK", f"{path!r} is a symbolic link loop")
    return errors.MaaError(
        "A-ACCESS", f"cannot read {path!r}: {ACCESS_FAULTS.get(number, str(fault))}"
    )


def _member(archive, name):
    """The bytes of a zip member, at most MEMBER_CAP of them."""
    if not isinstance(archive, zipfile.ZipFile):
        with open_zip(archive) as opened_archive:
            return _member(opened_archive, name)
    where = name_of((archive, name))
    try:
        with archive.open(name) as file:
            content = file.read(MEMBER_CAP + 1)
    except KeyError as fault:
        raise errors.MaaError("A-ACCESS", f"there is no {where}") from fault
    except ZIP_FAULTS as fault:
        raise errors.MaaError("A-ZIP", f"{where} is damaged: {fault}; fetch it again") from fault
    if len(content) > MEMBER_CAP:
        raise errors.MaaError("A-SIZE", f"{where} is over {MEMBER_CAP >> 20} MiB; unpack it first")
    return content


def open_zip(path):
    """An open zipfile.ZipFile.

    Raises MaaError A-ACCESS if it is absent, A-ZIP if it is damaged or no zip.
    Notebook: none.
    """
    try:
        return zipfile.ZipFile(path)
    except OSError as fault:
        raise _access_error(os.fsdecode(path), fault) from fault
    except ZIP_FAULTS as fault:
        raise errors.MaaError(
            "A-ZIP", f"{os.fsdecode(path)!r} is no whole zip: {fault}; was the download cut?"
        ) from fault
