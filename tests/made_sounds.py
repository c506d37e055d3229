"""Sounds and sound files made for the tests."""

import io
import struct

import numpy as np
import soundfile
import torch

NAMED = {200: "a deep hum", 800: "a horn", 3000: "a high whistle"}  # Hz


def tone(seconds=2.0, rate=16_000, hertz=440.0, peak=0.5):
    """A sine, (samples,) float32, with some noise, so that no format shrinks it to nothing."""
    samples = round(seconds * rate)
    noise = np.random.default_rng(0).standard_normal(samples) * 0.02
    wave = np.sin(2 * np.pi * hertz * np.arange(samples) / rate) + noise
    return (peak * wave / np.abs(wave).max(initial=1e-9)).astype(np.float32)


def tones(copies, seed=0):
    """Tones a few per cent off the pitches of NAMED, in turn: (3 copies, 16384 samples) tensor."""
    generator = torch.Generator().manual_seed(seed)
    pitches = torch.tensor(list(NAMED)).repeat(copies)[:, None]
    pitches = pitches * (1 + 0.1 * torch.rand(pitches.shape, generator=generator))
    noise = 0.003 * torch.randn(len(pitches), 16_384, generator=generator)
    return 0.3 * torch.sin(2 * torch.pi * pitches * torch.arange(16_384) / 16_000) + noise


def encoded(wave=None, kind="WAV", coding=None, rate=16_000):
    """The bytes of a sound file of any format."""
    file = io.BytesIO()
    wave = tone(rate=rate) if wave is None else wave
    soundfile.write(file, wave, rate, format=kind, subtype=coding)
    return file.getvalue()


def folder(root, table, names=("a.wav", "b.wav")):
    """A folder with clips.csv and a tone of its own in each of the files that are named."""
    root.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        (root / name).write_bytes(encoded(tone(0.5, hertz=300 + 100 * number)))
    (root / "clips.csv").write_text(table, "utf-8")
    return root


def wav(samples=32_000, *, rate=16_000, channels=1, claimed=None):
    """A 16-bit WAV file whose header says whatever is asked for."""
    sound = (tone(samples / 16_000) * 32_767).astype("<i2").tobytes()
    claimed = len(sound) if claimed is None else claimed
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", min(36 + claimed, 2**32 - 1), b"WAVE", b"fmt ", 16, 1, channels, rate),
        *(rate * channels * 2 % 2**32, channels * 2 % 2**16, 16, b"data", claimed),
    )
    return head + sound


def lying_flac():
    """A FLAC file of two seconds whose header claims 2^36 - 1 frames."""
    data = bytearray(encoded(kind="FLAC"))
    counts = int.from_bytes(data[18:26], "big")  # rate, channels, bits and, last, 36 bits of frames
    data[18:26] = (counts | (2**36 - 1)).to_bytes(8, "big")
    return bytes(data)


def damaged(data, *, start, bits, seed=0):
    """The bytes with some bits flipped after `start`."""
    generator = np.random.default_rng(seed)
    result = bytearray(data)
    for place in generator.integers(start, len(data), bits):
        result[place] ^= 1 << int(generator.integers(8))
    return bytes(result)
