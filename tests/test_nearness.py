"""A copy is found, whatever its place and loudness, and what is no copy is not."""

import numpy as np
import pytest
import torch

from maa import nearness
from maa.errors import MaaError


def features(clips=40, width=6, seed=0):
    return np.random.default_rng(seed).normal(size=(clips, width))


# ---- whole clips --------------------------------------------------------------------------------

def test_pooled_mels_are_20_bands_by_the_moments_asked_for():
    mels = torch.zeros(3, 1, 80, 160)
    mels[1, :, :4] = 2.0  # the lowest of 20 bands
    assert nearness.pooled(mels).shape == (3, 320)
    found = nearness.pooled(mels, moments=5).reshape(3, 20, 5)
    assert found[1, 0] == pytest.approx(2) and not found[1, 1:].any() and not found[::2].any()


def test_a_planted_copy_is_found_at_distance_zero():
    known, made = features(30, 20), features(5, 20, seed=1)
    made[3] = known[17]
    distances, rows = nearness.nearest(made, known)
    assert rows[3] == 17
    assert distances[3] == pytest.approx(0, abs=1e-12)
    assert np.delete(distances, 3).min() > 0.05


def test_nearest_looks_at_shape_and_not_at_strength():
    """Cosine about the mean of the known: (±1, 0) and (0, ±1) have mean 0."""
    known = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    distances, rows = nearness.nearest([[0, 50], [-0.2, 0.2]], known)
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
    distances, rows = nearness.nearest_excerpt(made, known)
    assert rows[2] == 7
    assert distances[2] < 0.02
    assert np.delete(distances, 2).min() > 0.3


def test_what_comes_after_the_part_shown_is_not_searched():
    known, made = textures(12, 0), textures(4, 1)
    made[2, :, :, 260:] = known[7, :, :, 260:]
    assert nearness.nearest_excerpt(made, known)[0].min() > 0.3


def test_silent_excerpts_are_no_copies_of_each_other():
    known, made = textures(3, 0), textures(2, 1)
    known[0, ..., 60:], made[1, ..., 160:] = -5, -5
    assert nearness.nearest_excerpt(made, known)[0].min() > 0.3


def test_a_clip_that_is_silent_all_over_still_has_an_excerpt():
    silent = torch.full((2, 1, 80, 250), -5.0)
    small, rows = nearness.excerpts(silent, 187)
    assert set(rows) == {0, 1}
    assert small.shape == (len(rows), 480)


def test_short_clips_are_searched_whole():
    known = textures(5, 0, frames=160)
    distances, rows = nearness.nearest_excerpt(known.roll(1, 0), known)
    assert list(rows) == [4, 0, 1, 2, 3]
    assert distances == pytest.approx([0] * 5, abs=1e-9)


# ---- refusals -----------------------------------------------------------------------------------

@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("place, words", [
    (0, "generated clips of clip 7"), (1, "training clips of clip 7")])
def test_a_clip_that_is_not_finite_is_refused_by_its_number(place, words, broken):
    sets = [features(), features()]
    sets[place][7, 2] = broken
    with pytest.raises(MaaError, match=f"S-NAN: {words} are not finite"):
        nearness.nearest(*sets)


def test_known_clips_shorter_than_an_excerpt_are_refused():
    made, known = textures(2, 0), textures(2, 1, frames=187)
    assert nearness.nearest_excerpt(made, known)[0].shape == (2,)
    with pytest.raises(ValueError, match="mels have 186 frames, expected 187 or more, as one"):
        nearness.nearest_excerpt(made, known[..., :186])


def test_clips_without_width_are_refused():
    with pytest.raises(ValueError, match=r"training clips have shape \(6,\), expected .clips"):
        nearness.nearest(features(), features()[0])
