"""LAION's network with random weights, and the same network in transformers, hear and read alike."""

import os
import pickle
import socket
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, ClapModel, RobertaConfig, RobertaModel

from maa import files, laion, training
from maa.errors import MaaError

QKV = "audio_branch.layers.0.blocks.0.attn.qkv.weight"
RUN = "touch ran"  # what the malicious files would do


@pytest.fixture(scope="module")
def package():
    """laion_clap, imported while looking up any host fails the tests."""
    offline = mock.patch.object(socket, "getaddrinfo", side_effect=AssertionError("a hub"))
    with offline, laion.quiet_import():
        import laion_clap
    return laion_clap


def network(package, size="HTSAT-tiny", fused=False):
    """LAION's network with one layer of RoBERTa and random weights, also where 0 and 1 are usual."""
    with training.seeded(0):
        reader = RobertaModel(RobertaConfig(
            vocab_size=300, num_hidden_layers=1, max_position_embeddings=80, type_vocab_size=1,
            layer_norm_eps=1e-5))
        with mock.patch.object(RobertaModel, "from_pretrained", return_value=reader):
            made, _ = package.hook.create_model(size, "roberta", enable_fusion=fused,
                                                fusion_type="aff_2d" if fused else "None")
        for name, value in made.state_dict().items():
            if value.is_floating_point() and "extractor" not in name and "attn_mask" not in name:
                noise = 0.1 * torch.randn_like(value)
                value.add_(noise.abs() if name.endswith("running_var") else noise)
    return made.eval()


@pytest.fixture(scope="module")
def theirs(package):
    return network(package)


@pytest.fixture
def weights(theirs):
    """Names and tensors of their network, which a test may change at the first level."""
    return dict(theirs.state_dict())


def save(path, weights):
    """As LAION's training does: from several GPUs, beside the epoch and a score of numpy."""
    torch.save({"epoch": 15, "name": "CLAP", "best": np.float64(0.5),
                "state_dict": {f"module.{key}": value for key, value in weights.items()}}, path)


@pytest.fixture(scope="module")
def imported(theirs, tmp_path_factory):
    place = tmp_path_factory.mktemp("laion")
    positions = {"text_branch.embeddings.position_ids": torch.arange(80)[None]}  # of 2022
    save(place / "clap.pt", {**theirs.state_dict(), **positions})
    record = laion.import_checkpoint(place / "clap.pt", place / "new/clap", text_layers=1)
    return place, record


def sounds(samples=480_000):
    """A sweep through all the bands, and noise, each with a faint hiss so that no band is empty."""
    time = torch.arange(samples) / laion.RATE
    generator = torch.Generator().manual_seed(0)
    hiss = torch.randn(2, samples, generator=generator)
    sweep = 0.5 * torch.sin(2 * torch.pi * (50 * time + 700 * time**2))
    return torch.stack([sweep + 0.02 * hiss[0], 0.1 * hiss[1]])


def prepared(package, waves, truncating="rand_trunc"):
    """One dictionary a sound, by LAION's own front end."""
    settings = {"sample_rate": 48_000, "window_size": 1024, "hop_size": 480, "mel_bins": 64,
                "fmin": 50, "fmax": 14_000}
    return [package.hook.get_audio_features({}, wave, laion.LONGEST, truncating, "repeatpad",
                                            settings) for wave in waves]


def words():
    """Token numbers and mask of three texts: 77, 9 and 2 tokens long."""
    ids = torch.randint(4, 300, (3, 77), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(77) < torch.tensor([[77], [9], [2]])).long()
    return torch.where(mask == 1, ids, 1), mask


@torch.no_grad()
def test_an_imported_checkpoint_reads_as_laions_network_does(theirs, imported):
    clap = ClapModel.from_pretrained(imported[0] / "new/clap")
    ids, mask = words()
    expected = theirs.get_text_embedding({"input_ids": ids, "attention_mask": mask})
    found = clap.get_text_features(ids, attention_mask=mask).pooler_output
    assert (found - expected).abs().max() < 1e-5
    assert (expected[0] - expected[1]).abs().max() > 1e-2


@torch.no_grad()
def test_an_imported_checkpoint_hears_as_laions_network_does(package, theirs, imported):
    clap = ClapModel.from_pretrained(imported[0] / "new/clap")
    expected = theirs.get_audio_embedding(prepared(package, sounds()))
    found = clap.get_audio_features(**laion.features(sounds(), clap)).pooler_output
    assert (found - expected).abs().max() < 1e-5
    assert (expected[0] - expected[1]).abs().max() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("size, fused", [("HTSAT-tiny", True), ("HTSAT-base", False)])
def test_other_sizes_and_fused_networks_hear_alike_too(package, size, fused):
    theirs = network(package, size, fused)
    clap = laion.convert(theirs.state_dict(), text_layers=1)
    heard = prepared(package, sounds(), "fusion" if fused else "rand_trunc")
    expected = theirs.get_audio_embedding(heard)
    found = clap.get_audio_features(**laion.features(sounds(), clap)).pooler_output
    assert (found - expected).abs().max() < 1e-5
    assert (expected[0] - expected[1]).abs().max() > 1e-2


@torch.no_grad()
def test_sounds_longer_than_ten_seconds_are_fused_alike(package):
    theirs = network(package, fused=True)
    clap = laion.convert(theirs.state_dict(), text_layers=1)
    mels = torch.randn(2, 4, 1001, 64, generator=torch.Generator().manual_seed(0))
    longer = torch.tensor([True, False])
    heard = [{"mel_fusion": mel, "longer": long, "waveform": mel[0]}
             for mel, long in zip(mels, longer)]
    expected = theirs.get_audio_embedding(heard)
    found = clap.get_audio_features(mels, is_longer=longer[:, None]).pooler_output
    assert (found - expected).abs().max() < 1e-5
    whole = clap.get_audio_features(mels, is_longer=longer[:, None] & False).pooler_output
    first, second = (found - whole).abs().amax(1)
    assert first > 1e-2 and second == 0


@pytest.mark.parametrize("samples", [480_000, 100_000])
def test_features_are_those_of_laions_front_end(package, theirs, imported, samples):
    """998 of 1000 values to 1e-4 dB; in the others LAION's float32 loses what is faint."""
    clap = ClapModel.from_pretrained(imported[0] / "new/clap")
    branch, waves = theirs.audio_branch, sounds(samples)
    filled = torch.stack([heard["waveform"] for heard in prepared(package, waves)])
    expected = branch.logmel_extractor(branch.spectrogram_extractor(filled))
    found = laion.features(waves, clap)
    assert found["input_features"].shape == expected.shape == (2, 1, 1001, 64)
    assert not found["is_longer"].any()
    apart = (found["input_features"] - expected).abs()
    assert (apart > 1e-4).float().mean() < 2e-3
    assert apart.max() < 1e-2


def test_front_end_of_the_folder_begins_at_50_hz(imported):
    saved = AutoFeatureExtractor.from_pretrained(imported[0] / "new/clap")
    assert (saved.frequency_min, saved.sampling_rate, saved.truncation) == (50, 48000, "rand_trunc")


@pytest.mark.parametrize("shape", [(480_000,), (1, 480_001), (1, 0), (1, 2, 480_000)])
def test_features_take_a_row_of_at_most_ten_seconds_a_sound(imported, shape):
    clap = ClapModel.from_pretrained(imported[0] / "new/clap")
    with pytest.raises(ValueError, match=r"shape .*, expected \(clips, 1 … 480000 samples\)"):
        laion.features(torch.zeros(shape), clap)


def test_the_folder_says_where_it_comes_from_and_is_sealed(imported):
    place, record = imported
    assert sorted(path.name for path in (place / "new").iterdir()) == ["clap"]
    assert record == files.read_json(place / "new/clap/source.json") == {
        "files": {"clap.pt": files.sha256(place / "clap.pt")},
        "result": files.sha256(place / "new/clap/model.safetensors")}
    files.check_hashes(place / "new/clap")
    assert "source.json" in files.read_json(place / "new/clap/hashes.json")
    assert str(place) not in (place / "new/clap/config.json").read_text()


def test_importing_twice_gives_the_same_bytes_and_never_writes_over(imported):
    place, record = imported
    again = laion.import_checkpoint(place / "clap.pt", place / "again", text_layers=1)
    assert again == record
    with pytest.raises(MaaError, match="K-EXISTS: .*again' exists, expected a new folder"):
        laion.import_checkpoint(place / "clap.pt", place / "again", text_layers=1)


def test_laion_clap_is_imported_without_tokenizers_and_without_its_folder(package):
    assert package.training.data.roberta_tokenizer is None
    assert not [place for place in sys.path if place.endswith("laion_clap")]


class Command:
    """Runs a command where a pickle of it is read."""

    def __reduce__(self):
        return os.system, (RUN,)


def saved(value, path, zipped=True):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path.read_bytes()


def content(kind, path):
    """Bytes of a broken file."""
    numbers = {"state_dict": {"a": torch.arange(5000.0)}}
    whole = saved(numbers, path)
    old = saved(numbers, path, zipped=False)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    return {
        "empty": b"",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        "page": b"\n<!DOCTYPE html><html>Sign in</html>",
        "noise": bytes(range(255, -1, -1)),
        "start of a zip": whole[:20], "half of a zip": whole[: len(whole) // 2],
        "most of a zip": whole[:-9],
        "start of a pickle": old[:20], "half of a pickle": old[: len(old) // 2],
        "most of a pickle": old[:-9],
        "flipped bit": bytes(flipped),
        "command": saved({"state_dict": numbers, "epoch": Command()}, path),
        "command, old format": saved({"epoch": Command()}, path, zipped=False),
        "bare command": pickle.dumps(Command()),
        "list": saved([1, 2], path),
        "state of numbers": saved({"state_dict": {"epoch": 3}}, path),
        "numbered tensors": saved({0: torch.zeros(1)}, path),
    }[kind]


@pytest.mark.parametrize("fault, kind, words", [
    ("k02", "empty", "K-EMPTY: .* has 0 bytes; download it again"),
    ("k03", "start of a zip", "K-TRUNC: .* is cut short"),
    ("k03", "half of a zip", "K-TRUNC: .* is cut short"),
    ("k03", "most of a zip", "K-TRUNC: .* is cut short"),
    ("k03", "start of a pickle", "K-TRUNC: .* is cut short"),
    ("k03", "half of a pickle", "K-TRUNC: .* is cut short"),
    ("k03", "most of a pickle", "K-TRUNC: .* is cut short"),
    ("k04", "flipped bit", "K-HASH: .* is damaged at .*data/0"),
    ("k07", "pointer", "K-POINTER: .* is a git LFS pointer; run `git lfs pull`"),
    ("k07", "page", "K-FORMAT: .* is a web page, expected a checkpoint"),
    ("k07", "noise", "K-FORMAT: .* is no PyTorch file"),
    ("k08", "command", "K-UNSAFE: .* asks for posix.system, expected only weights.*torch.save"),
    ("k08", "command, old format", "K-UNSAFE: .* asks for posix.system"),
    ("k08", "bare command", "K-UNSAFE: .* asks for .*, expected only weights"),
    ("k14", "list", "K-KEYS: .* holds no weights"),
    ("k14", "state of numbers", "K-KEYS: 1 weights are no named tensors in 'clap.pt': epoch;"),
    ("k14", "numbered tensors", "K-KEYS: 1 weights are no named tensors in 'clap.pt': 0;"),
], ids=lambda value: value.split(":")[0].replace(" ", "_"))
def test_a_broken_file_is_refused_in_one_line_and_leaves_nothing(
        fault, kind, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "clap.pt"
    path.write_bytes(content(kind, path))
    with pytest.raises(MaaError, match=words) as caught:
        laion.import_checkpoint(path, tmp_path / "new/clap")
    assert "\n" not in str(caught.value) and caught.value.exit_status == 5
    assert list(tmp_path.iterdir()) == [path]


def test_k01_a_missing_file_is_refused(tmp_path):
    with pytest.raises(MaaError, match="K-MISSING: .*none.pt' is no file; was it downloaded"):
        laion.import_checkpoint(tmp_path / "none.pt", tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key, found, expected", [
    (QKV, (96, 96), r"query.weight \(32, 96\) for \(96, 96\)"),
    ("text_projection.2.bias", (256,), r"text_projection.2.bias \(256,\) for \(512,\)"),
    (laion.WORDS, (300, 512), r"word_embeddings.weight \(300, 512\) for \(200, 768\)"),
    (laion.WORDS, (), r"word_embeddings.weight \(\) for \(2, 768\)"),
    (laion.PATCHES, (100,), r"has 100 values, expected one of \[96, 128, 256\]"),
    (laion.FILTERS, (513, 80), "1 weights are not the mel filters of features"),
])
def test_k11_weights_of_another_shape_are_named(weights, key, found, expected):
    weights[key] = torch.zeros(found)
    with pytest.raises(MaaError, match=f"K-SHAPE: .*{expected}"):
        laion.convert(weights, text_layers=1)


def test_k11_mel_filters_of_other_sounds_are_refused(weights):
    weights[laion.FILTERS] = weights[laion.FILTERS].roll(1, 0)
    with pytest.raises(MaaError, match="K-SHAPE: 1 weights are not the mel filters"):
        laion.convert(weights, text_layers=1)


def test_k12_missing_weights_are_counted_and_the_first_five_named(weights):
    weights = {key: value for key, value in weights.items() if "layers.3.blocks.1" not in key}
    with pytest.raises(MaaError, match=r"K-KEYS: 18 weights are missing.*: (audio_\S+, ){5}…;"):
        laion.convert(weights, text_layers=1)


def test_k12_a_last_layer_of_roberta_that_is_missing_is_noticed(weights):
    with pytest.raises(MaaError, match="K-KEYS: 16 weights are missing.*: text_branch.encoder.lay"):
        laion.convert(weights, text_layers=2)


@pytest.mark.parametrize("key", [laion.WORDS, laion.PLACES, laion.PATCHES])
def test_k12_a_file_without_the_weights_that_tell_its_size_is_refused(weights, key):
    del weights[key]
    with pytest.raises(MaaError, match=f"K-KEYS: 1 weights are missing.*: {key};"):
        laion.convert(weights, text_layers=1)


@pytest.mark.parametrize("more", [
    ["visual.proj"], ["text_branch.encoder.layer.1.output.dense.bias"], ["audio_branch.head.scale"],
    ["text_projection.linear1.weight"], ["module.logit_scale_a"],
])
def test_k13_unknown_weights_are_named(weights, more):
    weights |= {key: torch.zeros(1) for key in more}
    with pytest.raises(MaaError, match=f"K-KEYS: 1 weights are unknown.*: {more[0]};"):
        laion.convert(weights, text_layers=1)


def test_k13_of_many_unknown_weights_the_first_five_are_named(weights):
    weights |= {f"visual.{number}": torch.zeros(1) for number in range(7)}
    with pytest.raises(MaaError, match="7 weights are unknown.*: visual.0, .*, visual.4, …;"):
        laion.convert(weights, text_layers=1)


def test_k14_another_network_is_refused_and_leaves_nothing(tmp_path):
    save(tmp_path / "other.pt", torch.nn.Linear(3, 2).state_dict())
    with pytest.raises(MaaError, match="K-KEYS: 3 weights are missing in 'other.pt': audio_branch"):
        laion.import_checkpoint(tmp_path / "other.pt", tmp_path / "new/clap")
    assert [path.name for path in tmp_path.iterdir()] == ["other.pt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_k15_weights_that_are_no_numbers_are_named(weights, value):
    weights[QKV] = weights[QKV].clone()
    weights[QKV][100, 3] = value
    with pytest.raises(MaaError, match=r"K-NAN: 1 weights are not finite.*: \S+attn.key.weight;"):
        laion.convert(weights, text_layers=1)


def test_a_fault_while_writing_leaves_nothing(weights, tmp_path, monkeypatch):
    save(tmp_path / "clap.pt", weights)
    monkeypatch.setattr(files, "write_hashes", mock.Mock(side_effect=OSError("the disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        laion.import_checkpoint(tmp_path / "clap.pt", tmp_path / "clap", text_layers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["clap.pt"]
