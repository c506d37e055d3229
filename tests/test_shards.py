"""maa.shards: sounds become tar files, the same ones however often the writer is killed."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import made_corpora
import made_sounds
import numpy as np
import pytest

from maa import corpora, errors, files, shards, sounds, streams

ROOT = Path(__file__).parents[1]
SLOWLY = """
import sys, time
from maa import corpora, shards
read = shards.sounds.read
def slowly(*path, **options):
    time.sleep(0.05)
    return read(*path, **options)
shards.sounds.read = slowly
rows = corpora.read("fsd50k", sys.argv[1])
shards.write(sys.argv[2], rows[rows.split == "train"], samples=3)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_what_is_written_is_read_again(tmp_path):
    table = made_corpora.rows(tmp_path / "in")
    index = shards.write(tmp_path / "out", table, samples=3)
    assert index == shards.index(tmp_path / "out") and index["complete"]
    assert [shard["samples"] for shard in index["shards"].values()] == [3, 3, 1]
    found = list(streams.read(tmp_path / "out"))
    assert [name for name, _, _ in found] == list(table.id)
    for (_, wave, row), (_, listed) in zip(found, table.iterrows()):
        own = sounds.peak_normalise(sounds.read(Path(listed.root) / listed.file))
        assert wave.dtype == np.float32 and np.abs(wave - own).max() <= 1 / 32_767
        assert row == {name: listed[name] for name in shards.STORED} | {
            "captions": [], "seconds": 0.3}


@pytest.mark.filterwarnings("ignore:D-SOURCE")
def test_a_sound_is_stored_once_with_all_its_captions(tmp_path):
    table = corpora.read("clotho", made_corpora.clotho(tmp_path / "in"))
    shards.write(tmp_path / "out", table[table.split == "train"].sample(frac=1, random_state=0))
    found = {row["file"].split("/")[-1]: sorted(row["captions"])
             for _, _, row in streams.read(tmp_path / "out")}
    assert found == {"bell.wav": [f"bell {n}" for n in "abcde"],
                     " Birds.wav": [f"Birds {n}" for n in "abcde"]}


def test_a_shard_is_a_plain_tar_file_that_tells_nothing_of_this_machine(tmp_path):
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 2))
    content = contents(tmp_path / "out")["000000.tar"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        sound = archive.extractfile(members[0]).read()
    assert [Path(member.name).suffix for member in members] == [".flac", ".json"] * 2
    assert {(one.mtime, one.uid, one.gid, one.uname) for one in members} == {(0, 0, 0, "")}
    assert sound.startswith(b"fLaC")
    assert str(tmp_path).encode() not in content


def test_the_same_rows_make_the_same_bytes(tmp_path):
    table = made_corpora.rows(tmp_path / "in")
    for name in "ab":
        shards.write(tmp_path / name, table, samples=2)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_run_that_was_killed_goes_on_to_the_bytes_of_one_that_was_not(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 30)
    shards.write(tmp_path / "whole", table, samples=3)
    child = subprocess.Popen([sys.executable, "-c", SLOWLY, tmp_path / "in", tmp_path / "killed"],
                             cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while child.poll() is None and not (tmp_path / "killed/000002.tar").exists():
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    done = sorted(path.name for path in (tmp_path / "killed").glob("*.tar"))
    assert 3 <= len(done) < 10
    with pytest.raises(errors.MaaError, match="D-PARTIAL: .*killed' has . shards and lacks some"):
        streams.read(tmp_path / "killed")
    (tmp_path / "killed/.maa-1-0.tmp").write_bytes(b"half a shard")
    times = {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in done[:2]}
    shards.write(tmp_path / "killed", table, samples=3)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert times == {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in done[:2]}


def test_shards_of_a_longer_table_go_though_the_run_that_took_its_place_was_killed(
        tmp_path, monkeypatch):
    """maa.labelling takes every *.tar of a folder, listed or not."""
    table = made_corpora.rows(tmp_path / "in", 5)
    shards.write(tmp_path / "out", table, samples=1)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_write_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            shards.write(tmp_path / "out", table[:2].assign(label="a"), samples=1)
    for name in ("1000000.tar", "0000002.tar", "2.tar", "a000002.tar"):
        (tmp_path / "out" / name).write_bytes(b"")
    index = shards.write(tmp_path / "out", table[:2].assign(label="a"), samples=1)
    assert list(index["shards"]) == ["000000.tar", "000001.tar"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == [
        "000000.tar", "0000002.tar", "000001.tar", "2.tar", "a000002.tar"]


def test_only_shards_whose_rows_have_changed_are_made_again(tmp_path, monkeypatch):
    table = made_corpora.rows(tmp_path / "in", 6)
    shards.write(tmp_path / "out", table, samples=2)
    made, write_shard = [], shards._write_shard
    monkeypatch.setattr(shards, "_write_shard",
                        lambda path, *rest: made.append(path.name) or write_shard(path, *rest))
    shards.write(tmp_path / "out", table, samples=2)
    assert made == []
    table = table.assign(label=["a", *table.label[1:]])
    shards.write(tmp_path / "out", table[:4], samples=2)
    assert made == ["000000.tar"]
    assert sorted(contents(tmp_path / "out")) == [
        ".lock", "000000.tar", "000001.tar", "index.json", "rejects.jsonl"]
    (tmp_path / "out/000001.tar").unlink()
    shards.write(tmp_path / "out", table[:4], samples=2)
    assert made == ["000000.tar", "000001.tar"]
    shards.write(tmp_path / "out", table[:4], samples=2, seconds=0.2)
    assert made[2:] == ["000000.tar", "000001.tar"]


def test_sounds_that_cannot_be_read_are_set_apart_and_stop_nothing(tmp_path):
    """A05 and others: the batch rule."""
    table = made_corpora.rows(tmp_path / "in", 6)
    bad = {"101": b"", "103": b"<html>404", "104": made_sounds.wav(32_000)[:9_000]}
    for name, content in bad.items():
        made_corpora.write(tmp_path / f"in/FSD50K.dev_audio/{name}.wav", content)
    with pytest.raises(errors.MaaError, match="D-REJECTS: 3 of 6 sounds refused, expected 1.0% or"):
        shards.write(tmp_path / "out", table, samples=4)
    with pytest.raises(errors.MaaError, match="D-PARTIAL"):
        streams.read(tmp_path / "out")
    shards.write(tmp_path / "out", table, samples=4, max_reject=0.5)
    lines = (tmp_path / "out/rejects.jsonl").read_text().splitlines()
    assert [(json.loads(line)["path"][-7:], json.loads(line)["code"]) for line in lines] == [
        ("101.wav", "A-EMPTY"), ("103.wav", "A-FORMAT"), ("104.wav", "A-TRUNC")]
    assert [row["source_id"] for _, _, row in streams.read(tmp_path / "out")] == [
        "fs102", "fs105", "fs106"]


def test_a_shard_without_samples_does_no_harm_and_none_with_any_is_an_error(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 2)
    made_corpora.write(tmp_path / "in/FSD50K.dev_audio/101.wav", "")
    shards.write(tmp_path / "out", table, samples=1, max_reject=0.5)
    assert len(list(streams.read(tmp_path / "out"))) == 1
    made_corpora.write(tmp_path / "in/FSD50K.dev_audio/102.wav", "")
    with pytest.raises(errors.MaaError, match="D-EMPTY: none of 2 sounds can be used"):
        shards.write(tmp_path / "other", table, max_reject=1.0)


@pytest.mark.filterwarnings("ignore:D-SOURCE")
def test_captions_without_words_are_left_out_and_sounds_without_any_refused(tmp_path):
    """C01, C02."""
    table = corpora.read("clotho", made_corpora.clotho(tmp_path / "in"))
    table = table[table.split == "train"].reset_index(drop=True)
    table["caption"] = [" ", "words ", "\u200b", "", "\n"] + [""] * 5
    shards.write(tmp_path / "out", table, max_reject=0.5)
    assert [row["captions"] for _, _, row in streams.read(tmp_path / "out")] == [["words"]]
    assert '"C-EMPTY"' in (tmp_path / "out/rejects.jsonl").read_text()


def test_long_sounds_are_cut_and_a_length_that_the_list_states_must_be_reached(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 2).assign(seconds=[0.3, 5.0])
    shards.write(tmp_path / "cut", table, seconds=0.2)
    assert [len(wave) for _, wave, _ in streams.read(tmp_path / "cut")] == [3_200, 3_200]
    shards.write(tmp_path / "whole", table, seconds=None, max_reject=0.5)
    assert [len(wave) for _, wave, _ in streams.read(tmp_path / "whole")] == [4_800]


def test_what_was_noticed_is_told_once_for_all_shards(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 3)
    for name in ("101", "103"):
        made_corpora.write(tmp_path / f"in/FSD50K.dev_audio/{name}.wav",
                           made_sounds.encoded(np.zeros(4_800, np.float32)))
    for _ in range(2):  # the second time from the index
        with pytest.warns(errors.MaaWarning, match=r"D-NOTES: {'A-SILENT': 2} in 3 sounds") as told:
            shards.write(tmp_path / "out", table, samples=2)
        assert len(told) == 1


def test_damaged_shards_are_named(tmp_path):
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 2), samples=1)
    path = tmp_path / "out/000001.tar"
    content = bytearray(path.read_bytes())
    shards.check(tmp_path / "out")
    content[600] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.MaaError, match="K-HASH: '000001.tar' has SHA-256"):
        shards.check(tmp_path / "out")
    path.write_bytes(content[:-1])
    with pytest.raises(errors.MaaError, match="K-HASH: .*000001.tar' has .* bytes, expected"):
        shards.index(tmp_path / "out")
    path.unlink()
    with pytest.raises(errors.MaaError, match="K-MISSING: .*000001.tar' is gone"):
        shards.index(tmp_path / "out")
    with pytest.raises(errors.MaaError, match="D-MISSING: .* has no index.json, expected shards"):
        shards.index(tmp_path)


def test_rows_that_cannot_be_shards_are_refused(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 2)
    for name in ("a.b", "../a", "-a", "", "a" * 91):
        with pytest.raises(errors.MaaError, match="C-ID: id is .*, expected a name without points"):
            shards.write(tmp_path / "out", table.assign(id=[name, "b"]))
    with pytest.raises(errors.MaaError, match="D-MISSING: no row has its sound on this disk"):
        shards.write(tmp_path / "out", table.assign(here=False))
    with pytest.raises(ValueError, match=r"splits \['held_out', 'train'\], expected one"):
        shards.write(tmp_path / "out", table.assign(split=["train", "held_out"]))
    with pytest.raises(ValueError, match="samples is 0, expected 1 or more"):
        shards.write(tmp_path / "out", table, samples=0)


def test_one_id_for_two_sounds_is_refused_and_for_two_captions_is_not(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 2)
    for samples in (1, 2):
        with pytest.raises(errors.MaaError, match="C-ID: 1 ids such as 'a' are of two sounds"):
            shards.write(tmp_path / "out", table.assign(id="a"), samples=samples)
    assert not (tmp_path / "out").exists()
    shards.write(tmp_path / "out", table.assign(id="a", file=table.file.iloc[0]))
    assert [name for name, _, _ in streams.read(tmp_path / "out")] == ["a"]


def test_tar_files_of_others_are_neither_replaced_nor_deleted(tmp_path):
    """A40."""
    table = made_corpora.rows(tmp_path / "in", 2)
    made_corpora.write(tmp_path / "out/000000.tar", "mine")
    with pytest.raises(errors.MaaError, match="D-EXISTS: .*out' has '000000.tar' and no index"):
        shards.write(tmp_path / "out", table)
    assert (tmp_path / "out/000000.tar").read_text() == "mine"
    shards.write(tmp_path / "other", table)
    made_corpora.write(tmp_path / "other/mine.tar", "mine")
    shards.write(tmp_path / "other", table[:1])
    assert (tmp_path / "other/mine.tar").read_text() == "mine"


def test_two_writers_do_not_meet(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 2)
    with files.locked(tmp_path / "out"), pytest.raises(errors.MaaError, match="F-LOCKED"):
        shards.write(tmp_path / "out", table)


def test_a34_links_out_of_a_corpus_are_read_only_if_asked_for(tmp_path):
    table = made_corpora.rows(tmp_path / "in", 2)
    path = tmp_path / "in/FSD50K.dev_audio/101.wav"
    path.rename(tmp_path / "elsewhere.wav")
    path.symlink_to(tmp_path / "elsewhere.wav")
    shards.write(tmp_path / "a", table, max_reject=0.5)
    assert '"A-LINK"' in (tmp_path / "a/rejects.jsonl").read_text()
    shards.write(tmp_path / "b", table, follow_links=True)
    assert len(list(streams.read(tmp_path / "b"))) == 2
