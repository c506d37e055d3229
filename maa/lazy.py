"""Scenes and their mels as if they were one large array, each made when it is asked for.

Conventions: what is taken out, by number or in parts, is a torch tensor.
Source: Section 3.2.2 (audio is mixed online).  Notebook: 10_clips.
"""

import numpy as np
import torch

from maa import mel

AT_ONCE = 64  # on their way to a GPU


class Lazy:
    """Scenes that are made when they are asked for: a million fit where their clips do.

    make:      make(number, generator) -> float32 array, alike for a like generator
    numbers:   of the scenes, list or range; each has a generator of its own and depends on no other
    shape:     of each: (samples,)
    seed:      of all
    """

    def __init__(self, make, numbers, shape, seed):
        self.make, self.numbers, self.seed = make, numbers, seed
        self.shape = len(numbers), *shape

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """One scene (samples,) or, for a slice or several numbers, (scenes, samples): tensors."""
        if isinstance(rows, slice):
            rows = range(len(self))[rows]
        if isinstance(rows, (int, np.integer)):
            return self.one(rows)
        many = [self.one(row) for row in rows]
        return torch.stack(many) if many else torch.empty(0, *self.shape[1:])

    def one(self, row):
        number = self.numbers[row]
        return torch.from_numpy(self.make(number, np.random.default_rng([self.seed, number])))

    def split(self, batch):
        """Parts of `batch` scenes, one after another."""
        return (self[start : start + batch] for start in range(0, len(self), batch))

    def to(self, place, dtype=torch.float32):
        """All of them at a place, never twice: (scenes, samples) tensor."""
        whole, start = torch.empty(self.shape, dtype=dtype, device=place), 0
        for part in self.split(AT_ONCE):
            whole[start : start + len(part)] = part.to(place, dtype)
            start += len(part)
        return whole

    def until(self, samples):
        """The same scenes, shorter."""
        return Lazy(
            lambda number, own: self.make(number, own)[:samples], self.numbers, (samples,),
            self.seed)

    def mels(self, frames):
        """The first so many frames of their log-mels: Lazy, each (1, 80, frames)."""
        def make(number, own):
            return mel.log_mel(torch.from_numpy(self.make(number, own)))[0, ..., :frames].numpy()

        return Lazy(make, self.numbers, (1, mel.BANDS, frames), self.seed)

    def __add__(self, more):
        """These, then the others, which must be as long."""
        if self.shape[1:] != more.shape[1:]:
            raise ValueError(f"scenes have {self.shape[1]} and {more.shape[1]} samples, expected "
                             f"as many")
        count = len(self)
        return Lazy(lambda row, _: (self[row] if row < count else more[row - count]).numpy(),
                    range(count + len(more)), self.shape[1:], self.seed)
