"""How near generated sound is to real sound: distances between mels, features, scores and words.

Feature extractors and distances know nothing of each other: a network of maa.classifier gives
features and class scores, a CLAP gives embeddings; the functions here take arrays. Such a network
is trained on real clips only and takes no part in training what is judged.

Conventions: features (clips, width); scores (clips, classes), before the softmax; row i of two
    paired arrays is about the same clip; float64 inside. NaN is refused, and so are no clips at
    all. A silent clip is a row like any other: nothing here drops rows.
    Every number is shown with its n and the name of the network that gave the features.
Metrics: `mel_l1`, `frechet_distance` (FID), `kernel_distance` (KAD), `kl`, `inception_score` (IS),
    `clap_score`, `accuracy`. Intervals: `interval` of means, `bootstrap` of everything else.
Source: Section 5.3. Differs: the paper has no KAD, no IS and no intervals but those of opinions.
Notebook: 40_judges.
"""

import math

import numpy as np
from scipy import special

from maa import intervals
from maa.errors import MaaError

FACTOR = 100  # of the squared discrepancy in KAD, as published


def finite(features, name="features", least=2):
    """The features as float64 (clips, width); MaaError S-NAN or ValueError if they are not fit."""
    array = np.asarray(features, np.float64)
    if array.ndim != 2 or len(array) < least or not array.shape[1]:
        raise ValueError(
            f"{name} have shape {array.shape}, expected (clips, width) with {least} clips or more")
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise MaaError(
            "S-NAN", f"{name} of clip {row} are not finite; is that clip damaged or silent?")
    return array


def two_sets(real, made, unequal):
    """Both sets as float64; ValueError if their widths differ, or their counts without leave."""
    a, b = finite(real, "real features"), finite(made, "generated features")
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features are {a.shape[1]} and {b.shape[1]} wide, expected the same network")
    if len(a) != len(b) and not unequal:
        raise ValueError(
            f"{len(a)} real and {len(b)} generated clips, expected equal counts; judging.fid draws "
            "as many of each, unequal=True measures them as they are")
    return a, b


def two_rows(first, second, names):
    """Paired arrays as float64; ValueError if their shapes differ."""
    a, b = (finite(part, name, least=1) for part, name in zip((first, second), names))
    if a.shape != b.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} have shapes {a.shape} and {b.shape}, expected equal; does "
            "each row have its partner?")
    return a, b


def paired(real_ids, made_ids):
    """Number of pairs, if row i of both lists of ids names the same clip; else MaaError S-PAIR."""
    if not len(real_ids) or len(real_ids) != len(made_ids):
        raise MaaError("S-PAIR", (
            f"{len(real_ids)} real and {len(made_ids)} generated clips, expected as many, and one "
            "or more; was a clip dropped?"))
    for row, (real, made) in enumerate(zip(real_ids, made_ids)):
        if real != made:
            raise MaaError("S-PAIR", (
                f"row {row} is clip {real!r} of the real and {made!r} of the generated ones, "
                "expected the same; are both in the same order?"))
    return len(real_ids)


def mel_l1(mels, others):
    """Mean absolute difference of two sets of log10 mels, (clips, 1, 80, frames) each."""
    if mels.shape != others.shape:
        raise ValueError(
            f"mels have shapes {tuple(mels.shape)} and {tuple(others.shape)}, expected equal")
    if not len(mels):
        raise ValueError("there are no mels, expected a pair or more")
    distance = float((mels - others).abs().mean())
    if not math.isfinite(distance):
        raise MaaError("S-NAN", "mels are not finite; is a clip damaged?")
    return distance


def frechet_distance(real, made, unequal=False):
    """Fréchet distance between Gaussians fitted to two sets of features (FID).

    |μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½). With Σ = AᵀA and Σ' = BᵀB for centred features A and B, the
    last trace is the sum of the singular values of A Bᵀ: no root of a matrix is needed.

    real, made:  (clips, width), as many of each. Biased upwards for few clips: compare only at
                 equal n. With fewer clips than dimensions the value is finite, but mostly bias
    unequal:     allow different counts; do not compare such a value with another
    returns      float, 0 for equal sets

    Source: Section 5.3.  Notebook: 40_judges.
    """
    a, b = two_sets(real, made, unequal)
    shift = a.mean(0) - b.mean(0)
    a, b = triangle(a), triangle(b)
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + np.sum(a**2) + np.sum(b**2) - 2 * shared))


def triangle(features):
    """A matrix A, with at most as many rows as columns, for which AᵀA is the covariance."""
    centred = (features - features.mean(0)) / math.sqrt(len(features) - 1)
    return centred if len(centred) <= centred.shape[1] else np.linalg.qr(centred, mode="r")


def kernel_distance(real, made, unequal=False):
    """Kernel audio distance (KAD): 100 × the unbiased squared maximum mean discrepancy.

    Gaussian kernel exp(−d² / 2σ²), σ the median distance of two real clips, and the factor 100: as
    Chung et al. (2025) define it. It assumes no Gaussian, and few clips hardly bias it.

    real, made:  (clips, width), as many of each; all pairs are measured, so thousands at most
    unequal:     allow different counts
    returns      float, 0 on average for sets of one source, so it may be slightly negative

    Raises MaaError S-SPREAD if half of the pairs of real clips have equal features.
    Source: none in the paper.  Notebook: 40_judges.
    """
    a, b = two_sets(real, made, unequal)
    scale, centre = np.square(a).sum(1).mean(), a.mean(0)
    a, b = a - centre, b - centre
    within = squared(a, a)
    median = np.median(within[np.triu_indices(len(a), 1)])
    if not median > 1e-12 * scale:
        raise MaaError("S-SPREAD", (
            "half of the pairs of real clips have equal features, expected them to differ; are "
            "the clips silent, copies of one, or fewer than ten and drawn anew?"))
    real_like, made_like, across = (
        np.exp(part / (-2 * median)) for part in (within, squared(b, b), squared(a, b)))
    own = [(like.sum() - like.trace()) / (len(like) * (len(like) - 1))
           for like in (real_like, made_like)]
    return float(FACTOR * (sum(own) - 2 * across.mean()))


def squared(a, b):
    """Squared distance of each row of a (n, width) from each of b (m, width): (n, m)."""
    return (np.sum(a**2, 1)[:, None] + np.sum(b**2, 1) - 2 * a @ b.T).clip(0)


def kl(real, made, eps=1e-6):
    """Mean over pairs of KL(softmax(real) ‖ softmax(made) + eps): what the generated clip lacks.

    real, made:  (clips, classes) scores; row i is the same clip: see `paired`
    eps:         added to each generated probability, so that one of zero costs log(1 / eps) at most
    returns      float in nats; for equal scores about −classes · eps, hardly below 0

    Source: Section 5.3.  Notebook: 40_judges.
    """
    if not eps > 0:
        raise ValueError(f"eps is {eps}, expected a small number above 0, such as 1e-6")
    a, b = two_rows(real, made, ("real scores", "generated scores"))
    p, q = special.softmax(a, axis=1), special.softmax(b, axis=1)
    return float(special.rel_entr(p, q + eps).sum(1).mean())


def inception_score(scores, splits=1):
    """exp of the mean KL between each clip's classes and those of all clips (IS), over `splits`.

    scores:   (clips, classes) of generated clips
    splits:   parts of following clips, measured apart; their mean is given. The order of the clips
              matters for more than one, and fewer clips to a part give a lower score
    returns   float, from 1 (all clips alike, or none clear) to the number of classes

    Source: none in the paper.  Notebook: 40_judges.
    """
    p = special.softmax(finite(scores, "scores"), axis=1)
    if not 1 <= splits <= len(p):
        raise ValueError(f"splits is {splits}, expected 1 … {len(p)}, the number of clips")
    return float(np.mean([np.exp(special.rel_entr(part, part.mean(0)).sum(1).mean())
                          for part in np.array_split(p, splits)]))


def clap_score(sounds, texts):
    """Cosine of each sound's embedding and its text's: (clips,), −1 … 1; the mean is the score.

    sounds, texts:  (clips, width) of the same network, row i of both belonging together. A row of
                    zeros points nowhere: its cosine counts as 0

    Source: Section 5.3.  Notebook: 40_judges.
    """
    a, b = two_rows(sounds, texts, ("sound embeddings", "text embeddings"))
    a, b = (part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in (a, b))
    return (a * b).sum(1)


def accuracy(scores, names, labels):
    """Share of clips whose highest score is at their label.

    scores:   (clips, classes)
    names:    the classes in order
    labels:   the true word of each clip
    """
    if not len(labels):
        raise ValueError("there are no labels, expected one a clip")
    scores = finite(scores, "scores", least=1)
    if scores.shape != (len(labels), len(names)):
        raise ValueError(f"scores have shape {scores.shape}, expected {len(labels), len(names)}")
    unknown = sorted(set(labels) - set(names))
    if unknown:
        raise ValueError(f"labels {unknown} are not among the classifier's {list(names)}")
    return float(np.mean([names[one] == label for one, label in zip(scores.argmax(1), labels)]))


def interval(values, draws=2000, seed=0):
    """95 % bootstrap interval of the mean of `values` (clips,): (low, high)."""
    values, generator = np.asarray(values, np.float64), np.random.default_rng(seed)
    if not len(values):
        raise ValueError("there are no values, expected one a clip")
    if not np.isfinite(values).all():
        raise MaaError("S-NAN", "values are not finite; is a clip damaged?")
    if values.min() == values.max():
        return intervals.of_equal(values)
    means = intervals.means(values, draws, generator)
    low, high = intervals.of_draws(means, values.mean(), len(values))
    return max(low, float(values.min())), min(high, float(values.max()))


def bootstrap(function, *arrays, draws=200, seed=0, groups=None):
    """95 % interval of function(*arrays), by drawing the rows of each array anew: (low, high).

    A drawn set repeats rows and so looks less varied than it is: FID and KAD come out too high, IS
    too low. That bias, the mean of the drawn values less the value itself, is taken off. So the
    interval lies about the value, and says where it may fall with other clips, as many of each.
    FID's own bias at that n, which all FIDs of equal n share, stays in it. With fewer clips than
    dimensions, or for two sets of one source, it is wider than need be.

    function:  of arrays, to a float, such as frechet_distance
    arrays:    each is drawn by itself; rows that belong together come as one array:
               bootstrap(lambda pair: kl(pair[:, 0], pair[:, 1]), np.stack([real, made], 1))
    groups:    (rows,) label of each row of all arrays: those of one recording come together
    """
    arrays = [*map(np.asarray, arrays)]
    count = min(map(len, arrays), default=0) if groups is None else len(set(groups))
    if count < 2:
        raise ValueError(f"rows {[*map(len, arrays)]}, {count} to draw from, expected 2 or more")
    value, generator = function(*arrays), np.random.default_rng(seed)
    drawn = np.array([function(*(array[rows] for array, rows in zip(arrays, chosen)))
                      for chosen in intervals.redraws(arrays, draws, generator, groups)])
    return intervals.of_draws(drawn - drawn.mean() + value, value, count)
