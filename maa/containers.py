"""What the headers of a sound file promise, checked against the bytes that are there.

libsndfile reads a cut WAV, AIFF or Ogg file to its early end without a word; these checks notice.

Conventions: a file is open, binary and seekable; every function starts and leaves it at its start.
Notebook: none.
"""

import os
import struct

from maa import errors

HEAD = 4096  # bytes looked at for text
CHUNKS = 1000  # chunks walked before the sound
PLACEHOLDER = 2_000_000_000  # bytes claimed by recorders that never return to the header
OGG_PAGE = 65_307  # largest page in bytes
OGG_LAST = 4  # header flag of the page that ends a stream
CHUNKED = {b"RIFF": ("<", b"data"), b"FORM": (">", b"SSND")}  # WAV and AIFF
SOUND_STARTS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b".snd", b"caff", b"ID3")


def check(file, name):
    """Raise MaaError A-EMPTY, A-FORMAT or A-TRUNC for what the headers alone give away."""
    size = file.seek(0, os.SEEK_END)
    head = _head(file, HEAD)
    if not head:
        raise errors.MaaError("A-EMPTY", f"{name} has 0 bytes, expected a sound")
    if _is_text(head):
        start = " ".join(head[:60].decode("utf-8", "replace").split())
        raise errors.MaaError(
            "A-FORMAT", f"{name} looks like text: {start!r}; the download probably failed"
        )
    if head[:4] in CHUNKED:
        _check_chunks(file, name, size, *CHUNKED[head[:4]])
    if head[:4] == b"OggS":
        _check_last_page(file, name, size)
    file.seek(0)


def is_mp3(file):
    """True if the file begins as MP3 files do."""
    head = _head(file, 3)
    return head == b"ID3" or (head[:1] == b"\xff" and len(head) > 1 and head[1] >= 0xE0)


def starts_as_sound(file):
    """True if the file begins as a sound file of a common format does."""
    return _head(file, 4).startswith(SOUND_STARTS) or is_mp3(file)


def wav_rate(file):
    """The sample rate a WAV header states, None for other files: to name a rate nobody can read."""
    head = _head(file, 28)
    if len(head) < 28 or head[:4] != b"RIFF" or head[12:16] != b"fmt ":
        return None
    return struct.unpack("<I", head[24:28])[0]


def _head(file, size):
    file.seek(0)
    head = file.read(size)
    file.seek(0)
    return head


def _is_text(head):
    if head.startswith(SOUND_STARTS) or b"\0" in head:
        return False
    try:
        text = head[: HEAD - 4].decode("utf-8")  # - 4: no letter is cut in its middle
    except UnicodeDecodeError:
        return head.lstrip()[:1] in (b"<", b"{")
    return all(c.isprintable() or c.isspace() for c in text)


def _check_chunks(file, name, size, order, sound):
    """Compare the length of a WAV or AIFF sound chunk with the bytes that follow it."""
    file.seek(12)
    for _ in range(CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return  # no sound chunk: libsndfile says so
        kind, length = struct.unpack(f"{order}4sI", header)
        if kind == sound:
            break
        file.seek(length + length % 2, os.SEEK_CUR)
    there = size - file.tell()
    if 0 < there < length < PLACEHOLDER:  # 0: an empty file, as libsndfile says itself
        raise errors.MaaError(
            "A-TRUNC",
            f"{name} holds {there} bytes of sound, expected {length} as its header says; "
            f"was the copy cut?",
        )


def _check_last_page(file, name, size):
    """An Ogg stream that is whole ends in a whole page flagged as the last."""
    file.seek(max(0, size - OGG_PAGE))
    tail = file.read(OGG_PAGE)
    page = tail[tail.rfind(b"OggS") :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 + len(segments) + sum(segments) or not page[5:6] or not page[5] & OGG_LAST:
        raise errors.MaaError(
            "A-TRUNC", f"{name} has no last Ogg page, expected one at its end; was the copy cut?"
        )
