"""Critics: what they are shown, and the arithmetic of their losses."""

import math

import pytest
import torch

from maa import discriminators, mel, training


def critic(windows=(16, 32)):
    with training.seeded(0):
        return discriminators.Windows(windows, width=4)


def ear_for_waves():
    with training.seeded(0):
        return discriminators.Waves(periods=(2, 3), resolutions=(256, 512), width=4)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_every_whole_window_is_seen_once_and_the_rest_is_not():
    mels = torch.arange(35.0).expand(2, 1, 80, 35)
    found = discriminators.cut(mels, 16) * mel.SPREAD + mel.CENTRE
    assert found.shape == (4, 1, 80, 16)
    starts = found[:, 0, 0, 0].tolist()
    assert starts == pytest.approx([0, 16, 0, 16], abs=1e-4)
    assert found[:, 0, 7] == pytest.approx(found[:, :1, 0, :1][:, 0] + torch.arange(16), abs=1e-4)


def test_windows_of_a_clip_keep_its_bands_in_place():
    mels = torch.arange(80.0)[:, None].expand(1, 1, 80, 32)
    found = discriminators.cut(mels, 16) * mel.SPREAD + mel.CENTRE
    assert found[1, 0, :, 5] == pytest.approx(torch.arange(80.0), abs=1e-4)


@pytest.mark.parametrize("frames, seen", [(16, 1), (31, 1), (32, 2), (100, 2)])
def test_windows_longer_than_the_mel_are_left_out(frames, seen):
    scores, layers = critic()(noise(1, 1, 80, frames))
    assert len(scores) == len(layers) == seen


def test_frames_beyond_the_last_whole_window_change_no_score():
    mels = noise(1, 1, 80, 40)
    changed = mels.clone()
    changed[..., 32:] += 5
    for a, b in zip(critic()(mels)[0], critic()(changed)[0]):
        assert torch.equal(a, b)
    changed[..., 31] += 5
    assert not torch.equal(critic()(mels)[0][1], critic()(changed)[0][1])


def test_mels_shorter_than_the_shortest_window_are_refused():
    with pytest.raises(ValueError, match="mels have 15 frames, expected 16 or more.*shorter"):
        critic()(torch.zeros(1, 1, 80, 15))


def test_wave_is_folded_by_its_period():
    found = discriminators.fold(torch.arange(12.0)[None], 3)
    assert found.shape == (1, 1, 4, 3)
    assert found[0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_wave_that_does_not_divide_is_folded_with_its_end_reflected():
    found = discriminators.fold(torch.arange(7.0)[None], 5)
    assert found[0, 0].tolist() == [[0, 1, 2, 3, 4], [5, 6, 5, 4, 3]]


def test_picture_of_a_tone_is_brightest_at_its_frequency():
    time = torch.arange(4096) / mel.RATE
    found = discriminators.picture(torch.sin(2 * torch.pi * 1000 * time)[None], 512)
    assert found.shape[1] == 2
    assert found.shape[3] == 257
    loudness = found.square().sum(1).mean((0, 1))
    assert loudness.argmax() * mel.RATE / 512 == pytest.approx(1000, abs=mel.RATE / 512)


def test_picture_makes_a_hundred_times_less_only_four_times_less():
    wave = noise(1, 4096)
    loud, quiet = (discriminators.picture(w, 512).square().sum(1).sqrt()
                   for w in (100 * wave, wave))
    assert (loud / quiet).median() == pytest.approx(100**0.3, rel=0.01)


def test_waves_are_judged_once_by_period_and_by_resolution():
    scores, layers = ear_for_waves()(noise(2, 2048))
    assert len(scores) == len(layers) == 4
    assert {len(found) for found in layers} == {4}
    assert {len(x) for x in scores} == {2}


def test_hinge_is_zero_once_real_is_above_one_and_fake_below_minus_one():
    assert discriminators.critic_loss([torch.tensor([1.0, 7.0])], [torch.tensor([-1.0, -3.0])]) == 0


def test_hinge_worked_by_hand():
    real = [torch.tensor([0.5, 2.0]), torch.tensor([0.0])]
    fake = [torch.tensor([0.5, -2.0]), torch.tensor([1.0])]
    # first window: (0.5 + 0) / 2 + (1.5 + 0) / 2 = 1; second: 1 + 2 = 3
    assert discriminators.critic_loss(real, fake) == pytest.approx((1 + 3) / 2)


def test_fooling_is_minus_the_mean_score_with_every_window_counted_alike():
    fake = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([6.0])]
    assert discriminators.fooling_loss(fake) == pytest.approx(-(2 + 6) / 2)


def test_matching_of_equal_layers_is_zero():
    layers = critic()(noise(1, 1, 80, 32))[1]
    assert discriminators.matching_loss(layers, layers) == 0


def test_matching_worked_by_hand():
    real = [[torch.zeros(2), torch.ones(1)], [torch.zeros(1)]]
    fake = [[torch.tensor([1.0, 3.0]), torch.zeros(1)], [torch.tensor([-6.0])]]
    assert discriminators.matching_loss(real, fake) == pytest.approx((2 + 1 + 6) / 3)


def test_matching_pulls_the_made_towards_the_real_and_not_the_other_way():
    real, fake = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    discriminators.matching_loss([[real]], [[fake]]).backward()
    assert real.grad is None
    assert (fake.grad < 0).all()


def test_generator_pays_for_both_in_the_weights_given():
    judge, made, real = critic(), noise(1, 1, 80, 32), noise(1, 1, 80, 32, seed=1)
    total, shown = discriminators.generator_loss(judge, made, real, 0.5, 3.0)
    scores, layers = judge(made)
    assert shown["fooling"] == discriminators.fooling_loss(scores)
    assert shown["matching"] == discriminators.matching_loss(judge(real)[1], layers)
    assert total.item() == pytest.approx(
        0.5 * shown["fooling"].item() + 3 * shown["matching"].item())


@pytest.mark.parametrize("build, shape", [(critic, (2, 1, 80, 32)), (ear_for_waves, (2, 2048))])
def test_critic_learns_to_tell_loud_from_quiet(build, shape):
    judge = build()
    optimizer = torch.optim.Adam(judge.parameters(), 0.01)
    real, fake = 3 * noise(*shape), 0.1 * noise(*shape, seed=1)
    losses = []
    for _ in range(15):
        value = discriminators.critic_loss(judge(real)[0], judge(fake)[0])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[0] == pytest.approx(2, abs=0.5)  # it knows nothing: all scores are near 0
    assert losses[-1] < 0.5 * losses[0]
    assert math.isfinite(losses[-1])
