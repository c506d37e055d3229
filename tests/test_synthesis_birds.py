"""maa.synthesis_birds: hoarseness, pitch and number of birds as the words say."""

import numpy as np

import measured
from maa import synthesis_birds as birds


def flatness(wave):
    """How much of the spectrum between the harmonics is filled, 0 … 1."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    power = power[(len(power) // 8) : (len(power) // 2)]
    return np.exp(np.mean(np.log(power + 1e-12))) / np.mean(power)


def test_a_hoarse_rooster_fills_the_gaps_between_its_harmonics():
    young, middle, hoarse = measured.each_word(birds.rooster, birds.ROOSTER, flatness)
    assert young < middle < hoarse


def test_a_small_owl_hoots_higher_than_a_big_one():
    small, middle, big = measured.each_word(birds.owl, birds.OWL, measured.spread)
    assert 560 < small < 800 and 380 < middle < 520 and 240 < big < 350


def test_many_birds_fill_more_of_the_time_and_of_the_band():
    def filled(wave):
        rows = measured.bands(wave)[14:28]  # mean log power above 700 Hz
        return np.mean(rows)

    one, two, many = measured.each_word(birds.chirping_birds, birds.BIRDS, filled, clips=3)
    assert one < two < many
