"""Sources of pictures, each made into a folder of PNG files with pictures.csv.

Conventions: a picture is float32 (3, size, size) in 0 … 1, red, green, blue; a larger one is cut
    to its middle square. A label is that of a sound where the thing in the picture makes one;
    split is "train" or "held_out", nothing is in both. See maa.picture_corpus for the table.
Source: Section 3.3 (CLIP), Section 4.3 (pictures to sound).  Notebook: 15_clip.
"""

import functools
import hashlib
import os
import pathlib
import re

import numpy as np
import torch

from maa import clips, corpus, drawings, errors, files, inputs, picture_corpus, picture_files

WORDINGS = ("a photo of {}", "a picture of {}", "{}", "a small photo of {}")
LICENCE = "unknown (the set states none; customary research use)"
MATCHES = (  # label of a sound; what its pictures show; their classes in CIFAR-10 and ImageNet
    ("airplane", "an airplane", "airplane airliner warplane"),
    ("boat", "a boat", "ship container_ship speedboat yawl"),
    ("cat", "a cat", "cat tabby tiger_cat Persian_cat Siamese_cat"),
    ("chainsaw", "a chainsaw", "chain_saw"),
    ("chirping_birds", "a bird", "bird goldfinch robin jay magpie chickadee African_grey macaw "
                                 "hummingbird"),
    ("church_bells", "a church", "church bell_cote"),
    ("clock_alarm", "a digital clock", "digital_clock"),
    ("clock_tick", "a clock", "analog_clock wall_clock"),
    ("cow", "an ox", "ox"),
    ("crickets", "a cricket", "cricket"),
    ("dog", "a dog", "dog Chihuahua beagle golden_retriever Labrador_retriever German_shepherd "
                     "Siberian_husky pug"),
    ("drilling", "a drill", "power_drill"),
    ("engine_idling", "a car", "automobile cab minivan sports_car"),
    ("engine_idling", "a truck", "truck garbage_truck trailer_truck"),
    ("engine_idling", "a vehicle", "school_bus tractor motor_scooter snowmobile"),
    ("frog", "a frog", "frog bullfrog tree_frog tailed_frog"),
    ("gun_shot", "a gun", "assault_rifle revolver rifle"),
    ("hen", "a hen", "hen"),
    ("insects", "an insect", "fly bee"),
    ("keyboard_typing", "a keyboard", "computer_keyboard typewriter_keyboard"),
    ("mouse_click", "a computer mouse", "mouse"),
    ("phone_ring", "a telephone", "dial_telephone pay-phone cellular_telephone"),
    ("pig", "a pig", "hog"),
    ("rooster", "a rooster", "cock"),
    ("sea_waves", "the sea", "seashore"),
    ("sheep", "a sheep", "ram bighorn"),
    ("siren", "an emergency vehicle", "ambulance fire_engine police_van"),
    ("street_music", "a musical instrument", "accordion acoustic_guitar violin harmonica"),
    ("toilet_flush", "a toilet", "toilet_seat"),
    ("train", "a train", "bullet_train electric_locomotive steam_locomotive passenger_car"),
    ("vacuum_cleaner", "a vacuum cleaner", "vacuum"),
    ("washing_machine", "a washing machine", "washer"),
)


def load(folder, split=None):
    """The table and the pictures of a corpus.

    folder:    written by one of SOURCES
    split:     "train", "held_out" or None for both
    returns    DataFrame and, row by row, (rows, 3, size, size) float32 tensor in 0 … 1

    Raises ValueError for an unknown split; MaaError D-MISSING without pictures.csv or without rows,
    C-… for a damaged one, A-… or I-… for a missing or damaged picture.
    Notebook: 15_clip.
    """
    if split not in (None, *corpus.SPLITS):
        raise ValueError(f"split is {split!r}, expected None or one of {corpus.SPLITS}")
    path = pathlib.Path(folder) / "pictures.csv"
    if not path.is_file():
        raise errors.MaaError(
            "D-MISSING", f"{str(folder)!r} has no pictures.csv; was notebook 15_clip run?")
    table = files.read_table(path, picture_corpus.COLUMNS, str)
    if split is not None:
        table = table[table.split == split].reset_index(drop=True)
    if not len(table):
        raise errors.MaaError("D-MISSING", f"{str(path)!r} has no picture of split {split!r}")
    found = [picture_files.read(path.parent / file) for file in table.file]
    sizes = {picture.shape[-1] for picture in found}
    if len(sizes) > 1:
        raise errors.MaaError("I-SIZE", f"{str(folder)!r} has sides {sorted(sizes)}, expected one")
    return table, torch.from_numpy(np.stack(found))


def from_drawings(folder, *, pictures_per_label=40, size=64, seed=0):
    """A corpus of drawings; every fifth picture of a label is held out.

    returns  DataFrame, as pictures.csv
    Notebook: 15_clip.
    """
    def one(label, number):
        name = f"{label}-{number:04d}"
        split = "held_out" if number % 5 == 4 else "train"
        make = functools.partial(_draw, label, number, size, seed)
        return corpus.Clip(name, label, split, name, "CC0-1.0 (drawn)", name, make)

    return picture_corpus.write(folder, [one(label, number) for label in drawings.DRAWINGS
                           for number in range(pictures_per_label)], max_reject=0)


def _draw(label, number, size, seed):
    # a generator a picture: the other labels change nothing
    name = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big")
    return drawings.make(label, np.random.default_rng([seed, name, number]), size)


def from_photos(folder, *, root=None, size=64, max_reject=0.01, follow_links=False):
    """A corpus of the photos of CIFAR-10 and of ImageNet's sample, as folders or in zips.

    A table with the columns filename, split, class is CIFAR-10's, one with filename, wnid, class is
    ImageNet's, which has one photo a class: those are for training, as a class seen once cannot be
    tested too. The label is that of MATCHES, or else the class.

    root:       folder with the tables, at any depth; None takes the environment variable MAA_DATA
    returns     DataFrame, as pictures.csv

    Raises MaaError F-ROOT if there is no such table, C-… for a damaged one; D-… as in from_folder.
    Notebook: 15_clip.
    """
    root = _root(root)
    tables, sources = _inventory(root, follow_links)
    options = {"size": size, "root": root, "follow_links": follow_links}
    rows = [row for table in tables for row in table.to_dict("records")]
    return picture_corpus.write(folder, [_photo(row, sources, options) for row in rows], max_reject)


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
            head = set(content.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip().split(","))
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
    file, kind, split = row["filename"], row["class"], row.get("split", "train")
    if split not in ("train", "test"):
        raise errors.MaaError(
            "C-SPLIT", f"{file!r} has split {split!r}, expected train or test; was the CSV edited?")
    words = kind.replace("_", " ").lower()
    own = f"{'an' if words[:1] in tuple('aeiou') else 'a'} {words}"
    label, noun = next(((label, noun) for label, noun, kinds in MATCHES if kind in kinds.split()),
                       (words.replace(" ", "_"), own))
    caption = corpus.choose(WORDINGS, file).format(corpus.choose((own, noun), kind + file))
    source = sources.get(file, options["root"] / file)
    make = functools.partial(_captioned, source, caption, options)
    return corpus.Clip(_safe_id(file, caption), label, {"train": "train"}.get(split, "held_out"),
                       row.get("wnid", "") + file, LICENCE, file, make)


def from_folder(folder, *, root=None, table="pictures.csv", size=64, max_reject=0.01,
                follow_links=False):
    """A corpus from any folder of pictures with a CSV.

    root:       folder with the CSV; None takes the environment variable MAA_DATA
    table:      the CSV: columns file (relative to root), label, caption; and, if known, split
                ("train" or "held_out"), source_id and licence. Without split, one source in
                five is held out; without source_id, every file is a source.
    returns     DataFrame, as pictures.csv

    Raises MaaError C-… for a damaged table; D-EMPTY, D-REJECTS (too many refused) or D-OVERLAP (one
    source or one content in both splits). Warns D-DUPCONTENT and D-NOTES.
    Notebook: 15_clip.
    """
    root = _root(root)
    rows = files.read_table(root / table, ("file", "label", "caption"), str).drop_duplicates()
    rows["source_id"] = rows.get("source_id", rows.file)
    rows["licence"] = rows.get("licence", "unknown")
    rows["split"] = rows.get("split", rows.source_id.map(corpus.hashed_split))
    if unknown := set(rows.split) - set(corpus.SPLITS):
        raise errors.MaaError(
            "C-SPLIT", f"{table!r} has splits {sorted(unknown)}, expected {corpus.SPLITS}")
    options = {"size": size, "root": root, "follow_links": follow_links}
    return picture_corpus.write(folder, [
        corpus.Clip(_safe_id(row.file, row.caption), row.label, row.split, row.source_id,
                    row.licence, row.file,
                    functools.partial(_captioned, root / row.file, row.caption, options))
        for row in rows.itertuples()], max_reject)


SOURCES = {"drawings": from_drawings, "photos": from_photos, "folder": from_folder}


def _captioned(source, caption, options):
    if not caption.strip():
        raise errors.MaaError("C-EMPTY", f"{inputs.name_of(source)} has an empty caption")
    return picture_files.read(source, **options), caption.strip()


def _root(root):
    root = root or os.environ.get(clips.ROOT_VARIABLE)
    if not root or not pathlib.Path(root).is_dir():
        raise errors.MaaError(
            "F-ROOT", f"root is {root!r}, expected a folder with pictures; name it in the "
            f"parameter root or in the environment variable {clips.ROOT_VARIABLE}")
    return pathlib.Path(root)


def _safe_id(file, caption):
    """A plain file name that no other row has, whatever letters the file's own name holds."""
    digest = hashlib.sha256(f"{file}\n{caption}".encode("utf-8", "surrogateescape")).hexdigest()
    return re.sub(r"[^a-zA-Z0-9]+", "_", os.path.splitext(file)[0])[-60:] + "-" + digest[:8]
