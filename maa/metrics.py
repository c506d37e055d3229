"""How near generated sound is to real sound: distances between mels, features and labels.

Feature extractors and distances know nothing of each other: a classifier of maa.classifier gives
features and scores; the functions here take arrays. The classifier is trained on real clips only
and takes no part in training what is judged.

Conventions: features (clips, width), labels lists of words; float64 inside; NaN is refused.
    Every number is shown with its n and the name of the network that gave the features.
Metrics: `mel_l1`, `frechet_distance` (FID), `accuracy`, `nearest`, `nearest_excerpt`.
Source: Section 5.3.  Notebook: 40_scores.
"""

import math

import numpy as np
from scipy import linalg

from maa.errors import MaaError

AUDIBLE = -3.5  # log10 magnitude of a mel band above which something is heard


def finite(features, name="features"):
    """The features as float64 (clips, width); MaaError S-NAN or ValueError if they are not fit."""
    array = np.asarray(features, np.float64)
    if array.ndim != 2 or len(array) < 2:
        raise ValueError(
            f"{name} have shape {array.shape}, expected (clips, width) with 2 clips or more")
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise MaaError(
            "S-NAN", f"{name} of clip {row} are not finite; is that clip damaged or silent?")
    return array


def mel_l1(mels, others):
    """Mean absolute difference of two sets of log10 mels, (clips, 1, 80, frames) each."""
    if mels.shape != others.shape:
        raise ValueError(
            f"mels have shapes {tuple(mels.shape)} and {tuple(others.shape)}, expected equal")
    distance = float((mels - others).abs().mean())
    if not math.isfinite(distance):
        raise MaaError("S-NAN", "mels are not finite; is a clip damaged?")
    return distance


def frechet_distance(real, made):
    """Fréchet distance between Gaussians fitted to two sets of features (FID).

    real, made:  (clips, width); biased upwards for few clips: compare only at equal n
    returns      float, 0 for equal sets

    Source: Section 5.3.  Notebook: 40_scores.
    """
    a, b = finite(real, "real features"), finite(made, "generated features")
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features are {a.shape[1]} and {b.shape[1]} wide, expected the same network")
    return gaussian_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))


def gaussian_distance(mean, covariance, other_mean, other_covariance):
    """|μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½), through symmetric roots so that it cannot hang."""
    values, vectors = linalg.eigh(np.atleast_2d(covariance))
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = linalg.eigvalsh(root @ np.atleast_2d(other_covariance) @ root)
    traces = np.trace(np.atleast_2d(covariance)) + np.trace(np.atleast_2d(other_covariance))
    distance = np.sum((mean - other_mean) ** 2) + traces - 2 * np.sqrt(inner.clip(0)).sum()
    return max(0.0, float(distance))  # rounding may leave -1e-4 for equal sets


def accuracy(scores, names, labels):
    """Share of clips whose highest score is at their label.

    scores:   (clips, classes)
    names:    the classes in order
    labels:   the true word of each clip
    """
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} rows of scores for {len(labels)} labels, expected as many")
    unknown = sorted(set(labels) - set(names))
    if unknown:
        raise ValueError(f"labels {unknown} are not among the classifier's {list(names)}")
    if not np.isfinite(np.asarray(scores)).all():
        raise MaaError("S-NAN", "scores are not finite; is a clip damaged?")
    guesses = np.asarray(scores).argmax(1)
    return float(np.mean([names[guess] == label for guess, label in zip(guesses, labels)]))


def interval(hits, draws=2000, seed=0):
    """95 % bootstrap interval of the mean of `hits` (clips,): (low, high)."""
    hits, generator = np.asarray(hits, np.float64), np.random.default_rng(seed)
    if not len(hits):
        raise ValueError("there are no hits, expected one a clip")
    means = hits[generator.integers(len(hits), size=(draws, len(hits)))].mean(1)
    return tuple(float(q) for q in np.quantile(means, [0.025, 0.975]))


def pooled(mels, moments=16):
    """Small picture of each mel, to compare clips by: → (clips, 20 · moments)."""
    from torch.nn import functional as F

    return F.adaptive_avg_pool2d(mels, (20, moments)).flatten(1).numpy()


def nearest(made, known):
    """Distance and row of the nearest known clip for each made one, by cosine of pooled mels.

    made, known:  (clips, width), from `pooled`; centred on the mean of `known`
    returns       distances (clips,) in 0 … 2, rows (clips,)
    """
    a, b = finite(made, "generated clips"), finite(known, "training clips")
    centre = b.mean(0)
    a, b = ((x - centre) / np.linalg.norm(x - centre, axis=1, keepdims=True).clip(1e-12)
            for x in (a, b))
    rows = np.concatenate([(part @ b.T).argmax(1) for part in np.split(a, range(256, len(a), 256))])
    return 1 - (a * b[rows]).sum(1), rows


def excerpts(mels, frames, every=16, moments=24):
    """Small pictures of the excerpts of each mel, loudness taken out, to find them again elsewhere.

    mels:     (clips, 1, 80, length), log10
    frames:   length of an excerpt; one begins every `every` frames
    returns   (excerpts, 20 · moments) array, (excerpts,) rows of their mels; of excerpts that are
              mostly silent, only the loudest of a clip
    """
    from torch.nn import functional as F

    found, rows = [], []
    for row, one in enumerate(mels):
        parts = one.unfold(2, frames, every).permute(2, 0, 1, 3)  # (excerpts, 1, 80, frames)
        small = F.adaptive_avg_pool2d(parts, (20, moments))[:, 0]
        heard = (small.amax(1) > AUDIBLE).float().mean(1)  # share of its moments
        small = small[heard >= min(0.5, heard.max().item())].flatten(1)
        found.append(small - small.mean(1, keepdim=True))
        rows += [row] * len(small)
    return np.concatenate(found), np.array(rows)


def nearest_excerpt(made, known, shown=250):
    """How near a clip comes to replaying a known one: its excerpt that is nearest to any of theirs.

    made, known:  (clips, 1, 80, length) log10 mels; an excerpt is three quarters of `shown` frames
    shown:        frames at the start of each made clip that are searched, the same for all: more
                  excerpts would come nearer by chance
    returns       distances (clips,) in 0 … 2, rows (clips,) of the known clips
    """
    shown = min(shown, made.shape[-1])
    part, own = excerpts(made[..., :shown], shown * 3 // 4)
    theirs, rows = excerpts(known, shown * 3 // 4)
    distances, at = nearest(part, theirs)
    first = [np.flatnonzero(own == row)[distances[own == row].argmin()] for row in range(len(made))]
    return distances[first], rows[at[first]]
