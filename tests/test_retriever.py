"""Retriever: a held-out tone finds its sentence; pools hold what can be read, once."""

import gzip

import pandas as pd
import pytest
import tiny_trainers
import torch
from made_sounds import NAMED, tones

from maa import clips, errors, inventory, mel, retriever, text

TRAINING = {"steps": 40, "batch": 9, "frames": 64, "learning_rate": 0.005, "width": 16,
            "widths": (8, 16), "layers": 1, "vocabulary": 300}


def train(folder, **changed):
    return retriever.train(folder, tones(4), [[one] for one in NAMED.values()] * 4,
                           **TRAINING | changed)


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    return train(tmp_path_factory.mktemp("retriever"))


def held_out():
    return mel.log_mel(tones(2, seed=9))


def test_held_out_tones_find_their_sentence(expert):
    pool = ["a horn", "a high whistle", "a deep hum"]
    found = retriever.retrieve(expert, held_out(), pool, 1)
    assert found == [[one] for one in NAMED.values()] * 2


def test_all_of_a_small_pool_are_found_nearest_first(expert):
    pool = list(NAMED.values())
    found = retriever.retrieve(expert, held_out(), pool, 5)
    assert all(sorted(several) == sorted(pool) for several in found)
    assert [several[0] for several in found] == pool * 2


def test_contrast_falls(tmp_path):
    for name, steps in {"before": 1, "after": 30}.items():
        train(tmp_path / name, steps=steps)
    before, after = (pd.read_csv(tmp_path / name / "log.csv") for name in ("before", "after"))
    first, mean = (log[log.name == "contrast"].value.item() for log in (before, after))
    assert mean < first - 0.3


def test_added_sounds_are_answered_by_both_sentences_in_their_shares(tmp_path, monkeypatch):
    told = tiny_trainers.handed(monkeypatch, train, tmp_path, mixup=1.0)
    now, loss = told["batch"](torch.Generator().manual_seed(0)), told["turns"][0].loss
    share = now["share"].flatten()
    assert ((share >= 0.5) & (share <= 1)).all() and len(set(share.tolist())) == 9
    with torch.no_grad():
        both, alone = (loss(now | {"share": one}, 0)[0] for one in (now["share"], None))
    assert abs(both - alone) > 1e-3, "the loss does not know the shares"
    assert told["settings"]["mixup"] == 1.0


def test_mels_of_scenes_alone_are_made_once_and_those_of_sums_from_the_sums():
    waves, pick = tones(2), torch.tensor([5, 0, 3])
    draws = torch.Generator().manual_seed(0)
    before = draws.get_state()
    mels, share = retriever.listening(waves, 0.0, waves.device)(pick, draws)
    assert share is None and torch.equal(draws.get_state(), before)
    assert torch.allclose(mels, mel.log_mel(waves[pick]), atol=0.01)  # kept in half precision
    mels, share = retriever.listening(waves, 1.0, waves.device)(pick, draws)
    sums = share * waves[pick] + (1 - share) * waves[pick].flip(0)
    assert torch.allclose(mels, mel.log_mel(sums), atol=0.05)


def test_scenes_added_in_pairs_teach_the_sentences_of_sounds_alone(tmp_path):
    expert = train(tmp_path, mixup=0.5, steps=60)
    found = retriever.retrieve(expert, held_out(), list(NAMED.values()), 1)
    assert found == [[one] for one in NAMED.values()] * 2


def test_saved_retriever_finds_the_same_when_loaded(expert, tmp_path):
    retriever.save(*expert, tmp_path)
    loaded = retriever.load(tmp_path)
    assert not loaded[1].training
    assert torch.allclose(loaded[1].hear(held_out()), expert[1].hear(held_out()), atol=1e-5)
    pool = list(NAMED.values())
    assert (retriever.retrieve(loaded, held_out(), pool, 3)
            == retriever.retrieve(expert, held_out(), pool, 3))


def test_vectors_have_length_one_and_padding_does_not_enter_them(expert):
    tokenizer, network = expert
    alone = retriever.meanings(tokenizer, network.read, ["a horn"])
    among = retriever.meanings(tokenizer, network.read, ["a horn", "a high whistle " * 5])
    assert torch.allclose(alone[0], among[0], atol=1e-5)
    assert torch.allclose(among.norm(dim=1), torch.ones(2), atol=1e-5)


def test_words_that_are_not_read_are_counted(expert):
    """C03."""
    tokenizer, network = expert
    tokens = len(tokenizer("horn " * 5_000, verbose=False)["input_ids"])
    with pytest.warns(errors.MaaWarning, match=f"C-LONG: .* last {tokens - text.TOKENS} are not"):
        retriever.meanings(tokenizer, network.read, ["a horn", "horn " * 5_000])


@pytest.mark.parametrize(
    "sentence", ["犬が吠える", "🐕 barks", "نباح", "a\u200bb", "é e\u0301"])
def test_any_script_has_a_vector(expert, sentence):
    """C04."""
    found = retriever.retrieve(expert, held_out()[:1], [sentence, "a horn"], 2)
    assert sorted(found[0]) == sorted([sentence, "a horn"])


def test_an_empty_pool_is_refused(expert):
    with pytest.raises(ValueError, match="the pool is empty, expected sentences"):
        retriever.retrieve(expert, held_out(), [], 3)


def test_plain_form_has_lower_case_single_spaces_and_no_point():
    assert retriever.plain("a dog barks") == "a dog barks"
    assert retriever.plain("  A Dog\t barks. ") == "a dog barks"


def test_the_pool_of_a_table_has_each_caption_once_and_no_empty_one():
    """C01, C02, C05: empty ones are left out, "NA" and "null" are words."""
    table = pd.DataFrame({"caption": ["Rain.", "rain", "", "  ", ".", "NA", "null"]})
    assert retriever.pool_of(table) == ["rain", "na", "null"]


def test_only_sentences_of_known_words_can_be_read():
    pool = ["a dog barks", "the dog barks", "a dog", "dog"]
    assert retriever.readable(pool, ["a dog runs", "it barks"]) == ["a dog barks", "a dog", "dog"]


def written(path, text, packed=True):
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(content) if packed else content)


def published(folder):
    """Both sets at their smallest, one of the files packed."""
    (folder / "captions").mkdir()
    written(folder / "captions/audiocaps_val.csv.gz",
            'audiocap_id,caption\n1,"Rain falls, softly."\n2,NA null\n3,Rain\n')
    header = "file_name," + ",".join(f"caption_{number}" for number in range(1, 6))
    written(folder / "captions/clotho_captions_evaluation.csv",
            f"{header}\na.wav,a dog,A Dog.,rain  falls,{'long ' * 31},two cats\n", packed=False)


def test_published_captions_are_read_once_in_plain_form(tmp_path):
    """C05, C07: too short and too long ones are left out, and "NA null" is a sentence."""
    published(tmp_path)
    assert retriever.read_pool(tmp_path) == [
        "rain falls, softly", "na null", "a dog", "rain falls", "two cats"]


def test_sentences_that_a_model_is_judged_by_are_not_in_the_pool_to_learn_from(tmp_path):
    published(tmp_path)
    header = "file_name," + ",".join(f"caption_{number}" for number in range(1, 6))
    five = f"{header}\na.wav,one cat,two cats,three cats,four cats,five cats\n"
    written(tmp_path / "clotho_captions_development.csv", five, packed=False)
    (tmp_path / "AudioCaps").mkdir()
    written(tmp_path / "AudioCaps/train.csv", "audiocap_id,caption\n1,a cat\n", packed=False)
    learnt = retriever.read_pool(tmp_path, "published_train")
    assert {*learnt} == {"one cat", "two cats", "three cats", "four cats", "five cats", "a cat"}
    assert {"rain falls, softly", "a dog", "one cat"} <= {*retriever.read_pool(tmp_path)}


def test_a_pool_holds_the_tables_captions_and_the_published_ones_in_their_words(
        tmp_path, monkeypatch):
    published(tmp_path)
    monkeypatch.setenv(clips.ROOT_VARIABLE, str(tmp_path))
    table = pd.DataFrame({"caption": ["a dog barks", "rain that falls"]})
    assert retriever.POOLS["captioned"](table) == ["a dog barks", "rain that falls"]
    assert retriever.POOLS["published"](table) == [
        "a dog barks", "rain that falls", "a dog", "rain falls"]


@pytest.mark.parametrize(("content", "code"), [
    ("", "C-COLUMNS: .*lacks"),  # C16
    ("caption\n", "C-POOL: no captions"),  # C17
    ("audiocap_id,text\n1,rain falls\n", "C-COLUMNS: .*lacks .'caption'.; has"),  # C06
    ("caption\nrain\0 falls\n", "C-NUL: .* NUL byte"),  # C18
    ("caption\nrain, it falls\n", "C-ROWS: .* line 2"),
    (b"caption\n\xff\xfe rain\n", "C-ENCODING"),
])
def test_a_damaged_table_of_captions_is_refused_in_one_line(tmp_path, content, code):
    """C06, C16, C17, C18."""
    written(tmp_path / "audiocaps_train.csv.gz", content)
    with pytest.raises(errors.MaaError, match=code):
        retriever.read_pool(tmp_path)


def test_a_cut_or_a_swollen_archive_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "audiocaps_train.csv.gz"
    written(path, "caption\n" + "rain falls\n" * 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(errors.MaaError, match="C-GZIP: .* is damaged"):
        retriever.read_pool(tmp_path)
    path.write_bytes(whole)
    monkeypatch.setattr(inventory, "CAP", 500)
    with pytest.raises(errors.MaaError, match="C-GZIP: .* is over"):
        retriever.read_pool(tmp_path)


def test_no_published_captions_at_all_are_told_in_one_line(tmp_path):
    with pytest.raises(errors.MaaError, match="C-POOL: no captions in .* MAA_DATA"):
        retriever.read_pool(tmp_path)
