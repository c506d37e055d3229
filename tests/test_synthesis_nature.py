"""maa.synthesis_nature: the words of rain, thunder, wind, sea, fire and drops can be measured."""

import numpy as np

import measured
from maa import synthesis_nature as nature


def rms(wave):
    return np.sqrt(np.mean(wave**2))


def test_heavier_rain_is_louder_and_smoother():
    light, middle, heavy = measured.each_word(nature.rain, nature.RAIN, rms)
    assert light < middle < heavy
    light, middle, heavy = measured.each_word(nature.rain, nature.RAIN, measured.crest)
    assert light > middle > heavy


def test_distant_thunder_is_dull_and_loud_thunder_bright():
    distant, middle, loud = measured.each_word(
        nature.thunderstorm, nature.THUNDER, lambda wave: np.std(np.diff(wave)) / np.std(wave)
    )
    assert distant < middle < loud


def test_a_howling_wind_howls_higher():
    gentle, middle, howling = measured.each_word(nature.wind, nature.WIND, measured.spread)
    assert gentle < middle < howling and howling > 450


def test_rough_waves_come_oftener():
    def waves(wave):
        return measured.pace(wave, 0.1, 1.5)

    calm, middle, rough = measured.each_word(
        nature.sea_waves, nature.SEA, waves, seconds=12
    )
    assert calm < middle < rough


def test_a_big_fire_roars_between_its_crackles():
    def quiet(wave):  # the level between the crackles
        return np.percentile(measured.envelope(wave), 10)

    small, middle, big = measured.each_word(nature.crackling_fire, nature.FIRE, quiet)
    assert small < middle < big


def test_fast_drops_fall_oftener():
    slow, middle, fast = measured.each_word(
        nature.water_drops, nature.DROPS, lambda wave: measured.onsets(wave, 0.12)
    )
    assert slow < middle < fast and 3 < fast < 6
