"""maa.streams: every process reads its share of the shards, and damage is noticed."""

import tarfile

import made_corpora
import numpy as np
import pytest
import torch

from maa import errors, files, shards, streams


def test_ranks_and_workers_share_the_shards_and_lose_none(tmp_path, monkeypatch):
    table = made_corpora.rows(tmp_path / "in", 9)
    shards.write(tmp_path / "out", table, samples=2)
    found = []
    for rank in "01":
        for worker in "01":
            for name, value in (("RANK", rank), ("WORLD_SIZE", "2"), ("WORKER", worker),
                                ("NUM_WORKERS", "2")):
                monkeypatch.setenv(name, value)
            own = [name for name, _, _ in streams.read(tmp_path / "out")]
            assert own and not set(own) & set(found)
            found += own
    assert sorted(found) == sorted(table.id)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    told = "D-SHARDS: no shard is left for worker 1 of 2 of rank 2 of 3: there are 5, expected 6"
    with pytest.raises(errors.MaaError, match=told):
        list(streams.read(tmp_path / "out"))


def test_another_order_of_the_shards_is_the_same_for_the_same_generator(tmp_path):
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 8), samples=1)
    plain, one, two = ([name for name, _, _ in streams.read(tmp_path / "out", generator)]
                       for generator in (None, np.random.default_rng(0), np.random.default_rng(0)))
    assert one == two != plain and sorted(one) == sorted(plain)


def test_a_folder_whose_name_is_a_command_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shards.write("pipe:touch made", made_corpora.rows(tmp_path / "in", 2))
    assert len(list(streams.read("pipe:touch made"))) == 2
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("place, told", [
    (0, "000000.tar' is no whole tar file"), (1, "gave 1 samples, expected 3; it is damaged"),
    (2, "lacks its sound or its words")])
def test_a_shard_with_a_damaged_header_is_not_a_short_one(tmp_path, place, told):
    """The headers of a tar file say where the next one is: behind a damaged one nothing is read."""
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 3))
    path = tmp_path / "out/000000.tar"
    content = bytearray(path.read_bytes())
    starts = [start for start in range(0, len(content), 512)
              if content[start : start + 7] == b"fsd50k-"]
    content[starts[(0, 2, 3)[place]] + 150] ^= 1  # in the checksum
    path.write_bytes(content)
    with pytest.raises(errors.MaaError, match=f"K-HASH: .*{told}"):
        list(streams.read(tmp_path / "out"))


def test_a_shard_with_one_name_twice_is_damaged(tmp_path):
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 1))
    path, index = tmp_path / "out/000000.tar", tmp_path / "out/index.json"
    with tarfile.open(path) as archive:
        members = [(one.name, archive.extractfile(one).read()) for one in archive]
    path.write_bytes(shards._packed(2 * members))
    told = files.read_json(index)
    told["shards"][path.name]["bytes"] = path.stat().st_size
    files.write_json(index, told)
    with pytest.raises(errors.MaaError, match="K-HASH: .*000000.tar' is no whole tar .*duplicate"):
        list(streams.read(tmp_path / "out"))


@pytest.mark.parametrize("size", [512, None])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_shard_that_begins_with_zeros_is_not_an_empty_one(tmp_path, size, number):
    """A disk that was full or cut off leaves zeros in a file of the right length."""
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 3), samples=1)
    path = tmp_path / f"out/{number:06d}.tar"
    content = path.read_bytes()
    path.write_bytes(bytes(size or len(content)) + content[size or len(content) :])
    found = []
    told = f"K-HASH: .*{path.name}' gave 0 samples, expected 1"
    with pytest.raises(errors.MaaError, match=told):
        for name, _, _ in streams.read(tmp_path / "out"):
            found.append(name)
    assert len(found) == number  # those before it are read


def test_workers_of_a_loader_tell_of_a_shard_of_zeros(tmp_path):
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 2), samples=1)
    path = tmp_path / "out/000001.tar"
    path.write_bytes(bytes(path.stat().st_size))
    loader = torch.utils.data.DataLoader(
        streams.read(tmp_path / "out"), batch_size=None, num_workers=2)
    with pytest.raises(Exception, match="K-HASH.*000001.tar' gave 0 samples, expected 1"):
        list(loader)


def test_a_reader_may_stop_early_and_start_again(tmp_path):
    shards.write(tmp_path / "out", made_corpora.rows(tmp_path / "in", 3))
    stream = streams.read(tmp_path / "out")
    assert next(iter(stream))[0] == next(iter(stream))[0]
    assert len(list(stream)) == 3
