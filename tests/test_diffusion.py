"""Diffusion: the noise added is the noise taken away, and the prompt steers what is left."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from maa import diffusion, training
from maa.errors import MaaError

WIDTH = 8  # of the text


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unet(**shape):
    with training.seeded(0):
        return diffusion.build_unet(**{"widths": (16,), "layers": 1, "heads": 2, "size": (10, 4),
                                       "text_width": WIDTH, **shape}).eval()


class Stub:
    """A denoiser by formula that remembers what it was asked; four latent channels."""

    config = SimpleNamespace(in_channels=4)

    def __init__(self, formula):
        self.formula, self.calls = formula, []

    def __call__(self, latent, t, encoder_hidden_states):
        self.calls.append((len(latent), t))
        return SimpleNamespace(sample=self.formula(latent, t, encoder_hidden_states))


def knowing(clean):
    """The denoiser that knows the clean latent: the noise is what is left of its input."""
    kept = diffusion.noise_schedule()
    return Stub(lambda latent, t, text:
                (latent - kept[t].sqrt() * clean) / (1 - kept[t]).sqrt())


def train(folder, latents=None, text=None, empty=None, **changed):
    latents = noise(4, 4, 10, 4) if latents is None else latents
    empty = torch.zeros(1, 3, WIDTH) if empty is None else empty
    text = text or (lambda generator, rows: torch.ones(len(rows), 3, WIDTH))
    return diffusion.train(folder, latents, text, empty, **{
        "widths": (16,), "layers": 1, "heads": 2, "steps": 2, "batch": 4, **changed})


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))


def test_schedule_is_the_product_of_what_each_step_keeps():
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    assert diffusion.noise_schedule().numpy() == pytest.approx(np.cumprod(1 - betas), rel=1e-4)


@pytest.mark.parametrize("t", [0, 100, 500, 999])
def test_corrupted_latent_keeps_unit_variance_and_loses_the_share_of_its_step(t):
    latent, added = noise(8, 4, 10, 78), noise(8, 4, 10, 78, seed=1)
    kept = diffusion.noise_schedule()
    found = diffusion.corrupt(latent, added, torch.full((8,), t), kept)
    assert found.var() == pytest.approx(1, abs=0.03)
    assert (found * latent).mean() == pytest.approx(kept[t].sqrt().item(), abs=0.03)


def test_each_clip_is_corrupted_by_its_own_step():
    kept = torch.tensor([1.0, 0.36, 0.0])
    one, two = torch.full((3, 1, 1, 1), 1.0), torch.full((3, 1, 1, 1), 10.0)
    found = diffusion.corrupt(one, two, torch.tensor([2, 1, 0]), kept)
    assert found.flatten().tolist() == pytest.approx([10, 0.6 + 8, 1])


def test_guidance_of_one_asks_the_denoiser_once_and_any_other_for_both_prompts():
    stub = Stub(lambda latent, t, text: latent)
    latent, text = noise(2, 4, 10, 4), noise(2, 3, WIDTH)
    for scale, clips in ((1, 2), (3, 4), (0, 4)):
        diffusion.guided_noise(stub, latent, torch.tensor([5, 6]), text, 0 * text, scale)
        assert stub.calls.pop()[0] == clips
        assert not stub.calls


def test_guidance_is_linear_from_no_prompt_through_the_prompt_and_beyond():
    network, latent, text = unet(), noise(2, 4, 10, 4), noise(2, 3, WIDTH, seed=1)
    empty, t = noise(2, 3, WIDTH, seed=2), torch.tensor([10, 900])
    with torch.no_grad():
        none, one, three = (
            diffusion.guided_noise(network, latent, t, text, empty, x) for x in (0, 1, 3))
        assert torch.allclose(none, network(latent, t, encoder_hidden_states=empty).sample,
                              atol=1e-5)
    assert (one - none).abs().max() > 1e-3, "the prompt makes no difference"
    assert torch.allclose(three, none + 3 * (one - none), atol=1e-5)


def test_guidance_below_nothing_is_refused():
    with pytest.raises(ValueError, match="guidance -1, expected 0 or more; 1 means no guidance"):
        diffusion.guided_noise(None, noise(1, 4, 10, 4), 0, None, None, -1)


@pytest.mark.parametrize("scale", [-2.5, -1, 0, 0.5, 1, 3])
def test_guidance_of_any_sign_is_the_same_line_from_one_of_its_ends(scale):
    text, empty = noise(2, 4, 10, 4), noise(2, 4, 10, 4, seed=1)
    stub = Stub(lambda latent, t, words: words)
    turned = diffusion.upward(text, empty, scale)
    assert turned[2] > 0
    found = diffusion.guided_noise(stub, text, 5, *turned)
    assert torch.allclose(found, empty + scale * (text - empty), atol=1e-5)


@pytest.mark.parametrize("sampler, steps, error", [
    ("ddim", 10, 0.029),  # its last step leaves the noise of t = 0, √0.00085
    ("ddim", 50, 0.029),
    ("ddim", 1000, 0.029),
    ("dpm++", 10, 0.0),
])
def test_sampler_that_is_told_the_true_noise_finds_the_clean_latent(sampler, steps, error):
    clean, text = noise(3, 4, 10, 4, seed=5), torch.zeros(3, 1, WIDTH)
    found = diffusion.sample(knowing(clean), text, text, size=(10, 4), scale=1, steps=steps,
                             sampler=sampler, generator=torch.Generator().manual_seed(0))
    assert (found - clean).square().mean().sqrt() == pytest.approx(error, abs=0.002)


@pytest.mark.parametrize("sampler", diffusion.SCHEDULERS)
def test_steps_asked_of_the_denoiser_fall_from_noise_to_nearly_nothing(sampler):
    stub = Stub(lambda latent, t, text: latent)
    text = torch.zeros(1, 1, WIDTH)
    diffusion.sample(stub, text, text, size=(10, 4), scale=1, steps=10, sampler=sampler)
    asked = [int(t) for _, t in stub.calls]
    assert len(asked) == 10
    assert asked == sorted(asked, reverse=True)
    assert asked[0] >= 900
    assert 0 <= asked[-1] <= 100


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500])
def test_steps_of_ddim_are_the_releases_where_their_number_divides_1000(steps):
    scheduler = diffusion.ddim()
    diffusion.begin(scheduler, steps)
    release = np.arange(0, 1000, 1000 // steps) + 1
    assert scheduler.timesteps.tolist() == release[::-1].tolist()


@pytest.mark.parametrize("sampler", diffusion.SCHEDULERS)
def test_a_thousand_steps_are_all_there_are(sampler):
    scheduler = diffusion.SCHEDULERS[sampler]()
    diffusion.begin(scheduler, 1000)
    assert scheduler.timesteps.tolist() == list(range(999, -1, -1))


@pytest.mark.parametrize("steps, known", [(3, "2 or 4"), (30, "25 or 40"), (350, "250 or 500"),
                                          (600, "500 or 1000"), (999, "500 or 1000")])
def test_steps_of_ddim_that_would_begin_far_from_noise_are_refused(steps, known):
    with pytest.raises(MaaError, match=f"P-STEPS: num_inference_steps is {steps}, expected a "
                                       f"number that divides 1000, such as {known}"):
        diffusion.begin(diffusion.ddim(), steps)
    other = diffusion.dpm()
    diffusion.begin(other, steps)
    assert len(other.timesteps) == steps and other.timesteps[0] == 999


def test_same_generator_samples_the_same_latents():
    network, text = unet(), noise(2, 3, WIDTH)

    def sample(seed, **changed):
        return diffusion.sample(network, text, 0 * text, **{
            "size": (10, 6), "steps": 4, "generator": torch.Generator().manual_seed(seed),
            **changed})

    first = sample(0)
    assert first.shape == (2, 4, 10, 6)
    assert torch.equal(first, sample(0))
    for other in (sample(1), sample(0, scale=1), sample(0, sampler="ddim")):
        assert not torch.allclose(first, other, atol=1e-4)


def test_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match=r"'euler' is unknown, expected one of \['ddim', 'dpm"):
        diffusion.sample(None, None, None, size=(10, 4), sampler="euler")


def test_prompts_that_are_all_dropped_leave_no_trace(tmp_path):
    def loud(generator, rows):
        return torch.full((len(rows), 3, WIDTH), 9.0)

    dropped = [train(tmp_path / name, text=text, drop_prompt=1.0)
               for name, text in (("plain", None), ("loud", loud))]
    assert same(*dropped)
    assert not same(dropped[0], train(tmp_path / "kept", text=loud, drop_prompt=0.0))


def test_empty_prompt_is_not_used_where_none_is_dropped(tmp_path):
    one, two = (train(tmp_path / str(value), empty=torch.full((1, 3, WIDTH), value),
                      drop_prompt=0.0) for value in (0.0, 9.0))
    assert same(one, two)


def test_share_of_dropped_prompts_is_the_one_asked_for(tmp_path, monkeypatch):
    seen, noisy = [], diffusion.noisy

    def watching(latent, text, *rest):
        seen.append(text.mean((1, 2)))
        return noisy(latent, text, *rest)

    monkeypatch.setattr(diffusion, "noisy", watching)
    train(tmp_path, drop_prompt=0.3, batch=64, latents=noise(4, 4, 2, 2), steps=8)
    seen = torch.cat(seen)
    assert set(seen.tolist()) == {0.0, 1.0}, "a prompt was dropped in part"
    assert (seen == 0).float().mean() == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("lean", [1.0, 2.0, 4.0])
def test_steps_lean_towards_noise_as_asked(lean, tmp_path, monkeypatch):
    """Of the steps, a share 1 - x ** lean is above x."""
    seen, noisy = [], diffusion.noisy

    def watching(*given):
        seen.append(noisy(*given))
        return seen[-1]

    monkeypatch.setattr(diffusion, "noisy", watching)
    train(tmp_path, lean=lean, batch=500, latents=noise(4, 4, 2, 2), steps=4)
    t = torch.cat([one["t"] for one in seen])
    for share in (0.25, 0.5, 0.9):
        assert (t >= share * 1000).float().mean() == pytest.approx(1 - share ** lean, abs=0.05)
    assert 0 <= t.min() and t.max() <= 999


def test_held_out_error_leans_as_training_does(tmp_path):
    """At step 999 what comes in is nearly all noise: who says it back is right, but not earlier."""
    held_out = noise(64, 4, 2, 2), torch.zeros(64, 3, WIDTH)
    echo, kept = Stub(lambda latent, t, text: latent), diffusion.noise_schedule()
    assert diffusion.held_out_error(echo, *held_out, kept, lean=2000.0) < 0.01
    assert diffusion.held_out_error(echo, *held_out, kept) > 0.3
    network = train(tmp_path, lean=2000.0, steps=2, save_every=2, held_out=held_out)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log[log.split == "held_out"].value.tolist()[-1] == pytest.approx(
        diffusion.held_out_error(network, *held_out, kept, lean=2000.0))


def test_velocity_error_is_the_noise_error_over_what_is_left_of_the_signal():
    """Worked out from v = √ᾱ · noise − √(1 − ᾱ) · latent, the latent as the guess has it."""
    latent, true, guess = (noise(1, 4, 2, 2, seed=seed).double() for seed in range(3))
    for kept in diffusion.noise_schedule()[[0, 400, 999]].double():
        mixed = kept.sqrt() * latent + (1 - kept).sqrt() * true
        found = (mixed - (1 - kept).sqrt() * guess) / kept.sqrt()
        speed, guessed = (kept.sqrt() * e - (1 - kept).sqrt() * x
                          for e, x in ((true, latent), (guess, found)))
        apart = (speed - guessed).square() / (true - guess).square()
        assert apart.flatten().tolist() == pytest.approx(
            [float(diffusion.ERRORS["velocity"](kept))] * 16, rel=1e-6)
    assert torch.equal(diffusion.ERRORS["noise"](torch.rand(5)), torch.ones(5))


@pytest.mark.parametrize("minimise", ["noise", "velocity"])
def test_training_makes_the_error_small_that_was_asked_for(minimise, tmp_path, monkeypatch):
    """The loss of each step's batch, from its noise and a guess of 0."""
    def watching(folder, *, modules, turns, batch, **rest):
        now = batch(torch.Generator().manual_seed(0))
        for parameter in modules["unet"].conv_out.parameters():
            parameter.data.zero_()
        loss, shown = turns[0].loss(now, 0)
        each = now["noise"].square().mean((1, 2, 3))
        weight = {"noise": 1.0, "velocity": 1 / diffusion.noise_schedule()[now["t"]]}[minimise]
        assert loss.item() == pytest.approx((weight * each).mean().item(), rel=1e-5)
        assert shown["noise error"].item() == pytest.approx(each.mean().item(), rel=1e-5)
        return modules

    monkeypatch.setattr(training, "train", watching)
    train(tmp_path, minimise=minimise, batch=64)


def test_unknown_error_is_refused(tmp_path):
    expected = r"minimise is 'mel', expected one of \['noise', 'velocity'"
    with pytest.raises(ValueError, match=expected):
        train(tmp_path, minimise="mel")


def test_one_latent_is_learnt_by_heart(tmp_path):
    latent, kept = noise(1, 4, 1, 1).expand(-1, -1, 4, 4), diffusion.noise_schedule()
    text = torch.ones(64, 3, WIDTH)
    held_out = latent.expand(64, -1, -1, -1), text
    network = train(tmp_path, latents=latent, steps=80, save_every=16, batch=16, decay=0.9,
                    learning_rate=0.01, held_out=held_out)
    log = pd.read_csv(tmp_path / "log.csv")
    errors = log[log.split == "held_out"].value.tolist()
    assert errors == sorted(errors, reverse=True)
    # ᾱ is the error of the best guess about a latent of which only the size is known
    assert errors[-1] < 0.7 * kept.mean() < kept.mean() < errors[0]
    assert diffusion.held_out_error(network, *held_out, kept) == pytest.approx(errors[-1])
    other = noise(64, 4, 1, 1, seed=1).expand(-1, -1, 4, 4)
    assert diffusion.held_out_error(network, other, text, kept) > kept.mean()


def test_held_out_error_is_0_for_the_true_noise_and_1_for_no_guess():
    clean, text = noise(6, 4, 10, 4), torch.zeros(6, 1, WIDTH)
    kept = diffusion.noise_schedule()

    def knowing_each(latent, t, text):
        share = kept[t].view(-1, 1, 1, 1)
        return (latent - share.sqrt() * clean) / (1 - share).sqrt()

    assert diffusion.held_out_error(Stub(knowing_each), clean, text, kept) < 1e-6
    silent = Stub(lambda latent, t, text: 0 * latent)
    error = diffusion.held_out_error(silent, clean, text, kept)
    assert error == pytest.approx(1, abs=0.1)
    assert diffusion.held_out_error(silent, clean, text, kept) == error


def test_dropout_hides_values_in_training_and_none_afterwards(tmp_path):
    network = train(tmp_path / "half", dropout=0.5)
    assert not same(network, train(tmp_path / "none", dropout=0.0))
    question = noise(1, 4, 10, 4), 500, noise(1, 3, WIDTH)
    with torch.no_grad():
        one, two = (network(*question).sample for _ in range(2))
        assert torch.equal(one, two)
        network.train()
        assert not torch.equal(network(*question).sample, one)


@pytest.mark.parametrize("widths", [(16,), (16, 32)])
def test_denoiser_takes_other_sizes_than_it_was_built_for(widths):
    network = unet(widths=widths, channels=3)
    with torch.no_grad():
        found = network(noise(2, 3, 10, 6), 5, encoder_hidden_states=noise(2, 7, WIDTH)).sample
    assert found.shape == (2, 3, 10, 6)


def test_widths_that_leave_less_than_four_channels_to_a_group_are_refused():
    with pytest.raises(ValueError, match=r"widths \(16, 30\), expected multiples of 4"):
        unet(widths=(16, 30))
