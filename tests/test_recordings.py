"""maa.recordings: the published sets are found in folders and zips, and split by recording."""

import zipfile

import made_sounds
import numpy as np
import pandas
import pytest

from maa import corpus, errors, recordings

ESC = [  # file, fold, category, recording
    ("1-100-A-0.wav", 1, "dog", "100"),
    ("3-200-A-1.wav", 3, "rooster", "200"),
    ("3-200-B-1.wav", 1, "rooster", "200"),
]
URBAN = [
    ("100-3-0-0.wav", 2, "dog_bark", "100"),
    ("200-8-0-0.wav", 1, "siren", "200"),
    ("300-8-0-0.wav", 5, "siren", "300"),
]


def esc_table():
    rows = [(file, fold, 0, label, "True", source, "A") for file, fold, label, source in ESC]
    names = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    return pandas.DataFrame(rows, columns=names).to_csv(index=False)


def urban_table():
    rows = [(file, source, 0, 1, 1, fold, 0, label) for file, fold, label, source in URBAN]
    names = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]
    return pandas.DataFrame(rows, columns=names).to_csv(index=False)


def sound(number, kind="WAV", coding=None):
    return made_sounds.encoded(made_sounds.tone(0.5, hertz=200 + 50 * number), kind, coding)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def as_folders(root):
    """Both sets as they are unpacked, one folder down."""
    write(root / "ESC-50-master" / "meta" / "esc50.csv", esc_table())
    for number, (file, *_) in enumerate(ESC):
        write(root / "ESC-50-master" / "audio" / file, sound(number))
    write(root / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv", urban_table())
    for number, (file, fold, *_) in enumerate(URBAN):
        write(root / "UrbanSound8K" / "audio" / f"fold{fold}" / file, sound(10 + number))


def as_zips(root):
    """Both sets as zips of Opus files beside their tables."""
    for name, table, rows in (("esc10", esc_table(), ESC), ("urban", urban_table(), URBAN)):
        write(root / f"{name}_meta.csv", table)
        with zipfile.ZipFile(root / f"{name}.zip", "w") as archive:
            for number, (file, *_) in enumerate(rows):
                opus = sound(number + 10 * (name == "urban"), "OGG", "OPUS")
                archive.writestr(file.replace(".wav", ".opus"), opus)


def as_one_zip(root):
    """ESC-50 as it is downloaded, its table inside; UrbanSound8K in folders."""
    as_folders(root)
    with zipfile.ZipFile(root / "ESC-50-master.zip", "w") as archive:
        for path in sorted((root / "ESC-50-master").rglob("*.*")):
            archive.write(path, path.relative_to(root))
            path.unlink()


def find(root, **options):
    options = {"subsets": ("esc", "urbansound"), "held_out_folds": (3, 5), "seconds": 5.0} | options
    return {clip.id: clip for clip in recordings.find(root, **options)}


@pytest.mark.parametrize("layout", [as_folders, as_zips, as_one_zip])
def test_both_sets_are_found_in_every_layout_and_split_by_recording(tmp_path, layout):
    layout(tmp_path)
    clips = find(tmp_path)
    assert {name: (c.label, c.source_id, c.split) for name, c in clips.items()} == {
        "esc-1-100-A-0": ("dog", "fs100", "train"),
        "esc-3-200-A-1": ("rooster", "fs200", "held_out"),
        "esc-3-200-B-1": ("rooster", "fs200", "held_out"),  # fold 1, but of a held-out recording
        "urbansound-100-3-0-0": ("dog", "fs100", "train"),
        "urbansound-200-8-0-0": ("siren", "fs200", "held_out"),  # likewise, across the sets
        "urbansound-300-8-0-0": ("siren", "fs300", "held_out"),
    }
    for clip in clips.values():
        wave, caption = clip.read()
        assert wave.shape == (8_000,)
        assert caption
        assert clip.licence == "CC BY-NC 3.0 (set licence)"


def test_each_clip_has_its_own_sound(tmp_path):
    as_folders(tmp_path)
    wave, _ = find(tmp_path)["urbansound-300-8-0-0"].read()
    assert np.abs(np.fft.rfft(wave)).argmax() * 2 == 800


def test_another_sound_of_the_name_of_a_clip_is_not_taken_for_it(tmp_path):
    as_folders(tmp_path)
    write(tmp_path / "AAA-mine" / "1-100-A-0.wav", sound(56))
    found = find(tmp_path)
    with pytest.raises(errors.MaaError, match="D-DUP: .*AAA-mine.* and .*ESC-50-master.* have"):
        found["esc-1-100-A-0"].read()
    found["esc-3-200-A-1"].read()


def test_copies_of_a_clip_are_as_good_as_one_whether_zipped_or_recoded(tmp_path):
    as_one_zip(tmp_path)
    plain = {name: clip.read()[0] for name, clip in find(tmp_path).items()}
    as_folders(tmp_path)
    write(tmp_path / "UrbanSound8K" / "opus" / "100-3-0-0.opus", sound(10, "OGG", "OPUS"))
    again = {name: clip.read()[0] for name, clip in find(tmp_path).items()}
    assert all(np.array_equal(again[name], wave) for name, wave in plain.items())


def test_a_manifest_gives_recordings_licences_and_lengths(tmp_path):
    as_zips(tmp_path)
    manifest = (
        "subset,filename,seconds,category,fold,source_id,license\n"
        "esc10,1-100-A-0.opus,0.5,dog,1,fs999,CC0\n"
        "esc10,3-200-A-1.opus,0.9,rooster,3,fs200,CC-BY\n"
        "cc_ambient,boat-00.opus,0.5,boat,,blanket_boat,CC BY\n"
    )
    write(tmp_path / "manifest.csv", manifest)
    with zipfile.ZipFile(tmp_path / "cc_ambient.zip", "w") as archive:
        archive.writestr("boat-00.opus", sound(30, "OGG", "OPUS"))
    clips = find(tmp_path, subsets=("esc", "ambient"))
    assert (clips["esc-1-100-A-0"].source_id, clips["esc-1-100-A-0"].licence) == ("fs999", "CC0")
    with pytest.raises(errors.MaaError, match="A-TRUNC: .* lasts 0.50 s, expected 0.90 s"):
        clips["esc-3-200-A-1"].read()
    boat = clips["ambient-boat-00"]
    assert (boat.label, boat.source_id, boat.licence) == ("boat", "blanket_boat", "CC BY")
    assert len(boat.read()[0]) == 8_000


def with_ambient(root, recording="blanket_boat"):
    """Both sets, and two ambient clips, one of them of the recording that is named."""
    as_folders(root)
    rows = f"boat-00.wav,,boat,{recording},cc_ambient\nwind-00.wav,,wind,blanket_wind,cc_ambient\n"
    write(root / "ambient.csv", "filename,fold,category,source_id,subset\n" + rows)
    for number, name in enumerate(("boat-00.wav", "wind-00.wav")):
        write(root / name, sound(20 + number))


def test_an_unheard_set_is_a_split_of_its_own_and_changes_no_other(tmp_path):
    with_ambient(tmp_path)
    before, clips = find(tmp_path), find(tmp_path, unheard=("ambient",), captioned=0.0)
    assert {name: clips[name].split for name in before} == {n: c.split for n, c in before.items()}
    unheard = {name: clip for name, clip in clips.items() if clip.split == "unheard"}
    assert list(unheard) == ["ambient-boat-00", "ambient-wind-00"]
    assert {clip.annotation for clip in unheard.values()} == {"caption"}


def test_an_unheard_clip_that_shares_a_recording_with_a_heard_one_is_left_out(tmp_path):
    """C27, across the sets: fs200 is held out, fs100 is trained on."""
    for recording in ("fs100", "fs200"):
        with_ambient(tmp_path, recording)
        told = f"D-SHARED: 1 of 2 unheard clips share .*'boat-00' of '{recording}'"
        with pytest.warns(errors.MaaWarning, match=told):
            clips = find(tmp_path, unheard=("ambient",))
        assert [name for name, clip in clips.items() if clip.split == "unheard"] == [
            "ambient-wind-00"]


def test_an_unheard_set_of_which_nothing_is_left_is_refused(tmp_path):
    with_ambient(tmp_path, "fs100")
    rows = "filename,fold,category,source_id,subset\nboat-00.wav,,boat,fs100,cc_ambient\n"
    write(tmp_path / "ambient.csv", rows)
    with pytest.raises(errors.MaaError, match="D-SPLIT: 1 of 1 unheard clips share"):
        find(tmp_path, unheard=("ambient",))


def test_the_zeros_that_pad_esc_clips_are_cut_off(tmp_path):
    as_folders(tmp_path)
    padded = np.concatenate([made_sounds.tone(0.5), np.zeros(8_000)])
    write(tmp_path / "ESC-50-master" / "audio" / ESC[0][0], made_sounds.encoded(padded))
    assert 7_990 < len(find(tmp_path)["esc-1-100-A-0"].read()[0]) <= 8_000


def test_long_clips_are_cut_to_the_seconds_asked_for(tmp_path):
    as_folders(tmp_path)
    assert len(find(tmp_path, seconds=0.25)["urbansound-300-8-0-0"].read()[0]) == 4_000


def test_a_listed_sound_that_is_not_there_is_named(tmp_path):
    """C25."""
    as_folders(tmp_path)
    (tmp_path / "ESC-50-master" / "audio" / ESC[0][0]).unlink()
    with pytest.raises(errors.MaaError, match="A-ACCESS: .*1-100-A-0"):
        find(tmp_path)["esc-1-100-A-0"].read()


def test_a34_linked_folders_are_read_only_if_asked_for(tmp_path):
    as_folders(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    for name in ("ESC-50-master", "UrbanSound8K"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere" / name)
    with pytest.raises(errors.MaaError, match="F-ROOT: no table of the subset 'esc' under"):
        find(tmp_path / "root")
    clips = find(tmp_path / "root", follow_links=True)
    assert len(clips["esc-1-100-A-0"].read()[0]) == 8_000


def test_foreign_tables_and_hidden_files_are_passed_over(tmp_path):
    as_folders(tmp_path)
    write(tmp_path / "notes.csv", b"a,b\n1,2,3\n\xff\n")
    write(tmp_path / "._esc50.csv", b"\0\5\x16\7")
    assert len(find(tmp_path)) == 6


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_table_is_known_by_its_columns_however_its_lines_end(tmp_path, end):
    """C09, C12."""
    as_folders(tmp_path)
    write(tmp_path / "ESC-50-master" / "meta" / "esc50.csv",
          "\ufeff" + esc_table().replace("\n", end))
    assert "esc-1-100-A-0" in find(tmp_path)


def test_a_row_that_is_there_twice_counts_once_and_one_that_contradicts_it_is_refused(tmp_path):
    """C07, C08: the table of a subset beside that of the whole set."""
    as_folders(tmp_path)
    write(tmp_path / "esc10_meta.csv", esc_table())
    assert len(find(tmp_path)) == 6
    write(tmp_path / "esc10_meta.csv", esc_table().replace("dog", "cat"))
    with pytest.raises(errors.MaaError, match="C-ID: '1-100-A-0' of 'esc' .*'cat', 'dog'"):
        find(tmp_path)


def test_a_file_that_lies_outside_by_its_name_becomes_no_file_outside(tmp_path):
    """C21: the set's own table names ../../evil.wav."""
    as_folders(tmp_path / "in")
    path = tmp_path / "in" / "ESC-50-master" / "meta" / "esc50.csv"
    path.write_text(path.read_text().replace("1-100-A-0.wav", "a/../../../evil.wav"))
    write(tmp_path / "in" / "evil.wav", sound(1))
    table = corpus.write(tmp_path / "out", list(find(tmp_path / "in").values()), max_reject=0.5)
    assert len(table) == 5
    assert '"C-ID"' in (tmp_path / "out" / "rejects.jsonl").read_text()


def test_a_damaged_zip_is_named(tmp_path):
    as_zips(tmp_path)
    data = (tmp_path / "esc10.zip").read_bytes()
    (tmp_path / "esc10.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(errors.MaaError, match="A-ZIP: .*esc10.zip' is no whole zip"):
        find(tmp_path)


def test_folds_that_hold_out_nothing_or_everything_are_refused(tmp_path):
    as_folders(tmp_path)
    with pytest.raises(errors.MaaError, match=r"D-SPLIT: folds \['7'\] hold out 0 of 6 clips"):
        find(tmp_path, held_out_folds=(7,))
    with pytest.raises(errors.MaaError, match="D-SPLIT: .* hold out 6 of 6 clips"):
        find(tmp_path, held_out_folds=(1, 2, 3, 5))


def test_an_unknown_subset_and_a_missing_one_are_told_apart(tmp_path):
    as_folders(tmp_path)
    with pytest.raises(ValueError, match=r"subsets has \['fsd'\], expected some of \['esc'"):
        find(tmp_path, subsets=("fsd",))
    with pytest.raises(errors.MaaError, match="F-ROOT: no table of the subset 'ambient'"):
        find(tmp_path, subsets=("ambient",))
    with pytest.raises(ValueError, match=r"unheard has \['fsd'\], expected some of \['esc'"):
        find(tmp_path, unheard=("fsd",))
    with pytest.raises(ValueError, match=r"\['esc'\] is in subsets and in unheard"):
        find(tmp_path, unheard=("esc",))


def test_sounds_are_decoded_from_a_zip_without_unpacking_it(tmp_path):
    as_zips(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    find(tmp_path)["esc-1-100-A-0"].read()
    assert sorted(tmp_path.rglob("*")) == before
