"""maa.inventory: lists and sounds are found below a folder, and damaged lists are named."""

import gzip
import unicodedata

import made_corpora
import pandas
import pytest

from maa import errors, inventory


@pytest.fixture
def root(tmp_path):
    return tmp_path / "corpus"


def fill(root, *paths, content="a,b\n1,2\n"):
    for path in paths:
        made_corpora.write(root / path, content)
    return inventory.take(root)


def test_sounds_go_by_name_and_the_rest_are_lists_however_deep_they_lie(root):
    found = fill(root, "a.wav", "x/y/b.FLAC", "x/list.csv", ".hidden.wav", "x/._b.wav", "c.txt")
    assert found.sounds == {("", "a"): {".wav": ["a.wav"]}, ("", "b"): {".flac": ["x/y/b.FLAC"]}}
    assert sorted(found.lists) == ["c.txt", "x/list.csv"]


def test_the_first_name_that_is_here_is_taken(root):
    found = fill(root, "b.wav", "c.wav")
    assert inventory.locate(found, ("a", "b", "c")) == "b.wav"
    assert inventory.locate(found, ("a", "d")) is None


def test_another_sound_of_the_name_that_is_asked_for_is_told_of(root):
    made_corpora.write(root / "full/a.wav", "another")
    made_corpora.write(root / "full/b.wav", "another")
    found = fill(root, "wavs/a.wav", "wavs/b.wav", "wavs/c.wav", "copy/c.wav", "wavs/a.flac")
    assert inventory.locate(found, "c") == "copy/c.wav"
    (root / "wavs/b.wav").unlink()  # b is not asked for, and is not read
    for _ in range(2):
        with pytest.raises(errors.MaaError, match="D-DUP: .*full/a.wav' and .*wavs/a.wav' have"):
            inventory.locate(found, "a")


def test_sounds_of_one_name_are_told_apart_by_their_folders(root):
    fill(root, "audio_first/a.wav", "Second/a.wav", "b.wav")
    found = inventory.take(root, ["first", "second"])
    assert inventory.locate(found, "a", "first") == "audio_first/a.wav"
    assert inventory.locate(found, "a", "second") == "Second/a.wav"
    assert inventory.locate(found, "a", "third") is None  # those are of others
    assert inventory.locate(found, "b", "second") == "b.wav"  # this is of nobody else


def test_a31_two_spellings_of_a_name_are_one_name(root):
    decomposed = unicodedata.normalize("NFD", "Hündin")
    found = fill(root, f"{decomposed}.wav")
    assert inventory.locate(found, ["Hündin"]) == f"{decomposed}.wav"


def test_c21_a_name_that_is_a_path_leads_nowhere(root):
    made_corpora.write(root.parent / "evil.wav", "x")
    assert inventory.locate(fill(root, "a.wav"), ["../evil", "./a", "a/../a"]) is None


@pytest.mark.parametrize("path, content", [
    ("list_one.csv", "name,text\n007,NA\n007,NA\n-a,\"b, c\"\n"),
    ("deep/list_one.csv", "\ufeffname,text\r\n007,NA\r\n-a,\"b, c\"\r\n"),
    ("list_one.csv.gz", gzip.compress(b"name,text\n007,NA\n-a,\"b, c\"\n")),
    ("list_one.csv", "# made on Sunday\n# name, text\n007, NA\n-a, \"b,c\"\n")])
def test_lists_are_read_as_text_with_every_row_once(root, path, content):
    """C05, C07, C09, C12, C20."""
    found = fill(root, path, content=content)
    rows = inventory.read_lists(found, r"list_(one|two)\.csv(?:\.gz)?", ["name", "text"])
    assert list(rows.name) == ["007", "-a"]
    assert [text.replace(" ", "") for text in rows.text] == ["NA", "b,c"]
    assert list(rows.part) == ["one", "one"]


def test_c11_a_list_that_is_not_utf_8_is_read_as_latin_1(root):
    found = fill(root, "list.csv", content="name\nHündin\n".encode("latin-1"))
    assert list(inventory.read_list(found, "list.csv", ["name"]).name) == ["Hündin"]


def test_a_list_that_need_not_be_there_is_empty(root):
    rows = inventory.read_lists(fill(root, "a.wav"), "(x).csv", ["name"], needed=False)
    assert list(rows.columns) == ["name", "part"] and not len(rows)


@pytest.mark.parametrize("path, content, told", [
    ("a.csv", "name\n", r"C-COLUMNS: 'a.csv' lacks \['text'\]"),
    ("a.csv", "name,text\n1,2,3\n", "C-ROWS: 'a.csv' line 2 has 3 fields"),
    ("a.csv", "name,text\n1,\"2\n", "C-ROWS: 'a.csv' line 2: a quotation mark opens"),
    ("a.csv", "", r"C-COLUMNS: 'a.csv' lacks \['name', 'text'\]"),
    ("a.csv", b"name,text\n\0,1\n", "C-NUL: 'a.csv'"),
    ("a.csv", "name,text\n".encode("utf-16"), "C-NUL: 'a.csv'"),
    ("a.csv.gz", gzip.compress(b"name,text\n" * 99)[:30], "C-GZIP: 'a.csv.gz' is damaged"),
    ("a.csv.gz", "no gzip", "C-GZIP: 'a.csv.gz' is damaged")])
def test_a_damaged_list_is_named(root, path, content, told):
    """C06, C10, C13 to C18."""
    found = fill(root, path, content=content)
    with pytest.raises(errors.MaaError, match=told):
        inventory.read_list(found, path, ["name", "text"])


def test_a_list_that_unpacks_to_too_much_is_refused(root, monkeypatch):
    monkeypatch.setattr(inventory, "CAP", 2**20)
    found = fill(root, "a.csv.gz", content=gzip.compress(bytes(2**20 + 1)))
    with pytest.raises(errors.MaaError, match="C-GZIP: 'a.csv.gz' is over 1 MiB when unpacked"):
        inventory.read_content(found, "a.csv.gz")


@pytest.mark.parametrize("content, told", [
    ("version https://git-lfs.github.com", "C-JSON: 'a.json' is not JSON in UTF-8"),
    ("[1]", "C-JSON: 'a.json' holds a list, expected a dict")])
def test_json_that_is_none_is_named(root, content, told):
    found = fill(root, "a.json", content=content)
    with pytest.raises(errors.MaaError, match=told):
        inventory.read_json(found, "a.json")


def test_seconds_are_numbers_whole_ones_as_such():
    assert inventory.seconds(pandas.Series(["30.000", "0", "1.5"]), "start") == [30, 0, 1.5]
    for bad in ("", "soon", "-1", "inf", "nan"):
        with pytest.raises(errors.MaaError, match=f"C-NUMBER: start is '{bad}', expected seconds"):
            inventory.seconds(pandas.Series(["30", bad]), "start")


def test_a_folder_and_a_list_that_are_not_there_are_named(root):
    with pytest.raises(errors.MaaError, match="F-ROOT: folder is '.*corpus', expected one with"):
        inventory.take(root)
    with pytest.raises(errors.MaaError, match=r"F-ROOT: no list '\(a\).csv' below '.*corpus'"):
        inventory.required(fill(root, "b.csv"), "(a).csv")


def test_a34_links_out_of_the_folder_are_read_only_if_asked_for(root, tmp_path):
    made_corpora.write(tmp_path / "elsewhere/list.csv", "name\na\n")
    root.mkdir()
    (root / "list.csv").symlink_to(tmp_path / "elsewhere/list.csv")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.MaaError, match="A-LINK: .*list.csv' leads to"):
        inventory.read_list(inventory.take(root), "list.csv", ["name"])
    found = inventory.take(root, follow_links=True)
    assert sorted(found.lists) == ["linked/list.csv", "list.csv"]
    assert list(inventory.read_list(found, "linked/list.csv", ["name"]).name) == ["a"]
