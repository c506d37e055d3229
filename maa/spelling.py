"""Captions spelt out: numbers, money, measures, times and abbreviations become words.

Encoders were trained on sentences; "3 kHz" and "three kilohertz" should not be two things to them.
`spelt_out` does it in a few rules for English; what no rule knows stays as it is, digits aside.

Conventions: text comes out in lower case, with single spaces, without a digit, without a point at
    its end. Years are read as such only after a word such as "in" or "since".
Source: Section 5.1 (non-standard words and semiotic classes are normalised, after Sproat and
    Jaitly, 2016). Differs: the paper does not give its rules; these are ours.
Notebook: none.
"""

import html
import re
import unicodedata

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = {10**12: "trillion", 10**9: "billion", 10**6: "million", 10**3: "thousand"}
MOST_DIGITS = 15  # longer ones are codes: read digit by digit
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
            "nine": "ninth", "twelve": "twelfth"}
MARKS = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "–": "-", "—": "-",
                       "−": "-", "⁄": "/"})
ABBREVIATIONS = {
    "mr.": "mister", "mrs.": "missus", "dr.": "doctor", "vs.": "versus", "vs": "versus",
    "e.g.": "for example", "i.e.": "that is", "etc.": "and so on", "etc": "and so on",
    "approx.": "approximately", "w/o": "without", "w/": "with", "&": "and", "@": "at"}
MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
PLURALS = {"penny": "pence", "foot": "feet", "hertz": "hertz", "kilohertz": "kilohertz",
           "percent": "percent"}
UNITS = {
    "hz": "hertz", "khz": "kilohertz", "db": "decibel", "ms": "millisecond", "s": "second",
    "sec": "second", "secs": "second", "min": "minute", "mins": "minute", "hr": "hour",
    "hrs": "hour", "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer",
    "ft": "foot", "mph": "mile per hour", "km/h": "kilometer per hour", "kmh": "kilometer per hour",
    "kph": "kilometer per hour", "kg": "kilogram", "g": "gram", "lb": "pound", "lbs": "pound",
    "°c": "degree celsius", "°f": "degree fahrenheit", "°": "degree", "%": "percent"}
BEFORE_YEARS = "in|since|until|from|year|early|late|january|february|march|april|june|july|" \
    "august|september|october|november|december"
NUMBER = r"\d+(?:,\d{3})*(?!\d)"


def alternatives(words):
    """A pattern for any of some words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


ABBREVIATED = re.compile(
    "|".join(rf"(?<!\w){re.escape(one)}" + (r"(?!\w)" if one[-1].isalpha() else "")
             for one in sorted(ABBREVIATIONS, key=len, reverse=True)))
RULES = [  # in this order: what is special before what is plain
    (r"(\d*[1-9]0|\d+00)'?s(?!\w)", lambda m: decade(m[1])),
    (r"(\d+)(?:st|nd|rd|th)(?!\w)", lambda m: ordinal(count(m[1]))),
    (r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", lambda m: " "),  # "5km", "ps3"
    (ABBREVIATED, lambda m: ABBREVIATIONS[m[0]]),
    (rf"([$€£]) *({NUMBER})(?:\.(\d+))?( (?:thousand|million|billion))?",
     lambda m: money(*m.groups())),
    (r"(?<!\d)(\d{1,2}):([0-5]\d)(?!\d)", lambda m: clock(m[1], m[2])),
    (rf"(?<!\w)({BEFORE_YEARS}) (1[1-9]\d\d|20\d\d)(?![\d.,]\d|\w)",
     lambda m: f"{m[1]} {year(int(m[2]))}"),
    (r"(?<=\d) ?- ?(?=\d)", lambda m: " to "),
    (r"(?<!\S)-(?=\d)", lambda m: "minus "),
    (rf"({NUMBER}(?:\.\d+)?) *({alternatives(UNITS)})(?!\w)", lambda m: measure(m[1], m[2])),
    (rf"({NUMBER})\.(\d+)", lambda m: decimal(m[1], m[2])),
    (NUMBER, lambda m: count(m[0])),
    (r"\d", lambda m: count(m[0])),
]
COMPILED = [(re.compile(pattern), put) for pattern, put in RULES]


def spelt_out(text):
    """The text as it would be read aloud; a second call changes nothing.

    "A 3 kHz tone at 50%." → "a three kilohertz tone at fifty percent"

    Source: Section 5.1.
    """
    while (spelt := _once(text)) != text:
        text = spelt
    return text


def _once(text):
    text = unicodedata.normalize("NFKC", html.unescape(text)).lower().translate(MARKS)
    for pattern, put in COMPILED:
        text = pattern.sub(lambda match: f" {put(match)} ", text)
    text = re.sub(r" +([,.;:!?])", r"\1", " ".join(text.split()))
    return text.rstrip(" .")


def count(digits):
    """"1,200" → "one thousand two hundred"; "007" → "zero zero seven"."""
    digits = digits.replace(",", "")
    if len(digits) > MOST_DIGITS or (digits.startswith("0") and len(digits) > 1):
        return " ".join(ONES[int(digit)] for digit in digits)
    return words(int(digits))


def words(number):
    """A whole number below 10^15 in words."""
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")
    scale, name = next(
        ((scale, name) for scale, name in SCALES.items() if number >= scale), (100, "hundred"))
    many, rest = divmod(number, scale)
    return f"{words(many)} {name}" + (f" {words(rest)}" if rest else "")


def decimal(whole, fraction):
    """"3", "05" → "three point zero five"."""
    return f"{count(whole)} point " + " ".join(ONES[int(digit)] for digit in fraction)


def ordinal(cardinal):
    """"twenty-one" → "twenty-first"."""
    start, last = re.fullmatch(r"(.*?)([a-z]+)", cardinal).groups()
    regular = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return start + ORDINALS.get(last, regular)


def year(number):
    """1984 → "nineteen eighty-four"; 2008 → "two thousand eight"."""
    century, rest = divmod(number, 100)
    if rest < 10 and (century == 20 or not rest):
        return words(number) if century % 10 == 0 else f"{words(century)} hundred"
    return f"{words(century)} {'oh ' if rest < 10 else ''}{words(rest)}"


def decade(digits):
    """"1980" → "nineteen eighties"; "40" → "forties"."""
    cardinal = year(int(digits)) if len(digits) == 4 and digits < "2100" else count(digits)
    return cardinal[:-1] + "ies" if cardinal.endswith("y") else cardinal + "s"


def clock(hours, minutes):
    """"10", "30" → "ten thirty"; "9", "00" → "nine o'clock"."""
    if minutes == "00":
        return f"{words(int(hours))} o'clock"
    return f"{words(int(hours))} {'oh ' if minutes[0] == '0' else ''}{words(int(minutes))}"


def plural(name):
    """The plural of a unit: of its first word, "miles per hour"."""
    first, *rest = name.split(" ", 1)
    return " ".join([PLURALS.get(first, f"{first}s"), *rest])


def money(sign, whole, small, scale):
    """"$", "1", "50", None → "one dollar and fifty cents"; "$1.5 million" has no cents."""
    name, part = MONEY[sign]
    if small and small != "00" and (scale or len(small) != 2):
        return f"{decimal(whole, small)}{scale or ''} {plural(name)}"
    amount = count(whole) + (scale or "")
    said = f"{amount} {name if amount == 'one' else plural(name)}"
    if not small or small == "00":
        return said
    cents = words(int(small))
    return f"{said} and {cents} {part if cents == 'one' else plural(part)}"


def measure(number, unit):
    """"3.5", "km" → "three point five kilometers"."""
    amount = decimal(*number.split(".")) if "." in number else count(number)
    return f"{amount} {UNITS[unit] if amount == 'one' else plural(UNITS[unit])}"
