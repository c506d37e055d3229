"""Little pictures of what makes the sounds of the mini corpus, with captions that are true of them.

The generator draws a word ("red", "heavy"), the picture is drawn so that the word is true of it,
and the caption says the word or leaves it out. The drawings are in maa.drawing_nature and
maa.drawing_objects.
Conventions: a picture is float32 (3, size, size) in 0 … 1, red, green, blue; label: a key of
    DRAWINGS, which are those of maa.synthesis.EVENTS; a drawing is a function (pen, word).
Source: none in the paper; stands in for photos at scale mini.  Notebook: 15_clip.
"""

import dataclasses
from collections.abc import Callable

from maa import drawing_nature as nature
from maa import drawing_objects as objects
from maa import drawing_shapes as shapes

WORDINGS = ("{}", "a drawing of {}", "a picture of {}", "a small picture of {}")
SMALLEST = 16  # pixels; nothing can be made out in fewer


@dataclasses.dataclass(frozen=True)
class Drawing:
    """One kind of picture and the ways to say it.

    draw:    function (pen, word)
    plain:   what is seen, as a noun phrase that is true whatever the word
    words:   word -> noun phrase that says it
    """

    draw: Callable
    plain: str
    words: dict[str, str]


def make(label, generator, size=64):
    """A new picture of one kind, and a caption that is true of it.

    label:      one of DRAWINGS
    generator:  numpy.random.Generator; the same state gives the same picture and caption
    size:       pixels on a side, 16 or more
    returns     float32 (3, size, size) in 0 … 1, and the caption

    Raises ValueError for an unknown label or a size under 16.
    """
    drawing = _drawing(label)
    if size < SMALLEST:
        raise ValueError(
            f"size is {size}, expected {SMALLEST} or more; was it meant in another unit?")
    word = str(generator.choice(list(drawing.words)))
    said = drawing.words[word] if generator.random() < 0.5 else drawing.plain
    caption = str(generator.choice(WORDINGS)).format(said)
    pen = shapes.Pen(size, generator)
    drawing.draw(pen, word)
    return pen.picture(), caption


def phrases(label):
    """Plain phrases that are true of every picture of a label; ValueError if it has none."""
    return [wording.format(_drawing(label).plain) for wording in WORDINGS]


def _drawing(label):
    if label not in DRAWINGS:
        raise ValueError(
            f"label is {label!r}, expected one of {', '.join(sorted(DRAWINGS))}; "
            f"only these have a drawing")
    return DRAWINGS[label]


def _coloured(wording, colours):
    """{colour: noun phrase}: "an orange cat" for the wording "a {} cat"."""
    return {colour: wording.format(colour).replace("a orange", "an orange")
            for colour in colours.split()}


DRAWINGS = {
    "rain": Drawing(nature.rain, "rain falling from a cloud", {
        "light": "light rain falling from a cloud", "heavy": "heavy rain falling from a cloud"}),
    "thunderstorm": Drawing(nature.thunderstorm, "a thunder cloud with lightning", {
        "one": "a thunder cloud with one flash of lightning",
        "two": "a thunder cloud with two flashes of lightning"}),
    "wind": Drawing(nature.wind, "a tree in the wind", {
        "gentle": "a tree in a gentle wind", "strong": "a tree in a strong wind"}),
    "sea_waves": Drawing(nature.sea_waves, "waves of the sea", {
        "calm": "calm waves of the sea", "rough": "rough waves of the sea"}),
    "crackling_fire": Drawing(nature.crackling_fire, "a fire burning", {
        "small": "a small fire burning", "big": "a big fire burning"}),
    "water_drops": Drawing(nature.water_drops, "a tap dripping water", {
        "one": "one drop of water from a tap", "two": "two drops of water from a tap"}),
    "dog": Drawing(nature.dog, "a dog", _coloured("a {} dog", "brown black white grey")),
    "cat": Drawing(nature.cat, "a cat", _coloured("a {} cat", "orange black white grey")),
    "rooster": Drawing(
        nature.rooster, "a rooster", _coloured("a {} rooster", "brown white orange")),
    "owl": Drawing(nature.owl, "an owl", _coloured("a {} owl", "brown grey white")),
    "frog": Drawing(nature.frog, "a frog", _coloured("a {} frog", "green brown")),
    "chirping_birds": Drawing(nature.chirping_birds, "birds", {
        "two": "two birds", "three": "three birds", "many": "many birds"}),
    "crickets": Drawing(
        nature.crickets, "a cricket in the grass", _coloured("a {} cricket", "green brown")),
    "engine": Drawing(
        objects.engine, "the engine of a motorcycle",
        _coloured("the engine of a {} motorcycle", "red blue green")),
    "helicopter": Drawing(
        objects.helicopter, "a helicopter", _coloured("a {} helicopter", "red blue green white")),
    "siren": Drawing(
        objects.siren, "a siren with its light on",
        _coloured("a siren with a {} light", "red blue orange")),
    "car_horn": Drawing(
        objects.car_horn, "a car honking its horn",
        _coloured("a {} car honking its horn", "red blue green yellow white")),
    "train_horn": Drawing(objects.train_horn, "a train", _coloured("a {} train", "red green blue")),
    "phone_ring": Drawing(
        objects.phone_ring, "a telephone", _coloured("a {} telephone", "red black green blue")),
    "clock_alarm": Drawing(
        objects.clock_alarm, "an alarm clock",
        _coloured("a {} alarm clock", "red blue green yellow")),
    "church_bells": Drawing(
        objects.church_bells, "a church bell", _coloured("a {} church bell", "orange yellow grey")),
    "clock_tick": Drawing(
        objects.clock_tick, "a clock", _coloured("a {} clock", "red blue green brown")),
    "footsteps": Drawing(
        objects.footsteps, "footsteps on the ground",
        _coloured("{} footsteps on the ground", "black brown red")),
    "door_wood_knock": Drawing(
        objects.door_wood_knock, "a wooden door",
        _coloured("a {} wooden door", "brown red green blue")),
    "keyboard_typing": Drawing(
        objects.keyboard_typing, "a computer keyboard",
        _coloured("a {} computer keyboard", "black grey white")),
    "glass_clink": Drawing(
        objects.glass_clink, "glasses clinking",
        _coloured("glasses with a {} drink clinking", "red yellow orange purple")),
}
