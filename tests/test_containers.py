"""maa.containers: headers that promise more than there is are noticed."""

import io

import made_sounds
import pytest

from maa import containers, errors


def check(data):
    containers.check(io.BytesIO(data), "'x.wav'")


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "CAF", "AU", "W64", "RF64"])
def test_whole_files_pass_and_are_left_at_their_start(kind):
    file = io.BytesIO(made_sounds.encoded(kind=kind))
    containers.check(file, "'x'")
    assert file.tell() == 0
    assert containers.starts_as_sound(file) == (kind != "W64")
    assert containers.is_mp3(file) == (kind == "MP3")


def test_a01_an_empty_file_is_refused():
    with pytest.raises(errors.MaaError, match="A-EMPTY: 'x.wav' has 0 bytes, expected a sound"):
        check(b"")


@pytest.mark.parametrize("kind", ["WAV", "AIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a18_a_cut_chunk_is_noticed(kind, share):
    data = made_sounds.encoded(kind=kind)
    with pytest.raises(errors.MaaError, match="A-TRUNC: 'x.wav' holds .* bytes of sound, expected"):
        check(data[: int(len(data) * share)])


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a20_an_ogg_stream_without_its_last_page_is_noticed(coding, share):
    data = made_sounds.encoded(kind="OGG", coding=coding)
    with pytest.raises(errors.MaaError, match="A-TRUNC: 'x.wav' has no last Ogg page"):
        check(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<html>\n404 Not Found</html>", "<html> 404 Not Found</html>"),
        ('{"error": "gone"}', '{"error": "gone"}'),
        ("version https://git-lfs.github.com/spec/v1", "version https://git-lfs"),
        ("<p>\xe9</p>", "<p>"),
    ],
)
def test_a25_a_failed_download_is_recognised(text, shown):
    with pytest.raises(errors.MaaError, match="A-FORMAT: .*the download probably failed") as fault:
        check(text.encode("latin-1"))
    assert shown in str(fault.value)


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF, 2_000_000_000])
def test_a26_the_placeholder_of_a_stream_passes(claimed):
    check(made_sounds.wav(claimed=claimed))


@pytest.mark.parametrize("rate", [0, 1, 2**32 - 1])
def test_a17_the_rate_of_a_wav_header_is_read_even_if_impossible(rate):
    assert containers.wav_rate(io.BytesIO(made_sounds.wav(rate=rate))) == rate
    assert containers.wav_rate(io.BytesIO(made_sounds.encoded(kind="FLAC"))) is None
    assert containers.wav_rate(io.BytesIO(b"RIFF")) is None
