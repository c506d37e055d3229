"""Tiny corpora in the layouts of the published ones, made for the tests."""

import json

import made_sounds

from maa import corpora

VIDEOS = ("-AbCdEfGhI1", "Yy_00000002", "held_out_03", "tested_0004")
METADATA = "file_name,keywords,sound_id,sound_link,start_end_samples,manufacturer,license\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def sound(path, hertz=300, seconds=0.5):
    """A tone in a file of the format that its ending says."""
    kind = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}[path.suffix]
    write(path, made_sounds.encoded(made_sounds.tone(seconds, hertz=hertz), kind))


def audiocaps(root, names=("audio/{0}.wav",) * 4):
    """Two training clips, one validation clip with two captions and a test clip.

    names:   of their files: {0} is the YouTube id, {1} the audiocap_id; "" for a missing sound
    """
    header = "audiocap_id,youtube_id,start_time,caption\n"
    write(root / "train.csv", f"{header}11,{VIDEOS[0]},30,\"A dog barks, twice\"\n"
                              f"12,{VIDEOS[1]},0,Rain falls\n")
    write(root / "val.csv", f"{header}13,{VIDEOS[2]},120,A bell rings\n"
                            f"14,{VIDEOS[2]},120,Someone rings a bell\n")
    write(root / "test.csv", f"{header}15,{VIDEOS[3]},5,A horn\n")
    for video, own, hertz, name in zip(VIDEOS, (11, 12, 13, 15), (200, 300, 400, 500), names):
        if name:
            sound(root / name.format(video, own), hertz)
    return root


def clotho(root):
    """A development sound, two of one name in development and evaluation, and a nameless one."""
    five = ",".join(f"caption_{number}" for number in range(1, 6))
    told = {"development": {" Birds.wav": ("101", "by/3.0"), "bell.wav": ("102", "zero/1.0")},
            "evaluation": {"bell.wav": ("103", "by/3.0"), "odd.wav": ("Not found", "by/3.0")}}
    for part, rows in told.items():
        captions = "".join(f"{name},{','.join(f'{name[:-4]} {n}' for n in 'abcde')}\n"
                           for name in rows)
        write(root / f"clotho_captions_{part}.csv", f"file_name,{five}\n{captions}")
        lines = "".join(f"{name},Á;b,{number},https://freesound.org/s,\"[1, 2]\",é,{licence}\n"
                        for name, (number, licence) in rows.items())
        write(root / f"clotho_metadata_{part}.csv", (METADATA + lines).encode("latin-1"))
    sound(root / "clotho_audio_files/development/ Birds.wav", 200)
    sound(root / "clotho_audio_files/development/bell.wav", 300)
    sound(root / "clotho_audio_files/evaluation/bell.wav", 400)
    return root


def fsd50k(root, train=2):
    """Freesound numbers 101 … to train with, 201 to validate with, 301 to evaluate with."""
    labels = '"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf"'
    dev = [(str(101 + number), "train") for number in range(train)] + [("201", "val")]
    lines = "".join(f"{name},{labels},{part}\n" for name, part in dev)
    write(root / "FSD50K.ground_truth/dev.csv", f"fname,labels,mids,split\n{lines}")
    write(root / "FSD50K.ground_truth/eval.csv", 'fname,labels,mids\n301,"Bark,Dog","/m/1,/m/2"\n')
    told = {"101": {"title": "a", "tags": [], "license": "by/3.0", "uploader": "b"}}
    write(root / "FSD50K.metadata/dev_clips_info_FSD50K.json", json.dumps(told))
    for number, (name, _) in enumerate(dev):
        sound(root / f"FSD50K.dev_audio/{name}.wav", 200 + 20 * number, 0.3)
    sound(root / "FSD50K.eval_audio/301.wav", 900)
    return root


def wavcaps(root, freesound="Audio/FreeSound", soundbible="Audio/SoundBible"):
    """One sound of AudioSet, one of FreeSound and one of SoundBible, numbered alike."""
    lists = {"AudioSet_SL/as": ["Yheld_out_03.wav"], "FreeSound/fsd": ["301", "77"],
             "SoundBible/sb": ["77"]}
    for name, ids in lists.items():
        items = [{"id": one, "caption": f"{name} {one}", "duration": 7200.5} for one in ids]
        write(root / f"json_files/{name}_final.json",
              json.dumps({"num_captions_per_audio": 1, "audio_path": "", "data": items}))
    write(root / "json_files/FreeSound/fsd_final_2s.json", "version https://git-lfs\n")
    sound(root / "Audio/AudioSet_SL/Yheld_out_03.flac", 200)
    sound(root / freesound / "77.flac", 300)
    sound(root / soundbible / "77.flac", 400)
    return root


def audioset(root):
    """Two training segments, one of them held out by AudioCaps, and one to evaluate with."""
    header = "# created Sun Mar  5\n# num_ytids=1\n# YTID, start_seconds, end_seconds, labels\n"
    write(root / "balanced_train_segments.csv",
          f'{header}{VIDEOS[2]}, 120.000, 130.000, "/m/09x0r,/m/0bt9lr"\n')
    write(root / "unbalanced_train_segments.csv",
          f'{header}-train_00005, 30.000, 40.000, "/m/0bt9lr"\n')
    write(root / "eval_segments.csv", f'{header}evaluated06, 1.500, 11.500, "/m/unknown"\n')
    write(root / "class_labels_indices.csv",
          'index,mid,display_name\n0,/m/09x0r,"Speech"\n74,/m/0bt9lr,"Dog, domestic"\n')
    sound(root / f"audio/Y{VIDEOS[2]}.wav", 200)
    sound(root / "audio/-train_00005_30_40.flac", 300)
    sound(root / "audio/evaluated06_1500_11500.ogg", 400)
    return root


def rows(root, count=7):
    """The training rows of FSD50K with that many sounds."""
    table = corpora.read("fsd50k", fsd50k(root, count))
    return table[table.split == "train"]
