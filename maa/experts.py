"""Captions distilled from sound alone: experts write candidates, CLAP picks one or none.

An expert is anything that writes sentences for a sound without being given a word: maa.captioner,
maa.retriever. Labels take no part; they only score, at the end, what was written.

Conventions: mels (clips, 1, 80, frames) log10; candidates are one list of sentences for each clip,
    scores one list of cosines for each.
Source: Section 3.2.1, Table 5.  Notebook: 11_pseudo_captions.
"""

import collections
import functools
import json
import math
from pathlib import Path

import pandas as pd
from transformers import ClapModel

from maa import clap, classifier, files, retriever, text, training
from maa.errors import MaaError

COLUMNS = ["id", "candidates", "scores", "sources", "chosen", "source", "score", "rejected"]


def load_clap(words, network):
    """(tokenizer, ClapModel in eval mode) from the folders of its text half and of the whole."""
    tokenizer, _ = text.load(words)
    network = ClapModel.from_pretrained(Path(network), local_files_only=True)
    return tokenizer, network.to(training.device()).eval()


def clap_scores(judge, tokenizer, mels, candidates):
    """Cosine of each sound with each of its candidates: lists as long as the candidates.

    judge:     the ClapModel that selects

    Warns C-LONG of tokens that are not read.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    if len(mels) != len(candidates):
        raise ValueError(f"{len(mels)} mels for {len(candidates)} lists of candidates, expected as "
                         f"many; a clip without candidates has an empty list")
    distinct = list(dict.fromkeys(one for several in candidates for one in several))
    if not distinct:
        return [[] for _ in candidates]
    row = {one: number for number, one in enumerate(distinct)}
    heard = classifier.apply(lambda part: clap.hear(judge, part), mels)
    said = retriever.meanings(tokenizer, functools.partial(clap.read, judge), distinct)
    return [(said[[row[one] for one in several]] @ sound).tolist() if several else []
            for sound, several in zip(heard, candidates, strict=True)]


def select(scores, candidates, threshold):
    """The candidate with the highest score for each clip, None below the threshold.

    Raises ValueError for lists of other lengths; MaaError S-NAN for a score that is no number.
    Source: Section 3.2.1, "CLAP select".  Notebook: 11_pseudo_captions.
    """
    if [len(one) for one in scores] != [len(one) for one in candidates]:
        raise ValueError("scores and candidates differ in length, expected one score a candidate")
    if any(not math.isfinite(value) for several in scores for value in several):
        raise MaaError("S-NAN", "a score is not finite; is a clip damaged or silent?")
    best = [several.index(max(several)) if several else None for several in scores]
    return [own[row] if row is not None and several[row] >= threshold else None
            for row, several, own in zip(best, scores, candidates, strict=True)]


def distil(ids, written, score, threshold):
    """One caption or none for each clip, and how it came about.

    ids:        of the clips, all different
    written:    {name of an expert: its candidates}; the same sentence of two experts has both names
    score:      score(candidates) -> scores, as clap_scores
    threshold:  lowest score of a caption that is kept
    returns     DataFrame with COLUMNS, a row a clip; candidates, scores and sources are JSON lists,
                `chosen` is "" and `rejected` "yes" below the threshold, `score` is the highest one

    Raises ValueError for another number of lists, MaaError C-ID for an id twice.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    ids = list(ids)
    if twice := [one for one, times in collections.Counter(ids).items() if times > 1]:
        raise MaaError("C-ID", f"clips {twice[:3]} are there twice, expected one row a clip")
    counts = {name: len(several) for name, several in written.items()}
    if set(counts.values()) - {len(ids)}:
        raise ValueError(f"experts wrote for {counts} clips, expected {len(ids)}, a list for each")
    merged = [_merged({name: several[row] for name, several in written.items()})
              for row in range(len(ids))]
    candidates = [list(sources) for sources in merged]
    scores = score(candidates)
    chosen, rows = select(scores, candidates, threshold), []
    for one, sources, values, kept in zip(ids, merged, scores, chosen, strict=True):
        lists = list(sources), [round(value, 4) for value in values], list(sources.values())
        rows.append([
            one, *(json.dumps(part, ensure_ascii=False) for part in lists),
            kept or "", sources[kept] if kept else "",
            round(max(values), 4) if values else math.nan, "no" if kept else "yes"])
    return pd.DataFrame(rows, columns=COLUMNS)


def _merged(said):
    """{sentence: experts that wrote it} of one clip, in plain form, without empty sentences."""
    found = {}
    for name, several in said.items():
        for one in dict.fromkeys(map(retriever.plain, several)):
            if one:
                found[one] = f"{found[one]} and {name}" if one in found else name
    return found


def read(path):
    """The table that was written of distil's, every cell as text; a row that is there twice, once.

    Raises MaaError C-COLUMNS, C-ROWS, C-ENCODING, C-NUL or C-ID (one clip, two captions).
    """
    frame = files.read_table(path, COLUMNS, str).drop_duplicates(ignore_index=True)
    if len(twice := frame[frame.id.duplicated()]):
        raise MaaError("C-ID", f"{str(path)!r} has two captions for {twice.id.iloc[0]!r}, "
                               f"expected one row a clip")
    return frame


def repeated(frame, captions):
    """Share of the candidates in a table of distil that are captions of the training, word by word.

    That is allowed, a true sentence may be said twice, but it is told beside the results.
    """
    known = {retriever.plain(one) for one in captions}
    said = [one for cell in frame.candidates for one in json.loads(cell)]
    return sum(one in known for one in said) / max(1, len(said))
