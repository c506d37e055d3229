"""Checkpoints from elsewhere: weights come back bit by bit, and anything else is refused."""

import io
import os
import pickle
import re
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


@pytest.mark.parametrize("place", [b"numpy.core", b"numpy._core"])
def test_numbers_of_older_and_newer_numpy_are_read(tmp_path, place):
    content, count = re.subn(rb"numpy\._?core", place, saved({"best": np.float32(0.5)}, False))
    assert count == 1
    assert read(tmp_path, content)["best"] == 0.5


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


# ---- weights into a network ---------------------------------------------------------------------

class Pair(torch.nn.Module):
    """Two layers, the second with statistics and a count of batches."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)


def theirs(name):
    """As a file names Pair's weights."""
    return f"net.{name}"


def of_pair(**changes):
    """What a file with Pair's weights holds, some of it changed; None takes one out."""
    generator = torch.Generator().manual_seed(0)
    found = {theirs(name): torch.rand(value.shape, generator=generator).to(value.dtype)
             for name, value in Pair().state_dict().items()}
    found |= {theirs(name.replace("_", ".", 1)): value for name, value in changes.items()}
    return {name: value for name, value in found.items() if value is not None}


def fitted(found, dropped=r"net\.old\..*"):
    network = Pair()
    untrusted.fit(network, found, theirs, dropped, "folder/any.pt")
    return network


def test_named_weights_of_a_file_come_back_by_name(tmp_path):
    torch.save({"epoch": 3, "model": NUMBERS}, tmp_path / "any.pt")
    found = untrusted.named(tmp_path / "any.pt", under=("model",))
    assert list(found) == list(NUMBERS)
    assert all(torch.equal(found[key], NUMBERS[key]) for key in NUMBERS)


@pytest.mark.parametrize("content, words", [
    ([1, 2], "K-KEYS: .*any.pt' holds no weights; is it another program's file"),
    ({"state_dict": {}}, "K-KEYS: .*any.pt' holds no weights"),
    ({"epoch": 3, "a": torch.zeros(1)}, "K-KEYS: 1 weights are no named tensors in 'any.pt': epo"),
    ({"state_dict": {0: torch.zeros(1)}}, "K-KEYS: 1 weights are no named tensors .*: 0;")])
def test_k14_a_file_without_named_weights_is_refused(tmp_path, content, words):
    torch.save(content, tmp_path / "any.pt")
    with pytest.raises(MaaError, match=words):
        untrusted.named(tmp_path / "any.pt")


def test_a_network_gets_every_weight_of_a_file_and_is_ready_to_use():
    found = of_pair(second_num_batches_tracked=torch.tensor(7))
    network = fitted(found)
    assert all(torch.equal(value, found[theirs(name)])
               for name, value in network.state_dict().items())
    assert network.second.num_batches_tracked == 7 and not network.training


def test_what_is_known_to_be_droppable_is_dropped_whatever_it_holds():
    found = of_pair(old_head=torch.full((9,), torch.nan), old_count=torch.arange(4))
    assert torch.equal(fitted(found).first.bias, found["net.first.bias"])
    with pytest.raises(MaaError, match="K-KEYS: 2 weights are unknown.*: net.old.count, net.old.h"):
        fitted(found, dropped="")
    with pytest.raises(MaaError, match="K-KEYS: 2 weights are unknown"):
        fitted(found, dropped=r"net\.old")  # the start of a name is not enough


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_become_float32(kind):
    network = fitted(of_pair(first_bias=torch.tensor([0.5, -2.0], dtype=kind)))
    assert network.first.bias.dtype == torch.float32
    assert network.first.bias.tolist() == [0.5, -2.0]


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3, 1, 1)])
def test_convolutions_of_width_1_fit_linear_layers(shape):
    found = of_pair(first_weight=torch.arange(6.0).reshape(shape))
    assert fitted(found).first.weight.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("value, like, expected", [
    ((2, 3), (2, 3), (2, 3)), ((2, 3, 1), (2, 3), (2, 3)), ((2, 3, 2), (2, 3), (2, 3, 2)),
    ((3, 2, 1), (2, 3), (3, 2)), ((1, 2, 3), (2, 3), (1, 2, 3)), ((2,), (2, 1), (2,)),
    ((1,), (), ()), ((), (), ())])
def test_only_widths_of_1_at_the_end_are_taken_off(value, like, expected):
    found = untrusted.squeezed(torch.zeros(value), torch.zeros(like))
    assert tuple(found.shape) == expected


@pytest.mark.parametrize("changes, words", [
    ({"first_bias": None}, "K-KEYS: 1 weights are missing in 'any.pt': net.first.bias; is it anot"),
    ({"second_num_batches_tracked": None}, "K-KEYS: 1 weights are missing .*batches_tracked;"),
    ({"third_bias": torch.zeros(2)}, "K-KEYS: 1 weights are unknown in 'any.pt': net.third.bias;"),
    ({"first_weight": torch.zeros(3, 2)},
     r"K-SHAPE: 1 weights have another shape .*: net.first.weight \(3, 2\) for \(2, 3\);"),
    ({"first_weight": torch.zeros(2, 3, 3)}, r"K-SHAPE: .*weight \(2, 3, 3\) for \(2, 3\);"),
    ({"first_weight": torch.tensor(1.0)}, r"K-SHAPE: .*weight \(\) for \(2, 3\);"),
    ({"first_bias": torch.ones(2, dtype=torch.int64)},
     "K-DTYPE: 1 weights are no floating-point numbers .*: net.first.bias torch.int64;"),
    ({"first_bias": torch.ones(2, dtype=torch.complex64)}, "K-DTYPE: .*bias torch.complex64;"),
    ({"first_bias": torch.tensor([1, torch.nan])},
     "K-NAN: 1 weights are not finite in 'any.pt': net.first.bias;"),
    ({"second_running_var": torch.tensor([1, torch.inf])}, "K-NAN: .*: net.second.running_var;"),
    ({"first_bias": torch.tensor([1, 1e300], dtype=torch.float64)}, "K-NAN: .*: net.first.bias;"),
])
def test_weights_that_do_not_fit_are_refused_and_named(changes, words):
    """K11, K12, K13, K15, K16; 1e300 is no number in float32."""
    with pytest.raises(MaaError, match=words) as caught:
        fitted(of_pair(**changes))
    assert caught.value.exit_status == 5


def test_a_network_keeps_its_weights_when_a_file_is_refused():
    network = Pair()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(MaaError, match="K-NAN"):
        untrusted.fit(network, of_pair(second_bias=torch.full((2,), torch.nan)), theirs, "", "any")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_of_many_weights_the_first_five_are_named_in_order():
    assert untrusted.refuse("K-KEYS", "are odd", [], "any.pt") is None
    with pytest.raises(MaaError, match="^K-KEYS: 5 weights are odd in 'any.pt': a, b, c, d, e; is"):
        untrusted.refuse("K-KEYS", "are odd", list("ecdab"), "folder/any.pt")
    with pytest.raises(MaaError, match="^K-KEYS: 6 weights are odd .*: a, b, c, d, e, …; is it an"):
        untrusted.refuse("K-KEYS", "are odd", set("fedcba"), "folder/any.pt")
