"""maa.tones: each building block against what it promises."""

import numpy as np
import pytest

from maa import tones

RATE = 16_000


def chance():
    return np.random.default_rng(5)


def loudest(wave):
    return np.argmax(np.abs(np.fft.rfft(wave))) * RATE / len(wave)


def power_between(wave, low, high):
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    power = np.abs(np.fft.rfft(wave)) ** 2
    return power[(frequency >= low) & (frequency < high)].sum() / power.sum()


def test_noise_stays_in_its_band_at_rms_one():
    wave = tones.noise(RATE, RATE, chance(), low=500, high=2000)
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(1, abs=1e-9)
    assert power_between(wave, 350, 2800) > 0.95


def test_brown_noise_falls_by_six_decibels_an_octave():
    wave = tones.noise(RATE * 4, RATE, chance(), slope=-6)
    low, high = power_between(wave, 400, 500), power_between(wave, 800, 1000)
    assert 10 * np.log10(low / high) == pytest.approx(3, abs=0.8)  # twice as wide: 6 - 3


def test_whistle_follows_its_centre():
    wave = tones.whistle(np.full(RATE, 1234.0), RATE, chance(), width=20)
    assert loudest(wave) == pytest.approx(1234, abs=30)


def test_struck_partial_has_its_frequency_and_falls_to_one_part_in_e():
    wave = tones.struck(RATE, [1000.0], [0.1], [1.0])
    assert len(wave) == int(0.6 * RATE)
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(wave)) / RATE)
    expected = expected * np.exp(-np.arange(len(wave)) / RATE / 0.1)
    assert np.max(np.abs(wave - expected)) < 1e-9


def test_struck_leaves_out_what_the_rate_cannot_hold():
    assert not tones.struck(RATE, [7900.0], [0.1], [1.0]).any()


def test_struck_is_cut_at_its_longest():
    assert len(tones.struck(RATE, [100.0], [5.0], [1.0], longest=0.25)) == RATE // 4


def test_voice_has_the_pitch_it_is_given_and_no_folded_harmonics():
    wave = tones.voice(np.full(RATE, 700.0), RATE, [(700, 400, 1.0), (2100, 400, 0.1)])
    assert loudest(wave) == pytest.approx(700, abs=1)
    assert power_between(wave, 690, 710) + power_between(wave, 1390, 2110) > 0.99
    assert power_between(wave, 7100, 8000) < 1e-6


def test_a_formant_lifts_the_harmonic_beside_it():
    wave = tones.voice(np.full(RATE, 200.0), RATE, [(1400, 150, 1.0)], slope=0)
    assert loudest(wave) == pytest.approx(1400, abs=1)


def test_pulses_come_as_often_as_the_pitch_says():
    assert tones.pulses(np.full(RATE, 25.0), RATE).sum() == pytest.approx(25, abs=1)


def test_contour_goes_through_its_values():
    line = tones.contour(101, (0.0, 3.0, 1.0), (0, 0.3, 1))
    assert line[[0, 30, 100]] == pytest.approx([0, 3, 1])


def test_drift_stays_between_its_limits():
    line = tones.drift(RATE, RATE, chance(), every=0.1, low=0.4, high=0.6)
    assert 0.4 <= line.min() < line.max() <= 0.6


def test_swell_starts_and_ends_in_silence():
    envelope = tones.swell(1000, 1000, 0.1, 0.2)
    assert (envelope[0], envelope[500], envelope[-1]) == (0, 1, 0)


def test_fall_reaches_one_part_in_e_after_its_decay():
    envelope = tones.fall(RATE, RATE, 1e-4, 0.2)
    assert envelope[int(0.2 * RATE)] == pytest.approx(np.exp(-1), rel=1e-3)


def test_repeats_keep_their_beat_and_end_before_the_clip():
    starts = tones.repeats(10, chance(), every=0.5, jitter=0.0)
    assert np.diff(starts) == pytest.approx(0.5)
    assert 0 < starts[0] <= 0.3 and 9.3 < starts[-1] < 9.9


def test_there_is_always_one_start():
    assert len(tones.repeats(1, chance(), every=30)) == 1
    assert len(tones.chances(1, chance(), per_second=1e-9)) == 1


def test_laid_pieces_add_and_are_cut_at_the_end():
    wave = tones.laid(6, 1, [0, 1, 4, 9], [np.ones(2), np.ones(2), np.ones(5), np.ones(3)])
    assert wave.tolist() == [1, 2, 1, 0, 1, 1]


def test_shower_lays_a_kernel_at_each_start():
    starts, gains = np.array([0.1, 0.5, 2.0]), np.array([1.0, 2.0, 9.0])
    wave = tones.showered(10, 10, starts, gains, [np.array([1.0, 0.5])], chance())
    assert wave == pytest.approx([0, 1, 0.5, 0, 0, 2, 1, 0, 0, 0], abs=1e-12)


def test_ringing_of_one_impulse_is_the_kernel():
    train = np.eye(1, 5)[0]
    assert tones.ringing(train, np.array([3.0, 2.0])) == pytest.approx([3, 2, 0, 0, 0], abs=1e-12)


def test_room_adds_an_echo_of_the_energy_asked_for():
    click = np.eye(1, RATE)[0]
    echo = tones.room(click, RATE, chance(), seconds=0.5, wet=0.3) - click
    assert np.sqrt(np.sum(echo**2)) == pytest.approx(0.3, rel=1e-6)
    assert np.max(np.abs(echo[: int(0.003 * RATE)])) < 1e-12  # the walls are a metre away
