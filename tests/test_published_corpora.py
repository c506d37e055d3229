"""maa.published_corpora: each layout as it is published, and what is wrong with one is named."""

import gzip
import json
import math

import made_corpora
import pytest

from maa import corpora, errors, published_corpora

VIDEOS = made_corpora.VIDEOS


def where(rows):
    """{caption or name of the file: where the file is, or None}."""
    return {row.caption or row.file: row.file if row.here else None for row in rows.itertuples()}


@pytest.mark.filterwarnings("ignore:D-SOURCE")
@pytest.mark.parametrize("name", corpora.READERS)
def test_every_reader_gives_the_same_columns(tmp_path, name):
    root = getattr(made_corpora, name)(tmp_path)
    rows = corpora.READERS[name](root)
    assert list(rows.columns) == published_corpora.COLUMNS
    assert set(rows.corpus) == {name} and set(rows.root) == {str(root)}
    assert not rows.id.duplicated().any() and rows.here.dtype == bool
    assert all((root / row.file).is_file() == row.here for row in rows.itertuples())


def test_a_row_of_audiocaps_is_as_worked_out_by_hand(tmp_path):
    row = dict(published_corpora.audiocaps(made_corpora.audiocaps(tmp_path)).iloc[0])
    assert math.isnan(row.pop("seconds"))
    assert row.pop("id").startswith("audiocaps-test_15-")
    assert row == {
        "file": f"audio/{VIDEOS[3]}.wav", "label": "", "labels": "", "caption": "A horn",
        "annotation": "caption", "corpus": "audiocaps", "part": "test",
        "source_id": f"yt{VIDEOS[3]}", "root": str(tmp_path), "here": True,
        "licence": "academic use (captions); as its YouTube video (sound)"}


@pytest.mark.parametrize("name", [
    "{0}.wav", "deep/er/Y{0}.flac", "{1}.wav", "{0}_30.ogg", "Y{0}_30.wav", "{0}_30_40.wav",
    "{0}_30000_40000.wav"])
def test_a_clip_of_audiocaps_is_found_by_any_of_its_usual_names(tmp_path, name):
    rows = published_corpora.audiocaps(made_corpora.audiocaps(tmp_path, (name, "", "", "")))
    assert where(rows) == {
        "A dog barks, twice": name.format(VIDEOS[0], 11), "Rain falls": None, "A bell rings": None,
        "Someone rings a bell": None, "A horn": None}


def test_lists_of_audiocaps_may_be_packed_and_may_be_there_twice(tmp_path):
    made_corpora.audiocaps(tmp_path)
    made_corpora.write(tmp_path / "again/audiocaps_train.csv.gz",
                       gzip.compress((tmp_path / "train.csv").read_bytes()))
    assert len(published_corpora.audiocaps(tmp_path)) == 5


def test_a_name_in_a_list_reaches_no_file_outside_and_is_no_path(tmp_path):
    """C20, C21."""
    made_corpora.audiocaps(tmp_path / "in", ("", "", "", ""))
    text = (tmp_path / "in/train.csv").read_text()
    made_corpora.write(tmp_path / "in/train.csv", text.replace(VIDEOS[0], "../evil"))
    made_corpora.sound(tmp_path / "evil.wav")
    rows = published_corpora.audiocaps(tmp_path / "in")
    assert not rows.here.any()
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in rows.id)


def test_sounds_of_clotho_have_five_captions_and_a_freesound_number(tmp_path):
    with pytest.warns(errors.MaaWarning, match="D-SOURCE: 1 of 4 sounds .* such as 'odd.wav'"):
        rows = published_corpora.clotho(made_corpora.clotho(tmp_path))
    assert list(rows.caption[:5]) == [f" Birds {n}" for n in "abcde"]
    told = rows.groupby(["part", "source_id"], sort=False).agg(
        {"file": "first", "licence": "first", "here": "first", "caption": "size"})
    place = "clotho_audio_files"
    assert {key: tuple(row) for key, row in told.iterrows()} == {
        ("development", "fs101"): (f"{place}/development/ Birds.wav", "by/3.0", True, 5),
        ("development", "fs102"): (f"{place}/development/bell.wav", "zero/1.0", True, 5),
        ("evaluation", "fs103"): (f"{place}/evaluation/bell.wav", "by/3.0", True, 5),
        ("evaluation", "clotho odd.wav"): ("odd.wav", "by/3.0", False, 5)}


@pytest.mark.filterwarnings("ignore:D-SOURCE")
def test_a_sound_of_one_part_never_stands_for_its_namesake_of_another(tmp_path):
    made_corpora.clotho(tmp_path)
    (tmp_path / "clotho_audio_files/development/bell.wav").unlink()
    rows = published_corpora.clotho(tmp_path)
    assert set(rows.here[rows.source_id == "fs102"]) == {False}


def test_clotho_without_metadata_tells_that_its_recordings_are_unknown(tmp_path):
    for path in made_corpora.clotho(tmp_path).glob("clotho_metadata_*"):
        path.unlink()
    with pytest.warns(errors.MaaWarning, match="D-SOURCE: 4 of 4 sounds of Clotho have no"):
        rows = published_corpora.clotho(tmp_path)
    assert set(rows.licence) == {"unknown"}
    assert rows.source_id[0] == "clotho  Birds.wav"


def test_fsd50k_has_labels_and_no_language(tmp_path):
    rows = published_corpora.fsd50k(made_corpora.fsd50k(tmp_path)).set_index("source_id")
    assert dict(rows.part) == {"fs101": "train", "fs102": "train", "fs201": "val", "fs301": "eval"}
    assert (rows.label["fs101"], rows.labels["fs101"]) == (
        "Electric_guitar", "Electric_guitar;Guitar;Music")
    assert dict(rows.licence) == dict.fromkeys(rows.index, "unknown") | {"fs101": "by/3.0"}
    assert set(rows.annotation) == {"none"} and set(rows.caption) == {""}
    assert rows.file["fs301"] == "FSD50K.eval_audio/301.wav" and rows.here.all()


def test_two_rows_that_contradict_each_other_are_refused(tmp_path):
    """C08."""
    made_corpora.fsd50k(tmp_path)
    path = tmp_path / "FSD50K.ground_truth/dev.csv"
    made_corpora.write(path, path.read_text() + '101,"Bark","/m/1",train\n')
    with pytest.raises(errors.MaaError, match="C-ID: 'fsd50k-train_101-.* rows that differ"):
        published_corpora.fsd50k(tmp_path)


def test_sources_of_wavcaps_number_alike_and_are_not_mixed_up(tmp_path):
    rows = published_corpora.wavcaps(made_corpora.wavcaps(tmp_path))
    assert dict(zip(rows.source_id, rows.file.where(rows.here, ""))) == {
        "ytheld_out_03": "Audio/AudioSet_SL/Yheld_out_03.flac", "fs301": "",
        "fs77": "Audio/FreeSound/77.flac", "soundbible77": "Audio/SoundBible/77.flac"}
    assert list(rows.caption) == ["AudioSet_SL/as Yheld_out_03.wav", "FreeSound/fsd 301",
                                  "FreeSound/fsd 77", "SoundBible/sb 77"]
    assert set(rows.seconds) == {7200.5}


def test_one_file_that_could_be_of_two_sources_is_refused(tmp_path):
    made_corpora.wavcaps(tmp_path, freesound="flat", soundbible="flat")
    told = "D-DUP: 'flat/77.flac' could be of FreeSound or SoundBible, expected the sounds of each"
    with pytest.raises(errors.MaaError, match=told):
        published_corpora.wavcaps(tmp_path)


def test_items_in_the_style_of_wavcaps_may_have_several_captions_or_none(tmp_path):
    items = [{"id": 7, "caption_1": "a", "caption_2": "b"}, {"id": "8", "duration": "3"}]
    made_corpora.write(tmp_path / "sb_final.json", json.dumps({"data": items}))
    rows = published_corpora.wavcaps(tmp_path)
    assert list(zip(rows.source_id, rows.caption)) == [
        ("soundbible7", "a"), ("soundbible7", "b"), ("soundbible8", "")]
    assert rows.seconds[2] == 3 and rows.seconds[:2].isna().all()


@pytest.mark.parametrize("value", [{"items": []}, {"data": {"a": 1}}, {"data": [{"name": "a"}]}])
def test_json_of_another_style_is_refused(tmp_path, value):
    made_corpora.write(tmp_path / "sb_final.json", json.dumps(value))
    with pytest.raises(errors.MaaError, match="C-COLUMNS: 'sb_final.json' has no list 'data' of"):
        published_corpora.wavcaps(tmp_path)


def test_segments_of_audioset_have_words_for_their_labels(tmp_path):
    rows = published_corpora.audioset(made_corpora.audioset(tmp_path)).set_index("source_id")
    assert list(rows.index) == [f"yt{VIDEOS[2]}", "ytevaluated06", "yt-train_00005"]
    assert list(rows.part) == ["balanced_train", "eval", "unbalanced_train"]
    assert list(rows.label) == ["Speech", "/m/unknown", "Dog, domestic"]
    assert rows.labels.iloc[0] == "Speech;Dog, domestic"
    assert list(rows.file) == [f"audio/Y{VIDEOS[2]}.wav", "audio/evaluated06_1500_11500.ogg",
                               "audio/-train_00005_30_40.flac"]


def test_a_list_that_is_missing_or_shifted_is_named(tmp_path):
    root = made_corpora.audioset(tmp_path)
    made_corpora.write(root / "eval_segments.csv", '# made\nabc, soon, 10.0, "/m/1"\n')
    with pytest.raises(errors.MaaError, match="C-NUMBER: start is 'soon', expected seconds"):
        published_corpora.audioset(root)
    (root / "class_labels_indices.csv").unlink()
    with pytest.raises(errors.MaaError, match="F-ROOT: no list .*class_labels_indices"):
        published_corpora.audioset(root)
