"""One sound file: read as a mono wave whatever its format, or refused in one line; and written.

Conventions: a wave is a numpy float32 array (samples,) in -1 … 1, at 16 kHz unless told otherwise.
    "It decoded" does not mean "it is whole": lengths are compared with everything that states one.
Notebook: 10_clips.
"""

import functools
import math
import os
import pathlib

import numpy as np
import scipy.signal
import soundfile

from maa import containers, decoding, errors, files, inputs

RATE = 16_000
WHOLE = 0.98  # share of the expected length below which a file counts as truncated
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}


def read(
    source,
    *,
    rate=RATE,
    min_seconds=0.1,
    expected_seconds=None,
    start_seconds=0.0,
    seconds=None,
    follow_links=False,
    root=None,
):
    """The mono wave of a sound file of any format soundfile knows.

    source:                   path, or (zip, member name)
    rate:                     samples a second of the result
    min_seconds:              shorter sounds are refused
    expected_seconds:         length that a list states for the whole file
    start_seconds, seconds:   the part to read; the rest of a long file is skipped, not read (of an
                              MP3, what comes before is)
    follow_links, root:       as for maa.inputs.opened
    returns                   (round(frames * rate / own rate),) float32

    Raises MaaError with a code A-…, in one line; warns A-PHASE, A-CLIP, A-SILENT.
    Notebook: 10_clips.
    """
    name = inputs.name_of(source)
    with inputs.opened(source, root=root, follow_links=follow_links) as file:
        containers.check(file, name)
        wave, own_rate = decoding.decode(file, name, start_seconds, seconds)
    length = len(wave) / own_rate
    if length < min_seconds:
        raise errors.MaaError(
            "A-SHORT", f"{name} lasts {length:.4f} s, expected {min_seconds} s or more"
        )
    expected = min((expected_seconds or 0.0) - start_seconds, seconds or math.inf)
    if length < WHOLE * expected:
        raise errors.MaaError(
            "A-TRUNC", f"{name} lasts {length:.2f} s, expected {expected:.2f} s; was the copy cut?"
        )
    return resample(wave, own_rate, rate)


def write(path, wave, rate=RATE, *, force=False):
    """Write a mono wave as 16-bit WAV or FLAC, or as Ogg Vorbis, by the ending of the path.

    path:    ends in .wav, .flac or .ogg
    wave:    (samples,) float; one that exceeds ±1 is made quieter as a whole, not cut off
    force:   True replaces a file that is there

    Raises MaaError A-NAME, A-EXISTS, A-NONFINITE or, from maa.files.atomic_write, F-….
    Notebook: 30_text_to_audio.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in FORMATS:
        raise errors.MaaError(
            "A-NAME", f"{str(path)!r} ends in {path.suffix!r}, expected one of {list(FORMATS)}"
        )
    if os.path.lexists(path) and not force:
        raise errors.MaaError(
            "A-EXISTS", f"{str(path)!r} is there already; pass force=True (--force) to replace it"
        )
    wave = np.asarray(wave, np.float32)
    if wave.ndim != 1:
        raise ValueError(f"wave has shape {wave.shape}, expected (samples,); is it a batch?")
    decoding.check_finite(np.flatnonzero(~np.isfinite(wave)), f"the wave for {str(path)!r}")
    if np.abs(wave).max(initial=0.0) > 1:
        wave = peak_normalise(wave)
    files.atomic_write(path, functools.partial(_encode, wave, rate, FORMATS[path.suffix.lower()]))


def _encode(wave, rate, kind, file):
    container, coding = kind
    with soundfile.SoundFile(file, "w", rate, 1, format=container, subtype=coding) as sound:
        for start in range(0, len(wave), decoding.BLOCK):  # all at once can crash Vorbis
            sound.write(wave[start : start + decoding.BLOCK])


def resample(wave, own_rate, rate):
    """The wave at another sample rate, exactly round(samples * rate / own_rate) long."""
    if own_rate == rate:
        return wave
    # scipy: torchaudio's filter from 383,999 Hz would need 24 GB of memory, this one 62 MB
    common = math.gcd(own_rate, rate)
    resampled = scipy.signal.resample_poly(wave, rate // common, own_rate // common)
    return np.clip(resampled[: round(len(wave) * rate / own_rate)], -1, 1).astype(np.float32)


def peak_normalise(wave, peak=0.95):
    """The wave scaled to the given peak; silence stays as it is."""
    loudest = np.abs(wave).max(initial=0.0)
    return wave if loudest < decoding.QUIETEST else wave * np.float32(peak / loudest)
