"""maa.synthesis_objects: ticks, steps and keys are counted, bells and glasses tuned."""

import measured
from maa import synthesis_objects as objects


def test_a_deep_bell_is_lower_than_a_high_one():
    deep, middle, high = measured.each_word(objects.church_bells, objects.BELL, measured.spread)
    assert deep < middle < high


def test_a_fast_clock_ticks_oftener():
    slow, middle, fast = measured.each_word(
        objects.clock_tick, objects.CLOCK, lambda wave: measured.onsets(wave, 0.12)
    )
    assert 0.7 < slow < 1.5 < middle < 2.6 < fast < 6


def test_running_footsteps_come_oftener():
    slow, middle, running = measured.each_word(
        objects.footsteps, objects.STEPS, lambda wave: measured.pace(wave, 0.8, 4.5)
    )
    assert slow < middle < running


def test_hard_knocks_are_brighter():
    soft, middle, hard = measured.each_word(objects.door_wood_knock, objects.KNOCK, measured.spread)
    assert soft < middle < hard


def test_fast_typing_has_more_keys():
    slow, middle, fast = measured.each_word(
        objects.keyboard_typing, objects.TYPING, lambda wave: measured.onsets(wave, 0.05)
    )
    assert slow < middle < fast


def test_small_glasses_ring_higher():
    small, middle, big = measured.each_word(objects.glass_clink, objects.GLASS, measured.spread)
    assert small > middle > big
