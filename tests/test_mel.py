"""The mel front end: equal to the released one, and exact about lengths."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maa import mel

GOLDEN = Path(__file__).parent / "golden" / "mel.safetensors"


def test_log_mel_equals_the_released_front_end_within_1e_5():
    golden = load_file(GOLDEN)
    found = mel.log_mel(golden["mel.wave"])
    assert (found.reshape(golden["mel.out"].shape) - golden["mel.out"]).abs().max() < 1e-5


def test_silence_is_minus_five():
    assert torch.equal(mel.log_mel(torch.zeros(1, 4096)), torch.full((1, 1, 80, 16), mel.SILENCE))


def test_a_tone_is_loudest_in_the_band_of_its_frequency():
    time = torch.arange(16_000) / mel.RATE
    found = mel.log_mel(0.5 * torch.sin(2 * torch.pi * 1000 * time)).mean((0, 1, 3))
    assert abs(mel.band_centres()[found.argmax()] - 1000) < 60


@pytest.mark.parametrize("seconds, columns", [(10, 78), (2.56, 20), (0.001, 1), (9.984, 78)])
def test_ten_seconds_are_78_latent_columns(seconds, columns):
    assert mel.columns(seconds) == columns


def test_ten_seconds_are_trained_on_624_frames():
    assert mel.trained_frames(10) == 624


def test_fit_cuts_or_repeats_the_last_frame():
    picture = torch.tensor([[1.0, 2.0, 3.0]])
    assert mel.fit(picture, 2).tolist() == [[1, 2]]
    assert mel.fit(picture, 5).tolist() == [[1, 2, 3, 3, 3]]


@pytest.mark.parametrize("shape", [(384,), (2, 100), (1, 2, 16_000)])
def test_a_wave_of_another_shape_or_too_short_is_refused(shape):
    with pytest.raises(ValueError, match="expected .clips, samples. with more than 384 samples"):
        mel.log_mel(torch.zeros(shape))
