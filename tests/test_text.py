"""Text encoders: prompts become 77 vectors each, and what is trained by contrast matches."""

import pandas as pd
import pytest
import tiny_trainers
import torch

from maa import mel, text, training

CAPTIONS = ["a dog barking", "heavy rain falling", "a siren far and loud", "a cat", "a bell"]
WIDTH = 16


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(CAPTIONS, 300)


def clap(vocabulary, seed=0):
    """Words get vectors of length 4, as if learnt: fresh ones are too short to tell apart."""
    with training.seeded(seed):
        network = text.build_clap(vocabulary, width=WIDTH, text_layers=1, spec_size=80,
                                  audio_width=8, audio_depths=(1,)).eval()
        torch.nn.init.normal_(network.text_model.embeddings.word_embeddings.weight)
    return network


def encoder(kind, vocabulary):
    if kind == "words":
        return text.WordEncoder(vocabulary, WIDTH)
    return text.tower(clap(vocabulary))


@pytest.mark.parametrize("prompt", ["", "a dog barking", "unheard-of Ærø № 7 🐕", "rain " * 200])
def test_every_prompt_is_77_tokens_between_its_two_marks(tokenizer, prompt):
    (ids,), (mask,) = text.tokenize(tokenizer, [prompt])
    length = int(mask.sum())
    assert ids.shape == mask.shape == (77,)
    assert (ids[0], ids[length - 1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert (ids[length:] == tokenizer.pad_token_id).all()
    assert (mask[:length] == 1).all()


def test_no_prompt_is_the_two_marks_alone_and_a_long_one_fills_all_places(tokenizer):
    mask = text.tokenize(tokenizer, ["", "rain " * 200])[1]
    assert mask.sum(1).tolist() == [2, 77]


@pytest.mark.parametrize("prompt", ["a dog barking", "zebra xylophone", "naïve 犬"])
def test_any_prompt_can_be_read_back_from_its_tokens(tokenizer, prompt):
    ids = text.tokenize(tokenizer, [prompt])[0][0]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == prompt


def test_capitals_make_no_difference(tokenizer):
    ids = text.tokenize(tokenizer, ["A Dog BARKING", "a dog barking"])[0]
    assert torch.equal(ids[0], ids[1])


def test_tokenizer_that_cannot_tell_captions_apart_is_refused():
    with pytest.raises(ValueError, match="same tokens .0, 2., expected different.*vocabulary"):
        text.check_tokenizer(lambda prompt: {"input_ids": [0, 2]})


@pytest.mark.parametrize("kind", text.ENCODERS)
def test_every_encoding_is_77_vectors_of_mean_0_and_variance_1(tokenizer, kind):
    found = text.encode(tokenizer, encoder(kind, len(tokenizer)), ["a dog barking", "", "a cat"])
    assert found.shape == (3, text.TOKENS, WIDTH)
    assert found.mean(-1).abs().max() < 1e-5
    assert (found.var(-1, unbiased=False) - 1).abs().max() < 0.01


@pytest.mark.parametrize("kind", text.ENCODERS)
def test_encoding_depends_on_the_prompt_and_not_on_its_neighbours(tokenizer, kind):
    network = encoder(kind, len(tokenizer))
    alone = text.encode(tokenizer, network, ["a dog barking"])
    among = text.encode(tokenizer, network, ["heavy rain falling " * 9, "a dog barking", ""])
    assert (among[1] - alone[0]).abs().max() < 1e-4
    assert (among[1] - among[0]).abs().mean() > 0.1
    assert (among[1] - among[2]).abs().mean() > 0.01


@pytest.mark.parametrize("kind", text.ENCODERS)
def test_order_of_words_is_in_the_encoding(tokenizer, kind):
    first, second = text.encode(
        tokenizer, encoder(kind, len(tokenizer)), ["a dog and a bell", "a bell and a dog"])
    assert (first.mean(0) - second.mean(0)).abs().max() > 1e-3


def test_padding_does_not_enter_the_other_tokens(tokenizer):
    network = encoder("clap", len(tokenizer))
    ids, mask = text.tokenize(tokenizer, ["a dog barking"])
    changed = torch.where(mask == 1, ids, ids[0, 1])
    length = int(mask.sum())
    found, other = (text.encode_tokens(network, x, mask)[0] for x in (ids, changed))
    assert (found[:length] - other[:length]).abs().max() < 1e-5
    assert (found[length:] - other[length:]).abs().mean() > 0.1


def test_words_are_a_fixed_vector_each_and_nothing_is_trained():
    network = text.WordEncoder(50, WIDTH, seed=1)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    ids = torch.randint(50, (1, 77), generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(ids), text.WordEncoder(50, WIDTH, seed=1)(ids))
    assert not torch.equal(network(ids), text.WordEncoder(50, WIDTH, seed=2)(ids))
    assert torch.allclose(network(ids) - network(ids * 0),
                          network.tokens(ids) - network.tokens(ids * 0), atol=1e-5)


@pytest.mark.parametrize("kind", text.ENCODERS)
def test_saved_encoder_encodes_the_same_when_loaded(tokenizer, kind, tmp_path):
    network = encoder(kind, len(tokenizer)).eval()
    text.save(tokenizer, network, tmp_path)
    again, loaded = text.load(tmp_path, kind)
    assert not loaded.training
    prompts = ["a dog barking", "", "zebra"]
    assert torch.equal(text.tokenize(again, prompts)[0], text.tokenize(tokenizer, prompts)[0])
    assert torch.equal(text.encode(again, loaded, prompts),
                       text.encode(tokenizer, network, prompts))


def test_unknown_encoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"encoder 't5' is unknown, expected one of \['clap', 'wo"):
        text.load(tmp_path, "t5")


def test_tower_reads_as_the_whole_clap_does(tokenizer):
    whole = clap(len(tokenizer))
    ids, mask = text.tokenize(tokenizer, CAPTIONS)
    half = torch.nn.functional.normalize(text.tower(whole)(ids, mask).text_embeds, dim=-1)
    assert torch.allclose(half, text.read(whole, ids, mask), atol=1e-5)


@pytest.mark.parametrize("frames", [16, 80, 312])
def test_sounds_and_texts_meet_as_unit_vectors_of_one_width(tokenizer, frames):
    network = clap(len(tokenizer))
    mels = torch.randn(2, 1, mel.BANDS, frames, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        heard = text.hear(network, mels)
        read = text.read(network, *text.tokenize(tokenizer, CAPTIONS))
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
    """CLAP of tones and noise, and its mean contrast over all these steps."""
    words = [["a steady hum", "humming"], ["a loud hiss", "hissing"]]
    tokenizer, network = text.train(
        folder, tones_and_noise(), words * 3, steps=steps, batch=6, frames=80, learning_rate=0.003,
        width=32, text_layers=1, spec_size=80, audio_width=16, audio_depths=(1,), vocabulary=300)
    log = pd.read_csv(folder / "log.csv")
    return tokenizer, network, log[log.name == "contrast"].value.item()


def test_contrast_falls_and_own_words_come_to_score_above_others(tmp_path):
    before = train(tmp_path / "before", 1)[2]
    tokenizer, network, after = train(tmp_path / "after", 30)
    assert after < before - 0.5
    with torch.no_grad():
        sounds = text.hear(network, mel.log_mel(tones_and_noise())[..., :80])
        scores = sounds @ text.read(network, *text.tokenize(tokenizer, ["humming", "hissing"])).T
    assert (scores[0::2, 0] > scores[0::2, 1] + 0.1).all()
    assert (scores[1::2, 1] > scores[1::2, 0] + 0.1).all()


def test_training_twice_gives_the_same_clap(tmp_path):
    first, again = (tiny_trainers.train_text(tmp_path / name, steps=2).state_dict()
                    for name in ("one", "two"))
    assert all(torch.equal(first[key], again[key]) for key in first)
