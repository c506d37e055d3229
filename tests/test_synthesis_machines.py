"""maa.synthesis_machines: beats, sweeps and lengths are those that the words say."""

import numpy as np

import measured
from maa import synthesis_machines as machines


def test_a_fast_engine_fires_oftener_and_a_revving_one_changes():
    def firing(wave):
        return measured.strokes(wave, 14, 110)

    slow, middle, fast = measured.each_word(machines.engine, ("slow", "", "fast"), firing)
    assert slow < middle < fast

    def heave(wave):
        level = measured.envelope(wave, 0.2)
        return np.std(level) / np.mean(level)

    steady, revving = measured.each_word(machines.engine, ("slow", "revving"), heave)
    assert revving > 2 * steady


def test_a_fast_rotor_beats_as_fast_as_its_table_says():
    for word, (low, high) in machines.HELICOPTER.items():
        beats = measured.each_word(
            machines.helicopter, [word], lambda wave: measured.pace(wave, 8, 30)
        )[0]
        assert low - 0.5 <= beats <= high + 0.5, word


def test_a_yelping_siren_glides_faster_than_a_wailing_one():
    def glide(wave):  # hertz between two frames; a leap to another harmonic counts as 100
        return np.mean(np.minimum(np.abs(np.diff(measured.pitches(wave, 400, 1700))), 100))

    wailing, yelping = measured.each_word(machines.siren, ("wailing", "yelping"), glide)
    assert yelping > 2 * wailing > 0


def test_a_two_tone_siren_has_two_pitches():
    wave = machines.siren(64_000, 16_000, "two-tone", np.random.default_rng(4))
    line = measured.pitches(wave, 380, 680)
    low, high = np.percentile(line, [20, 80])
    near = np.minimum(np.abs(line / low - 1), np.abs(line / high - 1)) < 0.03
    assert 1.15 < high / low < 1.6 and near.mean() > 0.85


def test_long_honks_last_longer_than_short_ones():
    def longest(wave):
        level = measured.envelope(wave)
        quiet = np.flatnonzero(np.concatenate([[True], level < 0.4 * level.max(), [True]]))
        return np.max(np.diff(quiet)) * measured.HOP / measured.RATE

    short, middle, long = measured.each_word(machines.car_horn, machines.CAR_HORN, longest)
    assert short < 0.35 < middle < 0.8 < long


def test_a_distant_train_is_duller():
    distant, near = measured.each_word(
        machines.train_horn, machines.TRAIN_HORN,
        lambda wave: np.std(np.diff(wave)) / np.std(wave),
    )
    assert distant < near


def test_an_old_telephone_is_struck_and_an_electronic_one_warbles():
    old, electronic = measured.each_word(
        machines.phone_ring, ("old", "electronic"), lambda wave: measured.pace(wave, 15, 30)
    )
    hammer = measured.each_word(
        machines.phone_ring, ("old",), lambda wave: measured.onsets(wave, 0.03)
    )[0]
    assert 18 <= old <= 26 and hammer > 8


def test_fast_beeps_come_oftener():
    slow, middle, fast = measured.each_word(
        machines.clock_alarm, machines.ALARM, lambda wave: measured.onsets(wave, 0.07)
    )
    assert slow < 2.5 < middle < 5 < fast
