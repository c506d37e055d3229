"""A hoisted U-Net is the same function, and does less at each step."""

import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from maa import diffusion, invariants, training

WIDTH, STEPS = 16, torch.tensor([0, 1, 500, 999])


@pytest.fixture
def plain():
    with training.seeded(0):
        return diffusion.build_unet(widths=(32, 64), layers=1, heads=2, text_width=WIDTH,
                                    size=(10, 4), attention=1).eval()


def inputs():
    with training.seeded(1):
        return torch.randn(4, 4, 10, 4), torch.randn(4, 7, WIDTH)


@torch.no_grad()
def guess(unet, t=STEPS, rows=slice(None)):
    latent, words = inputs()
    return unet(latent[rows], t, encoder_hidden_states=words[rows]).sample


def test_a_hoisted_network_answers_as_the_plain_one(plain):
    hoisted = invariants.hoist(copy.deepcopy(plain))
    assert torch.allclose(guess(hoisted), guess(plain), atol=1e-5)
    assert torch.allclose(guess(hoisted, STEPS[2]), guess(plain, STEPS[2]), atol=1e-5)
    assert not torch.allclose(guess(plain, STEPS[2]), guess(plain, STEPS[3]), atol=1e-3)


def test_kept_words_are_read_whatever_it_is_given(plain):
    hoisted, (latent, words) = invariants.hoist(copy.deepcopy(plain)), inputs()
    with torch.no_grad(), invariants.kept(hoisted, words):
        all_of_them = hoisted(latent, STEPS, encoder_hidden_states=torch.zeros_like(words)).sample
        last = hoisted(latent[2:], STEPS[2:], encoder_hidden_states=words[:2]).sample
    assert torch.allclose(all_of_them, guess(plain), atol=1e-5)
    assert torch.allclose(last, guess(plain)[2:], atol=1e-5)


def test_afterwards_it_reads_what_it_is_given(plain):
    hoisted, (_, words) = invariants.hoist(copy.deepcopy(plain)), inputs()
    with torch.no_grad(), invariants.kept(hoisted, torch.zeros_like(words)):
        assert not torch.allclose(guess(hoisted), guess(plain), atol=1e-3)
    assert torch.allclose(guess(hoisted), guess(plain), atol=1e-5)


def test_each_step_saves_the_products_of_words_and_of_its_number(plain):
    def work(unet):
        with FlopCounterMode(display=False) as counter:
            guess(unet)
        return counter.get_total_flops()

    hoisted, (_, words) = invariants.hoist(copy.deepcopy(plain)), inputs()
    with torch.no_grad(), invariants.kept(hoisted, words):
        saved = work(plain) - work(hoisted)
    linear = [*(one for each in invariants.attentions(plain) for one in (each.to_k, each.to_v))]
    expected = sum(2 * one.weight.numel() * 4 * 7 for one in linear)  # 4 clips of 7 words
    expected += sum(2 * one.weight.numel() * 4 for name, one in plain.named_modules()
                    if name.endswith("time_emb_proj") or name.startswith("time_embedding.linear"))
    assert saved == expected > 0


def test_to_hoist_it_once_more_changes_nothing(plain):
    hoisted = invariants.hoist(copy.deepcopy(plain))
    names = [name for name, _ in hoisted.named_modules()]
    assert [name for name, _ in invariants.hoist(hoisted).named_modules()] == names
