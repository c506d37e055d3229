"""One shard of clips in a tar file: read clip by clip, and given a row of captions for each.

webdataset reads the tar. It says nothing of one that is damaged between two clips, or cut there, so
the headers are walked through first.

Conventions: a shard is as webdataset has it: <id>.flac or <id>.wav, and what else is of that clip
    (its words, which take no part here), side by side. The names of members have one point.
    label(waves, ids, generator) is what writes captions: waves are a list of (samples,) float32 at
    16 kHz, what it returns is a DataFrame as of maa.experts.distil, a row a clip, in their order.
Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
"""

import functools
import hashlib
import importlib
import inspect
import io
import itertools
import math
import tarfile
import warnings
from pathlib import Path

import pandas as pd

from maa import containers, decoding, files, inputs, sounds
from maa.errors import MaaError, MaaWarning

SOUNDS = ("flac", "wav")
UNHEARD = {"candidates": "[]", "scores": "[]", "sources": "[]", "chosen": "", "source": "",
           "score": math.nan, "rejected": "yes"}  # the row of a clip without a usable sound
COLUMNS = ["id", *UNHEARD, "reason"]  # those of maa.experts, which takes seconds to import, and why
TAIL = 2 * tarfile.BLOCKSIZE  # bytes of zeros, or more, that end a tar


def clips(shard):
    """(id, bytes of its sound or None) of each clip of a shard, in its order.

    Raises MaaError D-TAR (damaged, cut), C-ID (a point in an id, an id twice), A-… as
    inputs.opened.
    """
    from webdataset import tariterators  # imports torch

    with inputs.opened(shard) as file:
        try:
            check_whole(file, shard)
            file.seek(0)
            members = tariterators.tar_file_expander([{"url": str(shard), "stream": file}])
            samples, seen = tariterators.group_by_keys(members), set()
            for sample in samples:
                check_id(sample, seen, shard)
                own = next((part for part in SOUNDS if part in sample), None)
                yield sample["__key__"], sample.get(own)
        except MaaError:
            raise
        except (tarfile.TarError, ValueError) as fault:  # ValueError: two files of one name, say
            raise MaaError("D-TAR", f"{shard.name!r} is damaged: {fault}") from fault


def check_whole(file, shard):
    """Refuse a tar that ends early: its last header must be followed by zeros and nothing else."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for _ in tar:
                pass
            file.seek(tar.offset)
    except tarfile.ReadError as fault:
        raise MaaError("D-TAR", f"{shard.name!r}: {fault}; was the copy cut?") from fault
    place, rest = file.tell(), file.read(2**20)
    if len(rest) < TAIL or any(rest):
        raise MaaError("D-TAR", (
            f"{shard.name!r} has no header at byte {place}, expected one or the zeros that end a "
            f"tar; was the copy cut, or a byte changed?"))


def check_id(sample, seen, shard):
    """Refuse what would lose a clip: webdataset takes "a.1.flac" and "a.2.flac" for one, "a"."""
    own = sample["__key__"]
    own.encode()  # UnicodeEncodeError, which is a ValueError: no table can hold it
    if pointed := [part for part in sample if "." in part]:
        raise MaaError("C-ID", (
            f"{shard.name!r} has {f'{own}.{pointed[0]}'!r}, expected one point in a name; does an "
            f"id hold a point?"))
    if own in seen:
        raise MaaError("C-ID", f"{shard.name!r} has {own!r} at two places, expected all of a clip "
                               f"side by side; was the tar sorted?")
    seen.add(own)


def heard(name, data):
    """The mono wave of a sound file's bytes, (samples,) float32 at 16 kHz; MaaError A-…."""
    if data is None:
        raise MaaError("A-ACCESS", f"{name!r} has no sound, expected one of {SOUNDS}")
    file = io.BytesIO(data)
    with warnings.catch_warnings():  # a silent clip is a clip: that is for CLAP to judge
        warnings.simplefilter("ignore", MaaWarning)
        containers.check(file, repr(name))
        wave, rate = decoding.decode(file, repr(name))
    return sounds.resample(wave, rate, sounds.RATE)


def labelled(shard, label, seed, batch, pause=lambda: None):
    """A row for each clip of a shard, in its order: DataFrame with COLUMNS.

    label:     label(waves, ids, generator), as above
    seed:      with the shard's name it gives the generator
    batch:     clips of a call of label(); those without a usable sound are left out of it
    pause:     called before each batch; what it raises ends this

    Raises MaaError as clips(), R-LABEL if label() leaves out a clip, and what label() raises.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    import torch

    digest = hashlib.sha256(f"{seed} {shard.stem}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    found, rows = clips(shard), []
    while several := list(itertools.islice(found, batch)):
        pause()
        rows += _rows(several, label, generator)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(several, label, generator):
    """Rows of a batch of (id, bytes)."""
    waves, reasons = {}, {}
    for name, data in several:
        try:
            waves[name] = heard(name, data)
        except MaaError as fault:
            reasons[name] = str(fault)
    table = label([*waves.values()], [*waves], generator).to_dict("records") if waves else []
    if [row["id"] for row in table] != [*waves]:
        raise MaaError("R-LABEL", (
            f"the experts gave {len(table)} rows for {len(waves)} clips from {[*waves][:1]}, "
            f"expected one a clip, in their order"))
    rows = {row["id"]: {**row, "reason": ""} for row in table}
    return [rows.get(name) or {"id": name, **UNHEARD, "reason": reasons[name]}
            for name, _ in several]


def labeller(name, options):
    """The label() that a maker gives for these keywords; MaaError as maker(), and what it raises.

    name:      "module:function" of the maker
    """
    return maker(name, options)(**options)


def maker(name, options):
    """The function of that name; MaaError R-LABEL if there is none that takes these keywords."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
        inspect.signature(found).bind(**options)
    except (ImportError, AttributeError, ValueError, TypeError) as fault:
        raise MaaError("R-LABEL", f"{name!r} with {sorted(options)}: {fault}; expected the name "
                                  f"module:function of a maker and its keywords") from fault
    return found


def read_by(name, options):
    """Files that a maker reads: those that its keywords annotated Path name, alone or in folders.

    Raises MaaError as maker().
    """
    known, found = inspect.signature(maker(name, options)).parameters, []
    for keyword, value in options.items():
        if known[keyword].annotation is Path:
            path = Path(value)
            found += [path] if path.is_file() else sorted(filter(Path.is_file, path.rglob("*")))
    return found


def distillers(*, writer: Path, finder: Path, clap: Path, clap_words: Path, captions: Path,
               kind="small", seconds=10.0, pool="published_train", count=5, temperature=0.7,
               threshold=0.4):
    """The label() of the paper: one expert writes, one finds, CLAP picks or rejects.

    writer, finder:     folders of the two experts, models/captioner and models/retriever
    clap, clap_words:   of CLAP and of its text half, models/clap and models/text/clap
    captions:           clips.csv with the captions that the finder was trained on
    kind:               a word of maa.captioner.CAPTIONERS
    the others:         as the parameters of notebook 11; the defaults are those of scale paper

    Raises MaaError K-… or C-… for models or captions that are not there, C-POOL without captions.
    Source: Section 3.2.1, Table 5.  Notebook: 11_pseudo_captions.
    """
    from maa import captioner, experts, mel, retriever, scenes, training  # seconds

    table = files.read_table(captions, ["caption", "split", "annotation"], str)
    sentences = retriever.POOLS[pool](
        table[(table.split == "train") & (table.annotation == "caption")])
    if not sentences:
        raise MaaError("C-POOL", f"{str(captions)!r} has no caption in split 'train'")
    words, writer = captioner.load(writer, kind)
    reader, finder = retriever.load(finder)
    clap_words, judge = experts.load_clap(clap_words, clap)
    meanings = retriever.meanings(reader, finder.read, sentences)  # once, and not for each batch

    def label(waves, ids, generator):
        scene = scenes.of_clips(waves, seconds).to(training.device())
        mels = mel.log_mel(scene)[..., :mel.trained_frames(seconds)]
        written = captioner.write(writer, words, scene, count, generator, temperature)
        found = retriever.nearest(finder, mels, sentences, meanings, count)
        said = {"captioning": written, "retrieval": found}
        score = functools.partial(experts.clap_scores, judge, clap_words, mels)
        return experts.distil(ids, said, score, threshold)

    return label
