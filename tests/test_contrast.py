"""Contrast: partners are found among all, and captions are drawn as they belong."""

import math

import pytest
import torch

from maa import contrast, text, training
from maa.errors import MaaError

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


def test_shares_of_one_are_as_no_shares():
    first, second = (torch.nn.functional.normalize(
        torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)), dim=1)
        for seed in (0, 1))
    groups = torch.tensor([0, 1, 0, 2])
    whole = contrast.pair_loss(first, second, 5.0, groups, torch.ones(4, 1))
    assert whole.item() == pytest.approx(
        contrast.pair_loss(first, second, 5.0, groups).item(), abs=1e-6)


def test_added_sounds_belong_to_both_sentences_in_proportion_by_hand():
    """Three quarters of the first sound are its own, half of the second. Down the columns the
    shares of each sentence's two sounds are made to sum to one: 0.75 and 0.5, 0.25 and 0.5."""
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    along = [math.log(math.exp(0.6) + 1) - 0.75 * 0.6,
             math.log(math.exp(0.8) + math.e) - 0.5 * 0.8 - 0.5 * 1.0]
    down = [math.log(math.exp(0.6) + math.exp(0.8)) - 0.6 * 0.6 - 0.4 * 0.8,
            math.log(1 + math.e) - 2 / 3 * 1.0]
    share = torch.tensor([[0.75], [0.5]])
    found = contrast.pair_loss(first, second, 1.0, torch.arange(2), share)
    assert found.item() == pytest.approx((sum(along) + sum(down)) / 4, abs=1e-6)


def test_the_other_part_of_a_sum_is_counted_from_the_end():
    """Sound 0 is half sound 2, sound 1 its own: what answers so is better than what does not."""
    share, rows = torch.tensor([[0.5], [0.5], [0.5]]), torch.eye(3)
    both = torch.tensor([[1.0, 0.0, 1.0], [0.0, 2**0.5, 0.0], [1.0, 0.0, 1.0]]) / 2**0.5
    near, far = (contrast.pair_loss(one, rows, 20.0, torch.arange(3), share).item()
                 for one in (both, both[:, [1, 2, 0]]))
    assert near == pytest.approx(2 / 3 * math.log(2), abs=1e-4) and far > 5


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


def train(folder, **changed):
    """A layer that learns to find each of four rows among all, and how often a batch was drawn."""
    with training.seeded(0):
        network = torch.nn.Linear(4, 4).to(training.device())
    rows, drawn = torch.eye(4, device=training.device()), []

    def batch(generator):
        drawn.append(1)
        return {"rows": rows, "group": torch.arange(4, device=rows.device)}

    def loss(now, step):
        found = torch.nn.functional.normalize(network(now["rows"]), dim=-1)
        value = contrast.pair_loss(found, now["rows"], 10.0, now["group"])
        return value, {"contrast": value}

    settings = {"steps": 40, "learning_rate": 0.05, "seed": 0, "depths": (1, 2), **changed}
    made = contrast.train(folder, "pairs", network, batch=batch, loss=loss, settings=settings,
                          save_every=10)
    return loss(batch(None), 0)[0].item(), made.training, len(drawn) - 1


def test_training_by_contrast_ends_with_partners_found(tmp_path):
    value, is_training, steps = train(tmp_path)
    assert value < 0.5 < math.log(4) and not is_training and steps == 40


def test_training_by_contrast_is_resumed_with_the_same_settings_alone(tmp_path):
    value = train(tmp_path)[0]
    assert train(tmp_path) == (pytest.approx(value, abs=1e-6), False, 0)
    with pytest.raises(MaaError, match=r"T-SETTINGS: .*depths is \[1, 3\], was \[1, 2\]"):
        train(tmp_path, depths=(1, 3))
