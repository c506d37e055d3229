"""maa.decoding: frames of any format as one mono wave, or one line that says why not."""

import io
import os
import resource
import struct
import sys
import time
import warnings

import made_sounds
import numpy as np
import pytest
import soundfile

from maa import decoding, errors


def decode(data, *part):
    return decoding.decode(io.BytesIO(data), "'x'", *part)


def test_the_wave_and_its_rate_come_back_as_they_were_written():
    wave = made_sounds.tone(rate=22_050)
    decoded, rate = decode(made_sounds.encoded(wave, coding="FLOAT", rate=22_050))
    assert rate == 22_050
    np.testing.assert_array_equal(decoded, wave)


def test_a_part_equals_the_same_part_of_the_whole():
    data = made_sounds.encoded(kind="FLAC")
    whole, rate = decode(data)
    part, _ = decode(data, 0.5, 0.25)
    np.testing.assert_array_equal(part, whole[rate // 2 : rate * 3 // 4])


def test_a12_two_channels_become_their_mean():
    left, right = made_sounds.tone(hertz=300), made_sounds.tone(hertz=500)
    decoded, _ = decode(made_sounds.encoded(np.stack([left, right], 1), coding="FLOAT"))
    np.testing.assert_allclose(decoded, (left + right) / 2, atol=1e-7)


def test_a12_channels_that_cancel_are_told_of():
    wave = made_sounds.tone()
    with pytest.warns(errors.MaaWarning, match="A-PHASE: 'x' falls silent in mono"):
        decoded, _ = decode(made_sounds.encoded(np.stack([wave, -wave], 1)))
    assert np.abs(decoded).max() < 1e-4


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_a13_up_to_eight_channels_are_averaged(channels):
    wave = made_sounds.tone()
    decoded, _ = decode(made_sounds.encoded(np.stack([wave] * channels, 1), coding="FLOAT"))
    np.testing.assert_allclose(decoded, wave, atol=1e-6)


def test_a13_nine_channels_are_refused():
    with pytest.raises(errors.MaaError, match="A-FORMAT: 'x' has 9 channels, expected 8 or fewer"):
        decode(made_sounds.wav(channels=9))


@pytest.mark.parametrize("channels", [0, 1_500, 65_535])
def test_a14_impossible_channels_are_refused(channels):
    with pytest.raises(errors.MaaError, match="A-FORMAT: 'x' .*hannel"):
        decode(made_sounds.wav(channels=channels))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a15_samples_that_are_no_numbers_are_counted_and_placed(value):
    wave = np.stack([made_sounds.tone(8)] * 2, 1)
    wave[70_000:70_003, 1] = value  # in the second block
    with pytest.raises(errors.MaaError, match="A-NONFINITE: 'x' has 3 samples .*first at 70000"):
        decode(made_sounds.encoded(wave, coding="FLOAT"))


@pytest.mark.parametrize("peak", [4.01, 3e5])
def test_a16_a_peak_over_4_is_refused(peak):
    with pytest.raises(errors.MaaError, match="A-RANGE: 'x' has peak .*, expected 4.0 or less"):
        decode(made_sounds.encoded(made_sounds.tone(peak=peak), coding="FLOAT"))


def test_a16_a_peak_below_4_is_clipped_and_counted():
    wave = made_sounds.tone()
    wave[[3, 5]] = [2.5, -1.5]
    with pytest.warns(errors.MaaWarning, match="A-CLIP: 'x' had 2 of 32000 samples"):
        decoded, _ = decode(made_sounds.encoded(wave, coding="FLOAT"))
    assert decoded[3] == 1 and decoded[5] == -1


@pytest.mark.parametrize("rate", [0, 1, 3_999, 384_001, 2**32 - 1])
def test_a17_a_rate_no_sound_has_is_refused(rate):
    with pytest.raises(errors.MaaError, match=f"A-RATE: 'x' has {rate} samples/s, expected 4000"):
        decode(made_sounds.wav(rate=rate))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a19_a_cut_flac_is_noticed(share):
    data = made_sounds.encoded(kind="FLAC")
    with pytest.raises(errors.MaaError, match="A-TRUNC: 'x' ends too early"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a21_a_cut_mp3_is_noticed_and_its_decoder_kept_quiet(share, capfd):
    data = made_sounds.encoded(kind="MP3")
    with pytest.raises(errors.MaaError, match="A-TRUNC: 'x' holds .* frames, expected 32000"):
        decode(data[: int(len(data) * share)])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("seed", range(6))
def test_a22_a_damaged_mp3_is_noticed(seed, capfd):
    data = made_sounds.damaged(made_sounds.encoded(kind="MP3"), start=400, bits=200, seed=seed)
    with pytest.raises(errors.MaaError, match="A-(TRUNC|RANGE|CORRUPT): 'x'"):
        decode(data)
    assert capfd.readouterr().err == ""


def test_a_long_mp3_comes_back_as_it_does_in_one_piece():
    rate = 44_100
    gate = np.arange(6 * rate) % 11_025 < 5_000  # a gated tone fills the bit reservoir
    data = made_sounds.encoded(made_sounds.tone(6, rate, 500) * gate, kind="MP3", rate=rate)
    decoded, _ = decode(data)
    whole, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    assert len(decoded) == len(whole) > 4 * decoding.BLOCK
    np.testing.assert_allclose(decoded, whole, atol=1e-6)


class Overheard(io.BytesIO):
    """A file that is decoded while somebody else in this process complains."""

    def readinto(self, buffer):
        os.write(2, b"noise error=0.41, resync")  # and no end of line
        return super().readinto(buffer)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_a_part_of_an_mp3_is_a_part_of_the_whole(rate):
    data = made_sounds.encoded(made_sounds.tone(8, rate, 500), kind="MP3", rate=rate)
    whole, _ = decode(data)
    for start in (0.7, 3.3, 6.1):
        part, _ = decode(data, start, 1.5)
        first = round(start * rate)
        np.testing.assert_array_equal(part, whole[first : first + len(part)])


@pytest.mark.parametrize("bits", [0, 200])
def test_what_others_say_while_an_mp3_is_decoded_is_passed_on_and_no_damage_of_it(bits, capfd):
    data = made_sounds.damaged(made_sounds.encoded(kind="MP3"), start=400, bits=bits)
    if bits:
        with pytest.raises(errors.MaaError, match="A-CORRUPT: 'x' is damaged inside"):
            decoding.decode(Overheard(data), "'x'")
    else:
        assert len(decoding.decode(Overheard(data), "'x'")[0]) == 32_000
    heard = capfd.readouterr().err
    assert heard and not heard.replace("noise error=0.41, resync", "")


@pytest.mark.parametrize("seed", range(6))
def test_a23_a_damaged_flac_is_told_from_a_cut_one(seed):
    data = made_sounds.encoded(kind="FLAC")
    hit = made_sounds.damaged(data[:40_000], start=200, bits=1, seed=seed) + data[40_000:]
    with pytest.raises(errors.MaaError, match="A-CORRUPT: 'x' is damaged inside"):
        decode(hit)


def test_a27_a_sound_chunk_of_size_0_is_empty():
    with pytest.raises(errors.MaaError, match="A-EMPTY: 'x' has 0 frames after its header"):
        decode(made_sounds.wav(claimed=0))


@pytest.mark.parametrize("seconds", [None, 100.0])
def test_a28_a_header_that_promises_2_to_the_36_frames_costs_nothing(seconds):
    data = made_sounds.lying_flac()
    unit = 1024 if sys.platform == "linux" else 1
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(errors.MaaError, match="A-TRUNC: 'x'"):
        decode(data, 0.0, seconds)
    assert time.monotonic() - start < 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 200 * 2**20


def test_a29_a_silent_sound_is_read_and_told_of():
    with pytest.warns(errors.MaaWarning, match="A-SILENT: 'x' is silent"):
        decoded, _ = decode(made_sounds.encoded(np.zeros(16_000)))
    assert decoded.shape == (16_000,)


@pytest.mark.parametrize("name", ["constant", "click"])
def test_a30_a_constant_and_a_single_click_are_sounds(name):
    wave = np.full(16_000, 0.5 if name == "constant" else 0.0, np.float32)
    wave[8_000] = 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded, _ = decode(made_sounds.encoded(wave, coding="FLOAT"))
    np.testing.assert_array_equal(decoded, wave)


def ten_hours(path):
    """A sparse WAV file of 10 h with a tone of 1 s at 9 h."""
    samples = 36_000 * 16_000
    fields = (b"RIFF", 36 + 2 * samples, b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI4s4sIHHIIHH4sI", *fields, b"data", 2 * samples))
        file.seek(2 * 32_400 * 16_000, 1)
        file.write((made_sounds.tone(1) * 32_767).astype("<i2").tobytes())
        file.truncate(44 + 2 * samples)


def test_a37_a_second_of_ten_hours_is_read_without_the_rest(tmp_path):
    ten_hours(tmp_path / "x.wav")
    start = time.monotonic()
    with open(tmp_path / "x.wav", "rb") as file:
        decoded, _ = decoding.decode(file, "'x'", 32_400.0, 1.0)
        with pytest.raises(errors.MaaError, match="A-LONG: 'x' lasts 36000 s, expected 3600"):
            decoding.decode(file, "'x'")
    assert time.monotonic() - start < 1
    np.testing.assert_allclose(decoded, made_sounds.tone(1), atol=1e-4)


@pytest.mark.parametrize("start", [2.0, 99.0, -1.0])
def test_a_part_outside_the_sound_is_refused(start):
    with pytest.raises(errors.MaaError, match=f"A-SHORT: 'x' lasts 2.00 s, expected .* {start} s"):
        decode(made_sounds.encoded(), start, 1.0)


@pytest.mark.parametrize("part", [(0.0, 0), (0.0, -1), (0.5, 1e-5), (1.99999, None)])
def test_a_part_without_a_frame_is_refused(part):
    told = f"A-SHORT: 'x' lasts 2.00 s, expected one frame or more in seconds={part[1]} from start"
    with pytest.raises(errors.MaaError, match=told):
        decode(made_sounds.encoded(), *part)


def test_bytes_that_are_no_sound_are_refused():
    with pytest.raises(errors.MaaError, match="A-FORMAT: 'x' is not a sound file of a known kind"):
        decode(np.random.default_rng(0).bytes(5_000))
