"""Text encoders: prompts become 77 vectors each, whichever of the encoders reads them."""

import warnings

import pytest
import torch
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel

from maa import clap, clip, masking, msclap, text, training
from maa.errors import MaaWarning

CAPTIONS = ["a dog barking", "heavy rain falling", "a siren far and loud", "a cat", "a bell"]
WIDTH = 16


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(CAPTIONS, 300)


def encoder(kind, vocabulary):
    """Words and places get vectors as if learnt: fresh ones are too short to tell apart."""
    with training.seeded(0):
        if kind == "words":
            return text.WordEncoder(vocabulary, WIDTH)
        network = {
            "clap": lambda: clap.text_half(clap.build(
                vocabulary, width=WIDTH, text_layers=1, spec_size=80, audio_width=8,
                audio_depths=(1,))),
            "bert": lambda: masking.bert_encoder(
                masking.build_bert(vocabulary, width=WIDTH, layers=1)),
            "t5": lambda: masking.t5_encoder(masking.build_t5(vocabulary, width=WIDTH, layers=1)),
            "clip": lambda: clip.text_half(clip.build(
                vocabulary, width=WIDTH, text_layers=1, picture_width=16, picture_layers=1)),
            "msclap": lambda: msclap.MsClapText(BertConfig(
                vocab_size=vocabulary, hidden_size=WIDTH, num_hidden_layers=1,
                num_attention_heads=2, intermediate_size=WIDTH, projection_dim=WIDTH)),
        }[kind]().eval()
        for module in network.modules():
            if isinstance(module, torch.nn.Embedding):
                torch.nn.init.normal_(module.weight)
    return network


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
    with pytest.raises(ValueError, match="same tokens .1, 3., expected different.*vocabulary"):
        text.check_tokenizer(lambda prompt: {"input_ids": [1, 3]})


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


@pytest.mark.parametrize("kind", ["clap", "bert", "t5", "clip"])
def test_padding_does_not_enter_the_other_tokens(tokenizer, kind):
    network = encoder(kind, len(tokenizer))
    ids, mask = text.tokenize(tokenizer, ["a dog barking"])
    changed = torch.where(mask == 1, ids, ids[0, 1])
    length = int(mask.sum())
    found, other = (text.encode_tokens(network, x, mask)[0] for x in (ids, changed))
    assert (found[:length] - other[:length]).abs().max() < 1e-5
    assert (found[length:] - other[length:]).abs().mean() > 0.1


def test_places_run_from_minus_1_to_1_and_padding_has_none():
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
    assert text.places(mask).tolist() == [
        [-1, -0.5, 0, 0.5, 1, 0], [-1, 1, 0, 0, 0, 0], [-1, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("kind", ["clap", "bert", "t5", "clip"])
def test_encoders_trained_here_say_each_word_and_its_place(tokenizer, kind):
    """What is added to a state of numbers known by heart: the word's vector, and ± its place."""
    network = encoder(kind, len(tokenizer))
    ids, mask = text.tokenize(tokenizer, ["a dog barking"])
    spelled = text.encode_tokens(network, ids, mask)
    network.config.spelled = False
    plain = text.encode_tokens(network, ids, mask)
    word = network.get_input_embeddings()(ids)
    word = (word - word.mean(-1, keepdim=True)) / word.std(-1, unbiased=False, keepdim=True)
    width = min(word.shape[-1], plain.shape[-1])  # CLAP's states are wider than its words here
    sum_ = plain + text.places(mask)[..., None] * torch.tensor([1.0, -1.0]).repeat(
        plain.shape[-1] // 2)
    sum_[..., :width] += word[..., :width]
    sum_ = (sum_ - sum_.mean(-1, keepdim=True)) / sum_.std(-1, unbiased=False, keepdim=True)
    assert torch.allclose(spelled, sum_, atol=1e-3)
    assert (spelled - plain).abs().mean() > 0.1


@pytest.mark.parametrize("kind", ["clap", "bert", "t5", "clip"])
def test_a_saved_encoder_stays_spelled_and_a_published_one_is_not(tokenizer, kind, tmp_path):
    network = encoder(kind, len(tokenizer))
    text.save(tokenizer, network, tmp_path)
    assert text.load(tmp_path, kind)[1].config.spelled is True
    assert not hasattr(text.ENCODERS[kind].config_class(), "spelled")


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
    assert torch.allclose(text.encode(again, loaded, prompts),
                          text.encode(tokenizer, network, prompts), atol=1e-5)


def test_unknown_encoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"encoder 't6' is unknown, expected one of \['bert', 'cl"):
        text.load(tmp_path, "t6")


@pytest.mark.parametrize("kind", text.PUBLISHED)
def test_a_published_encoder_is_not_fetched_unasked(kind, monkeypatch):
    def refuse(*_):
        raise AssertionError("somebody opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(ValueError, match="K-MISSING: no text encoder.*fetch=True asks a model hub"):
        text.load(text.PUBLISHED[kind] + "-nowhere", kind)


@pytest.mark.parametrize("kind, config, model", [
    ("bert", BertConfig, BertModel), ("t5", T5Config, T5EncoderModel)])
def test_a_folder_in_the_published_form_is_read_by_its_path(
        tokenizer, kind, config, model, tmp_path):
    sizes = {"bert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "intermediate_size": 64},
             "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}}[kind]
    whole = model(config(vocab_size=len(tokenizer), **sizes))
    whole.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = text.encode(*text.load(tmp_path, kind), ["a dog barking"])
    assert found.shape == (1, 77, 32)


def test_a_loaded_encoder_is_frozen(tokenizer, tmp_path):
    text.save(tokenizer, encoder("bert", len(tokenizer)), tmp_path)
    assert not any(p.requires_grad for p in text.load(tmp_path, "bert")[1].parameters())


def test_words_that_training_does_not_read_are_counted(tokenizer):
    """C03."""
    tokens = len(tokenizer("rain " * 5_000, verbose=False)["input_ids"])
    with pytest.warns(MaaWarning, match=f"C-LONG: 'rain rain .* last {tokens - 77} are not read"):
        ids, _ = text.trimmed(tokenizer, ["a cat", "rain " * 5_000])
    assert ids.shape == (2, 77)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert text.trimmed(tokenizer, ["rain" + " rain" * 74])[0].shape == (1, 77)


def test_trimmed_rows_keep_every_token_and_lose_common_padding(tokenizer):
    ids, mask = text.trimmed(tokenizer, ["a cat", "a dog barking"])
    whole, _ = text.tokenize(tokenizer, ["a cat", "a dog barking"])
    assert torch.equal(ids, whole[:, : ids.shape[1]])
    assert (whole[:, ids.shape[1] :] == text.PAD).all() and mask[1].all() and not mask[0].all()


SEVERAL = [["a dog barking", "a dog"], ["heavy rain falling", "rain"], ["a cat", "the cat"]]


def test_captions_are_encoded_as_they_are_when_asked_for(tokenizer):
    network = encoder("bert", len(tokenizer))
    ask = text.Captions(tokenizer, network, SEVERAL)
    rows = torch.tensor([2, 0, 2, 1] * 10)
    found = ask(torch.Generator().manual_seed(0), rows)
    assert found.shape == (40, 77, WIDTH)
    chosen = set()
    for row, one in zip(rows.tolist(), found):
        own = text.encode(tokenizer, network, SEVERAL[row])
        near = [(one - other).abs().max().item() < 1e-4 for other in own]
        assert sum(near) == 1, "not one of the texts of its own scene"
        chosen.add((row, near.index(True)))
    assert chosen == {(row, which) for row in range(3) for which in range(2)}


def test_captions_are_drawn_alike_by_one_generator(tokenizer):
    ask = text.Captions(tokenizer, encoder("words", len(tokenizer)), SEVERAL)
    one, again, other = (ask(torch.Generator().manual_seed(seed), torch.arange(3).repeat(4))
                         for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.parametrize("captions", [[["a dog", "a cat"], ["rain"]], [["a dog"], []], [[]], []])
def test_scenes_with_unequally_many_captions_are_refused(tokenizer, captions):
    """C01."""
    with pytest.raises(ValueError, match="captions a scene, expected as many for each, 1 or more"):
        text.Captions(tokenizer, encoder("words", len(tokenizer)), captions)
