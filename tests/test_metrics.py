"""Distances and shares: equal to hand-worked values, and strict about what cannot be measured."""

import time

import numpy as np
import pytest
import torch
from scipy import linalg

from maa import metrics
from maa.errors import MaaError

NAN = float("nan")


def features(clips=40, width=6, seed=0):
    return np.random.default_rng(seed).normal(size=(clips, width))


def cross(*sides):
    """Clips at every corner of a box with these half sides: mean 0, diagonal covariance."""
    corners = np.meshgrid(*[(-side, side) for side in sides])
    return np.stack([part.ravel() for part in corners], 1).astype(float)


# ---- distances ----------------------------------------------------------------------------------

def test_a_set_is_at_distance_zero_from_itself_in_any_order():
    clips = features()
    assert metrics.frechet_distance(clips, clips[::-1]) == pytest.approx(0, abs=1e-9)


def test_two_gaussians_in_one_dimension_are_apart_as_worked_by_hand():
    """Means 1 and 5, variances 2 and 8: 16 + (√2 − √8)² = 18."""
    assert metrics.frechet_distance([[0], [2]], [[3], [7]]) == pytest.approx(18, abs=1e-9)


def test_independent_dimensions_add_their_distances():
    """Variances of a box are 4/3 of its squared half sides: (2 − 1)² + (1 − 3)² of them, plus 9."""
    made = cross(1, 3) + np.array([0, 3])
    wanted = 9 + 4 / 3 * ((2 - 1) ** 2 + (1 - 3) ** 2)
    assert metrics.frechet_distance(cross(2, 1), made) == pytest.approx(wanted, abs=1e-9)


def test_correlated_dimensions_give_what_the_matrix_root_gives():
    one, other = (np.cov(features(seed=seed) @ features(6, 6, seed + 5), rowvar=False)
                  for seed in (1, 2))
    root = linalg.sqrtm(one @ other).real
    wanted = np.trace(one + other - 2 * root) + 6
    found = metrics.gaussian_distance(np.zeros(6), one, np.ones(6), other)
    assert found == pytest.approx(wanted, rel=1e-8)


def test_distance_is_the_same_both_ways():
    real, made = features(), 2 * features(seed=1) + 1
    there, back = metrics.frechet_distance(real, made), metrics.frechet_distance(made, real)
    assert there == pytest.approx(back, rel=1e-9)


def test_distance_grows_with_the_square_of_a_shift():
    real = features()
    found = [metrics.frechet_distance(real, real + shift) for shift in (0.1, 1, 10)]
    assert found == pytest.approx([0.06, 6, 600], rel=1e-6)


def test_fewer_clips_than_dimensions_give_a_finite_distance_soon():
    begin = time.perf_counter()
    real, made = features(5, 512), features(5, 512, seed=1)
    found = metrics.frechet_distance(real, made)
    assert time.perf_counter() - begin < 5
    assert 0 < found < 10_000
    assert metrics.frechet_distance(real, real) == pytest.approx(0, abs=0.01)  # of traces of 1000


def test_half_precision_features_are_measured_in_float64():
    real, made = np.array([[0], [2]], np.float16), np.array([[300], [302]], np.float16)
    assert metrics.frechet_distance(real, made) == pytest.approx(90_000, rel=1e-12)  # > 65504


def test_mel_difference_is_the_mean_of_absolute_differences():
    mels = torch.zeros(2, 1, 80, 4)
    others = mels.clone()
    others[0] = -1
    assert metrics.mel_l1(mels, mels) == 0
    assert metrics.mel_l1(mels, others) == pytest.approx(0.5)


# ---- shares -------------------------------------------------------------------------------------

def test_accuracy_is_the_share_of_clips_named_right():
    scores = np.array([[3, 1, 2], [0, 5, 1], [1, 0, 2], [9, 8, 7]])
    assert metrics.accuracy(scores, ["bell", "cat", "dog"], ["bell", "cat", "dog", "dog"]) == 0.75
    assert metrics.accuracy(np.eye(3), ["bell", "cat", "dog"], ["bell", "cat", "dog"]) == 1


def test_interval_covers_the_true_share_about_95_times_in_100():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = metrics.interval(generator.random(100) < 0.7, draws=200, seed=seed)
        covered += low <= 0.7 <= high
    assert 0.88 < covered / 200 < 0.99


def test_interval_is_half_as_wide_with_four_times_the_clips():
    few, many = (np.subtract(*metrics.interval([0, 1] * count)) for count in (50, 200))
    assert few / many == pytest.approx(2, rel=0.15)


def test_interval_is_the_same_again_and_one_point_when_all_clips_agree():
    hits = [0, 1, 1, 0, 1]
    assert metrics.interval(hits) == metrics.interval(hits)
    assert metrics.interval([1] * 20) == (1, 1)


# ---- neighbours ---------------------------------------------------------------------------------

def test_pooled_mels_are_20_bands_by_the_moments_asked_for():
    mels = torch.zeros(3, 1, 80, 160)
    mels[1, :, :4] = 2.0  # the lowest of 20 bands
    assert metrics.pooled(mels).shape == (3, 320)
    found = metrics.pooled(mels, moments=5).reshape(3, 20, 5)
    assert found[1, 0] == pytest.approx(2) and not found[1, 1:].any() and not found[::2].any()


def test_a_planted_copy_is_found_at_distance_zero():
    known, made = features(30, 20), features(5, 20, seed=1)
    made[3] = known[17]
    distances, rows = metrics.nearest(made, known)
    assert rows[3] == 17
    assert distances[3] == pytest.approx(0, abs=1e-12)
    assert np.delete(distances, 3).min() > 0.05


def test_nearest_looks_at_shape_and_not_at_strength():
    """Cosine about the mean of the known: (±1, 0) and (0, ±1) have mean 0."""
    known = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    distances, rows = metrics.nearest([[0, 50], [-0.2, 0.2]], known)
    assert rows[0] == 1 and rows[1] in (1, 2)
    assert distances == pytest.approx([0, 1 - np.sqrt(0.5)], abs=1e-12)


# ---- replayed sound -----------------------------------------------------------------------------

def textures(clips, seed, frames=400):
    """Mels of blurred noise, each clip unlike the others: (clips, 1, 80, frames)."""
    noise = torch.randn(clips, 1, 80, frames, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.avg_pool2d(noise, 9, 1, 4) * 5 - 2


def test_a_replayed_part_is_found_whatever_its_place_and_loudness():
    known, made = textures(12, 0), textures(4, 1)
    made[2, :, :, :230] = known[7, :, :, 48:278] - 0.3  # softer, and from the middle of the clip
    distances, rows = metrics.nearest_excerpt(made, known)
    assert rows[2] == 7
    assert distances[2] < 0.02
    assert np.delete(distances, 2).min() > 0.3


def test_what_comes_after_the_part_shown_is_not_searched():
    known, made = textures(12, 0), textures(4, 1)
    made[2, :, :, 260:] = known[7, :, :, 260:]
    assert metrics.nearest_excerpt(made, known)[0].min() > 0.3


def test_silent_excerpts_are_no_copies_of_each_other():
    known, made = textures(3, 0), textures(2, 1)
    known[0, ..., 60:], made[1, ..., 160:] = -5, -5
    assert metrics.nearest_excerpt(made, known)[0].min() > 0.3


def test_a_clip_that_is_silent_all_over_still_has_an_excerpt():
    silent = torch.full((2, 1, 80, 250), -5.0)
    small, rows = metrics.excerpts(silent, 187)
    assert set(rows) == {0, 1}
    assert small.shape == (len(rows), 480)


def test_short_clips_are_searched_whole():
    known = textures(5, 0, frames=160)
    distances, rows = metrics.nearest_excerpt(known.roll(1, 0), known)
    assert list(rows) == [4, 0, 1, 2, 3]
    assert distances == pytest.approx([0] * 5, abs=1e-9)


# ---- refusals -----------------------------------------------------------------------------------

@pytest.mark.parametrize("broken", [NAN, float("inf")])
@pytest.mark.parametrize("measure, place, words", [
    (metrics.frechet_distance, 0, "real features of clip 7 are not finite"),
    (metrics.frechet_distance, 1, "generated features of clip 7"),
    (metrics.nearest, 0, "generated clips of clip 7"),
    (metrics.nearest, 1, "training clips of clip 7")])
def test_a_clip_that_is_not_finite_is_refused_by_its_number(measure, place, words, broken):
    sets = [features(), features()]
    sets[place][7, 2] = broken
    with pytest.raises(MaaError, match=f"S-NAN: {words}"):
        measure(*sets)


@pytest.mark.parametrize("call, words", [
    (lambda: metrics.frechet_distance(features(1), features()),
     r"real features have shape \(1, 6\), expected .clips, width. with 2 clips or more"),
    (lambda: metrics.frechet_distance(features(), features()[0]),
     r"generated features have shape \(6,\)"),
    (lambda: metrics.frechet_distance(features(width=3), features(width=4)),
     "3 and 4 wide, expected the same network"),
    (lambda: metrics.accuracy(np.eye(2), ["bell", "dog"], ["bell"]),
     "2 rows of scores for 1 labels, expected as many"),
    (lambda: metrics.accuracy(np.eye(2), ["bell", "dog"], ["bell", "cat"]),
     r"labels \['cat'\] are not among the classifier's \['bell', 'dog'\]"),
    (lambda: metrics.mel_l1(torch.zeros(1, 1, 80, 4), torch.zeros(1, 1, 80, 5)),
     r"\(1, 1, 80, 4\) and \(1, 1, 80, 5\), expected equal"),
])
def test_what_cannot_be_measured_is_refused_with_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()
