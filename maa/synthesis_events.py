"""The table of sound events: for each label its formula and the words for it.

Conventions: labels are those of ESC-50 where it has the same class. A parameter word ("slow") is a
key of `words` and of the table of numbers beside the formula; a test holds the two together.
Source: none in the paper.  Notebook: 10_clips.
"""

import dataclasses
from collections.abc import Callable

from maa import synthesis_animals as animals
from maa import synthesis_birds as birds
from maa import synthesis_machines as machines
from maa import synthesis_nature as nature
from maa import synthesis_objects as objects


@dataclasses.dataclass(frozen=True)
class Event:
    """One kind of sound and the ways to say it.

    sound:       function (samples, rate, word, generator) -> (samples,)
    plain:       what is heard, as a noun phrase without a parameter word
    words:       parameter word -> noun phrase that says it; "" says nothing of the parameters
    captions:    wordings with {} in place of the noun phrase; with `plain`, the phrases of training
    evaluation:  other plain phrases, never seen in training, that share a word with it
    """

    sound: Callable
    plain: str
    words: dict[str, str]
    captions: tuple[str, ...]
    evaluation: tuple[str, ...]


EVENTS = {
    "rain": Event(
        nature.rain, "rain",
        {"light": "light rain", "": "rain", "heavy": "heavy rain"},
        ("{} falling", "the sound of {}", "{} on the ground"),
        ("a shower of rain", "rain coming down", "the patter of rain"),
    ),
    "thunderstorm": Event(
        nature.thunderstorm, "thunder",
        {"distant": "distant thunder", "": "thunder", "loud": "loud thunder"},
        ("{} rumbling", "{} in a storm", "the sound of {}"),
        ("a clap of thunder", "thunder rolling in the sky", "the roar of thunder"),
    ),
    "wind": Event(
        nature.wind, "wind",
        {"gentle": "a gentle wind", "": "wind", "howling": "a howling wind"},
        ("{} blowing", "the sound of {}", "gusts of {}"),
        ("wind in the trees", "wind outside the house", "a windy day with gusts"),
    ),
    "sea_waves": Event(
        nature.sea_waves, "waves",
        {"calm": "calm waves", "": "waves", "rough": "rough waves"},
        ("{} breaking on the shore", "{} of the sea", "the sound of {} at the beach"),
        ("waves rolling in", "waves of the ocean", "the surf of the sea"),
    ),
    "crackling_fire": Event(
        nature.crackling_fire, "a fire",
        {"small": "a small fire", "": "a fire", "big": "a big fire"},
        ("{} crackling", "{} burning", "the crackle of {}"),
        ("a crackling fire", "a fire in the fireplace", "wood burning and popping"),
    ),
    "water_drops": Event(
        nature.water_drops, "drops of water",
        {"slow": "slow drops of water", "": "drops of water", "fast": "fast drops of water"},
        ("{} falling", "{} from a tap", "the sound of {}"),
        ("water drops in a sink", "water dripping", "a leaking water tap"),
    ),
    "dog": Event(
        animals.dog, "a dog",
        {"small": "a small dog", "": "a dog", "big": "a big dog"},
        ("{} barking", "{} barks", "the bark of {}"),
        ("a barking dog", "a dog going woof", "the woof of a dog"),
    ),
    "cat": Event(
        animals.cat, "a cat",
        {"small": "a small cat", "": "a cat", "big": "a big cat"},
        ("{} meowing", "{} meows", "the meow of {}"),
        ("a meowing cat", "a hungry cat", "a cat that says meow"),
    ),
    "rooster": Event(
        birds.rooster, "a rooster",
        {"young": "a young rooster", "": "a rooster", "hoarse": "a hoarse rooster"},
        ("{} crowing", "{} crows", "the call of {}"),
        ("a crowing rooster", "a rooster in the morning", "a rooster on a farm"),
    ),
    "owl": Event(
        birds.owl, "an owl",
        {"small": "a small owl", "": "an owl", "big": "a big owl"},
        ("{} hooting", "{} hoots", "the hoot of {}"),
        ("a hooting owl", "an owl in the forest", "an owl at midnight"),
    ),
    "frog": Event(
        animals.frog, "a frog",
        {"small": "a small frog", "": "a frog", "big": "a big frog"},
        ("{} croaking", "{} croaks", "the croak of {}"),
        ("a croaking frog", "a frog in a pond", "a frog going ribbit"),
    ),
    "chirping_birds": Event(
        birds.chirping_birds, "birds",
        {"one": "a bird", "two": "two birds", "many": "many birds"},
        ("{} chirping", "{} singing", "the song of {}"),
        ("chirping birds", "birds in a tree", "birds at dawn"),
    ),
    "crickets": Event(
        animals.crickets, "crickets",
        {"one": "a cricket", "two": "two crickets", "many": "many crickets"},
        ("{} chirping", "{} at night", "the chirp of {}"),
        ("chirping crickets", "crickets in the grass", "crickets on a summer evening"),
    ),
    "engine": Event(
        machines.engine, "an engine",
        {"slow": "a slow engine", "": "an engine", "fast": "a fast engine",
         "revving": "a revving engine"},
        ("{} running", "the sound of {}", "{} at work"),
        ("a running engine", "the noise of an engine", "the engine of a car"),
    ),
    "helicopter": Event(
        machines.helicopter, "a helicopter",
        {"slow": "a helicopter with a slow rotor", "": "a helicopter",
         "fast": "a helicopter with a fast rotor"},
        ("{} flying", "{} overhead", "the sound of {}"),
        ("a helicopter in the air", "a helicopter passing by", "the noise of a helicopter"),
    ),
    "siren": Event(
        machines.siren, "a siren",
        {"wailing": "a siren slowly rising and falling", "yelping": "a fast yelping siren",
         "two-tone": "a two-tone siren"},
        ("{}", "{} in the street", "the sound of {}"),
        ("an emergency siren", "an ambulance with its siren on", "the siren of a police car"),
    ),
    "car_horn": Event(
        machines.car_horn, "honks",
        {"short": "short honks", "": "honks", "long": "long honks"},
        ("{} of a car horn", "{} from the horn of a car", "a car horn with {}"),
        ("a honking car", "a driver who honks the horn of a car", "the car horn of a taxi"),
    ),
    "train_horn": Event(
        machines.train_horn, "a train",
        {"distant": "a distant train", "": "a train"},
        ("{} blowing its horn", "the horn of {}", "{} sounds its horn"),
        ("a train horn", "a passing train with its horn on", "the blast of a train horn"),
    ),
    "phone_ring": Event(
        machines.phone_ring, "a telephone",
        {"old": "an old telephone with bells", "electronic": "an electronic telephone"},
        ("{} ringing", "{} rings", "the ring of {}"),
        ("a ringing telephone", "a telephone in an office", "a telephone call"),
    ),
    "clock_alarm": Event(
        machines.clock_alarm, "beeps",
        {"slow": "slow beeps", "": "beeps", "fast": "fast beeps"},
        ("{} of an alarm clock", "an alarm clock with {}", "{} from an alarm"),
        ("a beeping alarm", "an alarm clock going off", "the alarm of a digital clock"),
    ),
    "church_bells": Event(
        objects.church_bells, "a church bell",
        {"deep": "a deep church bell", "": "a church bell", "high": "a high church bell"},
        ("{} ringing", "the strokes of {}", "{} tolls"),
        ("a bell in a church tower", "a tolling bell", "a bell before the church service"),
    ),
    "clock_tick": Event(
        objects.clock_tick, "a clock",
        {"slow": "a slow clock", "": "a clock", "fast": "a fast clock"},
        ("{} ticking", "the tick-tock of {}", "{} ticks"),
        ("a ticking clock", "a clock ticking on the wall", "the ticks of an old clock"),
    ),
    "footsteps": Event(
        objects.footsteps, "footsteps",
        {"slow": "slow footsteps", "": "footsteps", "running": "running footsteps"},
        ("{}", "{} on a floor", "the sound of {}"),
        ("footsteps of a person", "footsteps in a corridor", "someone's footsteps passing"),
    ),
    "door_wood_knock": Event(
        objects.door_wood_knock, "knocks",
        {"soft": "soft knocks", "": "knocks", "hard": "hard knocks"},
        ("{} on a door", "{} at the door", "{} on a wooden door"),
        ("someone knocks on the door", "a visitor at the door", "knocks at a front door"),
    ),
    "keyboard_typing": Event(
        objects.keyboard_typing, "typing",
        {"slow": "slow typing", "": "typing", "fast": "fast typing"},
        ("{} on a keyboard", "{} on a computer keyboard", "the sound of {} on keys"),
        ("keyboard typing", "a person typing a letter", "the keys of a keyboard"),
    ),
    "glass_clink": Event(
        objects.glass_clink, "glasses",
        {"small": "small glasses", "": "glasses", "big": "big glasses"},
        ("{} clinking", "the clink of {}", "{} touching in a toast"),
        ("clinking glasses", "a toast with glasses", "glasses at a party"),
    ),
}
