"""maa.spelling: captions are written as they are read, once and for all."""

import random

import pytest

from maa import spelling

SPELT = {  # worked out by hand
    "a dog barks": "a dog barks",
    "A Dog  barks .\n": "a dog barks",
    "": "",
    "...": "",
    "A man in his 40s talks.": "a man in his forties talks",
    "1,200 people, 1 dog": "one thousand two hundred people, one dog",
    "agent 007": "agent zero zero seven",
    "12345678901234567": "one two three four five six seven eight nine zero one two three four "
                         "five six seven",
    "1234567": "one million two hundred thirty-four thousand five hundred sixty-seven",
    "the 1st, 2nd, 12th and 21st ring": "the first, second, twelfth and twenty-first ring",
    "30th of May": "thirtieth of may",
    "3.05 and 0.5": "three point zero five and zero point five",
    "5-6 times": "five to six times",
    "at -5°C": "at minus five degrees celsius",
    "1 °F": "one degree fahrenheit",
    "a 3 kHz tone of 60dB": "a three kilohertz tone of sixty decibels",
    "1 km, 2km, 1.5 km": "one kilometer, two kilometers, one point five kilometers",
    "1 ft, 2 ft": "one foot, two feet",
    "60 mph": "sixty miles per hour",
    "50% or 1 %": "fifty percent or one percent",
    "$5, $1.50 and £2 million": "five dollars, one dollar and fifty cents and two million pounds",
    "$1.5 million or £2.50 billion": "one point five million dollars or two point five zero billion "
                                     "pounds",
    "$2.5, $1.00 million and €1.125.": "two point five dollars, one million dollars and one point "
                                       "one two five euros",
    "€1.01": "one euro and one cent",
    "£3.02": "three pounds and two pence",
    "at 10:30 am": "at ten thirty am",
    "at 9:00, 7:05": "at nine o'clock, seven oh five",
    "in 1984, since 1905, in 1900": "in nineteen eighty-four, since nineteen oh five, in nineteen "
                                    "hundred",
    "in 2008 or in 2024": "in two thousand eight or in twenty twenty-four",
    "1984 dogs": "one thousand nine hundred eighty-four dogs",
    "the 1980's and 2000s": "the nineteen eighties and two thousands",
    "Dr. Lee & Mr. Ray vs. rain, wind, etc.": "doctor lee and mister ray versus rain, wind, and so "
                                              "on",
    "rain w/thunder, w/o wind, e.g. hail": "rain with thunder, without wind, for example hail",
    "PS3, vs5": "ps three, versus five",
    "“it’s raining” – he says…": "\"it's raining\" - he says",
    "rock &amp; roll": "rock and roll",
    "① and ½": "one and one / two",
    "inhales/exhales *gulp*": "inhales/exhales *gulp*",
    "犬 🐕 NA": "犬 🐕 na",
    "a dog , a cat": "a dog, a cat",
}


@pytest.mark.parametrize("text", SPELT)
def test_a_caption_is_spelt_out_as_worked_out_by_hand(text):
    assert spelling.spelt_out(text) == SPELT[text]


def test_a_second_time_changes_nothing_and_no_digit_is_left():
    chance = random.Random(0)
    letters = "0123456789$£€%.,:-/&'@ abcdehkmnoprstvwz°²½İßﬃ_#\n٣"
    for _ in range(3000):
        text = "".join(chance.choice(letters) for _ in range(chance.randrange(16)))
        spelt = spelling.spelt_out(text)
        assert spelling.spelt_out(spelt) == spelt, text
        assert not any(letter.isdecimal() for letter in spelt), text


@pytest.mark.parametrize("number, said", [
    (0, "zero"), (13, "thirteen"), (20, "twenty"), (99, "ninety-nine"), (100, "one hundred"),
    (1001, "one thousand one"), (10**12 + 5, "one trillion five"),
    (999_999, "nine hundred ninety-nine thousand nine hundred ninety-nine")])
def test_whole_numbers_in_words(number, said):
    assert spelling.words(number) == said
