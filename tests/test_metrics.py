"""Distances, scores and intervals: equal to hand-worked values, strict about what has no value."""

import math
import time
from functools import partial

import numpy as np
import pytest
import torch
from scipy import linalg

from maa import metrics
from maa.errors import MaaError

NAN = float("nan")
DISTANCES = [metrics.frechet_distance, metrics.kernel_distance]
OF_TWO = [*DISTANCES, metrics.kl, metrics.clap_score]


def features(clips=40, width=6, seed=0):
    return np.random.default_rng(seed).normal(size=(clips, width))


def cross(*sides):
    """Clips at every corner of a box with these half sides: mean 0, diagonal covariance."""
    corners = np.meshgrid(*[(-side, side) for side in sides])
    return np.stack([part.ravel() for part in corners], 1).astype(float)


def exactly(mean, covariance, clips=300, seed=0):
    """Clips whose mean and covariance are these to the last digits, not on average."""
    drawn = features(clips, len(mean), seed)
    drawn -= drawn.mean(0)
    white = linalg.solve_triangular(
        np.linalg.cholesky(np.cov(drawn, rowvar=False)), drawn.T, lower=True)
    return (np.linalg.cholesky(covariance) @ white).T + mean


def covariance(width, seed):
    root = features(width, width, seed)
    return root @ root.T + np.eye(width)


# ---- FID ----------------------------------------------------------------------------------------

def test_a_set_is_at_distance_zero_from_itself_in_any_order():
    clips = features()
    assert metrics.frechet_distance(clips, clips[::-1]) == pytest.approx(0, abs=1e-12)


def test_two_gaussians_in_one_dimension_are_apart_as_worked_by_hand():
    """Means 1 and 5, variances 2 and 8: 16 + (√2 − √8)² = 18."""
    assert metrics.frechet_distance([[0], [2]], [[3], [7]]) == pytest.approx(18, abs=1e-12)


def test_independent_dimensions_add_their_distances():
    """Variances of a box are 4/3 of its squared half sides: (2 − 1)² + (1 − 3)² of them, plus 9."""
    made = cross(1, 3) + np.array([0, 3])
    wanted = 9 + 4 / 3 * ((2 - 1) ** 2 + (1 - 3) ** 2)
    assert metrics.frechet_distance(cross(2, 1), made) == pytest.approx(wanted, abs=1e-12)


def test_s17_gaussians_that_share_their_axes_are_apart_as_the_closed_form_says():
    """|μ − μ'|² and, along each shared axis, the squared difference of the deviations."""
    axes = linalg.qr(features(32, 32))[0]
    one, other = (np.random.default_rng(seed).uniform(0.1, 4, 32) for seed in (1, 2))
    real = exactly(np.zeros(32), (axes * one**2) @ axes.T)
    made = exactly(np.full(32, 0.5), (axes * other**2) @ axes.T, seed=3)
    wanted = 32 * 0.25 + np.sum((one - other) ** 2)
    assert metrics.frechet_distance(real, made) == pytest.approx(wanted, rel=1e-8)


def test_s17_any_gaussians_are_apart_as_the_root_of_the_matrix_says():
    one, other = covariance(24, 1), covariance(24, 2)
    wanted = 24 + np.trace(one + other - 2 * linalg.sqrtm(one @ other).real)
    found = metrics.frechet_distance(exactly(np.zeros(24), one), exactly(np.ones(24), other))
    assert found == pytest.approx(wanted, rel=1e-8)


def test_distance_is_the_same_both_ways():
    real, made = features(), 2 * features(seed=1) + 1
    there, back = metrics.frechet_distance(real, made), metrics.frechet_distance(made, real)
    assert there == pytest.approx(back, rel=1e-12)


def test_distance_grows_with_the_square_of_a_shift():
    real = features()
    found = [metrics.frechet_distance(real, real + shift) for shift in (0.1, 1, 10)]
    assert found == pytest.approx([0.06, 6, 600], rel=1e-9)


def test_s03_fewer_clips_than_dimensions_give_a_finite_distance_that_is_mostly_bias():
    """5 clips of a source span 4 of 512 dimensions, so that two such sets hardly overlap."""
    real, made = features(5, 512), features(5, 512, seed=1)
    found = metrics.frechet_distance(real, made)
    assert 700 < found < 1300  # 0 for very many clips
    root = linalg.sqrtm(np.cov(real, rowvar=False) @ np.cov(made, rowvar=False)).real
    wanted = (np.sum((real.mean(0) - made.mean(0)) ** 2) + real.var(0, ddof=1).sum()
              + made.var(0, ddof=1).sum() - 2 * np.trace(root))
    assert found == pytest.approx(wanted, rel=1e-3)  # the root of a singular matrix is not exact


@pytest.mark.parametrize("clips, width", [(40, 512), (600, 512), (3, 2048), (2, 1)])
def test_s04_equal_sets_are_nearer_than_a_millionth_of_their_spread(clips, width):
    real = 100 * features(clips, width) + 1000
    found = metrics.frechet_distance(real, real.copy())
    assert 0 <= found < 1e-6 * 2 * real.var(0, ddof=1).sum()


def test_s05_a_collapsed_set_is_off_by_its_shift_and_all_of_the_real_spread():
    real = features(50, 8)
    made = np.tile(real.mean(0) + 2, (50, 1))
    wanted = 8 * 4 + real.var(0, ddof=1).sum()
    assert metrics.frechet_distance(real, made) == pytest.approx(wanted, rel=1e-12)
    assert metrics.frechet_distance(made, made) == pytest.approx(0, abs=1e-12)


# ---- KAD ----------------------------------------------------------------------------------------

def test_kernel_distance_of_three_clips_is_as_worked_by_hand():
    """Real 0, 2, 4: distances 2, 2, 4, so σ = 2. Made 0, 0, 2; terms exp(−d² / 8)."""
    two, four = math.exp(-4 / 8), math.exp(-16 / 8)
    own = (2 * two + four) / 3 + (1 + 2 * two) / 3
    across = (2 * (1 + two + four) + (two + 1 + two)) / 9  # two clips at 0, one at 2
    found = metrics.kernel_distance([[0], [2], [4]], [[0], [0], [2]])
    assert found == pytest.approx(100 * (own - 2 * across), rel=1e-12)


def test_kernel_distance_of_a_set_from_itself_is_slightly_negative():
    """Unbiased: a clip is not compared with itself in its own set, but is with its copy in the
    other: −2 (1 − mean likeness of different clips) / n."""
    clips = features(50)
    apart = np.linalg.norm(clips[:, None] - clips, axis=-1)[np.triu_indices(50, 1)]
    alike = np.exp(-(apart**2) / (2 * np.median(apart) ** 2)).mean()
    found = metrics.kernel_distance(clips, clips)
    assert found == pytest.approx(-100 * 2 * (1 - alike) / 50, rel=1e-9)
    assert -3 < found < 0


def test_kernel_distance_is_on_average_zero_for_one_source_at_any_n():
    for clips in (5, 50):
        found = [metrics.kernel_distance(features(clips, 4, seed), features(clips, 4, 1000 + seed))
                 for seed in range(400)]
        assert abs(np.mean(found)) < 3 * np.std(found) / 20
        assert min(found) < 0


def test_kernel_distance_of_gaussians_is_near_its_closed_form():
    """E exp(−d² / 2σ²) of x − y with mean δ and variance v a dimension is
    (σ² / (σ² + v))^(D/2) exp(−D δ² / 2(σ² + v)); σ is the median of real distances."""
    def likeness(variance, shift=0.0):
        whole = width + variance
        return (width / whole) ** (3 / 2) * math.exp(-3 * shift**2 / (2 * whole))

    real, made = features(2000, 3), 1.5 * features(2000, 3, seed=1) + 1
    width = np.median(np.linalg.norm(real[:1000] - real[1000:], axis=1)) ** 2
    wanted = likeness(2) + likeness(2 * 2.25) - 2 * likeness(1 + 2.25, shift=1)
    assert metrics.kernel_distance(real, made) == pytest.approx(100 * wanted, rel=0.05)


def test_kernel_distance_does_not_change_with_the_unit_or_the_origin_of_features():
    real, made = features(), features(seed=1) + 1
    wanted = metrics.kernel_distance(real, made)
    assert metrics.kernel_distance(1000 * real - 5, 1000 * made - 5) == pytest.approx(wanted)
    assert metrics.kernel_distance(real + 1e4, made + 1e4) == pytest.approx(wanted, rel=1e-9)


def test_s05_a_collapsed_set_has_the_kernel_distance_worked_by_hand():
    """Real 0, 2, 4 as above, made 2, 2, 2: all likenesses within made are 1."""
    two, four = math.exp(-4 / 8), math.exp(-16 / 8)
    wanted = (2 * two + four) / 3 + 1 - 2 * (1 + 2 * two) / 3
    found = metrics.kernel_distance([[0], [2], [4]], [[2], [2], [2]])
    assert found == pytest.approx(100 * wanted, rel=1e-12)


def test_s05_a_collapsed_real_set_gives_the_kernel_no_width():
    real, one = features(50, 8), np.tile(features(1, 8), (50, 1))
    for part in (one, np.zeros((50, 8)), np.concatenate([one[:40], real[:10]])):
        with pytest.raises(MaaError, match="S-SPREAD: half of the pairs of real clips have equal"):
            metrics.kernel_distance(part, real)


# ---- classes ------------------------------------------------------------------------------------

def test_s11_kl_asks_what_the_generated_clip_lacks_of_the_real_one():
    """Real (.5, .5), made (.9, .1): ½ ln(.5/.9) + ½ ln(.5/.1) = ln(5/3). The other way round it is
    .9 ln 1.8 + .1 ln .2 = .368."""
    real, made = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    assert metrics.kl(real, made, eps=1e-15) == pytest.approx(math.log(5 / 3), abs=1e-12)
    assert metrics.kl(made, real, eps=1e-15) == pytest.approx(0.3681, abs=1e-4)
    assert metrics.kl(real, made) == pytest.approx(
        math.log(0.5) - (math.log(0.900001) + math.log(0.100001)) / 2, abs=1e-12)


def test_kl_is_the_mean_over_pairs_and_does_not_see_what_softmax_does_not():
    real, made = features(), features(seed=1)
    each = [metrics.kl(real[row:row + 1], made[row:row + 1]) for row in range(40)]
    assert metrics.kl(real, made) == pytest.approx(np.mean(each), rel=1e-12)
    assert metrics.kl(real + 50, made - 3) == pytest.approx(metrics.kl(real, made), rel=1e-12)


def test_kl_of_equal_scores_is_minus_eps_a_class():
    scores = features(40, 6)
    assert metrics.kl(scores, scores) == pytest.approx(-6e-6, rel=0.01)


def test_s10_a_class_of_probability_zero_costs_the_logarithm_of_eps_and_no_more():
    """exp(−2000) is 0 in float64: the real clip is surely of class 0, the made one surely not."""
    real, made = np.array([[0.0, -2000, -2000]]), np.array([[-2000.0, 0, -2000]])
    assert metrics.kl(real, made) == pytest.approx(math.log(1e6), rel=1e-12)
    assert metrics.kl(real, made, eps=1e-3) == pytest.approx(math.log(1e3), rel=1e-12)
    assert metrics.kl(real, real) == pytest.approx(0, abs=2e-6)


def test_s09_rows_that_are_about_different_clips_are_no_pairs():
    assert metrics.paired(["a", "b", "b"], np.array(["a", "b", "b"])) == 3
    with pytest.raises(MaaError, match="S-PAIR: row 1 is clip 'b' of the real and 'c' of"):
        metrics.paired(["a", "b", "c"], ["a", "c", "b"])
    with pytest.raises(MaaError, match="S-PAIR: 2 real and 1 generated clips.*was a clip dropped"):
        metrics.paired(["a", "b"], ["a"])


def test_inception_score_is_the_number_of_classes_that_are_clear_and_equally_often_heard():
    sure = 1000 * np.eye(4)
    assert metrics.inception_score(sure) == pytest.approx(4, rel=1e-12)
    assert metrics.inception_score(sure[[0, 0, 1, 1]]) == pytest.approx(2, rel=1e-12)


def test_inception_score_of_two_clips_is_as_worked_by_hand():
    """(.9, .1) and (.1, .9), mean (.5, .5): exp(.9 ln 1.8 + .1 ln .2)."""
    scores = np.log([[0.9, 0.1], [0.1, 0.9]])
    wanted = math.exp(0.9 * math.log(1.8) + 0.1 * math.log(0.2))
    assert metrics.inception_score(scores) == pytest.approx(wanted, rel=1e-12)


def test_s05_inception_score_of_clips_that_are_all_alike_or_all_unclear_is_one():
    assert metrics.inception_score(np.tile(features(1, 5), (30, 1))) == pytest.approx(1, abs=1e-9)
    assert metrics.inception_score(np.zeros((30, 5))) == pytest.approx(1, abs=1e-12)


def test_s12_splits_are_measured_apart_and_not_more_of_them_than_clips():
    sure = 1000 * np.eye(4)
    assert metrics.inception_score(sure, splits=2) == pytest.approx(2, rel=1e-12)
    assert metrics.inception_score(sure, splits=4) == pytest.approx(1, rel=1e-12)
    for splits in (5, 0):
        with pytest.raises(ValueError, match=f"splits is {splits}, expected 1 … 4, the number of"):
            metrics.inception_score(sure, splits)


def test_accuracy_is_the_share_of_clips_named_right():
    scores = np.array([[3, 1, 2], [0, 5, 1], [1, 0, 2], [9, 8, 7]])
    assert metrics.accuracy(scores, ["bell", "cat", "dog"], ["bell", "cat", "dog", "dog"]) == 0.75
    assert metrics.accuracy(np.eye(3), ["bell", "cat", "dog"], ["bell", "cat", "dog"]) == 1


# ---- CLAP, mels ---------------------------------------------------------------------------------

def test_clap_score_of_each_clip_is_the_cosine_with_its_text_whatever_the_lengths():
    """(3, 4) and (1, 0): 3/5; the same direction 1, a right angle 0, opposite −1."""
    sounds = [[3, 4], [2, 2], [0, 7], [1, 1]]
    texts = [[1, 0], [9, 9], [5, 0], [-3, -3]]
    found = metrics.clap_score(sounds, texts)
    assert found.shape == (4,)
    assert found == pytest.approx([0.6, 1, 0, -1], abs=1e-12)


def test_mel_difference_is_the_mean_of_absolute_differences():
    mels = torch.zeros(2, 1, 80, 4)
    others = mels.clone()
    others[0] = -1
    assert metrics.mel_l1(mels, mels) == 0
    assert metrics.mel_l1(mels, others) == pytest.approx(0.5)


# ---- what every number obeys --------------------------------------------------------------------

@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("measure", OF_TWO)
def test_s06_lower_precision_is_measured_in_float64(measure, kind):
    real, made = features().astype(kind), (200 * features(seed=1)).astype(kind)  # squares > 65504
    found = measure(real, made)
    assert np.array_equal(found, measure(real.astype(float), made.astype(float)))
    assert np.asarray(found).dtype == np.float64
    assert np.array_equal(found, measure(torch.from_numpy(real), torch.from_numpy(made)))


@pytest.mark.parametrize("clips, width", [(60, 20), (20, 60)])
@pytest.mark.parametrize("measure", DISTANCES)
def test_s07_the_order_of_the_clips_of_a_set_does_not_matter(measure, clips, width):
    real, made = features(clips, width), features(clips, width, seed=1) + 0.5
    mixed = made[np.random.default_rng(0).permutation(clips)]
    assert measure(real[::-1], mixed) == pytest.approx(measure(real, made), rel=1e-12)


def test_s07_the_order_of_pairs_does_not_matter():
    real, made, order = features(), features(seed=1), np.random.default_rng(0).permutation(40)
    assert metrics.kl(real[order], made[order]) == pytest.approx(metrics.kl(real, made), rel=1e-12)
    scores = [metrics.inception_score(part) for part in (real, real[order])]
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)
    assert np.array_equal(metrics.clap_score(real[order], made[order]),
                          metrics.clap_score(real, made)[order])


@pytest.mark.parametrize("measure", DISTANCES)
def test_s08_sets_of_different_counts_are_measured_only_when_told(measure):
    real, made = features(40), features(30, seed=1)
    with pytest.raises(ValueError, match="40 real and 30 generated clips, expected equal counts"):
        measure(real, made)
    assert math.isfinite(measure(real, made, unequal=True))
    assert measure(real, made[[*range(30), *range(10)]]) != measure(real, made, unequal=True)


def test_s13_silent_clips_are_counted_like_any_others():
    """Variances 4/3 and, with two silent clips, 2/3: (√(4/3) − √(2/3))². Without them it were 2.
    Four sure clips of four classes score 4, with as many unclear ones exp(ln 4 / 2) = 2."""
    real, made = [[-1], [1], [-1], [1]], [[0], [0], [-1], [1]]
    wanted = (math.sqrt(4 / 3) - math.sqrt(2 / 3)) ** 2
    assert metrics.frechet_distance(real, made) == pytest.approx(wanted, abs=1e-12)
    scores = np.concatenate([np.zeros((4, 4)), 1000 * np.eye(4)])
    assert metrics.inception_score(scores) == pytest.approx(2, rel=1e-12)
    assert metrics.kl(1000 * np.eye(4), np.zeros((4, 4))) == pytest.approx(math.log(4), abs=1e-5)
    assert metrics.clap_score(made, np.ones((4, 1))).tolist() == [0, 0, -1, 1]


# ---- intervals ----------------------------------------------------------------------------------

@pytest.mark.parametrize("clips", [20, 100])
@pytest.mark.parametrize("draw, truth", [
    (lambda generator, clips: generator.random(clips) < 0.7, 0.7),
    (lambda generator, clips: generator.normal(size=clips), 0.0)])
def test_s19_an_interval_covers_the_true_mean_92_to_98_times_in_100(draw, truth, clips):
    generator, runs = np.random.default_rng(0), 1000
    found = [metrics.interval(draw(generator, clips), draws=300, seed=run) for run in range(runs)]
    assert 0.92 <= np.mean([low <= truth <= high for low, high in found]) <= 0.98


def test_an_interval_of_shares_stays_between_nothing_and_all():
    low, high = metrics.interval([1] * 19 + [0])
    assert 0 < low < 0.95 < high == 1


def test_interval_is_half_as_wide_with_four_times_the_clips():
    few, many = (np.subtract(*metrics.interval([0, 1] * count)) for count in (50, 200))
    assert few / many == pytest.approx(2, rel=0.15)


def test_interval_is_the_same_again():
    hits = [0, 1, 1, 0, 1]
    assert metrics.interval(hits) == metrics.interval(hits)


def test_all_hits_and_no_hits_are_no_certainty():
    assert metrics.interval([1] * 20) == pytest.approx((1 / (1 + 1.959964**2 / 20), 1))
    assert metrics.interval([False] * 20) == pytest.approx((0, 1 - 1 / (1 + 1.959964**2 / 20)))
    generator = np.random.default_rng(0)
    found = [metrics.interval(generator.random(50) < 0.98, draws=300) for _ in range(1000)]
    assert np.mean([low <= 0.98 <= high for low, high in found]) > 0.9


def test_equal_values_are_one_point_and_one_value_has_no_interval():
    assert metrics.interval([0.7] * 3) == (0.7, 0.7)
    assert np.isnan(metrics.interval([0.7])).all()


def test_a_bootstrap_of_the_mean_is_the_interval_of_the_mean():
    values = features(200, 1)
    found = metrics.bootstrap(np.mean, values, draws=2000)
    assert found == pytest.approx(metrics.interval(values[:, 0]), abs=0.01)


def test_a_bootstrap_is_the_same_again_and_lies_about_the_value():
    real, made = features(30, 60), features(30, 60, seed=1) + 0.2
    for measure in DISTANCES:
        found = metrics.bootstrap(measure, real, made, draws=50)
        assert found == metrics.bootstrap(measure, real, made, draws=50)
        assert found != metrics.bootstrap(measure, real, made, draws=50, seed=1)
        assert found[0] < measure(real, made) < found[1]


def test_what_drawn_rows_repeat_would_shift_the_interval_past_the_value():
    """Why the bias is taken off: no drawn set comes as low as the FID of the clips themselves."""
    real, made, drawn = features(30, 60), features(30, 60, seed=1), []

    def noted(*sets):
        drawn.append(metrics.frechet_distance(*sets))
        return drawn[-1]

    metrics.bootstrap(noted, real, made, draws=50)
    assert len(drawn) == 51 and drawn[0] == metrics.frechet_distance(real, made)
    assert min(drawn[1:]) > drawn[0]


def coverage(measure, make, wanted, runs=100):
    """Share of runs whose interval has `wanted` in it; 100 draws each."""
    generator = np.random.default_rng(0)
    found = [metrics.bootstrap(measure, *make(generator), draws=100, seed=run)
             for run in range(runs)]
    return np.mean([low <= wanted <= high for low, high in found])


def gaussians(generator, clips=100, width=3, shift=1.0, scale=1.5):
    return (generator.normal(size=(clips, width)),
            shift + scale * generator.normal(size=(clips, width)))


def test_s19_the_interval_of_a_fid_covers_the_known_distance_of_gaussians():
    """Three dimensions, 1 apart, deviations 1 and 1.5: 3 (1 + 0.25)."""
    assert 0.92 <= coverage(metrics.frechet_distance, gaussians, wanted=3.75, runs=200) <= 0.98


def test_s19_the_interval_of_a_kad_covers_the_known_distance_of_gaussians():
    """By the closed form above with σ² 2.366, the median of χ² with 3 degrees, times 2."""
    width = 2 * 2.36597
    parts = [(width / (width + v)) ** 1.5 * math.exp(-3 * d / (2 * (width + v)))
             for v, d in ((2, 0), (4.5, 0), (3.25, 1))]
    wanted = 100 * (parts[0] + parts[1] - 2 * parts[2])
    make = partial(gaussians, clips=50)
    assert 0.92 <= coverage(metrics.kernel_distance, make, wanted, runs=200) <= 0.98


def test_with_fewer_clips_than_dimensions_the_interval_covers_the_fid_of_so_many_clips():
    """The mean FID of 30 clips in 60 dimensions, not the 0 + 60 · 0.09 of very many clips."""
    make = partial(gaussians, clips=30, width=60, shift=0.3, scale=1.0)
    generator = np.random.default_rng(1)
    wanted = np.mean([metrics.frechet_distance(*make(generator)) for _ in range(200)])
    assert wanted > 10 * 5.4
    assert coverage(metrics.frechet_distance, make, wanted, runs=50) > 0.92


def test_an_interval_of_captions_covers_the_truth_when_recordings_are_drawn():
    """60 recordings of 5 captions, which share most of what they are: drawn one by one they seem
    to be 300 strangers."""
    generator, held = np.random.default_rng(0), {"rows": 0, "recordings": 0}
    groups = np.repeat(np.arange(60), 5)
    for _ in range(100):
        values = generator.normal(size=60)[groups] + 0.5 * generator.normal(size=300)
        for name, own in (("rows", None), ("recordings", groups)):
            low, high = metrics.bootstrap(np.mean, values, groups=own)
            held[name] += low <= 0 <= high
    assert held["rows"] < 80 and 88 <= held["recordings"] <= 99


def test_rows_that_belong_together_are_drawn_together_when_they_are_one_array():
    """KL of equal pairs is 0 for every draw of pairs; drawn apart, equal rows would be parted."""
    scores = 5 * features(40)
    pairs = np.stack([scores, scores], 1)
    low, high = metrics.bootstrap(lambda pair: metrics.kl(pair[:, 0], pair[:, 1]), pairs, draws=50)
    assert low == pytest.approx(0, abs=1e-4) and high == pytest.approx(0, abs=1e-4)
    assert np.ptp(metrics.bootstrap(metrics.kl, scores, scores, draws=50)) > 1


# ---- refusals -----------------------------------------------------------------------------------

@pytest.mark.parametrize("broken", [NAN, float("inf")])
@pytest.mark.parametrize("measure, place, words", [
    (metrics.frechet_distance, 0, "real features of clip 7 are not finite"),
    (metrics.frechet_distance, 1, "generated features of clip 7"),
    (metrics.kernel_distance, 0, "real features of clip 7"),
    (metrics.kernel_distance, 1, "generated features of clip 7"),
    (metrics.kl, 0, "real scores of clip 7"),
    (metrics.kl, 1, "generated scores of clip 7"),
    (metrics.clap_score, 0, "sound embeddings of clip 7"),
    (metrics.clap_score, 1, "text embeddings of clip 7")])
def test_s01_a_clip_that_is_not_finite_is_refused_by_its_number_and_soon(
        measure, place, words, broken):
    sets = [features(300, 512), features(300, 512)]
    sets[place][7, 2] = broken
    begin = time.perf_counter()
    with pytest.raises(MaaError, match=f"S-NAN: {words}"):
        measure(*sets)
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("call, words", [
    (lambda: metrics.inception_score([[1, 2], [3, NAN]]), "scores of clip 1 are not finite"),
    (lambda: metrics.accuracy([[1, NAN]], ["a", "b"], ["a"]), "scores of clip 0 are not finite"),
    (lambda: metrics.mel_l1(torch.zeros(1, 1, 80, 4), torch.full((1, 1, 80, 4), NAN)),
     "mels are not finite"),
    (lambda: metrics.interval([1, NAN]), "values are not finite"),
    (lambda: metrics.bootstrap(metrics.frechet_distance, features(), NAN * features()),
     "generated features of clip 0")])
def test_s01_nothing_makes_a_number_of_what_is_not_one(call, words):
    with pytest.raises(MaaError, match=f"S-NAN: {words}"):
        call()


@pytest.mark.parametrize("measure, words", [
    (metrics.frechet_distance, r"real features have shape \(1, 6\), expected .* 2 clips or more"),
    (metrics.kernel_distance, r"real features have shape \(1, 6\), expected .* 2 clips or more"),
    (lambda one, _: metrics.inception_score(one), r"scores have shape \(1, 6\)"),
    (partial(metrics.bootstrap, metrics.kl), r"rows \[1, 1\], 1 to draw from, expected 2 or more")])
def test_s02_a_single_clip_has_no_spread(measure, words):
    with pytest.raises(ValueError, match=words):
        measure(features(1), features(1))


def test_s02_a_single_recording_has_no_spread_however_many_rows_it_has():
    with pytest.raises(ValueError, match=r"rows \[6\], 1 to draw from, expected 2 or more"):
        metrics.bootstrap(np.mean, np.arange(6.0), groups=["one"] * 6)


def test_s02_a_single_pair_has_a_kl_and_a_clap_score():
    assert metrics.kl(features(1), features(1, seed=1)) > 0
    assert metrics.clap_score(features(1), features(1)) == pytest.approx([1], abs=1e-12)


@pytest.mark.parametrize("call, words", [
    *[(partial(measure, np.empty((0, 6)), np.empty((0, 6))), r"have shape \(0, 6\), expected")
      for measure in OF_TWO],
    (partial(metrics.inception_score, np.empty((0, 6))), r"scores have shape \(0, 6\)"),
    (partial(metrics.frechet_distance, np.empty((6, 0)), np.empty((6, 0))), r"shape \(6, 0\)"),
    (partial(metrics.paired, [], []), "S-PAIR: 0 real and 0 generated clips"),
    (partial(metrics.accuracy, np.empty((0, 2)), ["a", "b"], []), "there are no labels"),
    (partial(metrics.mel_l1, *torch.empty(2, 0, 1, 80, 4)), "there are no mels"),
    (partial(metrics.interval, []), "there are no values, expected one a clip"),
    (partial(metrics.bootstrap, np.mean), r"rows \[\], 0 to draw from, expected 2 or more")])
def test_s15_no_clips_have_no_number(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("call, words", [
    (lambda: metrics.frechet_distance(features(), features()[0]),
     r"generated features have shape \(6,\)"),
    (lambda: metrics.frechet_distance(features(width=3), features(width=4)),
     "3 and 4 wide, expected the same network"),
    (lambda: metrics.kernel_distance(features(width=3), features(width=4)),
     "3 and 4 wide, expected the same network"),
    (lambda: metrics.kl(features(4), features(5)),
     r"real scores and generated scores have shapes \(4, 6\) and \(5, 6\), expected equal"),
    (lambda: metrics.kl(features(), features(), eps=0), "eps is 0, expected a small number above"),
    (lambda: metrics.clap_score(features(width=3), features(width=4)),
     r"sound embeddings and text embeddings have shapes \(40, 3\) and \(40, 4\)"),
    (lambda: metrics.accuracy(np.eye(2), ["bell", "dog"], ["bell"]),
     r"scores have shape \(2, 2\), expected \(1, 2\)"),
    (lambda: metrics.accuracy(np.eye(2), ["bell"], ["bell", "bell"]),
     r"scores have shape \(2, 2\), expected \(2, 1\)"),
    (lambda: metrics.bootstrap(np.mean, np.arange(9.0), groups=["a", "b"]),
     r"2 labels of groups for \[9\] rows, expected one for each row"),
    (lambda: metrics.accuracy(np.eye(2), ["bell", "dog"], ["bell", "cat"]),
     r"labels \['cat'\] are not among the classifier's \['bell', 'dog'\]"),
    (lambda: metrics.mel_l1(torch.zeros(1, 1, 80, 4), torch.zeros(1, 1, 80, 5)),
     r"\(1, 1, 80, 4\) and \(1, 1, 80, 5\), expected equal"),
])
def test_what_cannot_be_measured_is_refused_with_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()
