"""The paper's tables: numbers measured here in one block, the paper's own in the next.

Nothing is ever subtracted between the two: other sounds, other evaluators, another n. What may be
compared is the order of rows within one block.

Conventions: a finished table is a DataFrame of texts. Its index is (where, row): each block, such
    as "here, scale mini" or "paper", ends in the rows of PROVENANCE. A number has three significant
    digits and its 95 % interval, "101 (90 … 115)"; a cell without number says why in words. "best"
    stands at a number only where its interval overlaps no other's.
Source: Section 5.3, Tables 1 and 4 to 7.  Notebooks: 51_table_1 … 57_table_7, 90_report.
"""

import math
import re
from pathlib import Path

import pandas as pd

from maa import files, scores
from maa.errors import MaaError

PROVENANCE = ("judged by", "n", "seed")
ABSENT, UNSAID = "not measured", "not reported"
BETTER = {  # whether more of it is better
    "FID": False, "KL": False, "KAD": False, "parameters": False, "CLAP": True, "accuracy": True,
    "IS": True, "order": True, "named": True, "MOS-Q": True, "MOS-F": True, "realism": True,
}
OF_SETS = ("FID", "KAD", "IS")  # they depend on n, and compare at equal n only
ROWS = {  # rows of scores/rows.csv in words
    "reference": "real clips", "diffsound": "Diffsound", "clap": "Make-An-Audio, CLAP",
    "bert": "Make-An-Audio, BERT", "t5": "Make-An-Audio, T5", "clip": "Make-An-Audio, CLIP",
    "plain": "without reprogramming", "channels_32": "32 channels", "channels_128": "128 channels",
}
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?: ?%)?")
NO_QUOTE = re.compile(r"(?:Tables?|Figures?|Sections?|Appendix|ESC|FSD|scale) ?-?[\d.]*\d"
                      r"|95 % (?:bootstrap )?intervals?")
NO_NUMBER = re.compile(r"\b(nan|NaN|NaT|None|inf)\b|<NA>")


def more_is_better(metric):
    """Whether more of a metric is better; ValueError for one that BETTER does not know."""
    if metric not in BETTER:
        raise ValueError(f"metric is {metric!r}, expected one of {sorted(BETTER)}")
    return BETTER[metric]


def find(frame, where):
    """The one row of a frame with these values, as a named tuple; None if there is none.

    where:    {column: value}, such as {"row": "clap", "set": "held_out", "metric": "FID"}

    Raises ValueError if there are several.
    """
    mask = pd.Series(True, index=frame.index)
    for column, value in where.items():
        mask &= frame[column] == value
    found = list(frame[mask].itertuples(index=False))
    if len(found) > 1:
        raise ValueError(f"{len(found)} rows are {where}, expected one; did two judges measure it?")
    return found[0] if found else None


def measured(frame, rows, columns, key="row", compete=()):
    """The block of numbers measured here: a row a model, a column a metric, then PROVENANCE.

    frame:    as scores.read gives it, with its keys
    rows:     {name in the frame: name shown}, in the order wanted
    columns:  {name shown: {"set": "held_out", "metric": "FID"}}, what else its numbers are
    key:      the column of the frame that names the rows
    compete:  names in the frame, of which the best one is marked

    Raises ValueError if two evaluators gave the numbers of a column.
    """
    block = pd.DataFrame(index=[*rows.values(), *PROVENANCE], columns=list(columns), dtype=object)
    for name, where in columns.items():
        found = {row: find(frame, {key: row, **where}) for row in rows}
        there = [one for one in found.values() if one is not None]
        judges = list(dict.fromkeys(one.evaluator for one in there))
        if len(judges) > 1:
            raise ValueError(f"{judges} gave the numbers of {name!r}, expected one evaluator; "
                             f"numbers of two do not compare")
        counts = [one.n for one in there]
        usual = max(counts, key=counts.count, default=0)
        winner = best({row: found[row] for row in compete if found.get(row) is not None})
        for row, one in found.items():
            block.loc[rows[row], name] = cell(one, usual) + (", best" if row == winner else "")
        seeds = ", ".join(dict.fromkeys(str(one.seed) for one in there))
        told = (*judges, str(usual), seeds) if there else (ABSENT,) * 3
        block.loc[list(PROVENANCE), name] = told
    return block


def cell(one, usual):
    """The text of one measured number; its n only where it is not the `usual` one."""
    if one is None:
        return ABSENT
    return scores.words(one) + ("" if one.n == usual else f", n = {one.n}")


def best(found):
    """The name whose interval lies beyond all others', None if there is no such name.

    found:    {name: row with metric, value, low, high, n, evaluator}

    None as well for fewer than two rows, where an interval is missing, and where numbers do not
    compare: two evaluators, or other n for a distance of sets.
    """
    if len(found) < 2 or any(math.isnan(one.low) for one in found.values()):
        return None
    one = next(iter(found.values()))
    if any(not comparable(one, other) for other in found.values()):
        return None
    ends = {name: (-row.high, -row.low) if not more_is_better(row.metric) else (row.low, row.high)
            for name, row in found.items()}
    first = max(ends, key=lambda name: ends[name][0])
    return first if all(ends[first][0] > high for name, (low, high) in ends.items()
                        if name != first) else None


def comparable(one, other):
    """Whether two numbers are of one metric, one evaluator and, where it matters, one n."""
    same = (one.metric, one.evaluator) == (other.metric, other.evaluator)
    return same and (one.n == other.n or one.metric not in OF_SETS)


def counted(values, rows, n="–", by="counted"):
    """A column of what is counted and not judged, with its PROVENANCE: {name: text} Series.

    values:   {name in rows: number}
    rows:     as measured()
    """
    texts = {shown: scores.digits(values[row]) if row in values else ABSENT
             for row, shown in rows.items()}
    return pd.Series(texts | dict(zip(PROVENANCE, (by, str(n), "–"))), dtype=object)


def printed(frame, columns):
    """The paper's block: its cells as printed, then PROVENANCE.

    frame:    index: names shown; cells are texts, as files.read_table(path, dtype=str) gives them
    columns:  {name shown: (column of the frame, who judged, of how many)}; the last is "" where the
              paper does not say it; "mos_q" takes its "mos_q_ci95" along
    """
    block = pd.DataFrame(index=[*frame.index, *PROVENANCE], columns=list(columns), dtype=object)
    for name, (column, judge, n) in columns.items():
        width = frame.get(f"{column}_ci95", pd.Series("", index=frame.index))
        block.loc[list(frame.index), name] = [
            f"{value} ± {ci}" if ci else value or UNSAID
            for value, ci in zip(frame[column], width)]
        block.loc[list(PROVENANCE), name] = (judge, n or UNSAID, UNSAID)
    return block


def stacked(blocks):
    """{where: block} → the finished table with the index (where, row), checked().

    A column that one block lacks says so in words.
    """
    columns = list(dict.fromkeys(name for block in blocks.values() for name in block))
    whole = {where: block.reindex(columns=columns).fillna(UNSAID if where == "paper" else ABSENT)
             for where, block in blocks.items()}
    return checked(pd.concat(whole, names=["where", "row"]))


def checked(table):
    """The table itself, if every number in it has its provenance and no cell says nothing.

    Raises MaaError S-SOURCE and S-NAN.
    """
    complete(table)
    for where, block in table.groupby(level=0, sort=False):
        block = block.droplevel(0)
        for column in block:
            cells = block[column].drop(list(PROVENANCE), errors="ignore")
            if not cells.str.contains(r"\d", regex=True).any():
                continue
            for name in PROVENANCE:
                if name not in block.index or block.loc[name, column] == ABSENT:
                    raise MaaError("S-SOURCE", (
                        f"{column!r} of {where!r} has numbers without {name!r}, expected who "
                        f"judged them, how many and with which seed"))
    return table


def complete(table):
    """The table itself, if each cell is a text that says something; MaaError S-NAN if not."""
    for column in table:
        for row, text in table[column].items():
            if not isinstance(text, str) or not text.strip() or NO_NUMBER.search(text):
                raise MaaError("S-NAN", (
                    f"{column!r} of {row!r} is {text!r}, expected a number or the reason why there "
                    f"is none; was it measured?"))
    return table


def quoted(text, table):
    """The text itself, if every number in it stands in the table.

    A number of the text may have fewer digits than the table's; "27 %" may stand there as 0.27.

    Raises MaaError S-QUOTE with the number that does not.
    """
    known = {float(one.rstrip(" %")) for one in NUMBER.findall(plain(table.to_csv(sep="\t")))}
    for one in NUMBER.findall(NO_QUOTE.sub("", plain(text))):
        scales = (1, 100) if one.endswith("%") else (1,)
        if not any(rounds_to(number * scale, one.rstrip(" %"))
                   for number in known for scale in scales):
            raise MaaError("S-QUOTE", (
                f"{one!r} is said in {text[:80]!r}, but does not stand in the table; was the table "
                f"made anew, or the number typed?"))
    return text


def rounds_to(number, digits):
    """Whether a number of a table may be what a text rounds to `digits`."""
    places = len(digits.partition(".")[2])
    if len(digits.lstrip("-0.").replace(".", "")) >= 3 or not number:
        return f"{number:.{places}f}" == digits
    third = 10.0 ** (math.floor(math.log10(abs(number))) - 2)  # the table is rounded there itself
    return abs(number - float(digits)) <= (10.0**-places + third) / 2 * (1 + 1e-9)


def plain(text):
    """A text whose numbers float() can read: 3,671 → 3671, − → -."""
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("−", "-"))


def write(path, table):
    """Write a finished table as CSV and give it as a Page, to be the last line of a cell."""
    files.write_table(Path(path), complete(table).reset_index())
    return Page(table)


class Page:
    """A table of texts that shows itself in a notebook: every cell in full, and to the left."""

    def __init__(self, table):
        self.table = table

    def _repr_html_(self):
        with pd.option_context("display.max_colwidth", None):
            return re.sub("<(td|th)>", r'<\1 style="text-align: left">', self.table.to_html())

    def __repr__(self):
        return self.table.to_csv()
