"""Contrast: partners are found among all, and captions are drawn as they belong."""

import math

import pytest
import torch

from maa import contrast, text

CAPTIONS = [["a dog barking", "the bark of a dog"], ["rain falling", "heavy rain"],
            ["a dog barking", "the bark of a dog"]]


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(sum(CAPTIONS, []), 300)


def test_perfect_pairs_cost_nothing_at_a_large_scale():
    rows = torch.eye(3)
    assert contrast.pair_loss(rows, rows, 100.0, torch.arange(3)) < 1e-6


def test_two_pairs_by_hand():
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    rows = [[0.6, 0.0], [0.8, 1.0]]  # cosines
    along = [math.log(math.exp(0.6) + 1) - 0.6, math.log(math.exp(0.8) + math.e) - 1.0]
    down = [math.log(math.exp(0.6) + math.exp(0.8)) - 0.6, math.log(1 + math.e) - 1.0]
    assert (first @ second.T).flatten().tolist() == pytest.approx(sum(rows, []))
    found = contrast.pair_loss(first, second, 1.0, torch.arange(2))
    assert found.item() == pytest.approx((sum(along) + sum(down)) / 4, abs=1e-6)


def test_things_with_the_same_captions_are_right_answers_for_each_other():
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    alike, apart = (contrast.pair_loss(first, first, 100.0, groups).item()
                    for groups in (torch.tensor([5, 5, 2]), torch.arange(3)))
    assert alike == pytest.approx(2 / 3 * math.log(2), abs=1e-5)  # shared between two
    assert apart == pytest.approx(2 / 3 * math.log(2), abs=1e-5)
    swapped = first[[1, 0, 2]] + 0.0
    assert contrast.pair_loss(first, swapped, 100.0, torch.tensor([5, 5, 2])) == alike


def test_each_thing_gets_one_of_its_own_captions(tokenizer):
    sentences = contrast.Sentences(tokenizer, CAPTIONS, torch.device("cpu"), hide=0.0)
    drawn = sentences.draw(torch.tensor([0, 1, 2] * 40), torch.Generator().manual_seed(0))
    said = [one.strip() for one in tokenizer.batch_decode(drawn["ids"], skip_special_tokens=True)]
    for row in range(3):
        assert set(said[row::3]) == set(CAPTIONS[row])
    assert drawn["group"][0] == drawn["group"][2] != drawn["group"][1]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_that_share_of_the_words_is_hidden_and_no_mark_is(tokenizer, share):
    sentences = contrast.Sentences(tokenizer, CAPTIONS, torch.device("cpu"), hide=share)
    drawn = sentences.draw(torch.arange(3).repeat(200), torch.Generator().manual_seed(0))
    ids, words = drawn["ids"], drawn["mask"].bool()
    assert (ids[:, 0] == text.START).all()
    assert (ids[~words] == text.PAD).all()
    ends = (ids == text.END).sum(1)
    assert (ends == 1).all()
    hidden = (ids == text.HIDDEN).sum() / (drawn["mask"].sum() - 2 * len(ids))
    assert hidden.item() == pytest.approx(share, abs=0.05)
