"""maa.sounds: one file in, one 16 kHz wave out; A01 to A40 of what files can be like."""

import os
import unicodedata
import zipfile

import made_sounds
import numpy as np
import pytest
import soundfile
import torch

from maa import errors, mel, sounds


def saved(path, data=None):
    path.write_bytes(made_sounds.encoded() if data is None else data)
    return path


def test_a_16_bit_wav_comes_back_as_it_was(tmp_path):
    wave = made_sounds.tone()
    sounds.write(tmp_path / "a.wav", wave)
    read = sounds.read(tmp_path / "a.wav")
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, wave, atol=1 / 32_768)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "A-EMPTY", id="A01 no bytes"),
        pytest.param(made_sounds.wav(0), "A-EMPTY", id="A02 header only"),
        pytest.param(made_sounds.wav()[:44], "A-EMPTY", id="A02 header of more"),
        pytest.param(made_sounds.wav(1), "A-SHORT", id="A03 one sample"),
        pytest.param(made_sounds.wav(1_599), "A-SHORT", id="A03 just under 0.1 s"),
        pytest.param(made_sounds.wav(channels=65_535), "A-FORMAT", id="A14 65,535 channels"),
        pytest.param(made_sounds.wav(rate=1), "A-RATE", id="A17 1 Hz"),
        pytest.param(made_sounds.wav(rate=0), "A-RATE", id="A17 0 Hz"),
        pytest.param(made_sounds.wav()[:30_000], "A-TRUNC", id="A18 cut WAV"),
        pytest.param(b"<html>404</html>", "A-FORMAT", id="A25 HTML"),
        pytest.param(made_sounds.wav(claimed=0), "A-EMPTY", id="A27 chunk of size 0"),
        pytest.param(made_sounds.lying_flac(), "A-TRUNC", id="A28 2^36 frames"),
        pytest.param(bytes(500), "A-FORMAT", id="zeros"),
        pytest.param(b"RIFF\x10\0\0\0WAVEjunk", "A-TRUNC", id="no sound chunk"),
    ],
)
def test_bad_bytes_are_refused_in_one_line_that_names_the_file(tmp_path, data, code, capfd):
    path = saved(tmp_path / "x.wav", data)
    with pytest.raises(errors.MaaError, match=f"^{code}: .*x.wav'") as fault:
        sounds.read(path)
    assert str(fault.value).isprintable()
    assert fault.value.exit_status == 3
    assert capfd.readouterr().err == ""


def test_a03_a_short_sound_is_read_if_asked_for(tmp_path):
    assert sounds.read(saved(tmp_path / "a.wav", made_sounds.wav(1)), min_seconds=0).shape == (1,)


@pytest.mark.parametrize(
    ("coding", "tolerance"),
    [
        pytest.param("PCM_U8", 2e-2, id="A04"),
        pytest.param("PCM_16", 1e-4, id="A05"),
        pytest.param("PCM_24", 1e-4, id="A06"),
        pytest.param("PCM_32", 1e-4, id="A07"),
        pytest.param("FLOAT", 1e-4, id="A08"),
        pytest.param("DOUBLE", 1e-4, id="A09"),
        pytest.param("ULAW", 2e-2, id="A10"),  # eight bits a sample, too
    ],
)
def test_every_coding_of_wav_gives_the_same_mel(tmp_path, coding, tolerance):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000).astype(np.float32)  # fills all bands
    read = sounds.read(saved(tmp_path / "a.wav", made_sounds.encoded(wave, coding=coding)))
    difference = mel.log_mel(torch.from_numpy(read)) - mel.log_mel(torch.from_numpy(wave))
    assert difference.abs().mean() < tolerance


def test_a11_adpcm_is_read_to_the_end_of_its_last_block(tmp_path):
    path = saved(tmp_path / "a.wav", made_sounds.encoded(coding="IMA_ADPCM"))
    assert 32_000 <= len(sounds.read(path, expected_seconds=2)) < 32_000 + 2_048


@pytest.mark.parametrize("rate", [4_000, 4_001, 11_025, 22_050, 44_100, 48_000, 48_001, 192_000])
def test_a17_the_length_after_resampling_is_exact(tmp_path, rate):
    samples = rate // 3 + 1
    data = made_sounds.encoded(made_sounds.tone(samples / rate, rate), rate=rate)
    read = sounds.read(saved(tmp_path / "a.wav", data))
    assert len(read) == round(samples * 16_000 / rate)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a17_a_tone_keeps_its_pitch_and_level(tmp_path, rate):
    data = made_sounds.encoded(made_sounds.tone(1, rate, 1_000), rate=rate)
    spectrum = np.abs(np.fft.rfft(sounds.read(saved(tmp_path / "a.wav", data)))) / 8_000
    assert spectrum.argmax() == 1_000
    assert spectrum.max() == pytest.approx(0.47, abs=0.03)


@pytest.mark.parametrize(
    ("kind", "coding"),
    [
        pytest.param("WAV", "PCM_16", id="A18 WAV"),
        pytest.param("FLAC", None, id="A19 FLAC"),
        pytest.param("OGG", "VORBIS", id="A20 Vorbis"),
        pytest.param("OGG", "OPUS", id="A20 Opus"),
        pytest.param("MP3", None, id="A21 MP3"),
    ],
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_is_refused_and_a_whole_one_read(tmp_path, kind, coding, share):
    data = made_sounds.encoded(kind=kind, coding=coding)
    assert len(sounds.read(saved(tmp_path / "a.wav", data))) == 32_000
    with pytest.raises(errors.MaaError, match="A-TRUNC: .*a.wav'"):
        sounds.read(saved(tmp_path / "a.wav", data[: int(len(data) * share)]))


@pytest.mark.parametrize("seconds", [None, 2.5])
def test_a18_a_sound_shorter_than_its_list_says_is_refused(tmp_path, seconds):
    path = saved(tmp_path / "a.wav")
    assert len(sounds.read(path, expected_seconds=2.03, seconds=seconds)) == 32_000
    with pytest.raises(errors.MaaError, match="A-TRUNC: .* lasts 2.00 s, expected 2.05 s"):
        sounds.read(path, expected_seconds=2.05, seconds=seconds)


def test_a_part_is_not_measured_against_the_whole(tmp_path):
    path = saved(tmp_path / "a.wav")
    assert len(sounds.read(path, expected_seconds=2, seconds=0.5)) == 8_000
    assert len(sounds.read(path, expected_seconds=2, start_seconds=1.5)) == 8_000


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_a24_the_ending_of_a_name_does_not_matter(tmp_path, kind):
    for name in ("a.wav", "a.mp3", "a"):
        path = saved(tmp_path / name, made_sounds.encoded(kind=kind))
        assert len(sounds.read(path)) == 32_000


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF, 2_000_000_000])
def test_a26_a_streamed_wav_is_read_to_its_real_end(tmp_path, claimed):
    assert len(sounds.read(saved(tmp_path / "a.wav", made_sounds.wav(claimed=claimed)))) == 32_000


def test_a29_silence_is_not_made_louder():
    silence = np.zeros(100, np.float32)
    assert sounds.peak_normalise(silence) is silence
    assert len(sounds.peak_normalise(silence[:0])) == 0


def test_a_sound_is_scaled_to_its_peak():
    scaled = sounds.peak_normalise(np.array([0.1, -0.2], np.float32))
    np.testing.assert_allclose(scaled, [0.475, -0.95], rtol=1e-6)
    assert scaled.dtype == np.float32


@pytest.mark.parametrize(
    "name",
    [
        "a b.wav",
        unicodedata.normalize("NFC", "Hündin.wav"),
        unicodedata.normalize("NFD", "Hündin.wav"),
        "😀.wav",
        "x" * 251 + ".wav",
        "-rf.wav",
        "a\nb.wav",
        "100%.wav",
        "'\".wav",
    ],
)
def test_a31_odd_names_are_read_and_shown_on_one_line(tmp_path, name):
    path = saved(tmp_path / name)
    assert len(sounds.read(path)) == 32_000
    with pytest.raises(errors.MaaError, match="A-SHORT") as fault:
        sounds.read(path, min_seconds=3)
    assert str(fault.value).isprintable()


def test_a32_a_name_outside_utf_8_is_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff.wav")
    with open(path, "wb") as file:
        file.write(made_sounds.encoded())
    for source in (path, os.fsdecode(path)):
        assert len(sounds.read(source)) == 32_000
    with pytest.raises(errors.MaaError, match=r"A-SHORT: .*\\udcff.wav'"):
        sounds.read(path, min_seconds=3)


def test_a34_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.wav").symlink_to(saved(tmp_path / "b.wav"))
    with pytest.raises(errors.MaaError, match="A-LINK"):
        sounds.read(tmp_path / "root" / "a.wav", root=tmp_path / "root")
    options = {"root": tmp_path / "root", "follow_links": True}
    assert len(sounds.read(tmp_path / "root" / "a.wav", **options)) == 32_000


def test_a35_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(errors.MaaError, match="A-KIND: .* is a pipe"):
        sounds.read(tmp_path / "a.wav")


def test_a38_a_file_that_grows_while_it_is_decoded_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.wav")
    opened = soundfile.SoundFile

    def grow_and_open(file):
        with open(path, "ab") as other:
            other.write(b"more")
        return opened(file)

    monkeypatch.setattr(soundfile, "SoundFile", grow_and_open)
    with pytest.raises(errors.MaaError, match="A-CHANGED: .* from 64044 to 64048 bytes"):
        sounds.read(path)


def test_a_zip_member_is_read_as_a_file_is(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/c.opus", made_sounds.encoded(kind="OGG", coding="OPUS"))
    assert len(sounds.read((tmp_path / "a.zip", "b/c.opus"))) == 32_000


@pytest.mark.parametrize("name", ["a.wav", "a.FLAC", "a.ogg"])
def test_a_written_sound_is_of_the_kind_its_name_says(tmp_path, name):
    sounds.write(tmp_path / name, made_sounds.tone(), 16_000)
    written = soundfile.info(tmp_path / name)
    assert written.format == name.split(".")[1].upper()
    assert (written.samplerate, written.channels, written.frames) == (16_000, 1, 32_000)


def test_a40_a_file_that_is_there_stays_unless_forced(tmp_path):
    path = saved(tmp_path / "a.wav", b"mine")
    with pytest.raises(errors.MaaError, match="A-EXISTS: .*a.wav' is there already") as fault:
        sounds.write(path, made_sounds.tone())
    assert fault.value.exit_status == 2
    assert path.read_bytes() == b"mine"
    sounds.write(path, made_sounds.tone(), force=True)
    assert len(sounds.read(path)) == 32_000


@pytest.mark.parametrize("name", ["a", "a.txt", ".wav"])
def test_a40_a_name_without_a_known_ending_is_refused(tmp_path, name):
    with pytest.raises(errors.MaaError, match=r"A-NAME: .* expected one of \['.wav', '.flac'"):
        sounds.write(tmp_path / name, made_sounds.tone())


def test_a_wave_beyond_full_scale_is_written_quieter_and_keeps_its_shape(tmp_path):
    wave = np.linspace(-1.5, 3.0, 16_000, dtype=np.float32)
    sounds.write(tmp_path / "a.wav", wave)
    assert sounds.read(tmp_path / "a.wav") == pytest.approx(wave * 0.95 / 3.0, abs=1e-4)


def test_a40_a_place_that_cannot_be_written_is_named(tmp_path):
    saved(tmp_path / "file", b"")
    with pytest.raises(errors.MaaError, match="F-.*: cannot write .*a.wav'"):
        sounds.write(tmp_path / "file" / "a.wav", made_sounds.tone())


def test_a_wave_that_is_no_sound_is_not_written(tmp_path):
    with pytest.raises(errors.MaaError, match="A-NONFINITE: .* has 1 samples .* first at 2"):
        sounds.write(tmp_path / "a.wav", np.array([0, 0, np.nan, 0]))
    with pytest.raises(ValueError, match=r"wave has shape \(2, 4\), expected \(samples,\)"):
        sounds.write(tmp_path / "a.wav", np.zeros((2, 4)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::maa.errors.MaaWarning")
@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "CAF", "AU", "W64", "RF64"])
def test_random_damage_gives_a_sound_or_one_line(tmp_path, kind, capfd):
    data = made_sounds.encoded(made_sounds.tone(0.25), kind=kind)
    for seed in range(60):
        head = made_sounds.damaged(data[:100], start=0, bits=seed % 4, seed=seed)
        rest = made_sounds.damaged(data[100:], start=0, bits=seed % 3, seed=seed)
        try:
            read = sounds.read(saved(tmp_path / "a.wav", head + rest))
        except errors.MaaError as fault:
            assert str(fault).isprintable()
        else:
            assert np.isfinite(read).all() and np.abs(read).max() <= 1
    assert capfd.readouterr().err == ""
