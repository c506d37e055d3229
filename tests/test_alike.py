"""maa.alike: same noise on both ways, likeness by hand, and a difference with its interval."""

import numpy as np
import pandas as pd
import pytest
import tiny_pipeline
import torch

from maa import alike, evaluation, fast

PLAIN = {"compiled": False, "recorded": False, "dtype": torch.float32}
PROMPTS = ["a dog barking", "heavy rain falling", "a cat"]


@pytest.fixture
def pipe():
    return tiny_pipeline.build(width=16, inner=16, depth=1)


def asked(count=5):
    return pd.DataFrame({"prompt": [PROMPTS[i % 3] for i in range(count)], "set": "held_out",
                         "seed": range(7, 7 + count)})


def test_noise_of_a_seed_is_what_the_pipeline_draws_from_it(pipe):
    first = evaluation.by(pipe, 0.512, 3, 3.0)(PROMPTS, [4, 5, 6])
    noise = fast.noises(pipe, [4, 5, 6], tiny_pipeline.COLUMNS)
    again = pipe(PROMPTS, 0.512, 3, 3.0, latents=noise).audios
    assert np.allclose(first, again, atol=1e-5)


def test_likeness_is_the_correlation_of_each_two():
    one = torch.randn(3, 4, 10, 2, generator=torch.Generator().manual_seed(0))
    other = torch.stack([2 * one[0] + 1, -one[1], one[0]])
    found = alike.likeness(one, other)
    by_hand = np.corrcoef(one[2].flatten(), one[0].flatten())[0, 1]
    assert found == pytest.approx([1, -1, by_hand])


def test_the_plain_chain_has_the_pipelines_own_latents(pipe):
    row = alike.latents(pipe, PROMPTS, 4, 3.0, **PLAIN)
    assert row["lowest_correlation"] == pytest.approx(1, abs=1e-9)
    assert row["n"] == 3 and row["steps"] == 4


def test_coarser_numbers_lower_the_likeness(pipe):
    row = alike.latents(pipe, PROMPTS, 4, 3.0, **PLAIN | {"dtype": torch.bfloat16})
    assert 0.9 < row["lowest_correlation"] <= row["correlation"] < 1 - 1e-7


def test_sounds_of_both_ways_answer_the_plan_in_its_order(pipe):
    found = alike.sounds(pipe, asked(), 0.512, 3, 3.0, 2, **PLAIN)
    assert found["plainly"].shape == found["quickly"].shape == (5, 8192)
    assert torch.allclose(found["plainly"], found["quickly"], atol=1e-3)  # other batches
    assert (found["quickly"][0] - found["quickly"][3]).abs().mean() > 0.1  # a seed of its own each


class Judge:
    """Hears levels alone, in two bands."""

    listener, classifier = "ear", "namer"
    evaluators = {"FID": "by hand", "KL": "by hand", "CLAP": "by hand"}

    def heard(self, mels):
        features = torch.stack([mels[:, 0, :40].mean((1, 2)), mels[:, 0, 40:].mean((1, 2))], 1)
        return features.numpy(), features.numpy()

    def guesses(self, mels):
        return torch.from_numpy(self.heard(mels)[0]).softmax(1).numpy()

    def clap(self, mels, prompts):
        return self.heard(mels)[0][:, 0] / 10


def waves(level, count=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    loud = level * 10 ** torch.rand(count, 1, generator=generator)
    return loud * torch.randn(count, 4096, generator=generator)


def test_equal_sounds_differ_by_nothing_and_fainter_ones_clearly():
    real, near, far = waves(0.01), waves(0.01, seed=1), waves(0.001, seed=1)
    same = alike.judged({"plainly": near, "quickly": near}, real, asked(40), Judge(), 16)
    other = alike.judged({"plainly": near, "quickly": far}, real, asked(40), Judge(), 16)
    assert [row["metric"] for row in same] == ["FID", "KL", "CLAP"]
    for row in same:
        assert row["difference"] == row["low"] == row["high"] == 0 and row["n"] == 40
    fid, _, clap = other
    assert fid["high"] < 0 and fid["difference"] == pytest.approx(fid["plainly"] - fid["quickly"])
    assert clap["low"] > 0
