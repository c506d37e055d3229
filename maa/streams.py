"""Shards read as a stream, sound by sound, each process its own share of them.

Conventions: shards are those of maa.shards; a wave is (samples,) float32 at 16 kHz; a row is a dict
    of what is known of it: the columns of clips.csv with `captions`, a list, for `caption`, and
    labels, corpus and part.
Source: Section 5.1.  Notebook: none.
"""

import functools
import io
import json
import os
import pathlib
import tarfile

from maa import decoding, errors, shards


def read(folder, generator=None):
    """All samples of a folder, or the share of this process: (id, wave, row), one by one.

    Whole shards go to a rank (RANK and WORLD_SIZE, or torch.distributed) and to a worker of a torch
    DataLoader: have as many as there are workers in all, or a multiple of it.

    folder:      written by maa.shards.write
    generator:   numpy Generator, alike on every rank, for another order of the shards; None keeps
                 that of the table
    returns      webdataset pipeline: an iterable dataset, to which
                 .compose(webdataset.shuffle(1000)) adds a shuffled buffer

    Raises as maa.shards.index; and as it is read MaaError D-SHARDS if there is no shard for a
    worker, K-HASH for one that is damaged. maa.shards.check finds all that are.
    """
    import webdataset  # imports torch

    counts = {name: shard["samples"] for name, shard in shards.index(folder)["shards"].items()
              if shard["samples"]}
    names = list(counts if generator is None else map(str, generator.permutation(list(counts))))
    # absolute: webdataset would run a path that begins with "pipe:" as a command
    paths = [os.path.abspath(pathlib.Path(folder) / name) for name in names]
    return webdataset.DataPipeline(
        webdataset.SimpleShardList(paths), webdataset.split_by_node, webdataset.split_by_worker,
        functools.partial(_some, total=len(paths)), functools.partial(_samples, counts=counts),
        webdataset.map(_decoded))


def _some(paths, total):
    """The shards as they come; MaaError D-SHARDS if none comes."""
    from webdataset import utils

    empty = True
    for path in paths:
        empty = False
        yield path
    if empty:
        rank, ranks, worker, workers = utils.pytorch_worker_info()
        raise errors.MaaError("D-SHARDS", (
            f"no shard is left for worker {worker} of {workers} of rank {rank} of {ranks}: there "
            f"are {total}, expected {ranks * workers} or more; write fewer samples a shard"))


def _samples(sources, counts):
    """The samples of each shard; MaaError K-HASH for a shard that gives another number of them.

    A damaged header looks like the end of a tar file, zeros at its beginning like an empty one.
    """
    from webdataset import tariterators

    for source in sources:
        path, count = source["url"], 0
        expected = counts[os.path.basename(path)]
        try:
            for count, sample in enumerate(tariterators.tarfile_samples([source]), 1):
                yield sample
        except (tarfile.TarError, ValueError) as fault:  # the latter of one name twice
            raise errors.MaaError("K-HASH", (
                f"{path!r} is no whole tar file ({fault.args[0]}), expected {expected} samples; it "
                f"is damaged: delete it and write it again")) from fault
        if count != expected:
            raise errors.MaaError("K-HASH", (
                f"{path!r} gave {count} samples, expected {expected}; it is damaged: delete it and "
                f"write it again"))


def _decoded(sample):
    """(id, wave, row) of what webdataset found in a shard."""
    name = f"{sample['__key__']!r} in {sample['__url__']!r}"
    if not {"flac", "json"} <= sample.keys():
        raise errors.MaaError("K-HASH", f"{name} lacks its sound or its words; it is damaged")
    wave, _ = decoding.decode(io.BytesIO(sample["flac"]), name)
    return sample["__key__"], wave, json.loads(sample["json"])
