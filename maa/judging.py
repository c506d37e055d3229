"""What the judge hears: real, rebuilt, vocoded and generated sounds, measured in the same way.

The judge is a network of maa.classifier, trained on real clips only. Here sounds are brought
before it; the distances themselves are in maa.metrics, the table of numbers in maa.scores.

Conventions: waves (clips, samples) at 16 kHz; mels (clips, 1, 80, frames) log10 on the CPU.
Source: Section 5.3.  Notebooks: 40_judges, 41_scores.
"""

import numpy as np
import pandas as pd
import torch

from maa import classifier, mel, metrics, training, vocoder


def mels_of(waves, frames, batch=32):
    """Log-mels of many waves, cut to `frames`: (clips, samples) → (clips, 1, 80, frames).

    Raises ValueError for waves that are too short: sets compare at one length only.
    """
    if waves.shape[-1] // mel.HOP < frames:
        raise ValueError(
            f"waves have {waves.shape[-1]} samples, {waves.shape[-1] // mel.HOP} frames, expected "
            f"{frames} frames or more; were they made {mel.RATE} samples a second, and as long?")
    place = training.device()
    return torch.cat(
        [mel.log_mel(part.to(place))[..., :frames].cpu() for part in waves.split(batch)])


def noisy(waves, decibels, seed=0):
    """Waves with white noise as loud as the wave plus `decibels` (-20 is faint, 0 as loud)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(waves.shape, generator=generator)
    level = waves.square().mean(1, keepdim=True).sqrt() * 10 ** (decibels / 20)
    return waves + level * noise


@torch.inference_mode()
def vocoded(voice, mels, batch=16):
    """Mels of the waves that a vocoder makes of mels: (clips, 1, 80, frames) both."""
    place = vocoder.where(voice)
    return torch.cat(
        [mel.log_mel(voice(part.to(place)).float()).cpu() for part in mels.split(batch)])


def guesses(judge, mels, labels):
    """The name that the judge gives each clip: (clips,); ValueError for a label it cannot know."""
    scores = classifier.apply(judge, mels)
    metrics.accuracy(scores, judge.names, labels)  # refuses labels that the judge does not know
    return np.array(judge.names)[scores.argmax(1).numpy()]


def hits(judge, mels, labels):
    """For each clip 1.0 if the judge names its label, else 0.0: (clips,)."""
    return (guesses(judge, mels, labels) == np.array(labels)).astype(float)


def confusion(judge, mels, labels):
    """Share of the clips of each label (rows) that the judge gives each name (columns)."""
    heard = pd.Series(guesses(judge, mels, labels), name="heard as")
    table = pd.crosstab(pd.Series(labels, name="label"), heard, normalize="index")
    return table.reindex(columns=judge.names, fill_value=0.0)


def features(judge, mels):
    """What the judge sees before it decides: (clips, width) array."""
    return classifier.apply(judge.features, mels).numpy()


def fid(real, made, count, seed=0):
    """Fréchet distance of `count` clips of each, drawn at random: FIDs compare at equal n only.

    real, made:   (clips, width) from features()

    Raises ValueError if either has fewer than `count` clips.
    """
    if min(len(real), len(made)) < count:
        raise ValueError(f"{len(real)} and {len(made)} clips, expected {count} or more of each")
    generator = np.random.default_rng(seed)
    chosen = (part[generator.permutation(len(part))[:count]] for part in (real, made))
    return metrics.frechet_distance(*chosen)
