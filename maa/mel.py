"""From a wave to the log-mel spectrogram the paper's networks see, and the arithmetic of lengths.

Conventions: waves are float tensors (clips, samples) at 16 kHz in -1 … 1; mels are (clips, 1, 80,
    frames), log10 of the magnitude, -5 for silence, about 1 for a loud tone; one frame is 256
    samples (16 ms).
Source: Section 5.1. Differs: the paper scales mels to 0 … 1, its release keeps log10, as we do.
Notebook: 01_sound_to_mel.
"""

import functools

import torch
from transformers.audio_utils import mel_filter_bank

RATE = 16_000  # samples a second
HOP = 256  # samples a frame
WINDOW = 1024  # samples under one Fourier transform
BANDS = 80  # Slaney mel bands from 0 to 8 kHz
FLOOR = 1e-5  # smallest magnitude before the logarithm
SILENCE = -5.0  # log10(FLOOR)
CENTRE, SPREAD = -2.5, 1.5  # of log10 mels, so that networks see values near -1 … 1
COLUMN = 8  # frames a latent column


def log_mel(wave):
    """Log-mel spectrogram of each clip, equal to the released front end.

    wave:     (clips, samples) or (samples,), 16 kHz, at least 385 samples
    returns   (clips, 1, 80, samples // 256), log10

    Raises ValueError for another shape or for clips under 385 samples.
    Source: Section 5.1.  Notebook: 01_sound_to_mel.
    """
    wave = wave[None] if wave.dim() == 1 else wave
    if wave.dim() != 2 or wave.shape[-1] <= (WINDOW - HOP) // 2:
        raise ValueError(
            f"wave has shape {tuple(wave.shape)}, expected (clips, samples) with more than "
            f"{(WINDOW - HOP) // 2} samples; is it a single mono clip or a batch of them?"
        )
    bins = spectrum(wave.float())  # (clips, 513, frames)
    magnitude = torch.sqrt(bins.real**2 + bins.imag**2 + 1e-9)
    bands = filters(wave.device) @ magnitude  # (clips, 80, frames)
    return torch.log10(bands.clamp(min=FLOOR))[:, None]


def check(mels):
    """The same mels; ValueError for another shape than (clips, 1, 80, frames)."""
    if mels.dim() != 4 or mels.shape[1:3] != (1, BANDS):
        raise ValueError(
            f"mel has shape {tuple(mels.shape)}, expected (clips, 1, {BANDS}, frames); "
            f"was it made by maa.mel.log_mel?")
    return mels


def spectrum(wave):
    """Complex short-time spectrum: (clips, samples) → (clips, 513, samples // 256)."""
    edge = (WINDOW - HOP) // 2
    padded = torch.nn.functional.pad(wave[:, None], (edge, edge), mode="reflect")[:, 0]
    window = hann(wave.device)
    return torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)


@functools.lru_cache(maxsize=8)
def hann(device):
    return torch.hann_window(WINDOW, device=device)


@functools.lru_cache(maxsize=8)
def filters(device):
    """Mel filter bank (80, 513): rows are bands, columns Fourier bins."""
    bank = mel_filter_bank(
        WINDOW // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"
    )  # float64: in float32 the result would be off by 1e-5
    return torch.from_numpy(bank.T.copy()).float().to(device)


def band_centres():
    """Centre frequency of each mel band in Hz, (80,): where to put the ticks of a figure."""
    bins = torch.linspace(0, RATE / 2, WINDOW // 2 + 1)
    bank = filters(torch.device("cpu"))
    return (bank * bins).sum(1) / bank.sum(1)


def columns(seconds):
    """Latent columns for a duration: 78 for 10 s, never less than 1."""
    return max(1, round(seconds * RATE / (HOP * COLUMN)))


def trained_frames(seconds):
    """Mel frames used in training: the last multiple of 8 that fits, 624 of the 625 of 10 s."""
    return int(seconds * RATE / HOP) // COLUMN * COLUMN


def fit(mel, frames):
    """Cut, or repeat the last frame of, a mel (…, frames) so that it has exactly `frames`."""
    missing = frames - mel.shape[-1]
    if missing <= 0:
        return mel[..., :frames]
    return torch.cat([mel, mel[..., -1:].expand(*mel.shape[:-1], missing)], -1)
