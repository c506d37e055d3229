"""Checkpoints from elsewhere: weights come back bit by bit, and anything else is refused."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from maa import untrusted
from maa.errors import MaaError

NUMBERS = {"a": torch.arange(5.0), "b": torch.ones(2, 3, dtype=torch.int64)}


def saved(value, zipped=True):
    memory = io.BytesIO()
    torch.save(value, memory, _use_new_zipfile_serialization=zipped)
    return memory.getvalue()


def read(folder, content):
    (folder / "any.pt").write_bytes(content)
    return untrusted.read(folder / "any.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_and_numbers_come_back_as_they_were_saved(tmp_path, zipped):
    """Numbers of numpy too: many checkpoints keep their best score as one."""
    content = {"state_dict": NUMBERS, "best": np.float64(0.5), "epoch": np.int64(3)}
    found = read(tmp_path, saved(content, zipped))
    assert found["best"] == 0.5 and found["epoch"] == 3
    assert all(torch.equal(found["state_dict"][key], NUMBERS[key]) for key in NUMBERS)


@pytest.mark.parametrize("content", [
    NUMBERS, {"state_dict": NUMBERS}, {"model": NUMBERS}, {"model": {"state_dict": NUMBERS}},
    {"state_dict": {f"module.{key}": value for key, value in NUMBERS.items()}}])
def test_weights_are_found_bare_or_wrapped(content):
    assert untrusted.weights(content, ("model", "state_dict")) == NUMBERS


def test_a_name_keeps_its_module_where_another_has_none():
    mixed = {"module.a": 1, "b": 2}
    assert untrusted.weights(mixed) == mixed
    assert untrusted.weights({0: 1, "module.a": 2}) == {0: 1, "module.a": 2}


@pytest.mark.parametrize("content", [[1, 2], 3, torch.zeros(2), {"state_dict": [1]}])
def test_what_is_no_dictionary_holds_no_weights(content):
    assert untrusted.weights(content) is None


def test_what_is_no_named_tensor_is_told_by_its_key():
    assert untrusted.unnamed({**NUMBERS, "epoch": 3, 0: torch.zeros(1)}) == ["epoch", 0]
    assert untrusted.unnamed(NUMBERS) == []


@pytest.mark.parametrize("content, words", [
    (b"", "K-EMPTY: .*any.pt' has 0 bytes"),
    (b"version https://git-lfs.github.com/spec/v1\n", "K-POINTER: .*any.pt' is a git LFS pointer"),
    (b"\n<!DOCTYPE html>", "K-FORMAT: .*any.pt' is a web page"),
    (b"\x00\x01\x02", "K-FORMAT: .*any.pt' is no PyTorch file"),
    (saved(NUMBERS)[:-9], "K-TRUNC: .*any.pt' is cut short"),
    (saved(NUMBERS, zipped=False)[:-9], "K-TRUNC: .*any.pt' is cut short")],
    ids=["empty", "pointer", "page", "noise", "cut zip", "cut pickle"])
def test_what_is_no_whole_checkpoint_is_refused(tmp_path, content, words):
    """K02, K03, K07."""
    with pytest.raises(MaaError, match=words):
        read(tmp_path, content)


def test_a_missing_file_is_refused(tmp_path):
    """K01."""
    with pytest.raises(MaaError, match="K-MISSING: .*none.pt' is no file; was it downloaded"):
        untrusted.read(tmp_path / "none.pt")


class Command:
    """Runs a command where a pickle of it is read."""

    def __reduce__(self):
        return os.system, ("touch ran",)


def nested():
    """A checkpoint whose second pickle, beside the first in the zip, holds a command."""
    memory = io.BytesIO(saved(NUMBERS))
    with zipfile.ZipFile(memory, "a") as archive:
        archive.writestr("archive/other/data.pkl", pickle.dumps(Command()))
    return memory.getvalue()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [
    saved({"a": Command()}), saved({"a": Command()}, zipped=False), pickle.dumps(Command())],
    ids=["zip", "older form", "bare pickle"])
def test_a_command_is_refused_and_never_run(tmp_path, monkeypatch, content):
    """K08."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MaaError, match="K-UNSAFE: .*any.pt' asks for .*, expected only weights"):
        read(tmp_path, content)
    assert os.listdir(tmp_path) == ["any.pt"]


def test_a_command_beside_the_weights_is_not_run(tmp_path, monkeypatch):
    """K09."""
    monkeypatch.chdir(tmp_path)
    try:
        read(tmp_path, nested())
    except MaaError as fault:
        assert fault.code.startswith("K-")
    assert os.listdir(tmp_path) == ["any.pt"]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_hundreds_of_damaged_files_are_read_or_refused_in_one_line(tmp_path, monkeypatch, zipped):
    """K04: of a zip no changed content is read, as it carries sums."""
    monkeypatch.chdir(tmp_path)
    whole, generator, refused = saved(NUMBERS, zipped), np.random.default_rng(0), 0
    for _ in range(300):
        content = bytearray(whole)
        for place in generator.integers(0, len(content), 3):
            content[place] = generator.integers(256)
        try:
            found = read(tmp_path, bytes(content))
        except MaaError as fault:
            assert fault.code.startswith("K-") and str(fault).isprintable()
            refused += 1
        else:
            assert not zipped or all(torch.equal(found[key], NUMBERS[key]) for key in NUMBERS)
    assert 100 < refused and os.listdir(tmp_path) == ["any.pt"]
