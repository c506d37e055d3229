"""BERT and T5: words and spans are hidden by rule, and guessed better with training."""

import numpy as np
import pandas as pd
import pytest
import tiny_trainers
import torch

from maa import masking, text

TEXTS = ["a dog barking", "the bark of a dog", "heavy rain falling", "rain falling on the ground"]
FIRST = text.MARKS.index(text.SPANS[0])


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(TEXTS, 300)


def test_an_eighth_or_so_of_the_words_is_hidden_and_only_those_are_targets():
    ids = torch.randint(len(text.MARKS), 100, (400, 20), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = text.START, text.END
    seen, targets = masking.hide_words(ids, 100, torch.Generator().manual_seed(1))
    chosen = targets != masking.IGNORED
    assert chosen[:, 1:-1].float().mean().item() == pytest.approx(masking.SHARE, abs=0.01)
    assert not chosen[:, [0, -1]].any()
    assert torch.equal(targets[chosen], ids[chosen])
    assert torch.equal(seen[~chosen], ids[~chosen])
    hidden = (seen[chosen] == text.HIDDEN).float().mean().item()
    same = (seen[chosen] == ids[chosen]).float().mean().item()
    assert (hidden, same) == (pytest.approx(0.8, abs=0.04), pytest.approx(0.1, abs=0.03))


def test_one_hidden_span_by_hand():
    a, b, c, d, e = range(20, 25)
    seen, hidden = masking.hide_spans([a, b, c, d, e], [(1, 2)])
    assert seen == [a, FIRST, d, e]
    assert hidden == [FIRST, b, c, FIRST + 1, text.END]


def test_two_hidden_spans_by_hand():
    seen, hidden = masking.hide_spans([1, 20, 21, 22, 23, 24, 3], [(1, 1), (4, 2)])
    assert seen == [1, FIRST, 21, 22, FIRST + 1, 3]
    assert hidden == [FIRST, 20, FIRST + 1, 23, 24, FIRST + 2, text.END]


@pytest.mark.parametrize("length", [3, 4, 7, 12, 13, 30, 77])
def test_spans_lie_between_the_marks_apart_and_leave_something_to_read(length):
    generator = np.random.default_rng(0)
    for _ in range(50):
        spans = masking.draw_spans(length, generator)
        ends = [start + size for start, size in spans]
        assert spans[0][0] >= 1 and ends[-1] <= length - 1
        assert all(1 <= size <= masking.SPAN for _, size in spans)
        assert all(start >= end for (start, _), end in zip(spans[1:], ends))
        assert len(spans) < len(text.SPANS)


def test_the_bank_gives_back_each_sentence_when_its_spans_are_put_in(tokenizer):
    seen, hidden = masking.span_bank(tokenizer, TEXTS, copies=3, seed=0)
    sentences = tokenizer(TEXTS)["input_ids"]
    assert len(seen) == 3 * len(TEXTS)
    for row, (before, targets) in enumerate(zip(seen.tolist(), hidden.tolist())):
        spans, number = {}, None
        for token in targets:
            if token >= FIRST and token < FIRST + len(text.SPANS):
                number = token
                spans[number] = []
            elif token not in (text.END, text.PAD):
                spans[number].append(token)
        whole = sum((spans[t] if t in spans else [t] for t in before if t != text.PAD), [])
        assert whole == sentences[row // 3]


@pytest.mark.parametrize("train, name", [
    (masking.train_bert, "hidden words"), (masking.train_t5, "hidden spans")])
def test_what_is_hidden_is_guessed_better_with_training(tokenizer, tmp_path, train, name):
    train(tmp_path, tokenizer, TEXTS * 10, steps=150, batch=16, width=32, layers=1, save_every=50,
          learning_rate=0.003)
    log = pd.read_csv(tmp_path / "log.csv")
    losses = log[(log.name == name) & (log.split == "train")].value
    held = log[(log.name == name) & (log.split == "held_out")].value
    assert losses.iloc[-1] < losses.iloc[0] - 0.5
    assert held.iloc[-1] < held.iloc[0]


def test_a_batch_in_which_nothing_is_hidden_costs_nothing(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(masking, "SHARE", 0.0)
    masking.train_bert(tmp_path, tokenizer, TEXTS, steps=2, batch=2, width=16, layers=1)
    log = pd.read_csv(tmp_path / "log.csv")
    assert (log[log.name == "hidden words"].value == 0).all()


@pytest.mark.parametrize("trainer", [tiny_trainers.train_bert, tiny_trainers.train_t5])
def test_training_twice_gives_the_same_network(tmp_path, trainer):
    first, again = (trainer(tmp_path / name, steps=3).state_dict() for name in ("one", "two"))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_the_encoder_reads_as_the_whole_t5_does(tokenizer):
    whole = masking.build_t5(len(tokenizer), width=32, layers=1).eval()
    ids, mask = text.tokenize(tokenizer, TEXTS)
    with torch.no_grad():
        half = masking.t5_encoder(whole)(input_ids=ids, attention_mask=mask).last_hidden_state
        wanted = whole.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    assert torch.equal(half, wanted)
