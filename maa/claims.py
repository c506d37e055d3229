"""What the paper claims, held against its own tables and against what was measured here.

A claim is a row of claims.csv: in our words, where it stands, and the order of rows that it means.
"clap > bert > clip; t5 > bert" with the metrics "FID KL" on the set "held_out" are six comparisons.
One rule gives the verdict. A comparison is clear when the 95 % interval of its difference leaves
out zero. A claim is

    borne out       if all its comparisons were measured and are clear in the claimed direction
    not borne out   if any is clear in the other direction
    can't tell      otherwise

Conventions: frames are tidy, as of maa.evidence; the paper's numbers without interval are taken as
    exact. Of twenty comparisons that are all chance, one is clear on average.
Source: Tables 1 to 3, 5, 7 and 8, Figures 5 and 7.
Notebooks: 51_table_1, 55_table_5, 57_table_7, 90_report.
"""

import math
from pathlib import Path

import pandas as pd

from maa import evidence, files, scores, tables

COLUMNS = ["claim", "place", "order", "metrics", "sets", "at_most", "untested", "note"]
FOR, AGAINST, OPEN = "for", "against", "open"
BORNE_OUT, NOT_BORNE_OUT, CANNOT = "borne out", "not borne out", "can't tell"
NONE, UNSAID = "none", "it prints no number"
NOTHING = 1e-9  # below it, a difference is one of rounding
UNTESTED = "not tested here yet: its numbers are not there"
PAPER_SETS = {  # which sets of the paper stand for ours
    "held_out": ("AudioCaps",), "unheard": ("Clotho",),
    "hidden labels": ("FSD50K", "ESC-50", "UrbanSound8K")}


def read(path=Path(__file__).with_name("claims.csv")):
    """The claims: DataFrame of texts with COLUMNS.

    Raises ValueError for a claim that is there twice or whose order cannot be read.
    """
    frame = files.read_table(path, COLUMNS, str)
    if len(twice := frame[frame.claim.duplicated()]):
        raise ValueError(f"{twice.claim.iloc[0]!r} is claimed twice, expected once")
    for one in frame.itertuples():
        pairs(one.order)
        for metric in one.metrics.split():
            tables.more_is_better(metric)
    return frame


def pairs(order):
    """(better, worse) rows of an order: "a > b > c; d > b" → (a, b), (b, c), (d, b)."""
    found = []
    for chain in order.split(";"):
        names = [name.strip() for name in chain.split(">")]
        if len(names) < 2 or not all(names):
            raise ValueError(f"order is {order!r}, expected 'a > b', several joined by ';'")
        found += zip(names, names[1:])
    return found


def difference(first, second):
    """first − second of two numbers with intervals: (value, low, high).

    first, second:  with value, low, high; as if independent (Zou and Donner 2008, "MOVER"). Sounds
                    of the same prompts vary together: the interval is then wider than need be.
    """
    value = first.value - second.value
    return (value, value - math.hypot(first.value - first.low, second.high - second.value),
            value + math.hypot(first.high - first.value, second.value - second.low))


def lead(better, worse):
    """By how much `better` is better: (value, low, high), below zero where it is worse."""
    if tables.more_is_better(better.metric):
        return difference(better, worse)
    return difference(worse, better)


def sign(better, worse, at_most=""):
    """FOR if `better` is clearly better, AGAINST if clearly worse, OPEN otherwise.

    at_most:   text of a number; the claim is then that they differ by no more than that. A size
               depends on who measures: with another evaluator than the paper's it stays OPEN
    """
    if not tables.comparable(better, worse) or math.isnan(better.low) or math.isnan(worse.low):
        return OPEN
    _, low, high = lead(better, worse)
    if at_most:
        if better.evaluator != evidence.PAPER:
            return OPEN
        low, high = float(at_most) - high, float(at_most) - low
    return FOR if low > NOTHING else AGAINST if high < -NOTHING else OPEN


def compared(claim, frame):
    """Every comparison of a claim that a tidy frame can make.

    claim:    a row of read(), as a named tuple
    frame:    of evidence.printed or evidence.measured
    returns   list of (better, worse, sign); better and worse are rows of the frame that the claim
              puts in this order, sign is FOR, AGAINST or OPEN

    Raises ValueError for a frame with two numbers for one row, set and metric.
    """
    known = {(one.row, one.set, one.metric): one for one in frame.itertuples(index=False)}
    if len(known) < len(frame):
        raise ValueError(f"frame has {len(frame)} rows for {len(known)} numbers, expected one each")
    sides = [tuple(known.get((row, one, metric)) for row in pair)
             for metric, own in wanted(claim) for one in (own, *PAPER_SETS.get(own, ()))
             for pair in pairs(claim.order)]
    return [(*side, sign(*side, claim.at_most)) for side in sides if None not in side]


def wanted(claim):
    """(metric, set) of each number that a claim is about."""
    return [(metric, own) for metric in claim.metrics.split() for own in claim.sets.split("; ")]


def verdict(signs, count):
    """The rule above, for the signs of the comparisons that were made out of `count`."""
    if AGAINST in signs:
        return NOT_BORNE_OUT
    return BORNE_OUT if signs == [FOR] * count else CANNOT


def judged(claim, found):
    """A claim after compared(), as texts: verdict, comparisons, differences, numbers."""
    if not found:
        return {"verdict": claim.untested or UNTESTED, "comparisons": NONE, "differences": NONE,
                "numbers": NONE}
    signs = [one[-1] for one in found]
    count = max(len(wanted(claim)) * len(pairs(claim.order)), len(found))
    return {"verdict": verdict(signs, count),
            "comparisons": f"{signs.count(FOR)} of {count} clear, {signs.count(AGAINST)} against",
            "differences": "; ".join(led(*one[:2]) for one in found), "numbers": numbers(found)}


def led(better, worse):
    """"FID, held_out: clap before diffsound by 119 (97 … 141)", below zero where it is worse."""
    value, low, high = lead(better, worse)
    interval = f" ({scores.digits(low)} … {scores.digits(high)})" if low < high else ""
    rows = f"{plain(better.row)} before {plain(worse.row)}"
    return f"{better.metric}, {plain(better.set)}: {rows} by {scores.digits(value)}{interval}"


def numbers(found):
    """All numbers of compared(), with set, evaluator, seed and n."""
    groups = {}
    for better, worse, _ in found:
        about = f"{better.metric}, {plain(better.set)}, {better.evaluator}, seed {better.seed}"
        groups.setdefault(about, {}).update({one.row: one for one in (better, worse)})
    return "; ".join(
        f"{about}: " + ", ".join(f"{plain(row)} {one.shown}, n = {one.n}"
                                 for row, one in rows.items()) for about, rows in groups.items())


def listed(found, which):
    """The comparisons with this sign: "FID 4.61 < 7.17 (clap, diffsound; AudioCaps)"."""
    texts = []
    for better, worse, one in found:
        between = "<" if better.value < worse.value else ">" if better.value > worse.value else "="
        if one == which:
            texts.append(f"{better.metric} {better.shown} {between} {worse.shown} "
                         f"({plain(better.row)}, {plain(worse.row)}; {plain(better.set)})")
    return "; ".join(texts) or NONE


def plain(name):
    return name.replace("_", " ")


def table(claims, paper, measured, scale):
    """The finished table: a row a claim.

    claims:    of read()
    paper:     of evidence.printed
    measured:  of evidence.measured, at this scale
    """
    rows = []
    for claim in claims.itertuples(index=False):
        printed = compared(claim, paper)
        row = {"claim": claim.claim, "place": claim.place, "by the paper's numbers":
               judged(claim, printed)["verdict"] if printed else UNSAID}
        row |= {f"paper, {which}": listed(printed, which) for which in (FOR, AGAINST, OPEN)}
        row["note"] = claim.note or "–"
        found = judged(claim, compared(claim, measured))
        row[f"here, {scale}"] = found.pop("verdict")
        rows.append(row | {f"{scale}, {name}": text for name, text in found.items()})
    return tables.complete(pd.DataFrame(rows).set_index("claim"))


def verdicts(finished):
    """The columns of table() that say how it went."""
    here = [column for column in finished if column.startswith("here,")]
    return finished[["place", "by the paper's numbers", *here]]
