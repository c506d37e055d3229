"""Photos of CIFAR-10 and of ImageNet's sample: found under a root, labelled, given words.

A photo is told what can be seen and, where its thing makes a sound, what could be heard: captions
on the web name both. Nothing is said to sound that may be silent: "a dog, maybe barking".

Conventions: a label is that of a sound where the thing in the photo makes one, else the class.
    Every photo has four captions, of which two name the sound.
Source: Section 3.3 (CLIP), Section 4.3 (pictures to sound).  Notebook: 15_clip.
"""

import functools
import pathlib

from maa import corpus, delimited, errors, files, inputs, listed, picture_corpus, picture_files

LICENCE = "unknown (the set states none; customary research use)"
MATCHES = (  # label of a sound, or of what else it is; what its photos show; their classes
    ("airplane", "an airplane", "airplane airliner warplane"),
    ("boat", "a boat", "ship container_ship speedboat yawl"),
    ("car_horn", "a car", "cab"),
    ("cat", "a cat", "cat tabby tiger_cat Persian_cat Siamese_cat"),
    ("chainsaw", "a chainsaw", "chain_saw"),
    ("chirping_birds", "a bird", "bird goldfinch robin jay magpie chickadee African_grey macaw "
                                 "hummingbird"),
    ("church_bells", "a church", "church bell_cote"),
    ("clock_alarm", "a digital clock", "digital_clock"),
    ("clock_tick", "a clock", "analog_clock wall_clock"),
    ("cow", "an ox", "ox"),
    ("crackling_fire", "a fire in a stove", "stove"),
    ("crickets", "a cricket", "cricket"),
    ("deer", "a deer", "deer"),
    ("dog", "a dog", "dog Chihuahua beagle golden_retriever Labrador_retriever German_shepherd "
                     "Siberian_husky pug"),
    ("drilling", "a drill", "power_drill"),
    ("engine_idling", "a car", "automobile minivan sports_car"),
    ("engine_idling", "a truck", "truck garbage_truck trailer_truck"),
    ("engine_idling", "a vehicle", "school_bus tractor motor_scooter snowmobile"),
    ("fan", "a fan", "electric_fan"),
    ("frog", "a frog", "frog bullfrog tree_frog tailed_frog"),
    ("gun_shot", "a gun", "assault_rifle revolver rifle"),
    ("hen", "a hen", "hen"),
    ("horse", "a horse", "horse sorrel"),
    ("insects", "an insect", "fly bee"),
    ("keyboard_typing", "a keyboard", "computer_keyboard typewriter_keyboard"),
    ("mouse_click", "a computer mouse", "mouse"),
    ("phone_ring", "a telephone", "dial_telephone pay-phone cellular_telephone"),
    ("pig", "a pig", "hog"),
    ("rooster", "a rooster", "cock"),
    ("sea_waves", "the sea", "seashore"),
    ("sheep", "a sheep", "ram bighorn"),
    ("siren", "an emergency vehicle", "ambulance fire_engine police_van"),
    ("street_music", "a musical instrument", "accordion acoustic_guitar violin harmonica drum "
                                             "flute maraca"),
    ("toilet_flush", "a toilet", "toilet_seat"),
    ("train", "a train", "bullet_train electric_locomotive steam_locomotive passenger_car"),
    ("umbrella", "an umbrella", "umbrella"),
    ("vacuum_cleaner", "a vacuum cleaner", "vacuum"),
    ("washing_machine", "a washing machine", "washer"),
)
HEARD = {  # label: what its thing does ("a dog that …"; "a dog, maybe …")
    "airplane": ("flies with the noise of engines", "flying by"),
    "boat": ("creaks on the water", "creaking on the water"),
    "car_horn": ("honks its horn", "with its horn honking"),
    "cat": ("meows", "meowing"),
    "chainsaw": ("saws and cuts trees", "revving and sawing"),
    "chirping_birds": ("sings and chirps", "chirping and singing"),
    "church_bells": ("rings its bells", "with its bells ringing"),
    "clock_alarm": ("beeps as its alarm rings", "with its alarm ringing"),
    "clock_tick": ("ticks", "ticking"),
    "cow": ("moos", "mooing"),
    "crackling_fire": ("crackles as wood burns", "crackling and burning wood"),
    "crickets": ("chirps", "chirping"),
    "deer": ("runs in the woods", "running"),
    "dog": ("barks", "barking"),
    "drilling": ("drills a hole", "drilling holes"),
    "engine_idling": ("has an engine and a horn", "with its engine idling"),
    "fan": ("blows air", "humming as an air conditioner does"),
    "frog": ("croaks", "croaking"),
    "gun_shot": ("fires a shot", "firing a gunshot"),
    "hen": ("clucks", "clucking"),
    "horse": ("neighs", "neighing"),
    "insects": ("buzzes", "buzzing"),
    "keyboard_typing": ("someone types on", "with someone typing on its keys"),
    "mouse_click": ("clicks", "clicking"),
    "phone_ring": ("rings", "ringing"),
    "pig": ("grunts", "grunting"),
    "rooster": ("crows", "crowing"),
    "sea_waves": ("breaks on the shore in waves", "with waves breaking on the beach"),
    "sheep": ("bleats", "bleating"),
    "siren": ("wails with its siren", "with its siren wailing"),
    "street_music": ("musicians play in the street", "making street music"),
    "toilet_flush": ("flushes", "flushing"),
    "train": ("passes on its rails", "passing on its rails"),
    "umbrella": ("keeps off the rain", "in falling rain"),
    "vacuum_cleaner": ("vacuums the floor", "vacuuming the floor"),
    "washing_machine": ("washes and spins", "running with laundry"),
}


def find(root, *, size, follow_links=False):
    """The photos that the tables under a root list.

    root:      folder with the tables and the photos, at any depth, as folders or in zips
    size:      side of the pictures that are made
    returns    list of maa.corpus.Clip whose read() gives (picture, captions in one text)

    Raises MaaError F-ROOT if there is no such table, C-… for a damaged one.
    Notebook: 15_clip.
    """
    tables, sources = _inventory(root, follow_links)
    options = {"size": size, "root": root, "follow_links": follow_links}
    return [_photo(row, sources, options) for table in tables for row in table.to_dict("records")]


def named(kind):
    """(label, captions) of a class: ("dog", ["a dog", "a photo of a beagle", …])."""
    words = kind.replace("_", " ").lower()
    own = f"{'an' if words[:1] in tuple('aeiou') else 'a'} {words}"
    for label, noun, kinds in MATCHES:
        if kind in kinds.split():
            does, doing = HEARD[label]
            return label, [noun, f"a photo of {own}", f"{noun} that {does}",
                           f"a picture of {noun}, maybe {doing}"]
    return words.replace(" ", "_"), [
        own, f"a photo of {own}", f"a small photo of {own}", f"a picture of {own}"]


def _inventory(root, follow_links):
    """(tables of photos, {name of a picture with its last 0, 1 or 2 folders: its source})."""
    tables, sources = [], {}
    for name, source in _everything(root):
        parts = pathlib.PurePosixPath(name).parts
        for count in (1, 2, 3):
            sources.setdefault("/".join(parts[-count:]), source)
        if name.lower().endswith(".csv"):
            with inputs.opened(source, root=root, follow_links=follow_links) as file:
                content = file.read(picture_files.MOST_BYTES)
            head = delimited.first_row(content)
            if {"filename", "class"} <= head and head & {"split", "wnid"} and "fold" not in head:
                tables.append(files.parse_table(content, inputs.name_of(source), dtype=str))
    if not tables:
        raise errors.MaaError(
            "F-ROOT", f"no table of photos under {str(root)!r}, expected a CSV with the columns "
            f"filename, class and split or wnid; is the set elsewhere?")
    return tables, sources


def _everything(root):
    """(name, source) of every file under the root and of every member of every zip."""
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() == ".zip":
            archive = inputs.open_zip(path)
            yield from ((member, (archive, member)) for member in sorted(archive.namelist()))
        else:
            yield path.relative_to(root).as_posix(), path


def _photo(row, sources, options):
    file, split = row["filename"], row.get("split", "train")
    if split not in ("train", "test"):
        raise errors.MaaError(
            "C-SPLIT", f"{file!r} has split {split!r}, expected train or test; was the CSV edited?")
    label, captions = named(row["class"])
    caption = picture_corpus.BETWEEN.join(captions)
    source = sources.get(file, options["root"] / file)
    make = functools.partial(picture_files.captioned, source, caption, options)
    return corpus.Clip(
        listed.safe_id(file, caption), label, {"train": "train"}.get(split, "held_out"),
        row.get("wnid", "") + file, LICENCE, file, make)
