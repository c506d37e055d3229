"""maa.synthesis_animals: small animals are higher than big ones, many crickets leave no gap."""

import numpy as np

import measured
from maa import synthesis_animals as animals


def pitch(wave):
    """The lowest strong frequency: a harmonic sound's own."""
    power = np.abs(np.fft.rfft(wave[: 2 * measured.RATE])) ** 2
    power = np.convolve(power, np.ones(41), "same")
    return np.argmax(power > 0.1 * power.max()) / 2


def test_a_small_dog_barks_higher_than_a_big_one():
    small, middle, big = measured.each_word(animals.dog, animals.DOG, pitch)
    assert small > middle > big
    assert 400 < small < 1000 and 80 < big < 330


def test_a_small_cat_meows_higher_than_a_big_one():
    small, middle, big = measured.each_word(animals.cat, animals.CAT, pitch)
    assert small > middle > big


def test_a_small_frog_croaks_higher_than_a_big_one():
    small, middle, big = measured.each_word(animals.frog, animals.FROG, measured.spread)
    assert small > middle > big


def test_many_crickets_leave_no_gap():
    def gaps(wave):
        level = measured.envelope(wave)
        return np.mean(level < 0.1 * level.max())

    one, two, many = measured.each_word(animals.crickets, animals.CRICKETS, gaps)
    assert one > two > many and many < 0.05
