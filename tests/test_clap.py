"""CLAP: sounds and sentences in one space, taught by contrast, begun with a reader."""

import pandas as pd
import pytest
import tiny_trainers
import torch

from maa import clap, contrast, masking, mel, text, training

CAPTIONS = ["a dog barking", "heavy rain falling", "a siren far and loud", "a cat", "a bell"]
WIDTH = 16


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(CAPTIONS, 300)


def network(vocabulary, **options):
    with training.seeded(0):
        return clap.build(vocabulary, width=WIDTH, text_layers=1, spec_size=80, audio_width=8,
                          audio_depths=(1,), **options).eval()


def test_tower_reads_as_the_whole_clap_does(tokenizer):
    whole = network(len(tokenizer))
    ids, mask = text.tokenize(tokenizer, CAPTIONS)
    half = torch.nn.functional.normalize(clap.text_half(whole)(ids, mask).text_embeds, dim=-1)
    assert torch.allclose(half, clap.read(whole, ids, mask), atol=1e-5)


@pytest.mark.parametrize("frames", [16, 80, 312])
def test_sounds_and_texts_meet_as_unit_vectors_of_one_width(tokenizer, frames):
    made = network(len(tokenizer))
    mels = torch.randn(2, 1, mel.BANDS, frames, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        heard = clap.hear(made, mels)
        read = clap.read(made, *text.tokenize(tokenizer, CAPTIONS))
    assert heard.shape == (2, WIDTH)
    assert read.shape == (len(CAPTIONS), WIDTH)
    assert torch.cat([heard, read]).norm(dim=1) == pytest.approx(torch.ones(7), abs=1e-5)


def tones_and_noise():
    """Two kinds of sound that a small network tells apart, six scenes in turn."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(20_480) / mel.RATE
    pitches = 300 + 100 * torch.rand(3, 1, generator=generator)
    tones = 0.3 * torch.sin(2 * torch.pi * pitches * time)
    noise = 0.3 * torch.randn(3, 20_480, generator=generator)
    return torch.stack([tones, noise], 1).flatten(0, 1)


def train(folder, steps):
    """CLAP of tones and noise, and its contrast in the end."""
    words = [["a steady hum", "humming"], ["a loud hiss", "hissing"]]
    tokenizer = text.build_tokenizer(sum(words, CAPTIONS), 300)
    made = clap.train(
        folder, tokenizer, tones_and_noise(), words * 3, steps=steps, batch=6, frames=80,
        learning_rate=0.003, width=32, text_layers=1, spec_size=80, audio_width=16,
        audio_depths=(1,))
    log = pd.read_csv(folder / "log.csv")
    return tokenizer, made, log[log.name == "contrast"].value.iloc[-1]


def test_contrast_falls_and_own_words_come_to_score_above_others(tmp_path):
    before = train(tmp_path / "before", 1)[2]
    tokenizer, made, after = train(tmp_path / "after", 60)
    assert after < before - 0.5
    with torch.no_grad():
        sounds = clap.hear(made, mel.log_mel(tones_and_noise())[..., :80])
        scores = sounds @ clap.read(made, *text.tokenize(tokenizer, ["humming", "hissing"])).T
    assert (scores[0::2, 0] > scores[0::2, 1] + 0.1).all()
    assert (scores[1::2, 1] > scores[1::2, 0] + 0.1).all()


def test_added_sounds_are_heard_in_their_shares_and_answered_by_both_sentences(
        tmp_path, monkeypatch):
    waves = tones_and_noise()[[0, 1] * 3]  # one tone and one noise, thrice
    told = tiny_trainers.handed(
        monkeypatch, clap.train, tmp_path, text.build_tokenizer(CAPTIONS, 300), waves,
        [["a siren"], ["a cat"]] * 3, steps=1, batch=16, frames=80, mixup=1.0, width=16,
        text_layers=1, spec_size=80, audio_width=8, audio_depths=(1,))
    now = told["batch"](torch.Generator().manual_seed(0))
    tone, noise = mel.log_mel(waves[:2].half().float())[..., :80]
    share, own = now["share"].flatten(), now["group"] == now["group"].flip(0)
    assert ((share >= 0.5) & (share <= 1)).all() and len(set(share.tolist())) == 16
    for row in range(16):
        alone = tone if now["group"][row] == contrast.number_of(["a siren"]) else noise
        assert torch.allclose(now["mel"][row], alone, atol=0.02) == own[row].item()
    loss = told["turns"][0].loss
    with torch.no_grad():
        mixed, alone = (loss(now | {"share": one}, 0)[0]
                        for one in (now["share"], torch.ones(16, 1)))
    assert abs(mixed - alone) > 1e-4, "the loss does not know the shares"
    assert told["settings"]["mixup"] == 1.0


def test_without_mixup_every_sound_is_its_own(tmp_path, monkeypatch):
    told = tiny_trainers.handed(monkeypatch, tiny_trainers.train_clap, tmp_path, mixup=0.0)
    assert (told["batch"](torch.Generator().manual_seed(0))["share"] == 1).all()


def test_a_tower_that_begins_with_a_reader_reads_as_it_does(tokenizer):
    with training.seeded(1):
        reader = masking.build_bert(len(tokenizer), width=WIDTH, layers=1).bert.eval()
    ids, mask = text.tokenize(tokenizer, CAPTIONS)
    begun = network(len(tokenizer), reader=reader).text_model
    with torch.no_grad():
        found, wanted = (one(input_ids=ids, attention_mask=mask).last_hidden_state
                         for one in (begun, reader))
    kept = mask.bool()
    assert (found[kept] - wanted[kept]).abs().max() < 1e-5


def test_a_reader_of_another_width_is_refused(tokenizer):
    reader = masking.build_bert(len(tokenizer), width=32, layers=1).bert
    with pytest.raises(ValueError, match="of the reader has shape .* other widths"):
        network(len(tokenizer), reader=reader)
