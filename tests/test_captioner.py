"""Captioner: tones get their words; draws repeat; published networks stand behind one call."""

import math

import pandas as pd
import pytest
import torch
from made_sounds import NAMED, tones
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from maa import captioner, errors, text

TRAINING = {"steps": 120, "batch": 6, "frames": 64, "learning_rate": 0.005, "width": 32,
            "layers": 1, "heads": 2, "dropout": 0.0, "vocabulary": 300}


def train(folder, **changed):
    captions = [[one] for one in NAMED.values()]
    return captioner.train(folder, tones(4), captions * 4, held_out=(tones(1, 5), captions),
                           **TRAINING | changed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captioner")
    return *train(folder), pd.read_csv(folder / "log.csv")


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_loss_falls_on_trained_and_on_held_out_tones(trained):
    log = trained[2]
    losses = log[(log.name == "cross-entropy") & (log.split == "train")].value.tolist()
    held_out = log[log.split == "held_out"].value.item()
    assert losses[-1] < 0.3 * losses[0]
    assert held_out < 0.3 * losses[0]


def test_held_out_tones_get_the_right_words(trained):
    tokenizer, network, _ = trained
    written = captioner.write(network, tokenizer, tones(2, seed=9), 2, draws())
    assert [several[0] for several in written] == list(NAMED.values()) * 2
    assert {len(several) for several in written} == {2}


def test_sentences_are_repeated_by_the_same_generator_and_not_by_another(trained):
    tokenizer, network, _ = trained
    one, again, other = (
        captioner.write(network, tokenizer, tones(1), 8, draws(seed), temperature=3.0)
        for seed in (0, 0, 1))
    assert one == again
    assert [several[0] for several in one] == [several[0] for several in other]
    assert one != other


def test_a_clip_alone_gets_the_sentence_it_gets_among_others(trained):
    tokenizer, network, _ = trained
    (alone,) = captioner.write(network, tokenizer, tones(1)[1:2], 1, draws())
    assert alone == captioner.write(network, tokenizer, tones(1), 1, draws(), batch=2)[1]


def test_dice_draw_words_as_often_as_the_softmax_says():
    """Three words with shares 0.6, 0.3 and 0.1; the first row of each 1,000 is the most likely."""
    scores = torch.log(torch.tensor([0.6, 0.3, 0.1])).repeat(5_000, 1)
    chosen = captioner.Dice(1_000, 1.0, draws())(None, scores).argmax(1)
    assert (torch.bincount(chosen) / 5_000).tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    assert (chosen[::1_000] == 0).all()
    assert (captioner.Dice(1_000, 1e-6, draws())(None, scores).argmax(1) == 0).all()


def test_mean_loss_of_an_untrained_captioner_is_that_of_guessing():
    tokenizer = text.build_tokenizer(NAMED.values(), 300)
    network = captioner.build(tokenizer, width=32, layers=1, heads=2).eval()
    torch.nn.init.zeros_(network.model.decoder.layer_norm.weight)
    loss = captioner.mean_loss(network, tokenizer, tones(1), [[one] for one in NAMED.values()])
    assert loss == pytest.approx(math.log(len(tokenizer)), abs=1e-4)


def test_saved_captioner_writes_the_same_when_loaded(trained, tmp_path):
    tokenizer, network, _ = trained
    captioner.save(tokenizer, network, tmp_path)
    again, loaded = captioner.load(tmp_path)
    assert not loaded.training
    assert (captioner.write(loaded, again, tones(1), 3, draws())
            == captioner.write(network, tokenizer, tones(1), 3, draws()))


def test_a_published_network_in_a_folder_writes_behind_the_same_call(tmp_path):
    """A tiny Whisper with random weights: other features, another class, the same call."""
    tokenizer = text.build_tokenizer(NAMED.values(), 300)
    marks = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id,
             "eos_token_id": tokenizer.eos_token_id,
             "decoder_start_token_id": tokenizer.bos_token_id}
    network = WhisperForConditionalGeneration(WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, max_source_positions=50, max_target_positions=20, **marks))
    network.generation_config.max_length = 8
    captioner.save(tokenizer, network, tmp_path)
    WhisperFeatureExtractor(chunk_length=1).save_pretrained(tmp_path)
    tokenizer, loaded = captioner.load(tmp_path, "published")
    written = captioner.write(loaded, tokenizer, tones(1), 2, draws())
    assert [len(several) for several in written] == [2, 2, 2]


def test_an_unknown_kind_of_captioner_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'big' is unknown, expected one of \['published', 'sma"):
        captioner.load(tmp_path, "big")


def test_a_captioner_that_is_not_here_is_not_fetched():
    with pytest.raises(errors.MaaError, match="K-MISSING: no captioner at 'nobody/nothing'"):
        captioner.load("nobody/nothing", "published")


def test_a_scene_without_caption_trains_no_captioner(tmp_path):
    """C01."""
    with pytest.raises(ValueError, match="3 scenes for 3 lists of captions, .* none of them empty"):
        captioner.train(tmp_path, tones(1), [["a hum"], [], ["a horn"]], **TRAINING)


def test_less_than_one_sentence_is_refused(trained):
    with pytest.raises(ValueError, match="count is 0, expected 1"):
        captioner.write(trained[1], trained[0], tones(1), 0, draws())
