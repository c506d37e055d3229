"""How near generated sounds come to known ones: is the generator a tape recorder?

Whole clips are compared by small pictures of their mels, parts of clips by excerpts, wherever they
begin and however loud they are.

Conventions: mels (clips, 1, 80, frames) log10 on the CPU; distances are 1 - cosine, in 0 … 2.
Source: none, the paper does not look. Notebooks: 10_clips, 41_scores.
"""

import numpy as np
from torch.nn import functional as F

from maa import metrics

AUDIBLE = -3.5  # log10 magnitude of a mel band above which something is heard


def pooled(mels, moments=16):
    """Small picture of each mel, to compare clips by: → (clips, 20 · moments)."""
    return F.adaptive_avg_pool2d(mels, (20, moments)).flatten(1).numpy()


def nearest(made, known):
    """Distance and row of the nearest known clip for each made one, by cosine of pooled mels.

    made, known:  (clips, width), from `pooled`; centred on the mean of `known`
    returns       distances (clips,) in 0 … 2, rows (clips,)
    """
    a = metrics.finite(made, "generated clips")
    b = metrics.finite(known, "training clips")
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

    Raises ValueError if the mels are shorter than an excerpt.
    """
    if mels.shape[-1] < frames:
        raise ValueError(
            f"mels have {mels.shape[-1]} frames, expected {frames} or more, as one excerpt has; "
            f"are the known clips shorter than the part shown?")
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

    Raises ValueError if the known clips are shorter than an excerpt.
    """
    shown = min(shown, made.shape[-1])
    part, own = excerpts(made[..., :shown], shown * 3 // 4)
    theirs, rows = excerpts(known, shown * 3 // 4)
    distances, at = nearest(part, theirs)
    first = [np.flatnonzero(own == row)[distances[own == row].argmin()] for row in range(len(made))]
    return distances[first], rows[at[first]]
