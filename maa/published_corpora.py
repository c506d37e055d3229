"""Published corpora as they are unpacked: what the lists of each say of a sound, and its file here.

Conventions: a reader takes (folder, follow_links) and gives a DataFrame with COLUMNS, a row for
    every caption, those of one sound after each other; `file` is relative to `root`, and what it
    could be called where `here` is False; `seconds` is NaN where no list says how long the file is;
    `labels` are all of them, joined by ";", and `label` is the first. Source ids are "yt" and the
    YouTube id or "fs" and the Freesound number, as in maa.recordings: the same in all corpora.
    Sound with labels alone is sound without language, as in Section 3.2.1.
Source: Section 5.1, Table 4. Layouts: github.com/cdjkim/audiocaps, zenodo.org/records/4783391 and
    4060432, huggingface.co/datasets/cvssp/WavCaps, research.google.com/audioset/download.html.
Notebook: none.
"""

import os
import re

import pandas

from maa import errors, inventory, listed

COLUMNS = ["id", "file", "seconds", "label", "labels", "caption", "annotation", "corpus", "part",
           "source_id", "licence", "root", "here"]
CLIP = 10  # seconds of a clip of AudioCaps
CLOTHO = ("development", "validation", "evaluation")
WAVCAPS = {  # beginning of the list's name → folder of the sounds, prefix of source ids
    "as": ("AudioSet_SL", "yt"), "bbc": ("BBC_Sound_Effects", "bbc"), "fsd": ("FreeSound", "fs"),
    "sb": ("SoundBible", "soundbible")}
LICENCES = {  # of what no list tells for every sound
    "audiocaps": "academic use (captions); as its YouTube video (sound)",
    "wavcaps": "academic use (WavCaps); as at its source (sound)",
    "audioset": "CC BY 4.0 (labels); as its YouTube video (sound)"}


def audiocaps(folder, follow_links=False):
    """AudioCaps: train.csv, val.csv and test.csv, also as audiocaps_train.csv.gz.

    Sounds are called by YouTube id, with "Y" before or "_30" after it, or by audiocap_id.
    """
    found = inventory.take(folder, follow_links=follow_links)
    rows = inventory.read_lists(found, r"(?:audiocaps_)?(train|val|test)\.csv(?:\.gz)?",
                                ["audiocap_id", "youtube_id", "start_time", "caption"])
    starts = inventory.seconds(rows.start_time, "start_time")
    names = [(*youtube_names(video, start, start + CLIP), own)
             for video, start, own in zip(rows.youtube_id, starts, rows.audiocap_id)]
    rows = rows.assign(name=rows.audiocap_id, annotation="caption",
                       source_id="yt" + rows.youtube_id, licence=LICENCES["audiocaps"])
    return finished("audiocaps", found, rows, names)


def clotho(folder, follow_links=False):
    """Clotho: clotho_captions_development.csv and so on, sounds in folders of those names.

    Recordings and licences are in clotho_metadata_….csv; warns D-SOURCE of sounds without.
    """
    found = inventory.take(folder, CLOTHO, follow_links)
    choice, five = "|".join(CLOTHO), [f"caption_{number}" for number in range(1, 6)]
    rows = inventory.read_lists(
        found, rf"clotho_captions_({choice})\.csv(?:\.gz)?", ["file_name", *five])
    told = inventory.read_lists(
        found, rf"clotho_metadata_({choice})\.csv(?:\.gz)?", ["file_name", "sound_id", "license"],
        needed=False)[["part", "file_name", "sound_id", "license"]]
    rows = rows.merge(told.drop_duplicates(["part", "file_name"]), "left", ["part", "file_name"])
    numbers = rows.sound_id.fillna("").str.strip()
    known = numbers.str.fullmatch(r"\d+")  # others say "Not found"
    if len(unknown := rows.file_name[~known]):
        errors.warn("D-SOURCE", (
            f"{len(unknown)} of {len(rows)} sounds of Clotho have no Freesound number, such as "
            f"{unknown.iloc[0]!r}: whether another corpus holds them too is not known"))
    rows = rows.assign(name=rows.file_name, annotation="caption",
                       source_id=("fs" + numbers).where(known, "clotho " + rows.file_name),
                       licence=rows.license.fillna("unknown"))
    rows = pandas.concat([rows.assign(caption=rows[one]) for one in five]).sort_index(kind="stable")
    names = [(os.path.splitext(file)[0],) for file in rows.file_name]
    return finished("clotho", found, rows, names, rows.part)


def fsd50k(folder, follow_links=False):
    """FSD50K: dev.csv and eval.csv, sounds by Freesound number, licences in …_clips_info_….json."""
    found = inventory.take(folder, follow_links=follow_links)
    rows = inventory.read_lists(found, r"(dev|eval)\.csv", ["fname", "labels"])
    rows["part"] = rows.get("split", rows.part).fillna(rows.part)  # dev.csv says train or val
    told = {}
    for _, path in inventory.matching(found, r"(dev|eval)_clips_info_FSD50K\.json"):
        told |= inventory.read_json(found, path)
    rows = rows.assign(
        name=rows.fname, caption="", annotation="none", source_id="fs" + rows.fname,
        label=rows.labels.str.split(",").str[0], labels=rows.labels.str.replace(",", ";"),
        licence=[told.get(one, {}).get("license", "unknown") for one in rows.fname])
    return finished("fsd50k", found, rows, [(one,) for one in rows.fname])


def wavcaps(folder, follow_links=False):
    """WavCaps: as_final.json, bbc_final.json, fsd_final.json, sb_final.json; sounds called by id.

    FreeSound and SoundBible number alike: sounds lie in folders that are named after their source.
    """
    found = inventory.take(folder, [word for word, _ in WAVCAPS.values()], follow_links)
    rows = []
    for key, path in inventory.required(found, rf".*?({'|'.join(WAVCAPS)})_final\.json"):
        part, prefix = WAVCAPS[key]
        items = inventory.read_json(found, path).get("data")
        if not isinstance(items, list) or not all("id" in item for item in items):
            raise errors.MaaError(
                "C-COLUMNS", f"{path!r} has no list 'data' of items with 'id', expected WavCaps'")
        for item in items:
            name = str(item["id"]).removesuffix(".wav")
            source = prefix + (name.removeprefix("Y") if prefix == "yt" else name)
            captions = [item[key] for key in item if re.fullmatch(r"caption(_\d+)?", key)]
            rows += [(part, name, source, item.get("duration"), str(caption or ""))
                     for caption in captions or [""]]
    rows = pandas.DataFrame(rows, columns=["part", "name", "source_id", "seconds", "caption"])
    rows = rows.assign(seconds=pandas.to_numeric(rows.seconds, errors="coerce"),
                       annotation="caption", licence=LICENCES["wavcaps"])
    return finished("wavcaps", found, rows, [(one,) for one in rows.name], rows.part)


def audioset(folder, follow_links=False):
    """AudioSet: balanced_train_segments.csv, unbalanced_…, eval_… and class_labels_indices.csv.

    Sounds are called as those of AudioCaps, or by YouTube id, start and end in s or ms.
    """
    found = inventory.take(folder, follow_links=follow_links)
    words = {}
    for _, path in inventory.required(found, r"(class_labels_indices)\.csv"):
        table = inventory.read_list(found, path, ["mid", "display_name"])
        words |= dict(zip(table.mid, table.display_name))
    rows = inventory.read_lists(
        found, r"(balanced_train|unbalanced_train|eval)_segments\.csv(?:\.gz)?",
        ["video", "start", "end", "mids"])
    times = (inventory.seconds(rows[name], name) for name in ("start", "end"))
    names = [youtube_names(*one) for one in zip(rows.video, *times)]
    labels = [[words.get(mid, mid) for mid in mids.split(",")] for mids in rows.mids]
    rows = rows.assign(
        name=[name for name, *_ in names], caption="", annotation="none",
        label=[one[0] for one in labels], labels=[";".join(one) for one in labels],
        source_id="yt" + rows.video, licence=LICENCES["audioset"])
    return finished("audioset", found, rows, names)


def youtube_names(video, start, end):
    """How a part of a video is called by those who fetch it, the surest name first."""
    return (f"{video}_{start}", f"{video}_{start}_{end}",
            f"{video}_{round(1000 * start)}_{round(1000 * end)}", f"Y{video}_{start}",
            f"Y{video}", video)


def finished(corpus, found, rows, names, words=None):
    """The rows with COLUMNS, each with its file: the first of its names that is here.

    names:   for each row the names, without ending, that its file may have
    words:   for each row the word that tells its folder from those of other parts; see locate()

    Raises MaaError C-ID for rows that contradict each other, D-DUP for one file of two parts.
    """
    alone = [""] * len(rows)
    paths = [inventory.locate(found, *one) for one in zip(names, alone if words is None else words)]
    rows = rows.assign(
        corpus=corpus, root=found.root, here=[path is not None for path in paths],
        file=[path or f"{some[0]}.wav" for path, some in zip(paths, names)],
        id=[f"{corpus}-{listed.safe_id(f'{part}/{name}', caption)}"
            for part, name, caption in zip(rows.part, rows.name, rows.caption)],
        **{column: rows.get(column, value)
           for column, value in (("label", ""), ("labels", ""), ("seconds", float("nan")))})
    rows = rows[COLUMNS].drop_duplicates(ignore_index=True)
    if len(twice := rows.id[rows.id.duplicated()]):
        raise errors.MaaError("C-ID", (
            f"{twice.iloc[0]!r} has several rows that differ, expected one; are there two lists of "
            f"one part?"))
    if words is not None:
        check_parts(rows[rows.here])
    return rows


def check_parts(rows):
    """MaaError D-DUP if a file is taken for a sound of two parts, which call theirs alike."""
    parts = rows.groupby("file").part.unique()
    if len(twice := parts[parts.str.len() > 1]):
        raise errors.MaaError("D-DUP", (
            f"{twice.index[0]!r} could be of {' or '.join(twice.iloc[0])}, expected the sounds of "
            f"each in a folder of that name"))
