"""What CLAP, CLIP and the retriever share: pairs of a thing and its words, taught by contrast.

In a batch, each sound (or picture) must find its own sentence among all, and each sentence its own
sound.

Conventions: embeddings are unit vectors (rows, width) of one space.
Source: Section 3.3.  Notebooks: 11_pseudo_captions, 14_clap, 15_clip.
"""

import hashlib

import torch
from torch.nn import functional as F

from maa import processes, text, training


def pair_loss(first, second, scale, groups, share=None):
    """Cross-entropy of finding the partner, along rows and along columns, among the pairs of all
    processes that train together: each has the loss of the whole batch.

    first, second:  (pairs, width) unit vectors; row i of one belongs to row i of the other
    scale:          what cosines are multiplied by
    groups:         (pairs,) rows with the same number are each other's right answers too
    share:          (pairs, 1) of each first thing in its sum with another, as classifier.mixed
                    gives it: the rest of the answer is the other's; None where nothing was added
    """
    own = len(first)
    first, second, groups = (processes.joined(one) for one in (first, second, groups))
    alike = (groups[:, None] == groups).float()
    target = back = alike / alike.sum(1, keepdim=True)
    if share is not None:
        share, other = processes.joined(share), target.view(-1, own, len(target)).flip(1)
        target = share * target + (1 - share) * other.view_as(target)  # of the same process
        back = target.T / target.T.sum(1, keepdim=True)
    scores = scale * first @ second.T
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, back)) / 2


class Sentences:
    """Captions of the things of a training set, as token numbers, drawn at random.

    captions:  one list of true captions for each thing; things with the same captions are not
               each other's wrong answers, in whichever process they are
    """

    def __init__(self, tokenizer, captions, place, hide):
        texts = sorted({one for several in captions for one in several})
        row = {one: number for number, one in enumerate(texts)}
        self.ids, self.mask = text.trimmed(tokenizer, texts, place)
        self.least = min(processes.gathered(min(len(several) for several in captions)))
        self.hide = hide
        self.choices = torch.tensor(
            [[row[one] for one in several[:self.least]] for several in captions], device=place)
        self.groups = torch.tensor(
            [number_of(sorted(several[:self.least])) for several in captions], device=place)

    def draw(self, pick, generator):
        """One caption of each picked thing, a share `hide` of its words hidden."""
        place = pick.device
        word = torch.randint(self.least, pick.shape, generator=generator, device=place)
        row = self.choices[pick, word]
        ids = self.ids[row]
        hidden = torch.rand(ids.shape, generator=generator, device=place) < self.hide
        ids = torch.where(hidden & (ids >= len(text.MARKS)), text.HIDDEN, ids)
        return {"ids": ids, "mask": self.mask[row], "group": self.groups[pick]}


def number_of(texts):
    """A whole number for these texts, the same in every process, another for others."""
    mark = hashlib.sha256("\0".join(texts).encode()).digest()
    return int.from_bytes(mark[:8], "big", signed=True)


def train(folder, name, network, *, batch, loss, settings, save_every, compiled=(),
          label="training"):
    """The network after its training by contrast, in eval mode: how the train() of clap, clip and
    retriever end.

    name:      what checkpoints call it
    batch:     batch(generator) -> what loss is given
    loss:      loss(batch, step) -> (value, {name: value})
    settings:  {name: value}, all that makes the run what it is; it has steps, learning_rate, seed
    compiled:  as in training.train
    """
    plain = {key: list(one) if isinstance(one, tuple) else one for key, one in settings.items()}
    turn = training.Turn((name,), loss, settings["learning_rate"], weight_decay=0.05)
    return training.train(
        folder, modules={name: network}, turns=[turn], batch=batch, steps=settings["steps"],
        settings=plain, seed=settings["seed"], averaged=(name,), decay=0.99, save_every=save_every,
        compiled=compiled, label=label)[name]
