"""Diffsound's files become a folder of its networks, or are refused in one line."""

import json
import math
import os
import shutil

import made_corpora
import made_diffsound
import numpy as np
import pandas as pd
import pytest
import test_release
import torch
from made_diffsound import BODY, BOOK, CODES, READER, SMALL
from transformers import CLIPTextConfig, CLIPTextModel

from maa import (command, diffsound, diffsound_release, files, folders, melgan,
                 published_diffsound, release, replication, scores, sounds)
from maa.errors import MaaError

EMBEDDING = f"{BODY}content_emb.emb.weight"
IN_PROJ = f"{READER}transformer.resblocks.0.attn.in_proj"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights():
    return made_diffsound.weights(SMALL)


@pytest.fixture
def place(tmp_path, weights):
    """A folder with the authors' files and a vocabulary."""
    return made_diffsound.write(tmp_path, weights)


def imported(place, **options):
    return diffsound_release.import_diffsound(
        place / "diffsound.pth", place / "best_netG.pt", place / "made/diffsound",
        tokenizer=place / "clip", sizes=made_diffsound.SIZES, **options)


def refused(place, message, **options):
    before = sorted(path.name for path in place.iterdir() if path.name != "made")
    with pytest.raises(MaaError, match=message) as caught:
        imported(place, **options)
    assert "\n" not in str(caught.value)
    assert not (place / "made").exists() or not [*(place / "made").iterdir()]
    assert sorted(path.name for path in place.iterdir() if path.name != "made") == before


# ---- sizes --------------------------------------------------------------------------------------

def full():
    return json.loads(made_diffsound.GOLDEN.read_text())


def test_the_published_sizes_are_asked_for_name_by_name():
    """Every name and shape of the published settings, and no other, has a place in our networks."""
    with torch.device("meta"):
        body = published_diffsound.build_transformer()
        vq = published_diffsound.build_codebook()
        reader = CLIPTextModel(CLIPTextConfig())
    given = {part: {name: torch.empty(shape, device="meta") for name, shape in names.items()}
             for part, names in full().items()}
    own = {name: value for name, value in given["checkpoint"].items() if name.startswith(BODY)}
    text = {name: value for name, value in given["checkpoint"].items() if name.startswith(READER)}
    for network, found, original in (
            (body, diffsound_release.turned(own, 53), diffsound_release.of_body),
            (reader, diffsound_release.parted(text), diffsound_release.of_reader),
            (vq, given["book"], lambda name: release.of_vae(name, 5))):
        asked = {original(name): tuple(value.shape)
                 for name, value in network.state_dict().items()}
        left = {name: tuple(value.shape) for name, value in found.items()}
        left.pop(f"{READER}text_projection", None)
        assert asked.keys() == left.keys()
        for name, shape in asked.items():  # 1 × 1 convolutions become linear layers
            assert left[name] == shape or left[name] == (*shape, 1, 1), name


def test_the_full_network_has_the_520_million_weights_of_table_1():
    """383.4 transformer, 63.4 text half of CLIP, 71.9 codebook; MelGAN's 4.26 come on top."""
    assert full() == json.loads(json.dumps(made_diffsound.shapes(made_diffsound.FULL)))
    count = {part: sum(math.prod(shape) for shape in names.values())
             for part, names in full().items()}
    assert count == {"checkpoint": 446_811_904, "book": 71_940_481, "voice": 4_266_050}
    assert count["checkpoint"] + count["book"] == 518_752_385
    with torch.device("meta"):
        voice = melgan.MelGan()
    lengths = sum(math.prod(shape) for name, shape in full()["voice"].items() if "_g" in name)
    assert sum(value.numel() for value in voice.parameters()) == 4_266_050 - lengths == 4_260_257


def test_so_many_weights_fill_a_file_as_large_as_the_published_one():
    """diffsound_audiocaps.pth has 6.32 GB by the repository's issue 7: weights, their averages
    without the codebook, and Adam's two moments of the transformer; half of CLIP is in float16."""
    def size(names):
        half = ("in_proj", "out_proj", "c_fc", "c_proj", "text_projection")
        return sum((2 if name.startswith(READER) and any(word in name for word in half) else 4)
                   * math.prod(shape) for name, shape in names.items())

    checkpoint, book = full()["checkpoint"], full()["book"]
    body = {name: shape for name, shape in checkpoint.items() if name.startswith(BODY)}
    total = 2 * size(checkpoint) + size(book) + 2 * size(body)
    assert total / 2**30 == pytest.approx(6.32, abs=0.01)


# ---- the files ----------------------------------------------------------------------------------

def test_the_folder_says_where_it_comes_from_and_is_sealed(place):
    told, made = imported(place), place / "made/diffsound"
    assert told == files.read_json(made / folders.SOURCE)
    assert told["files"] == {name: files.sha256(place / name)
                             for name in ("diffsound.pth", "best_netG.pt")}
    assert told["result"] == files.sha256(made / files.HASHES)
    assert not [path for path in made.rglob("*.json") if str(place) in path.read_text()]
    assert len(diffsound.load(made)) == 2
    with open(made / "vocoder/diffusion_pytorch_model.safetensors", "r+b") as file:
        file.write(b"x")
    with pytest.raises(MaaError, match="K-HASH: .*vocoder"):
        published_diffsound.load(made)


def test_importing_twice_gives_the_same_bytes_and_never_writes_over(place):
    told = imported(place)
    with pytest.raises(MaaError, match="K-EXISTS: .*diffsound' exists, expected a new folder"):
        imported(place)
    shutil.rmtree(place / "made")
    assert imported(place) == told


def transformer(place):
    return published_diffsound.load(place / "made/diffsound").transformer


def test_averaged_weights_replace_the_others(place, weights):
    """The file has them under names without "transformer."; half of CLIP is in float16."""
    averaged = {name.removeprefix("transformer."): value + 1 if name == EMBEDDING else value
                for name, value in weights["checkpoint"].items() if name.startswith("transformer.")}
    for name in averaged:
        if name.startswith("condition_emb.transformer"):
            averaged[name] = averaged[name].half()
    torch.save(made_diffsound.checkpoint(weights["checkpoint"], averaged),
               place / "diffsound.pth")
    imported(place)
    found = transformer(place).latent_image_embedding.emb.weight
    assert torch.equal(found, weights["checkpoint"][EMBEDDING] + 1)


def test_a_checkpoint_without_codebook_takes_one_from_its_own_file(place, weights):
    refused(place, "K-KEYS: .* has a codebook of its own", book=place / "last.ckpt")
    without = {name: value for name, value in weights["checkpoint"].items()
               if not name.startswith(BOOK)}
    torch.save(made_diffsound.checkpoint(without), place / "diffsound.pth")
    refused(place, rf"K-KEYS: \d+ weights are missing in 'diffsound.pth': {BOOK}decoder")
    told = imported(place, book=place / "last.ckpt")
    assert sorted(told["files"]) == ["best_netG.pt", "diffsound.pth", "last.ckpt"]


def test_files_without_buffers_or_with_one_code_too_many_import_too(place, weights):
    kept = {name: value for name, value in weights["checkpoint"].items()
            if name.startswith((BODY, READER, BOOK))}
    wider = SMALL | {"body": SMALL["body"] | {"codes": CODES + 1}}
    kept |= {name: value for name, value in made_diffsound.weights(wider)["checkpoint"].items()
             if name.startswith(BODY)}
    torch.save({"model": kept}, place / "diffsound.pth")
    imported(place)
    assert transformer(place).config.num_vector_embeds == CODES + 2


def change(place, name, key, value):
    """Save one of the files with one weight changed, or without it if `value` is None."""
    content = torch.load(place / name, weights_only=True)
    inside = content.get("model", content)
    inside[key] = value
    if value is None:
        del inside[key]
    torch.save(content, place / name)


@pytest.mark.parametrize("fault, name, key, value, message", [
    ("k11", "diffsound.pth", f"{BODY}blocks.1.attn2.key.weight", torch.zeros(16, 11),
     r"K-SHAPE: 1 weights .*blocks\.1\.attn2\.key\.weight \(16, 11\) for \(16, 12\)"),
    ("k11", "diffsound.pth", f"{BODY}content_emb.height_emb.weight", torch.zeros(4, 16),
     "K-SHAPE: 1 weights .*height_emb"),
    ("k11", "diffsound.pth", EMBEDDING, torch.zeros(12, 16), "K-SHAPE: .*to_logits"),
    ("k11", "diffsound.pth", EMBEDDING, torch.zeros(1).expand(10**9, 10**6), "K-SHAPE: "),
    ("k12", "diffsound.pth", EMBEDDING, None, f"K-KEYS: 1 weights are missing .*: {EMBEDDING};"),
    ("k12", "diffsound.pth", f"{IN_PROJ}_bias", None,
     rf"K-KEYS: 3 weights are missing .*{IN_PROJ}_bias\.k"),
    ("k12", "best_netG.pt", "model.1.weight_g", None, "K-KEYS: .* missing .*model.1.weight"),
    ("k13", "diffsound.pth", f"{BODY}blocks.2.ln2.weight", torch.zeros(16),
     "K-KEYS: 1 weights are unknown .*blocks.2.ln2.weight"),
    ("k13", "diffsound.pth", "transformer.log_more", torch.zeros(100),
     "K-KEYS: .* unknown .*log_more"),
    ("k13", "best_netG.pt", "model.99.weight", torch.zeros(1), "K-KEYS: .* unknown .*model.99"),
    ("k15", "diffsound.pth", f"{READER}ln_final.weight", torch.full((12,), torch.nan),
     "K-NAN: 1 weights are not finite .*ln_final.weight"),
    ("k16", "diffsound.pth", f"{READER}ln_final.weight", torch.ones(12, dtype=torch.int64),
     "K-DTYPE: .*ln_final"),
    ("k16", "diffsound.pth", "epoch", 3, "K-KEYS: 1 weights are no named tensors .*epoch"),
    ("k20", "diffsound.pth", "transformer.log_cumprod_bt", torch.zeros(101),
     "K-VALUE: 1 weights belong to another noise schedule .*log_cumprod_bt"),
    ("k20", "diffsound.pth", "first_stage_permuter.forward_shuffle_idx", torch.arange(35),
     "K-VALUE: 1 weights put the places of a page in another order .*forward_shuffle"),
])
def test_weights_that_do_not_fit_are_refused(place, fault, name, key, value, message):
    change(place, name, key, value)
    refused(place, message)


def test_a_codebook_of_another_size_than_the_transformer_is_refused(place, weights):
    other = made_diffsound.weights(SMALL | {"book": SMALL["book"] | {"codes": 4}})["book"]
    torch.save(made_diffsound.checkpoint(
        weights["checkpoint"] | {f"{BOOK}{name}": value for name, value in other.items()}),
        place / "diffsound.pth")
    refused(place, "K-SHAPE: the transformer of .* fills in 6 codes, expected the 4 of its")


def test_k14_a_file_of_another_network_names_the_first_five_weights(place):
    torch.save({"model": {f"{BODY}a": torch.zeros(1)}}, place / "diffsound.pth")
    refused(place, r"K-KEYS: \d{2,} weights are missing in 'diffsound.pth': (content\S+, ){5}…; is")
    for content in ({"model": []}, [], {"model": {"a": torch.zeros(1)}, "ema": None}):
        torch.save(content, place / "diffsound.pth")
        refused(place, "K-KEYS: .*diffsound.pth' holds no weights")


def test_k17_the_two_files_in_the_wrong_order_are_refused(place):
    test_release.exchange(place / "diffsound.pth", place / "best_netG.pt")
    refused(place, "K-KEYS: .* weights are (unknown|missing|no named tensors)")


@pytest.mark.parametrize("name", ["diffsound.pth", "best_netG.pt"])
@test_release.BROKEN
def test_a_broken_file_is_refused_in_one_line(place, name, fault, kind, message, monkeypatch):
    monkeypatch.chdir(place)
    (place / name).write_bytes(test_release.broken(kind, (place / name).read_bytes(), place))
    refused(place, message)
    assert not (place / "ran").exists()


@pytest.mark.parametrize("name", ["diffsound.pth", "best_netG.pt"])
def test_k01_a_missing_file_is_named(place, name):
    os.remove(place / name)
    refused(place, f"K-MISSING: .*{name}' is no file")


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_vocabulary_that_is_not_whole_is_refused(place, name):
    (place / "clip" / name).unlink()
    if name == "merges.txt":
        (place / "clip" / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1}')
    refused(place, "K-MISSING: no tokenizer of CLIP at .*clip'; give --tokenizer the folder")


def test_diffsound_answers_the_captions_of_a_corpus_by_the_command(place, tmp_path, monkeypatch):
    imported(place)
    corpus, told = made_corpora.audiocaps(tmp_path / "corpus"), {}
    monkeypatch.setattr(replication, "load_judges", lambda *files: None)
    monkeypatch.setattr(replication, "heard_references", lambda *told: None)
    monkeypatch.setattr(replication, "judged", lambda asked, folder, judges, real, **options: (
        told.update(asked=asked, folder=folder) or []))
    monkeypatch.setattr(scores, "write", lambda path, rows: pd.DataFrame())
    with pytest.raises(SystemExit) as ended:
        command.app(["evaluate", "audiocaps", str(corpus), "--melception", "x.pt",
                     "--statistics", "z.txt", "--clap", "y",
                     "-o", str(tmp_path / "out"), "--part", "train", "--seconds", "1",
                     "--model", str(place / "made/diffsound"), "--guidance", "1"])
    assert ended.value.code == 0
    made = [sounds.read(told["folder"] / name) for name in told["asked"].file]
    assert [len(wave) for wave in made] == [16_000, 16_000] and all(map(np.any, made))
