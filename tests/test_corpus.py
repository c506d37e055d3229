"""maa.corpus: clips become a folder; bad ones are set apart, and nothing is in two splits."""

import dataclasses
import itertools
import json

import made_sounds
import numpy as np
import pandas
import pytest
import soundfile

from maa import corpus, errors, files


def clip(name, wave=None, *, split="train", source=None, fault=None):
    def read():
        if fault:
            raise fault
        return made_sounds.tone(0.3, hertz=200 + len(name)) if wave is None else wave, f"a {name}"

    return corpus.Clip(name, "dog", split, source or name, "CC0", f"{name}.ogg", read)


def test_sound_without_language_keeps_its_label_and_no_caption(tmp_path):
    silent = dataclasses.replace(clip("a"), annotation="none")
    table = corpus.write(tmp_path / "c", [silent, clip("b")])
    assert list(table.label) == ["dog", "dog"]
    assert list(table.caption) == ["", "a b"]
    assert list(files.read_table(tmp_path / "c" / "clips.csv", dtype=str).caption) == ["", "a b"]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_that_share_of_the_training_recordings_has_captions_and_all_held_out_ones(share):
    names = [f"fs{number}" for number in range(2000)]
    kinds = [corpus.hashed_annotation(name, "train", share) for name in names]
    assert kinds.count("caption") / len(names) == pytest.approx(share, abs=0.03)
    assert kinds == [corpus.hashed_annotation(name, "train", share) for name in names]
    for split in ("held_out", "unheard"):
        assert {corpus.hashed_annotation(name, split, share) for name in names} == {"caption"}


def bad(name="bad"):
    return clip(name, fault=errors.MaaError("A-TRUNC", f"{name}.ogg was cut"))


def test_a_corpus_holds_each_clip_as_a_wav_file_and_a_row(tmp_path):
    table = corpus.write(tmp_path / "c", [clip("a"), clip("bb", split="held_out")])
    assert list(table.columns) == corpus.COLUMNS
    assert dict(table.iloc[1]) == {
        "id": "bb",
        "file": "sounds/bb.wav",
        "seconds": 0.3,
        "label": "dog",
        "caption": "a bb",
        "annotation": "caption",
        "split": "held_out",
        "source_id": "bb",
        "licence": "CC0",
    }
    pandas.testing.assert_frame_equal(files.read_table(tmp_path / "c" / "clips.csv"), table)
    path = tmp_path / "c" / "sounds" / "bb.wav"
    wave, rate = soundfile.read(path)
    assert (rate, soundfile.info(path).subtype) == (16_000, "PCM_16")
    assert np.abs(wave).max() == pytest.approx(0.95, abs=1e-4)
    names = sorted(path.name for path in (tmp_path / "c").iterdir())
    assert names == [".lock", "clips.csv", "rejects.jsonl", "sounds"]


def test_the_same_clips_give_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        corpus.write(tmp_path / folder, [clip("a"), clip("bb"), bad()], max_reject=0.5)
        files.write_hashes(tmp_path / folder)
    assert files.read_json(tmp_path / "one" / "hashes.json") == files.read_json(
        tmp_path / "two" / "hashes.json"
    )


def test_a_refused_clip_is_recorded_and_the_others_are_written(tmp_path):
    """C25."""
    table = corpus.write(tmp_path, [clip("a"), bad("\udcff")], max_reject=0.5)
    assert list(table.id) == ["a"]
    record = json.loads((tmp_path / "rejects.jsonl").read_text())
    assert record == {
        "path": "\udcff.ogg",
        "code": "A-TRUNC",
        "reason": "A-TRUNC: \\udcff.ogg was cut",
    }


def test_too_many_refused_clips_end_it_and_keep_the_earlier_corpus(tmp_path):
    corpus.write(tmp_path, [clip("a")])
    kept = [clip(f"c{number}") for number in range(49)]
    with pytest.raises(errors.MaaError, match="D-REJECTS: 1 of 50 .*expected 1.0% or") as fault:
        corpus.write(tmp_path, [*kept, bad()])
    assert fault.value.exit_status == 3
    assert list(files.read_table(tmp_path / "clips.csv").id) == ["a"]
    assert [path.name for path in (tmp_path / "sounds").iterdir()] == ["a.wav"]


@pytest.mark.parametrize("clips", [[], [bad()]])
def test_a_corpus_without_a_clip_is_refused(tmp_path, clips):
    with pytest.raises(errors.MaaError, match=f"D-EMPTY: none of {len(clips)} clips can be used"):
        corpus.write(tmp_path, clips, max_reject=1)


def test_an_unexpected_fault_keeps_the_earlier_corpus(tmp_path):
    corpus.write(tmp_path, [clip("a")])
    with pytest.raises(ZeroDivisionError):
        corpus.write(tmp_path, [clip("b"), clip("c", fault=ZeroDivisionError())])
    assert list(files.read_table(tmp_path / "clips.csv").id) == ["a"]
    assert not (tmp_path / ".building").exists()


def test_a_new_corpus_leaves_nothing_of_the_earlier_one(tmp_path):
    corpus.write(tmp_path, [clip("a")])
    corpus.write(tmp_path, [clip("b")])
    assert [path.name for path in (tmp_path / "sounds").iterdir()] == ["b.wav"]


def test_two_writers_do_not_meet(tmp_path):
    corpus.write(tmp_path, [clip("a")])

    def read():  # while b is written: a second writer would delete what there is of it
        with pytest.raises(errors.MaaError, match=r"F-LOCKED: .* is locked by pid \d+ on"):
            corpus.write(tmp_path, [clip("c")])
        assert list(files.read_table(tmp_path / "clips.csv").id) == ["a"]
        return clip("b").read()

    corpus.write(tmp_path, [dataclasses.replace(clip("b"), read=read)])
    assert [path.name for path in (tmp_path / "sounds").iterdir()] == ["b.wav"]
    assert {*files.hashes(tmp_path)} == {"clips.csv", "rejects.jsonl", "sounds/b.wav"}


def test_a29_silence_stays_silent(tmp_path):
    corpus.write(tmp_path, [clip("a", np.zeros(1_600, np.float32))])
    assert not soundfile.read(tmp_path / "sounds" / "a.wav")[0].any()


def test_a39_one_content_under_two_names_is_told_of(tmp_path):
    wave = made_sounds.tone(0.3)
    with pytest.warns(errors.MaaWarning, match="D-DUPCONTENT: 1 clips repeat another: b = a"):
        corpus.write(tmp_path, [clip("a", wave), clip("b", wave * 0.5)])


def test_a39_one_content_in_both_splits_is_refused(tmp_path):
    wave = made_sounds.tone(0.3)
    with pytest.raises(errors.MaaError, match=r"D-OVERLAP: 'a.ogg' \(train\) and 'b.ogg' \(held_"):
        corpus.write(tmp_path, [clip("a", wave), clip("b", wave, split="held_out")])


def test_a39_one_recording_in_both_splits_is_refused(tmp_path):
    clips = [clip("a", source="fs1"), clip("bb", source="fs1", split="held_out")]
    with pytest.raises(errors.MaaError, match="D-OVERLAP: .* are of one source, expected every"):
        corpus.write(tmp_path, clips)


@pytest.mark.parametrize("pair", list(itertools.permutations(corpus.SPLITS, 2)))
def test_no_recording_is_in_two_of_the_three_splits(tmp_path, pair):
    """A39, C27: one recording, and one content under two names."""
    wave = made_sounds.tone(0.3)
    for same in ({"source": "fs1"}, {"wave": wave}):
        clips = [clip(name, split=split, **same) for name, split in zip(("a", "bb"), pair)]
        with pytest.raises(errors.MaaError, match=f"D-OVERLAP: .*{pair[0]}.*{pair[1]}.* of one"):
            corpus.write(tmp_path, clips)


def test_sounds_of_one_name_that_differ_are_refused_and_copies_are_not(tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    one, copy, other, absent = (tmp_path / name for name in "abcd")
    corpus.check_copies([one, copy, absent])
    corpus.check_copies([absent])  # is not opened
    with pytest.raises(errors.MaaError, match="D-DUP: .*a' and .*c' have one name and other byte"):
        corpus.check_copies([one, absent, copy, other])


def test_a39_silence_is_nobodys_content(tmp_path):
    silence = np.zeros(1_600, np.float32)
    corpus.write(tmp_path, [clip("a", silence), clip("b", silence, split="held_out")])


@pytest.mark.parametrize("name", [
    "a/b", "../a", "..", ".a", "a\\b", "a\0b", "a\nb", "", "-AbC", "x" * 201, "é" * 101])
def test_an_id_that_is_no_plain_file_name_is_rejected(tmp_path, name):
    """C20, C21: it would become one, or an option of a command."""
    table = corpus.write(tmp_path / "c", [clip(name, source="s"), clip("b")], max_reject=0.5)
    assert list(table.id) == ["b"]
    assert json.loads((tmp_path / "c" / "rejects.jsonl").read_text())["code"] == "C-ID"
    assert [path.name for path in tmp_path.rglob("*.wav")] == ["b.wav"]


@pytest.mark.parametrize("name", ["007", "1e5", "True", "a-b", "a b", "Hündin 犬", "x" * 200])
def test_any_other_id_is_kept_as_text(tmp_path, name):
    """C20."""
    corpus.write(tmp_path, [clip(name)])
    assert list(files.read_table(tmp_path / "clips.csv", dtype=str).id) == [name]
    assert (tmp_path / "sounds" / f"{name}.wav").is_file()


def test_two_clips_of_one_id_are_refused_before_one_overwrites_the_other(tmp_path):
    """C08."""
    corpus.write(tmp_path, [clip("a")])
    with pytest.raises(errors.MaaError, match="C-ID: 1 ids such as 'b' are there twice, expected"):
        corpus.write(tmp_path, [clip("b"), clip("b", source="other")])
    assert list(files.read_table(tmp_path / "clips.csv").id) == ["a"]


def test_many_warnings_become_one(tmp_path):
    def read():
        errors.warn("A-SILENT", "quiet")
        return made_sounds.tone(0.3), "a"

    clips = [corpus.Clip(name, "dog", "train", name, "CC0", name, read) for name in "ab"]
    with pytest.warns(errors.MaaWarning) as notes:
        corpus.write(tmp_path, clips)
    assert [str(note.message).split(" in ")[0] for note in notes] == [
        "D-NOTES: {'A-SILENT': 2}",
        "D-DUPCONTENT: 1 clips repeat another: b = a",
    ]


def test_a_choice_by_name_is_the_same_everywhere():
    # SHA-256 of "x" begins 2d711642, which is 762385986 = 3 * 254128662
    assert [corpus.choose("abc", name) for name in ("x", "y", "z", "\udcff")] == list("acab")


def test_about_one_recording_in_five_is_held_out():
    splits = [corpus.hashed_split(f"fs{number}") for number in range(1_000)]
    assert 160 < splits.count("held_out") < 240
