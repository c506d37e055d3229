"""maa.corpora: corpora are read alike, counted, and share no recording that is judged."""

import made_corpora
import pandas
import pytest

from maa import corpora, corpus, errors

VIDEOS = made_corpora.VIDEOS


pytestmark = pytest.mark.filterwarnings("ignore:D-SOURCE")  # Clotho's nameless sound


def read(tmp_path, *names, **options):
    return [corpora.read(name, getattr(made_corpora, name)(tmp_path / name), **options)
            for name in names]


def test_a_table_has_the_columns_of_clips_csv_and_where_each_sound_is(tmp_path):
    for table in read(tmp_path, *corpora.READERS):
        assert list(table.columns) == [*corpus.COLUMNS, "corpus", "part", "labels", "root", "here"]
        assert set(table.split) <= set(corpus.SPLITS)
        assert set(table.annotation) <= set(corpus.ANNOTATIONS)


def test_published_parts_become_splits(tmp_path):
    table, = read(tmp_path, "audiocaps")
    assert dict(zip(table.part, table.split)) == {
        "train": "train", "val": "held_out", "test": "held_out"}


def test_parts_can_be_left_out_and_kept_from_training(tmp_path):
    table, = read(tmp_path, "clotho", splits={"evaluation": "unheard"})
    assert set(zip(table.part, table.split)) == {("evaluation", "unheard")}


def test_unknown_names_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"corpus 'esc' is unknown, expected one of \['audiocaps'"):
        corpora.read("esc", tmp_path)
    with pytest.raises(ValueError, match=r"parts \['dev'\] of 'fsd50k' are unknown, expected some"):
        corpora.read("fsd50k", tmp_path, splits={"dev": "train"})
    with pytest.raises(ValueError, match=r"splits has \['test'\], expected some of \('train'"):
        corpora.read("fsd50k", tmp_path, splits={"eval": "test"})


def test_c27_what_is_judged_in_one_corpus_is_trained_on_in_none(tmp_path):
    """AudioCaps is part of AudioSet, FSD50K and WavCaps are of Freesound, WavCaps of both."""
    tables = read(tmp_path, "audioset", "audiocaps", "fsd50k", "wavcaps")
    told = (r"D-SHARED: 3 of 16 rows .* 'ytheld_out_03', and are dropped: 1 of audioset \(train\), "
            r"2 of wavcaps \(train\)")
    with pytest.warns(errors.MaaWarning, match=told):
        kept, dropped = corpora.separate(tables)
    assert list(zip(dropped.corpus, dropped.source_id)) == [
        ("audioset", f"yt{VIDEOS[2]}"), ("wavcaps", f"yt{VIDEOS[2]}"), ("wavcaps", "fs301")]
    assert len(kept) + len(dropped) == sum(map(len, tables))
    assert set(kept.groupby("source_id").split.nunique()) == {1}


def test_corpora_that_share_nothing_stay_as_they_are(tmp_path):
    tables = read(tmp_path, "audiocaps", "fsd50k")
    kept, dropped = corpora.separate(tables)
    pandas.testing.assert_frame_equal(kept, pandas.concat(tables, ignore_index=True))
    assert not len(dropped)


def test_what_is_held_out_is_not_unheard(tmp_path):
    held, = read(tmp_path, "fsd50k")
    unheard, = read(tmp_path, "wavcaps", splits={"FreeSound": "unheard"})
    with pytest.warns(errors.MaaWarning, match=r"D-SHARED: .* 1 of wavcaps \(unheard\)"):
        kept, _ = corpora.separate([held, unheard])
    assert list(kept.source_id[kept.split == "unheard"]) == ["fs77"]
    only = unheard[unheard.source_id == "fs301"]
    with pytest.raises(errors.MaaError, match="D-SPLIT: every recording of the split 'unheard' is"):
        corpora.separate([held, only])


def test_a_split_of_which_nothing_is_left_is_told_with_those_that_share_it(tmp_path):
    held, = read(tmp_path, "fsd50k")
    freesound, = read(tmp_path, "wavcaps", splits={"FreeSound": "train"})
    unheard = freesound[freesound.source_id == "fs77"].assign(split="unheard", id="other")
    with pytest.raises(errors.MaaError, match="split 'train' is in 'unheard' too, expected some"):
        corpora.separate([unheard, freesound[freesound.source_id == "fs77"]])
    with pytest.raises(errors.MaaError, match="'train' is in 'held_out' or 'unheard' too"):
        corpora.separate([held[held.split == "held_out"], unheard, freesound])


def test_a_corpus_that_is_read_twice_is_refused(tmp_path):
    table, = read(tmp_path, "audiocaps")
    with pytest.raises(errors.MaaError, match="C-ID: 'audiocaps-.* was a corpus read twice"):
        corpora.separate([table, table])


def test_the_report_counts_sounds_and_names_the_missing(tmp_path):
    names = ("{0}.wav", "", "{0}.wav", "")
    root = made_corpora.audiocaps(tmp_path / "a", names)
    found = corpora.report(corpora.read("audiocaps", root)).set_index("split")
    assert list(found.columns) == ["corpus", "listed", "here", "missing", "hours_here",
                                   "first_missing"]
    assert tuple(found.loc["train"])[:4] == ("audiocaps", 2, 1, 1)
    assert tuple(found.loc["held_out"])[:4] == ("audiocaps", 2, 1, 1)  # one with two captions
    assert found.first_missing["train"] == f"{VIDEOS[1]}_0.wav"
    assert found.hours_here["train"] == pytest.approx(0.5 / 3600, abs=0.001)


def test_hours_are_those_of_the_list_or_else_of_the_headers(tmp_path):
    tables = read(tmp_path, "wavcaps", "fsd50k")
    made_corpora.sound(tmp_path / "fsd50k/FSD50K.eval_audio/301.wav", seconds=36)
    made_corpora.write(tmp_path / "fsd50k/FSD50K.dev_audio/201.wav", "<html>404")
    found = corpora.report(pandas.concat(tables)).set_index(["corpus", "split"])
    assert found.hours_here["wavcaps", "train"] == pytest.approx(3 * 7200.5 / 3600, abs=0.001)
    assert found.hours_here["fsd50k", "held_out"] == pytest.approx(0.01, abs=0.0005)
    assert found.missing["wavcaps", "train"] == 1


def test_missing_sounds_are_no_error_unless_all_are(tmp_path):
    """C25."""
    table = corpora.read("audiocaps", made_corpora.audiocaps(tmp_path, ("",) * 4))
    with pytest.raises(errors.MaaError, match="D-MISSING: none of 4 listed sounds is below .* s"):
        corpora.report(table)
    with pytest.raises(errors.MaaError, match="D-MISSING: none of 0 listed sounds is below no c"):
        corpora.report(table[:0])


def test_the_report_names_no_more_than_is_asked_for(tmp_path):
    root = made_corpora.audiocaps(tmp_path, ("", "", "{0}.wav", ""))
    table = corpora.read("audiocaps", root)
    assert corpora.report(table, names=1).first_missing[1] == f"{VIDEOS[0]}_30.wav"


def test_what_is_judged_has_words_also_where_a_corpus_has_labels_alone(tmp_path):
    made_corpora.fsd50k(tmp_path / "fsd50k")
    made_corpora.audioset(tmp_path / "audioset")
    found = corpora.find(tmp_path, {"fsd50k": "fsd50k", "audioset": "audioset"}, seconds=10.0,
                         splits={"audioset": {"unbalanced_train": "train", "eval": "unheard"}})
    said = {one.source_id: (one.split, one.annotation, one.read()[1]) for one in found}
    assert said == {
        "fs101": ("train", "none", ""), "fs102": ("train", "none", ""),
        "fs201": ("held_out", "caption", "the sound of electric guitar"),
        "fs301": ("held_out", "caption", "the sound of bark"),
        "yt-train_00005": ("train", "none", ""),
        "ytevaluated06": ("unheard", "caption", "the sound of /m/unknown")}
    plain, = read(tmp_path, "fsd50k")
    assert corpora.worded(plain[plain.split == "train"]).equals(plain[plain.split == "train"])
