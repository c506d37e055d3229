"""A CSV file looked through before it is parsed: what a parser would guess at is refused.

pandas shifts a row that has one field too many and takes a NUL byte for text; an unclosed quotation
mark swallows the rows below it. All three would give wrong captions without a word.

Conventions: UTF-8 with or without a byte order mark, commas, one header, rows as long as it; lines
    end in \\n, \\r\\n or \\r. A cell that a spreadsheet would run as a formula is written with an
    apostrophe before it, and read without.
Notebook: none.
"""

import csv
import io
import re

import pandas

from maa.errors import MaaError

UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the marks at its beginning
OTHER_SEPARATORS = {"\t": "tabs", ";": "semicolons"}
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # begins one, behind any apostrophes
NUMBERS = re.compile(r"[-+\d.,()%…eE ]+")  # "-0.1 (-0.2 … 0.3)" runs nothing
GUARDED = re.compile(rb"(?:^|[,\"\n\r])'+[=+\-@\t\r]")


def check(content, name, columns=()):
    """Raise MaaError unless the bytes are a table with these columns and rows of one length.

    C-ENCODING (not UTF-8), C-NUL, C-COLUMNS (one missing, one twice, none at all) or C-ROWS, with
    the line on which the row begins.
    """
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        likely = "; it looks like UTF-16" if content.startswith(UTF_16) else ""
        raise MaaError("C-ENCODING", (
            f"{name!r} has byte {fault.start} outside UTF-8{likely}; save it as UTF-8 text")
        ) from fault
    if (place := content.find(b"\0")) >= 0:
        raise MaaError("C-NUL", (
            f"{name!r} has a NUL byte at {place}, expected UTF-8 text; was the copy whole?"))
    check_rows(content, name, columns)


def check_rows(content, name, columns):
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    rows, start, header = csv.reader(text, strict=True), 1, None
    try:
        for row in rows:
            if header is None:
                header = check_header(row, name, columns)
            elif row and len(row) != len(header):
                raise MaaError("C-ROWS", (
                    f"{name!r} line {start} has {len(row)} fields, expected {len(header)}; "
                    f"is a comma or a quotation mark unquoted?"))
            start = rows.line_num + 1
    except csv.Error as fault:
        reason = str(fault)
        if reason == "unexpected end of data":
            reason = "a quotation mark opens in this row and is never closed"
        raise MaaError("C-ROWS", f"{name!r} line {start}: {reason}") from fault
    if header is None:
        check_header([], name, columns)


def check_header(header, name, columns):
    for separator, word in OTHER_SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise MaaError("C-COLUMNS", (
                f"{name!r} has the header {header[0]!r}, expected fields between commas; it looks "
                f"separated by {word}: save it as CSV"))
    if missing := [column for column in columns if column not in header]:
        raise MaaError("C-COLUMNS", f"{name!r} lacks {missing}; has {header}")
    if not header or len(set(header)) < len(header):
        raise MaaError("C-COLUMNS", f"{name!r} has header {header}, expected distinct names")
    return header


def first_row(content):
    """The names in the header of a CSV file's bytes, whatever ends its lines, as a set."""
    line = re.split(rb"[\r\n]", content, maxsplit=1)[0].decode("utf-8-sig", "replace")
    return {name.strip().strip('"') for name in line.split(",")}


def guarded(frame):
    """The frame with an apostrophe before each cell that a spreadsheet would run."""
    return frame.apply(lambda column: column if is_number(column) else column.map(guard))


def guard(cell):
    runs = isinstance(cell, str) and FORMULA.match(cell) and not NUMBERS.fullmatch(cell)
    return f"'{cell}" if runs else cell


def unguarded(frame, content):
    """The frame as it was before guarded(); `content` is the bytes it was read from."""
    if not GUARDED.search(content):
        return frame
    return frame.apply(lambda column: column if is_number(column) else column.map(unguard))


def unguard(cell):
    marked = isinstance(cell, str) and cell.startswith("'") and FORMULA.match(cell)
    return cell[1:] if marked else cell


def is_number(column):
    return pandas.api.types.is_numeric_dtype(column)
