"""maa.clips: every source of sound ends as one kind of folder, and load gives it back."""

import json
import pathlib
import types
import unicodedata

import made_corpora
import made_sounds
import numpy as np
import pytest
import torch

from maa import (clips, corpus, errors, figures, notebooks, project, prompts, scenes,
                 synthesis)

ROOT = pathlib.Path(__file__).parent.parent
pytestmark = pytest.mark.filterwarnings("ignore:D-UNLISTED")  # the folder has two sounds


@pytest.fixture
def events(monkeypatch):
    """Two events that cost nothing, in place of the real ones."""

    def make(label, seconds, generator):
        wave = made_sounds.tone(seconds, hertz=float(generator.uniform(200, 4_000)))
        return wave, f"a {label}"

    fake = types.SimpleNamespace(EVENTS={"rain": None, "bell": None}, make=make)
    monkeypatch.setattr(clips, "synthesis", fake)


def test_the_words_of_sources_are_those_of_params():
    assert list(clips.SOURCES) == ["synthesis", "recordings", "folder", "corpora"]


def test_synthesis_holds_out_every_fifth_clip_of_a_label(tmp_path, events):
    table = clips.SOURCES["synthesis"](tmp_path, clips_per_label=10, seconds=0.5)
    assert table.groupby(["label", "split"]).size().to_dict() == {
        ("bell", "held_out"): 2,
        ("bell", "train"): 8,
        ("rain", "held_out"): 2,
        ("rain", "train"): 8,
    }
    assert set(table.seconds) == {0.5}
    assert set(table.caption) == {"a rain", "a bell"}
    assert set(table.licence) == {"CC0-1.0 (synthesised)"}
    assert (table.id == table.source_id).all()


def test_an_unheard_label_of_synthesis_is_in_no_other_split(tmp_path, events):
    table = clips.from_synthesis(
        tmp_path, clips_per_label=10, seconds=0.5, captioned=0.0, unheard=["bell"])
    assert table.groupby(["label", "split"]).size().to_dict() == {
        ("bell", "unheard"): 10, ("rain", "held_out"): 2, ("rain", "train"): 8}
    assert set(table[table.split == "unheard"].annotation) == {"caption"}
    unheard, waves = clips.load(tmp_path, "unheard")
    assert set(unheard.label) == {"bell"} and len(waves) == 10
    assert len(clips.load(tmp_path)[0]) == 20  # all three


def test_an_unheard_label_changes_no_other_sound(tmp_path, events):
    for folder, unheard in (("without", ()), ("with", ("bell",))):
        clips.from_synthesis(tmp_path / folder, clips_per_label=2, seconds=0.2, unheard=unheard)
    for name in ("rain-0000", "rain-0001", "bell-0001"):
        path = f"sounds/{name}.wav"
        assert (tmp_path / "with" / path).read_bytes() == (tmp_path / "without" / path).read_bytes()


def test_an_unknown_unheard_label_is_refused(tmp_path, events):
    with pytest.raises(ValueError, match=r"unheard has \['gong'\], expected some of bell, rain"):
        clips.from_synthesis(tmp_path, unheard=["gong"])


def test_the_seed_alone_decides_the_sounds(tmp_path, events):
    digests = []
    for number, seed in enumerate((0, 0, 1)):
        clips.from_synthesis(tmp_path / str(number), clips_per_label=5, seconds=0.2, seed=seed)
        digests.append((tmp_path / str(number) / "sounds" / "rain-0003.wav").read_bytes())
    assert digests[0] == digests[1] != digests[2]


def test_half_of_the_synthesised_training_clips_can_be_without_language(tmp_path, events):
    table = clips.from_synthesis(tmp_path, clips_per_label=40, seconds=0.2, captioned=0.5)
    train, held = table[table.split == "train"], table[table.split == "held_out"]
    assert 0.3 < (train.annotation == "caption").mean() < 0.7
    assert set(held.annotation) == {"caption"}
    assert ((table.caption == "") == (table.annotation == "none")).all()
    assert set(train[train.annotation == "none"].label) == set(table.label)


def test_sound_without_language_needs_no_words_in_a_folder(tmp_path):
    rows = "file,label,caption,annotation\na.wav,,,none\nb.wav,dog,a dog,caption\n"
    root = made_sounds.folder(tmp_path / "in", rows)
    table = clips.from_folder(tmp_path / "out", root=root)
    assert list(table.caption) == ["", "a dog"] and list(table.label) == ["", "dog"]


def test_a_real_event_becomes_a_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "EVENTS", {"rain": synthesis.EVENTS["rain"]})
    table = clips.from_synthesis(tmp_path, clips_per_label=2, seconds=1.0)
    assert list(table.label) == ["rain", "rain"]


def test_load_gives_the_table_and_the_waves_of_a_split(tmp_path, events):
    written = clips.from_synthesis(tmp_path, clips_per_label=5, seconds=0.5)
    table, waves = clips.load(tmp_path)
    assert list(table.columns) == corpus.COLUMNS
    assert list(table.id) == list(written.id)
    assert len(waves) == 10
    assert all(wave.dtype == np.float32 and wave.shape == (8_000,) for wave in waves)
    table, waves = clips.load(tmp_path, "held_out")
    assert list(table.split) == ["held_out"] * 2 and len(waves) == 2
    assert list(table.index) == [0, 1]


def test_some_clips_are_spread_evenly_and_of_fewer_there_are_all(tmp_path, events):
    table = clips.from_synthesis(tmp_path, clips_per_label=5, seconds=0.5)
    some, waves = clips.load(tmp_path, most=4)
    assert list(some.id) == list(table.id[[0, 2, 5, 7]]) and list(some.index) == [0, 1, 2, 3]
    assert len(waves) == 4
    for most in (10, 11, None):
        assert list(clips.load(tmp_path, most=most)[0].id) == list(table.id)
    assert not len(clips.load(tmp_path, "unheard", most=4)[0])


def test_a_thousand_held_out_clips_or_all_are_held_by_every_process_that_trains():
    assert clips.SAMPLE == 1000  # as the cells say; more than scales mini and small have
    held = 'held_waves = clips.load(here / "clips", "held_out"'
    for word in ("clips", "pseudo_captions", "clap", "autoencoder", "vocoder", "diffusion",
                 "diffsound", "variant"):
        path, = (ROOT / "notebooks").glob(f"*_{word}.ipynb")
        source = "\n".join(one.source for one in notebooks.code_cells(notebooks.read(path)))
        assert source.count(held) == source.count(held + ", most=clips.SAMPLE)") == 1, word


def test_of_a_thousand_sounds_without_words_or_all_the_captions_are_judged():
    cells = notebooks.code_cells(notebooks.read(ROOT / "notebooks/44_captions.ipynb"))
    assert '"train", "none", most=clips.SAMPLE)' in "\n".join(one.source for one in cells)


def test_of_much_sound_the_paths_are_loaded_and_scenes_are_the_same(tmp_path, events, monkeypatch):
    clips.from_synthesis(tmp_path, clips_per_label=3, seconds=1.0)
    table, waves = clips.load(tmp_path, "train")
    monkeypatch.setattr(clips, "IN_MEMORY", 5.9)
    same, unread = clips.load(tmp_path, "train")
    assert all(isinstance(one, clips.Unread) for one in unread)
    assert all(np.array_equal(one, wave) for one, wave in zip(unread, waves))
    made = [scenes.draw(several, table, 2.0, 9, np.random.default_rng(0))[0][:]
            for several in (waves, unread)]
    assert torch.equal(*made)
    pools = [prompts.pool([(["a dog"], several[0], "dog")], prompts.database(table, several),
                          32_000, 9, np.random.default_rng(0), most=1)[0][:]
             for several in (waves, unread)]
    assert torch.equal(*pools)
    (tmp_path / "sounds" / "rain-0000.wav").write_bytes(b"")
    assert len(clips.load(tmp_path, "train")[1]) == 6
    with pytest.raises(errors.MaaError, match="A-.*rain-0000.wav"):
        [np.asarray(one) for one in unread]
    (tmp_path / "sounds" / "rain-0000.wav").unlink()
    with pytest.raises(errors.MaaError, match="A-ACCESS: cannot read .*rain-0000.wav'"):
        clips.load(tmp_path, "train")


def test_a_sound_that_is_not_read_knows_its_length_and_can_be_listened_to(
        tmp_path, events, monkeypatch):
    clips.from_synthesis(tmp_path, clips_per_label=1, seconds=0.5)
    monkeypatch.setattr(clips, "IN_MEMORY", 0)
    wave = clips.load(tmp_path)[1][0]
    figures.listen(wave, "a bell")
    wave.path.unlink()
    assert wave.shape == (8_000,) and len(wave) == 8_000


def test_the_notebook_of_clips_takes_sounds_that_are_not_read(tmp_path, events, monkeypatch):
    monkeypatch.setattr(clips, "IN_MEMORY", 0)
    monkeypatch.setattr(project, "results", lambda scale: tmp_path)
    cells = notebooks.code_cells(notebooks.read(ROOT / "notebooks/10_clips.ipynb"))
    last = [cell.id for cell in cells].index("leak-draw")
    told = {}
    for cell in cells[: last + 1]:
        exec(cell.source, told)  # as in the notebook, one after the other
        if notebooks.tagged(cell, "parameters"):
            told["options"] = {"clips_per_label": 10, "seconds": 1.0}
    assert all(isinstance(wave, clips.Unread) for wave in told["waves"])
    assert list(told["nearest"]) == [0, 1, 2, 3]


def test_load_names_what_is_missing_or_unknown(tmp_path, events):
    with pytest.raises(errors.MaaError, match="D-MISSING: .* has no clips.csv"):
        clips.load(tmp_path)
    clips.from_synthesis(tmp_path, clips_per_label=2, seconds=0.5)
    with pytest.raises(ValueError, match="split is 'test', expected None or one of"):
        clips.load(tmp_path, "test")
    (tmp_path / "sounds" / "bell-0001.wav").unlink()
    with pytest.raises(errors.MaaError, match="A-ACCESS: cannot read .*bell-0001.wav'"):
        clips.load(tmp_path)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda text: text[: text.index("\n") + 1], "D-MISSING: .*clips.csv' has no clip below"),
    (lambda text: text + text.split("\n")[1] + "\n", "C-ID: .* has 'rain-0000' twice, expected"),
    (lambda text: text.replace("caption,", "", 1), r"C-COLUMNS: .* lacks \['caption'\]"),
    (lambda text: text + '"', "C-ROWS: .* a quotation mark opens in this row"),
])
def test_load_refuses_a_damaged_table(tmp_path, events, damage, message):
    """C06, C07, C15, C17."""
    clips.from_synthesis(tmp_path, clips_per_label=1, seconds=0.5)
    path = tmp_path / "clips.csv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(errors.MaaError, match=message):
        clips.load(tmp_path)


def test_load_notices_a_sound_that_was_cut(tmp_path, events):
    clips.from_synthesis(tmp_path, clips_per_label=1, seconds=0.5)
    path = tmp_path / "sounds" / "bell-0000.wav"
    path.write_bytes(path.read_bytes()[:8_000])
    with pytest.raises(errors.MaaError, match="A-TRUNC: .*bell-0000.wav'"):
        clips.load(tmp_path)


def test_recordings_take_their_root_from_the_environment(tmp_path, monkeypatch):
    rows = "".join(f"{n}-{n}00-A-0.wav,{n},0,dog,True,{n}00,A\n" for n in (1, 2, 3))
    header = "filename,fold,target,category,esc10,src_file,take\n"
    made_sounds.folder(tmp_path / "data", "", [f"{n}-{n}00-A-0.wav" for n in (1, 2, 3)])
    (tmp_path / "data" / "esc50.csv").write_text(header + rows)
    (tmp_path / "data" / "clips.csv").unlink()
    monkeypatch.setenv("MAA_DATA", str(tmp_path / "data"))
    table = clips.SOURCES["recordings"](tmp_path / "out", subsets=("esc",))
    assert list(table.id) == ["esc-1-100-A-0", "esc-2-200-A-0", "esc-3-300-A-0"]
    assert list(table.split) == ["train", "train", "held_out"]
    assert len(clips.load(tmp_path / "out")[1]) == 3


def test_recordings_can_be_joined_by_an_unheard_set(tmp_path):
    names = [f"{n}-{n}00-A-0.wav" for n in (1, 3)] + ["boat-00.wav"]
    root = made_sounds.folder(tmp_path / "in", "", names)
    (root / "clips.csv").unlink()
    rows = "".join(f"{name},{name[0]},dog,{name[2:5]}\n" for name in names[:2])
    (root / "esc50.csv").write_text("filename,fold,category,src_file\n" + rows)
    (root / "ambient.csv").write_text(
        "filename,fold,category,source_id,subset\nboat-00.wav,,boat,blanket_boat,cc_ambient\n")
    options = {"root": root, "subsets": ["esc"], "unheard": ["ambient"], "captioned": 0.0}
    table = clips.from_recordings(tmp_path / "out", **options)
    assert list(table.split) == ["train", "held_out", "unheard"]
    assert list(table.annotation) == ["none", "caption", "caption"]


@pytest.mark.parametrize("source", ["recordings", "folder"])
@pytest.mark.parametrize("root", [None, "nowhere"])
def test_a_missing_root_is_explained(tmp_path, source, root):
    with pytest.raises(errors.MaaError, match=f"F-ROOT: root is {root!r}, .* MAA_DATA") as fault:
        clips.SOURCES[source](tmp_path, root=root)
    assert fault.value.exit_status == 2


def test_a_folder_with_a_full_table_is_taken_as_it_says(tmp_path):
    root = made_sounds.folder(
        tmp_path / "in",
        "file,label,caption,split,source_id,licence\n"
        'a.wav,dog,"a dog, barking",train,r1,CC0\n'
        "b.wav,NA,None,held_out,r2,CC BY\n",
    )
    table = clips.SOURCES["folder"](tmp_path / "out", root=root)
    assert list(table.caption) == ["a dog, barking", "None"]
    assert list(table.label) == ["dog", "NA"]
    assert list(table.split) == ["train", "held_out"]
    assert list(table.source_id) == ["r1", "r2"]
    assert list(table.licence) == ["CC0", "CC BY"]
    assert list(table.seconds) == [0.5, 0.5]


def test_a_folder_may_say_which_clips_are_unheard(tmp_path):
    rows = "a.wav,dog,a dog,train\nb.wav,gong,a gong,unheard\n"
    root = made_sounds.folder(tmp_path / "in", "file,label,caption,split\n" + rows)
    clips.from_folder(tmp_path / "out", root=root)
    assert list(clips.load(tmp_path / "out", "unheard")[0].label) == ["gong"]


def test_a_folder_without_split_is_split_by_recording(tmp_path):
    names = [f"{number}.wav" for number in range(30)]
    rows = "".join(f"{name},dog,a dog,r{number // 3}\n" for number, name in enumerate(names))
    root = made_sounds.folder(tmp_path / "in", "file,label,caption,source_id\n" + rows, names)
    table = clips.from_folder(tmp_path / "out", root=root)
    assert (table.groupby("source_id").split.nunique() == 1).all()
    assert set(table.split) == {"train", "held_out"}
    assert set(table.licence) == {"unknown"}


def test_a_file_with_two_captions_becomes_two_clips_and_a_repeated_row_one(tmp_path):
    """C07, C08."""
    rows = "a.wav,dog,a dog\na.wav,dog,one dog\na.wav,dog,a dog\n"
    root = made_sounds.folder(tmp_path / "in", "file,label,caption\n" + rows)
    with pytest.warns(errors.MaaWarning, match="D-DUPCONTENT"):
        table = clips.from_folder(tmp_path / "out", root=root)
    assert list(table.caption) == ["a dog", "one dog"]
    assert table.id.is_unique


@pytest.mark.filterwarnings("ignore:D-SOURCE", "ignore:D-DUPCONTENT", "ignore:D-SHARED")
def test_published_corpora_become_one_corpus(tmp_path):
    made_corpora.audiocaps(tmp_path / "AudioCaps", ("audio/{0}.wav",) * 3 + ("",))
    made_corpora.fsd50k(tmp_path / "FSD50K")
    made_corpora.clotho(tmp_path / "Clotho")
    yours = {"audiocaps": "AudioCaps", "fsd50k": "FSD50K", "clotho": "Clotho"}
    with pytest.warns(errors.MaaWarning, match="D-ABSENT: 2 of .* listed sounds are not here"):
        made = clips.from_corpora(tmp_path / "made", yours=yours, root=tmp_path)
    table, waves = clips.load(tmp_path / "made")
    assert list(table.id) == list(made.id) and len(waves) == len(table)
    spoken = table[table.annotation == "caption"]
    assert {"a dog barks, twice", "rain falls"} < {*spoken.caption.str.lower().str.strip(" .")}
    assert spoken.label[spoken.caption.str.contains("bell")].nunique() == 1
    silent = table[table.annotation == "none"]
    assert len(silent) and not {*silent.label} & {corpus.UNNAMED, ""}
    assert {*table.split} == {"train", "held_out"}
    assert table.groupby("source_id").split.nunique().max() == 1


def test_long_sounds_are_cut(tmp_path):
    root = made_sounds.folder(tmp_path / "in", "file,label,caption\na.wav,dog,a dog\n")
    assert list(clips.from_folder(tmp_path / "out", root=root, seconds=0.2).seconds) == [0.2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,label\na.wav,dog\n", r"C-COLUMNS: .* lacks \['caption'\]"),
        ("file,label,caption\na.wav,dog,a dog, barking\n", "C-ROWS: .* line 2 has 4 fields"),
        ("file,label,caption,split\na.wav,dog,a dog,test\n", r"C-SPLIT: .* splits \['test'\]"),
        ("file,label,caption,annotation\na.wav,dog,a dog,text\n", r"C-ANNOTATION: .* \['text'\]"),
        ("file,label,caption\na.wav,dog, \n", "D-EMPTY: none of 1 clips"),
        ("file,label,caption\n", "D-EMPTY: none of 0 clips"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, table, message):
    """C02, C06, C13, C17."""
    root = made_sounds.folder(tmp_path / "in", table)
    with pytest.raises(errors.MaaError, match=message):
        clips.from_folder(tmp_path / "out", root=root)


@pytest.mark.parametrize("name", ["a b.wav", "Hündin 😀.wav", "-x.wav", "a\nb.wav", "%s'.wav"])
def test_a31_odd_names_become_plain_ids(tmp_path, name):
    table = f'file,label,caption\n"{name}",dog,a dog\n'
    root = made_sounds.folder(tmp_path / "in", table, [name])
    (row,) = clips.from_folder(tmp_path / "out", root=root).itertuples()
    assert row.id.isascii() and row.id.replace("-", "").replace("_", "").isalnum()
    assert row.source_id == name


def test_a31_one_name_in_two_spellings_is_refused(tmp_path):
    names = [unicodedata.normalize(form, "Hündin.wav") for form in ("NFC", "NFD")]
    rows = "".join(f"{name},dog,a dog\n" for name in names)
    root = made_sounds.folder(tmp_path / "in", "file,label,caption\n" + rows, names)
    table = clips.from_folder(tmp_path / "out", root=root, max_reject=0.5)
    assert len(table) == 1
    assert json.loads((tmp_path / "out" / "rejects.jsonl").read_text())["code"] == "D-DUP"


@pytest.mark.parametrize("name", ["../b.wav", "link.wav"])
def test_a34_sounds_outside_the_folder_are_refused(tmp_path, name):
    root = made_sounds.folder(tmp_path / "in", f"file,label,caption\n{name},dog,a dog\n")
    (tmp_path / "b.wav").write_bytes(made_sounds.encoded())
    (root / "link.wav").symlink_to(tmp_path / "b.wav")
    with pytest.raises(errors.MaaError, match="D-EMPTY"):
        clips.from_folder(tmp_path / "out", root=root)
    assert "A-LINK" in (tmp_path / "out" / "rejects.jsonl").read_text()
    assert len(clips.from_folder(tmp_path / "out", root=root, follow_links=True)) == 1


def test_a39_one_sound_in_both_splits_is_refused(tmp_path):
    """C27."""
    rows = "a.wav,dog,a dog,train\ncopy.wav,dog,a dog,held_out\n"
    root = made_sounds.folder(tmp_path / "in", "file,label,caption,split\n" + rows)
    (root / "copy.wav").write_bytes((root / "a.wav").read_bytes())
    with pytest.raises(errors.MaaError, match="D-OVERLAP: .*a.wav.*copy.wav.* of one content"):
        clips.from_folder(tmp_path / "out", root=root)
