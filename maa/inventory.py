"""A corpus as it was unpacked: where its lists and its sounds lie, and what a list says.

Lists are found by their names and sounds by theirs without ending, however deep they lie below the
folder: .flac for .wav is as good. A name in a list never becomes part of a path.

Conventions: paths are relative to the folder; tables are DataFrames of text.
Notebook: none.
"""

import gzip
import json
import os
import pathlib
import re
import typing
import unicodedata
import zlib

import pandas

from maa import corpus, errors, files, inputs, recordings

CAP = 2**30  # bytes of one unpacked list; AudioSet's longest has 100 MB
LONGEST = 1e6  # seconds; a start after that is no number of seconds


class Inventory(typing.NamedTuple):
    """What lies below the folder `root`.

    lists:    paths of all that is no sound
    sounds:   {(word of the folder, name without ending): {ending: paths}}
    """

    root: str
    follow_links: bool
    lists: list
    sounds: dict


def take(folder, words=(), follow_links=False):
    """Every file below a folder, as an Inventory.

    words:          sounds of one name are told apart by which of these their folders' names hold
    follow_links:   True goes through links to folders, and reads through links out of the folder

    Raises MaaError F-ROOT if there is no such folder.
    """
    root, lists, sounds = pathlib.Path(folder), [], {}
    if not root.is_dir():
        raise errors.MaaError("F-ROOT", f"folder is {str(folder)!r}, expected one with a corpus")
    for place, folders, names in os.walk(root, followlinks=follow_links):
        folders.sort()
        place = os.path.relpath(place, root)
        word = next((word for word in words if word.lower() in place.lower()), "")
        for name in sorted(one for one in names if not one.startswith(".")):
            stem, ending = os.path.splitext(name)
            path = os.path.normpath(os.path.join(place, name))
            if ending.lower() in recordings.ENDINGS:
                endings = sounds.setdefault((word, composed(stem)), {})
                endings.setdefault(ending.lower(), []).append(path)
            else:
                lists.append(path)
    return Inventory(str(root), follow_links, lists, sounds)


def composed(name):
    """A name in the one spelling that all file systems' spellings of it share."""
    return unicodedata.normalize("NFC", name)


def locate(found, names, word=""):
    """The path of the first of some names that is here, or None.

    word:   what the folder of the sound holds, unless it holds no word of another sound's either

    Raises MaaError D-DUP if there is another sound of that name and ending.
    """
    keys = ((place, composed(name)) for name in names for place in (word, ""))
    endings = next((found.sounds[key] for key in keys if key in found.sounds), {})
    paths = next(iter(endings.values()), [None])  # other endings are recoded copies
    if len(paths) > 1:
        places = [os.path.join(found.root, path) for path in paths]
        corpus.check_copies(places, root=found.root, follow_links=found.follow_links)
        del paths[1:]  # once is enough
    return paths[0]


def matching(found, pattern):
    """[(what the pattern's group holds, path)] of the lists with such a name."""
    matches = [(re.fullmatch(pattern, os.path.basename(path)), path) for path in found.lists]
    return [(match[1], path) for match, path in matches if match]


def required(found, pattern):
    """As matching; MaaError F-ROOT if there is none."""
    if not (paths := matching(found, pattern)):
        raise errors.MaaError("F-ROOT", (
            f"no list {pattern!r} below {found.root!r}; was the text of the corpus unpacked too?"))
    return paths


def read_lists(found, pattern, columns, needed=True):
    """The tables of that name below each other, with a column `part`: the pattern's group."""
    paths = (required if needed else matching)(found, pattern)
    tables = [read_list(found, path, columns).assign(part=part) for part, path in paths]
    nothing = pandas.DataFrame(columns=[*columns, "part"], dtype=str)
    return pandas.concat(tables, ignore_index=True) if tables else nothing


def read_list(found, path, columns):
    """One table with every cell as text and every row once; MaaError C-… if it is damaged.

    columns:   that must be there; the names of the columns of a list with comments for a header
    """
    content = read_content(found, path)
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:  # as Clotho's metadata
        content = content.decode("latin-1").encode()
    if content.startswith(b"#"):  # as AudioSet's
        lines = [line for line in content.splitlines() if not line.startswith(b"#")]
        content = b"\n".join([",".join(columns).encode(), *lines]).replace(b", ", b",")
    return files.parse_table(content, path, columns, str).drop_duplicates()


def read_json(found, path):
    """The dict in a JSON file; MaaError C-JSON if it holds something else."""
    try:
        value = json.loads(read_content(found, path))
    except ValueError as fault:
        raise errors.MaaError("C-JSON", f"{path!r} is not JSON in UTF-8: {fault}") from fault
    if not isinstance(value, dict):
        raise errors.MaaError("C-JSON", f"{path!r} holds a {type(value).__name__}, expected a dict")
    return value


def read_content(found, path):
    """The bytes of a list; as unpacked()."""
    return unpacked(os.path.join(found.root, path), path, found.root, found.follow_links)


def unpacked(source, path, root, follow_links=False):
    """The bytes of a file, unpacked if it ends in .gz; MaaError C-GZIP if that cannot be done.

    path:   how the file is called in an error
    """
    with inputs.opened(source, root=root, follow_links=follow_links) as file:
        try:
            content = (gzip.open(file) if path.endswith(".gz") else file).read(CAP + 1)
        except (OSError, EOFError, zlib.error) as fault:
            raise errors.MaaError(
                "C-GZIP", f"{path!r} is damaged: {fault}; fetch it again") from fault
    if len(content) > CAP:
        raise errors.MaaError("C-GZIP", f"{path!r} is over {CAP >> 20} MiB when unpacked")
    return content


def seconds(column, name):
    """A column of text as seconds, whole ones as int; MaaError C-NUMBER for a cell that is none."""
    found = pandas.to_numeric(column, errors="coerce")
    if len(bad := column[~found.between(0, LONGEST)]):
        raise errors.MaaError("C-NUMBER", f"{name} is {bad.iloc[0]!r}, expected seconds; "
                                          f"is a comma of its row unquoted?")
    return [int(one) if one == int(one) else one for one in found]
