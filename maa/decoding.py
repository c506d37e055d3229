"""The frames of one open sound file, averaged to mono at its own rate, or the reason why not.

Conventions: a file is open, binary and seekable; a frame is one sample of every channel.
Notebook: 10_clips.
"""

import contextlib
import os
import re
import tempfile
import threading

import numpy as np
import soundfile

from maa import containers, errors

BLOCK = 65_536  # frames decoded at a time
RATES = (4_000, 384_000)  # sample rates accepted
CHANNELS = 8
LONGEST = 3_600  # seconds read at once
LOUDEST = 4.0  # a larger peak is no sound but damage
QUIETEST = 1e-4  # -80 dB: three steps of 16-bit sound
MP3_NOTE = re.compile(  # a line of the MP3 decoder, perhaps after somebody else's without an end
    rb"(?:\[src/libmpg123/|Note: |Warning: .*(?:Xing|Frankenstein)).*\n?")
MP3_DAMAGE = (b"resync", b"error")  # in its notes
STDERR = threading.Lock()


def decode(file, name, start_seconds=0.0, seconds=None):
    """The mono wave of an open sound file, or of a part of it, and its sample rate.

    file:                     open sound file of any format soundfile knows
    name:                     what messages call it
    start_seconds, seconds:   the part to read, by seeking; seconds=None reads to the end
    returns                   (frames,) float32 in -1 … 1 and an int

    Raises MaaError with a code A-…; warns A-PHASE, A-CLIP, A-SILENT.
    Notebook: 10_clips.
    """
    with _mp3_notes(file) as notes:
        try:
            with soundfile.SoundFile(_Steady(file)) as sound:
                rate = sound.samplerate
                start, wanted = _wanted_frames(sound, name, start_seconds, seconds)
                mixdown = _mix(sound, start, wanted)
        except soundfile.LibsndfileError as fault:
            raise _decoding_error(file, name, fault) from fault
    if any(sign in notes[0] for sign in MP3_DAMAGE):
        raise errors.MaaError("A-CORRUPT", f"{name} is damaged inside; fetch it again")
    if mixdown.frames < wanted:
        raise errors.MaaError(
            "A-TRUNC",
            f"{name} holds {mixdown.frames} frames, expected {wanted} as its header says; "
            f"was the copy cut?",
        )
    return mixdown.wave(name), rate


class _Steady:
    """A file for libsndfile: a seek to an impossible place, as damaged headers ask for, stays put.

    An exception could not pass through the C code; Python would print it and go on.
    """

    def __init__(self, file):
        self.file = file
        self.read, self.readinto, self.tell = file.read, file.readinto, file.tell

    def seek(self, offset, whence=os.SEEK_SET):
        with contextlib.suppress(OSError, ValueError, OverflowError):
            self.file.seek(offset, whence)
        return self.file.tell()


@contextlib.contextmanager
def _mp3_notes(file):
    """Catch what the MP3 decoder says: it goes on over damage, and tells only descriptor 2.

    What others say there meanwhile is passed on afterwards.
    """
    notes = [b""]
    if not containers.is_mp3(file):
        yield notes
        return
    with STDERR, tempfile.TemporaryFile() as written:
        terminal = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield notes
        finally:
            os.dup2(terminal, 2)
            written.seek(0)
            said = written.read()
            notes[0] = b"".join(MP3_NOTE.findall(said))
            with contextlib.suppress(OSError), open(terminal, "wb") as stderr:
                stderr.write(MP3_NOTE.sub(b"", said))


def _wanted_frames(sound, name, start_seconds, seconds):
    """(first frame, number of frames) of the part asked for, once the header is believable."""
    rate, length = sound.samplerate, sound.frames / sound.samplerate
    if not RATES[0] <= rate <= RATES[1]:
        raise _rate_error(name, rate)
    if sound.channels > CHANNELS:
        raise errors.MaaError(
            "A-FORMAT", f"{name} has {sound.channels} channels, expected {CHANNELS} or fewer"
        )
    if not sound.frames:
        raise errors.MaaError("A-EMPTY", f"{name} has 0 frames after its header, expected a sound")
    if not 0 <= start_seconds < length:
        raise errors.MaaError(
            "A-SHORT", f"{name} lasts {length:.2f} s, expected sound at {start_seconds} s"
        )
    start = round(start_seconds * rate)
    left = sound.frames - start
    wanted = left if seconds is None else min(left, round(seconds * rate))
    if wanted < 1:
        raise errors.MaaError(
            "A-SHORT",
            f"{name} lasts {length:.2f} s, expected one frame or more in seconds={seconds} from "
            f"start_seconds={start_seconds} on",
        )
    if wanted > LONGEST * rate:
        sound.seek(sound.frames - 1)  # fails, as truncated, if the header lies
        raise errors.MaaError(
            "A-LONG", f"{name} lasts {length:.0f} s, expected {LONGEST} or less; pass seconds=…"
        )
    return start, wanted


def _mix(sound, start, wanted):
    """Decode block by block: a header that promises 2^36 frames reserves no memory."""
    mixdown = _Mixdown()
    if sound.format == "MP3":  # a seek loses what a frame takes from those before it
        sound.seekable = lambda: False  # or soundfile seeks after each block
        while start and len(skipped := sound.read(min(BLOCK, start))):
            start -= len(skipped)
    elif start:
        sound.seek(start)
    while mixdown.frames < wanted:
        frames = min(BLOCK, wanted - mixdown.frames)
        block = sound.read(frames, dtype="float32", always_2d=True)  # (frames, channels)
        if not len(block):
            break
        mixdown.add(block)
    return mixdown


class _Mixdown:
    """Channels averaged block by block, with the sums that a verdict on the whole needs."""

    def __init__(self):
        self.pieces = []
        self.frames = 0
        self.peak = 0.0
        self.energy = 0.0  # of the channels, on average
        self.bad = []  # frames with NaN or infinity

    def add(self, block):
        self.bad.extend(np.flatnonzero(~np.isfinite(block).all(1)) + self.frames)
        self.frames += len(block)
        self.peak = max(self.peak, float(np.abs(block).max()))
        self.energy += float(np.square(block, dtype=np.float64).sum() / block.shape[1])
        self.pieces.append(block.mean(1))

    def wave(self, name):
        """The mono wave in -1 … 1, (frames,), or the reason why it cannot be used."""
        check_finite(self.bad, name)
        if self.peak > LOUDEST:
            raise errors.MaaError(
                "A-RANGE", f"{name} has peak {self.peak:.4g}, expected {LOUDEST} or less; damaged?"
            )
        wave = np.concatenate(self.pieces)
        energy = float(np.square(wave, dtype=np.float64).sum())
        if self.peak < QUIETEST:
            errors.warn("A-SILENT", f"{name} is silent")
        elif energy < 1e-6 * self.energy:  # -60 dB
            errors.warn("A-PHASE", f"{name} falls silent in mono, as its channels cancel")
        if clipped := int((np.abs(wave) > 1).sum()):
            errors.warn("A-CLIP", f"{name} had {clipped} of {len(wave)} samples beyond ±1 cut off")
        return np.clip(wave, -1, 1)


def check_finite(bad, name):
    """Raise MaaError A-NONFINITE if the list of bad positions has any."""
    if len(bad):
        raise errors.MaaError(
            "A-NONFINITE",
            f"{name} has {len(bad)} samples that are NaN or infinite, first at {bad[0]}; "
            f"expected finite numbers",
        )


def _rate_error(name, rate):
    return errors.MaaError(
        "A-RATE", f"{name} has {rate} samples/s, expected {RATES[0]} to {RATES[1]}"
    )


def _decoding_error(file, name, fault):
    """Why libsndfile gave up: an impossible rate, no sound, a cut end or damage before it."""
    reason = fault.error_string.strip().rstrip(".")
    rate = containers.wav_rate(file)
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        return _rate_error(name, rate)
    if not containers.starts_as_sound(file) or "hannel" in reason:
        return errors.MaaError(
            "A-FORMAT", f"{name} is not a sound file of a known kind ({reason}); is it damaged?"
        )
    if _end_is_readable(file):
        return errors.MaaError("A-CORRUPT", f"{name} is damaged inside ({reason}); fetch it again")
    return errors.MaaError("A-TRUNC", f"{name} ends too early ({reason}); was the copy cut?")


def _end_is_readable(file):
    """True if the last frame decodes, so that a fault must lie before it."""
    file.seek(0)
    try:
        with soundfile.SoundFile(_Steady(file)) as sound:
            sound.seek(sound.frames - 1)
            return len(sound.read(1)) == 1
    except soundfile.LibsndfileError:
        return False
