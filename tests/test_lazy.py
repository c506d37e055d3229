"""maa.lazy: what is made when it is asked for looks like a tensor that was there before."""

import numpy as np
import pytest
import torch

from maa import lazy


def counted(count=7, seed=3):
    """Scenes of which each holds its number and a number of its own generator."""
    return lazy.Lazy(lambda number, generator: np.array(
        [number, generator.random()], np.float32), range(count), (2,), seed)


def test_a_scene_depends_on_its_number_and_the_seed_alone():
    made = counted()
    assert torch.equal(made[5], made[:][5]) and torch.equal(made[5], counted(6)[-1])
    assert not torch.equal(made[5], counted(seed=4)[5])
    assert len(set(made[:][:, 1].tolist())) == 7


def test_scenes_are_asked_for_by_number_slice_or_list():
    made = counted()
    assert made.shape == (7, 2) and len(made) == 7
    assert made[[4, 0]][:, 0].tolist() == [4, 0]
    assert made[1:4][:, 0].tolist() == [1, 2, 3]
    assert made[[]].shape == (0, 2)
    with pytest.raises(IndexError):
        made[7]


def test_parts_and_the_whole_on_a_device_are_all_scenes_in_order(monkeypatch):
    made = counted()
    assert [len(part) for part in made.split(3)] == [3, 3, 1]
    monkeypatch.setattr(lazy, "AT_ONCE", 2)
    whole = made.to("cpu", torch.float64)
    assert whole.dtype == torch.float64 and torch.equal(whole, made[:].double())


def test_scenes_after_scenes_keep_what_they_are():
    first, second = counted(3), counted(4, seed=8)
    both = first + second
    assert both.shape == (7, 2)
    assert torch.equal(both[:], torch.cat([first[:], second[:]]))
    with pytest.raises(ValueError, match="scenes have 2 and 3 samples, expected as many"):
        first + lazy.Lazy(None, [0], (3,), 0)


def test_shorter_scenes_are_the_beginnings_of_the_same():
    short = counted().until(1)
    assert short.shape == (7, 1)
    assert torch.equal(short[:], counted()[:][:, :1])


def test_nothing_is_made_before_it_is_asked_for():
    made = lazy.Lazy(lambda number, generator: 1 / 0, range(10**9), (160_000,), 0)
    assert made.shape == (10**9, 160_000)
