"""CLIP: pictures and sentences in one space, taught by contrast."""

import pandas as pd
import pytest
import tiny_trainers
import torch

from maa import clip, text, training

CAPTIONS = ["a dog barking", "heavy rain falling", "a cat", "something red", "something blue"]
WORDS = [["something red", "a red thing"], ["something blue", "a blue thing"]]


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(CAPTIONS + sum(WORDS, []), 300)


def coloured():
    """Noisy pictures, red ones and blue ones in turn: (8, 3, 16, 16)."""
    pictures = 0.3 * torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pictures[0::2, 0] += 0.6
    pictures[1::2, 2] += 0.6
    return pictures


def train(folder, tokenizer, steps):
    made = clip.train(folder, tokenizer, coloured(), WORDS * 4, steps=steps, batch=8, width=16,
                      text_layers=1, picture_width=16, picture_layers=1, learning_rate=0.003)
    log = pd.read_csv(folder / "log.csv")
    return made, log[log.name == "contrast"].value.iloc[-1]


def test_contrast_falls_and_colours_find_their_words(tmp_path, tokenizer):
    before = train(tmp_path / "before", tokenizer, 1)[1]
    made, after = train(tmp_path / "after", tokenizer, 60)
    assert after < before - 0.3
    with torch.no_grad():
        seen = clip.look(made, coloured())
        scores = seen @ clip.read(made, *text.tokenize(tokenizer, [w[0] for w in WORDS])).T
    assert (scores[0::2, 0] > scores[0::2, 1]).all()
    assert (scores[1::2, 1] > scores[1::2, 0]).all()


def test_likeness_is_the_cosine_of_each_picture_with_each_sentence(tokenizer):
    with training.seeded(0):
        whole = clip.build(len(tokenizer), width=16, text_layers=1, size=16, picture_width=16,
                           picture_layers=1).eval()
    found = clip.likeness(whole, tokenizer, coloured(), CAPTIONS)
    assert found.shape == (8, 5) and found.abs().max() <= 1
    with torch.no_grad():
        seen = clip.look(whole, coloured()[3:4])
        said = clip.read(whole, *text.tokenize(tokenizer, CAPTIONS[2:3]))
    assert found[3, 2].item() == pytest.approx((seen @ said.T).item(), abs=1e-5)


def test_training_twice_gives_the_same_clip(tmp_path):
    first, again = (tiny_trainers.train_clip(tmp_path / name, steps=2).state_dict()
                    for name in ("one", "two"))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_text_half_reads_as_the_whole_clip_does(tokenizer):
    with training.seeded(0):
        whole = clip.build(len(tokenizer), width=16, text_layers=1, picture_width=16,
                           picture_layers=1).eval()
    ids, mask = text.tokenize(tokenizer, CAPTIONS)
    with torch.no_grad():
        half = clip.text_half(whole)(input_ids=ids, attention_mask=mask).last_hidden_state
        states = whole.text_model(input_ids=ids, attention_mask=mask)
    assert torch.equal(half, states.last_hidden_state)
    ends = (ids == text.END).int().argmax(1)
    assert torch.allclose(states.pooler_output, half[torch.arange(len(ids)), ends], atol=1e-6)


def test_a_moved_picture_keeps_its_colours_and_is_mirrored_half_the_time():
    ramp = torch.linspace(0, 1, 16).expand(200, 3, 16, 16)
    moved = clip.moved(ramp, torch.Generator().manual_seed(0))
    assert moved.shape == ramp.shape
    rising = (moved[:, 0, 0, -1] > moved[:, 0, 0, 0]).float().mean()
    assert 0.35 < rising < 0.65
    assert set(moved.unique().tolist()) <= set(ramp.unique().tolist())


def test_nothing_moves_further_than_an_eighth():
    dot = torch.zeros(300, 3, 16, 16)
    dot[:, :, 8, 8] = 1
    at = clip.moved(dot, torch.Generator().manual_seed(1))[:, 0].flatten(1).argmax(1)
    rows, columns = at // 16, at % 16
    assert set(rows.tolist()) == {6, 7, 8, 9, 10}
    assert set(columns.tolist()) <= {5, 6, 7, 8, 9, 10}  # mirrored: column 7
