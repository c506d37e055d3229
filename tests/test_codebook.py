"""The codebook: mels to tokens and back, codes that are used, and what training changes."""

import math

import pandas as pd
import pytest
import tiny_trainers
import torch

from maa import autoencoder, classifier, codebook, training


def mels(clips=2, frames=80, seed=0):
    return torch.randn(
        (clips, 1, 80, frames), generator=torch.Generator().manual_seed(seed)) - 2.5


def build(**shape):
    with training.seeded(0):
        return codebook.build_tokenizer(**{
            "widths": (8,) * 5, "layers": 1, "codes": 12, "code_width": 4, **shape}).eval()


def train(folder, **changed):
    with training.seeded(1):
        ear = classifier.Vgg(2, widths=(4, 8)).eval()
    return codebook.train_vq(folder, tiny_trainers.sounds(), ear=ear, **{
        "widths": (8,) * 5, "layers": 1, "codes": 12, "code_width": 4, "batch": 2, "frames": 32,
        "critic_windows": (16,), "steps": 4, "critic_from": 0.5, "revive_every": 2, **changed})


def logged(folder, name, split="train"):
    log = pd.read_csv(folder / "log.csv")
    return log[(log.name == name) & (log.split == split)].value.tolist()


@pytest.mark.parametrize("frames, columns", [(624, 39), (160, 10), (848, 53)])
@torch.no_grad()
def test_a_mel_of_10_s_becomes_5_by_39_tokens_and_that_of_the_rival_265(frames, columns):
    vq = build()
    tokens = codebook.tokenize(vq, mels(1, frames))
    assert tokens.shape == (1, 5 * columns)
    assert codebook.read(vq, tokens).shape == (1, 1, 80, frames)


def test_a_token_is_the_number_of_the_nearest_code_row_by_row():
    vq, many = build(), mels(3)
    with torch.no_grad():
        latents = vq.encode(many).latents  # (3, 4, 5, 5)
    far = (latents[1, :, 3, 2] - vq.quantize.embedding.weight).square().sum(1)
    assert codebook.tokenize(vq, many)[1, 3 * 5 + 2] == far.argmin()


def test_reading_tokens_is_what_the_whole_network_gives():
    vq = build()
    with torch.no_grad():
        whole = vq(mels()).sample
    assert torch.allclose(codebook.rebuild(vq, mels(), batch=1), whole, atol=1e-5)


def test_coarse_start_rebuilds_better_than_random_weights():
    smooth = torch.nn.functional.interpolate(mels(2, 80)[..., ::16, ::16], (80, 80))
    errors = []
    for start in autoencoder.STARTS:
        vq = build(start=start, codes=50)
        codebook.revive(vq, smooth, 2, torch.Generator().manual_seed(0))
        errors.append((codebook.rebuild(vq, smooth) - smooth).abs().mean())
    assert errors[1] < 0.8 * errors[0]


def test_usage_counts_codes_and_weighs_them_by_their_share():
    assert codebook.usage(torch.tensor([[0, 1], [2, 3]]), 8) == (4, pytest.approx(4))
    assert codebook.usage(torch.tensor([[5, 5], [5, 5]]), 8) == (1, pytest.approx(1))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert codebook.usage(torch.tensor([[0, 0, 0, 7]]), 8) == (2, pytest.approx(math.exp(entropy)))


def test_unused_codes_move_to_latents_and_used_ones_stay():
    vq, many = build(), mels(8)
    before, used = vq.quantize.embedding.weight.clone(), codebook.tokenize(vq, many).unique()
    moved = codebook.revive(vq, many, 2, torch.Generator().manual_seed(0))
    codes = vq.quantize.embedding.weight
    assert moved == 12 - len(used) > 0
    assert torch.equal(codes[used], before[used])
    with torch.no_grad():
        latents = vq.encode(many).latents.movedim(1, -1).flatten(0, 2)
    idle = [code for code in range(12) if code not in used]
    assert torch.cdist(codes[idle], latents).min(1).values.max() < 1e-3
    assert codebook.usage(codebook.tokenize(vq, many), 12)[0] > len(used)


def test_held_out_mels_are_rebuilt_better_and_codes_stay_in_use(tmp_path):
    held_out = autoencoder.moments(
        tiny_trainers.sounds(), 16, 32, torch.Generator().manual_seed(5))
    untrained = (codebook.rebuild(build(), held_out) - held_out).abs().mean()
    vq = train(tmp_path, steps=24, save_every=12, held_out=held_out, learning_rate=0.003)
    first, last = logged(tmp_path, "L1", "held_out")
    assert last < first < 0.8 * untrained
    assert (codebook.rebuild(vq, held_out) - held_out).abs().mean() == pytest.approx(last)
    assert codebook.usage(codebook.tokenize(vq, held_out), 12)[0] >= 6


def test_critic_sets_in_after_its_share_of_the_steps(tmp_path):
    train(tmp_path / "half", critic_from=0.5)
    train(tmp_path / "never", critic_from=1.0)
    assert logged(tmp_path / "half", "critic")
    assert not logged(tmp_path / "never", "critic")


@pytest.mark.parametrize("shape", [(80, 32), (1, 1, 64, 32), (1, 2, 80, 32), (1, 1, 80, 24)])
def test_mel_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(clips, 1, 80, a multiple of 16\); was it"):
        codebook.tokenize(build(), torch.zeros(shape))


@pytest.mark.parametrize("tokens", [torch.zeros(1, 12).long(), torch.full((1, 25), 12)])
def test_tokens_that_are_no_page_or_still_masked_are_refused(tokens):
    with pytest.raises(ValueError, match="multiple of 5. below 12; are some still masked"):
        codebook.read(build(), tokens)


@pytest.mark.parametrize("shape, words", [
    ({"widths": (8,) * 4}, "expected five: only five levels take 80 bands to 5"),
    ({"attention": 6}, "attention on 6 levels, expected 0 to 5"),
    ({"start": "warm"}, r"start is 'warm', expected one of \('random', 'coarse'\)"),
])
def test_shape_that_cannot_be_built_is_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        build(**shape)
