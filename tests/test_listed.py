"""maa.listed: a folder's table is taken row by row; what is wrong with one row ends no other."""

import json

import made_sounds
import pytest

from maa import clips, errors, files, listed

OTHER = "b.wav,bell,a bell\n"


def made(folder, table, names=("a.wav", "b.wav"), **options):
    """The corpus of a folder with this table: (DataFrame, [code of each rejected row])."""
    root = made_sounds.folder(folder / "in", table, names)
    found = clips.from_folder(folder / "out", root=root, **{"max_reject": 0.5, **options})
    rejects = (folder / "out" / "rejects.jsonl").read_text().splitlines()
    return found, [json.loads(line)["code"] for line in rejects]


@pytest.mark.parametrize("blank", ["", " ", "\u00a0\t", '"\n"', "\u200b\u2060"])
@pytest.mark.parametrize("row", ["a.wav,dog,{}\n", "a.wav,{},a dog\n"])
def test_a_row_without_words_is_rejected_and_the_others_stay(tmp_path, row, blank):
    """C01, C02."""
    table, codes = made(tmp_path, "file,label,caption\n" + row.format(blank) + OTHER)
    assert list(table.label) == ["bell"] and codes == ["C-EMPTY"]


@pytest.mark.parametrize("caption", [
    "word " * 4_999 + "word", "犬 🐕", "كلب ينبح", "a\u200bb \u202ec", "e\u0301", "NA", "null",
    "<b>a dog</b>", "\x1b[31mred", "=cmd|' /C calc'!A0", "-a dog"])
def test_a_caption_reaches_the_corpus_and_leaves_it_letter_by_letter(tmp_path, caption):
    """C03, C04, C05, C22, C23."""
    table, codes = made(tmp_path, f"file,label,caption\na.wav,dog,{caption}\n" + OTHER)
    assert table.caption[0] == caption and codes == []
    assert clips.load(tmp_path / "out")[0].caption[0] == caption


@pytest.mark.filterwarnings("ignore:D-DUPCONTENT")
def test_a_repeated_row_counts_once_and_other_words_for_a_file_are_another_clip(tmp_path):
    """C07, C08: several captions of a file, as AudioCaps and Clotho have them, in one split."""
    rows = "a.wav,dog,a dog\na.wav,dog,a dog\na.wav,dog,it barks\n"
    table, codes = made(tmp_path, "file,label,caption\n" + rows + OTHER)
    assert list(table.caption) == ["a dog", "it barks", "a bell"] and codes == []
    assert len(set(table.id)) == 3
    assert len(set(table.split[:2])) == len(set(table.source_id[:2])) == 1


@pytest.mark.parametrize(("column", "others"), [
    ("label", "dog cat"), ("licence", "CC0 CC-BY"), ("split", "train held_out"),
    ("source_id", "1 2")])
def test_a_row_that_contradicts_another_is_refused_by_what_differs(tmp_path, column, others):
    """C08."""
    header = ["file", "caption", *dict.fromkeys(["label", column])]
    rows = [",".join(["a.wav", "a dog", *(["dog"] if column != "label" else []), other])
            for other in others.split()]
    with pytest.raises(errors.MaaError, match=f"C-ID: .*'a.wav' twice .* different .*'{column}'"):
        made(tmp_path, "\n".join([",".join(header), *rows]) + "\n")


@pytest.mark.parametrize("column", ["source_id", "licence", "annotation", "split"])
@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_cell_means_what_a_missing_column_does(tmp_path, column, blank):
    names = [f"{number}.wav" for number in range(10)]
    made_sounds.folder(tmp_path / "in", "".join(["file,label,caption\n", *(
        f"{name},dog,a dog\n" for name in names)]), names)
    plain = listed._rows(tmp_path / "in/clips.csv")
    (tmp_path / "in/blank.csv").write_text("".join([f"file,label,caption,{column}\n", *(
        f"{name},dog,a dog,{blank}\n" for name in names)]))
    found = listed._rows(tmp_path / "in/blank.csv")
    assert set(found.split) == {"train", "held_out"} and list(found.source_id) == names
    assert found[plain.columns].equals(plain)


def test_a_row_that_is_there_with_a_blank_and_without_counts_once(tmp_path):
    rows = "a.wav,dog,a dog,\na.wav,dog,a dog,a.wav\n"
    table, codes = made(tmp_path, "file,label,caption,source_id\n" + rows + "b.wav,cat,a cat,fs1\n")
    assert list(table.source_id) == ["a.wav", "fs1"] and codes == []


@pytest.mark.parametrize("file", ["-AbC.wav", "007.wav", "1e5.wav", "True.wav"])
def test_a_name_that_looks_like_a_number_or_an_option_is_a_name(tmp_path, file):
    """C20: and its id, which is a file name, is no option of any command."""
    table, _ = made(tmp_path, f"file,label,caption\n{file},dog,a dog\n", [file])
    assert list(table.source_id) == [file]
    assert not table.id[0].startswith("-")
    assert list(clips.load(tmp_path / "out")[0].source_id) == [file]


def test_a_path_never_becomes_part_of_a_file_name(tmp_path):
    """C21: nothing is written outside the corpus."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    names = ["sub/a.wav", "sub/../b.wav"]
    rows = "".join(f"{name},dog,a dog\n" for name in names)
    table, codes = made(tmp_path, "file,label,caption\n" + rows, names)
    assert codes == [] and len(table) == 2
    found = sorted(path.name for path in (tmp_path / "out" / "sounds").iterdir())
    assert found == sorted(f"{one}.wav" for one in table.id)


def test_a_row_whose_sound_is_missing_is_rejected_and_named(tmp_path):
    """C25."""
    table, codes = made(tmp_path, "file,label,caption\ngone.wav,dog,a dog\n" + OTHER, ["b.wav"])
    assert list(table.label) == ["bell"] and codes == ["A-ACCESS"]
    with pytest.raises(errors.MaaError, match="D-REJECTS: 1 of 2 .* first: A-ACCESS: .*gone.wav"):
        made(tmp_path, "file,label,caption\ngone.wav,dog,a dog\n" + OTHER, ["b.wav"], max_reject=0)


def test_sounds_that_no_row_names_are_counted_and_those_of_the_corpus_are_not(tmp_path):
    """C26."""
    names = ["b.wav", "x.wav", "y.FLAC", "notes.txt"]
    for _ in range(2):  # the second time the corpus lies there too
        with pytest.warns(errors.MaaWarning, match="D-UNLISTED: 2 of 3 sounds .* first: 'x.wav'"):
            root = made_sounds.folder(tmp_path, "file,label,caption\n" + OTHER, names)
            clips.from_folder(tmp_path / "out", root=root)


def test_a_table_edited_while_its_sounds_are_read_is_told_of(tmp_path, monkeypatch):
    """C29: here another process adds a row in the middle."""
    read = clips.listed.sounds.read

    def edited(path, **options):
        with open(tmp_path / "in" / "clips.csv", "a") as file:
            file.write("c.wav,dog,a dog\n")
        return read(path, **options)

    monkeypatch.setattr(clips.listed.sounds, "read", edited)
    with pytest.raises(errors.MaaError, match="C-CHANGED: .*clips.csv' .* edited while"):
        made(tmp_path, "file,label,caption\n" + OTHER, ["b.wav"])


def test_a_corpus_whose_table_is_edited_while_it_is_loaded_is_told_of(tmp_path, monkeypatch):
    """C29."""
    made(tmp_path, "file,label,caption\n" + OTHER, ["b.wav"])
    path = tmp_path / "out" / "clips.csv"
    read = clips.sounds.read

    def edited(*args, **options):
        files.atomic_write(path, path.read_bytes().replace(b"a bell", b"a cat"))
        return read(*args, **options)

    monkeypatch.setattr(clips.sounds, "read", edited)
    with pytest.raises(errors.MaaError, match="C-CHANGED: .*clips.csv'"):
        clips.load(tmp_path / "out")


def test_an_id_is_a_plain_file_name_that_shows_the_folders():
    found = listed.safe_id("train/Hündin 2.wav", "a dog")
    assert found[:-8] == "train_H_ndin_2-"
    assert len({found, listed.safe_id("train/Hündin 2.wav", "it barks"),
                listed.safe_id("train/Hündin_2.wav", "a dog"),
                listed.safe_id("train/Hündin 2.ogg", "a dog")}) == 4
    assert len(listed.safe_id("a/" * 200 + "b.wav", "")) == 60 + 1 + 8
