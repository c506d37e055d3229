"""maa.delimited: a table is whole, or refused with the line on which it goes wrong."""

import subprocess
import sys

import pandas
import pytest

from maa import delimited, errors, files

TABLE = "id,caption\n1,a dog\n2,rain\n"


def read(folder, content, columns=("id", "caption")):
    path = folder / "captions.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return files.read_table(path, columns, str)


@pytest.mark.parametrize("content", [
    TABLE, "\ufeff" + TABLE, TABLE.replace("\n", "\r\n"), TABLE.replace("\n", "\r"),
    TABLE.replace("\n", "\r\n", 1), TABLE.replace("\n", "\r", 2), TABLE[:-1], TABLE + "\n\n",
    TABLE.replace("a dog", '"a dog"')])
def test_one_table_is_read_alike_however_its_lines_end(tmp_path, content):
    """C09, C12: a byte order mark; CRLF, CR and mixtures of them."""
    assert read(tmp_path, content).to_dict("list") == {"id": ["1", "2"],
                                                       "caption": ["a dog", "rain"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_names_in_a_first_row_are_found_whatever_ends_it(end):
    """C09, C12."""
    content = f'\ufeffid,"caption", fold{end}1,a dog,2{end}'.encode()
    assert delimited.first_row(content) == {"id", "caption", "fold"}
    assert delimited.first_row(b"") == {""}


def test_a_line_break_inside_a_caption_stays_in_it(tmp_path):
    """C12, C15: a quotation mark that is closed again."""
    assert read(tmp_path, 'id,caption\n1,"a dog,\n""then"" rain"\n').caption[0] == (
        'a dog,\n"then" rain')


@pytest.mark.parametrize("caption", [
    "犬 🐕 barks", "كلب ينبح", "a\u200bb\u202e", "e\u0301 é", "=cmd|' /C calc'!A0", "", " ",
    "<script>alert(1)</script>", "\x1b[31mred", "word " * 5_000, "None"])
def test_a_caption_comes_back_letter_by_letter(tmp_path, caption):
    """C01, C02, C03, C04, C05, C22, C23: it is stored as it is."""
    frame = pandas.DataFrame({"id": ["1"], "caption": [caption]})
    files.write_table(tmp_path / "a.csv", frame)
    back = files.read_table(tmp_path / "a.csv", ("id", "caption"), str)
    pandas.testing.assert_frame_equal(back, frame)


@pytest.mark.parametrize("one", ["007", "1e5", "True", "-AbC", "1_000", "0x1F", "-", "+49"])
def test_an_id_is_text_whatever_number_it_looks_like(tmp_path, one):
    """C20."""
    files.write_table(tmp_path / "a.csv", pandas.DataFrame({"id": [one, "b"]}))
    assert list(files.read_table(tmp_path / "a.csv", ("id",), str).id) == [one, "b"]


@pytest.mark.parametrize(("content", "message"), [
    ("id,text\n1,a\n", r"C-COLUMNS: .*captions.csv' lacks \['caption'\]; has \['id', 'text'\]"),
    ("", r"C-COLUMNS: .* lacks \['id', 'caption'\]; has \[\]"),
    ("\n\n", r"C-COLUMNS: .* lacks \['id', 'caption'\]"),
    ("id,caption,id\n1,a,2\n", "C-COLUMNS: .* expected distinct names"),
    ("id\tcaption\n1\ta\n", "C-COLUMNS: .* expected fields between commas; .* by tabs"),
    ("id;caption\n1;a\n", "C-COLUMNS: .* looks separated by semicolons: save it as CSV"),
    (TABLE.encode("utf-16"), "C-ENCODING: .* byte 0 outside UTF-8; it looks like UTF-16; save"),
    (TABLE.encode("utf-16-le"), "C-NUL: .* NUL byte at 1, expected UTF-8 text"),
    ("id,caption\n1,bébé\n".encode("latin-1"), "C-ENCODING: .* byte 14 outside UTF-8; save it as"),
    ("id,caption\n1,a\0b\n", "C-NUL: .* NUL byte at 14"),
    ("id,caption\n1,a\n2,a dog, barking\n", "C-ROWS: .* line 3 has 3 fields, expected 2"),
    ("id,caption\n1\n", "C-ROWS: .* line 2 has 1 fields, expected 2"),
    ('id,caption\n1,"a\nb"\n2,"c\nd",e\n', "C-ROWS: .* line 4 has 3 fields"),
    ('id,caption\n1,a\n2,"rain\n3,wind\n', "C-ROWS: .* line 3: a quotation mark opens in this row"),
    ('id,caption\n1,"rain\n2,"wind"\n', "C-ROWS: .* line 2: "),
    ('id,caption\n1,"rain" falls\n', "C-ROWS: .* line 2: "),
])
def test_a_damaged_table_is_refused_with_what_was_expected(tmp_path, content, message):
    """C06, C10, C11, C13, C14, C15, C16, C18, C19, C24."""
    with pytest.raises(errors.MaaError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and caught.value.exit_status == 3


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    """C17: whoever needs rows says so, see maa.clips."""
    assert read(tmp_path, "id,caption\n").shape == (0, 2)


@pytest.mark.parametrize(("cell", "written"), [
    ("=1+cmd|' /C calc'!A0", "'=1+cmd|' /C calc'!A0"), ("+a", "'+a"), ("-a", "'-a"), ("@a", "'@a"),
    ("'=a", "''=a"), ("a=b", "a=b"), ("'a", "'a"), ("-0.1 (-0.2 … 0.3)", "-0.1 (-0.2 … 0.3)"),
    ("-5.2e-3", "-5.2e-3"), ("'-5", "''-5"), ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0")])
def test_a_formula_is_no_formula_in_the_file_and_itself_again_when_read(tmp_path, cell, written):
    """C23: a spreadsheet takes what follows an apostrophe for text."""
    files.write_table(tmp_path / "a.csv", pandas.DataFrame({"x": [cell], "n": [-1.5]}))
    text = (tmp_path / "a.csv").read_text("utf-8")
    assert text.replace('"', "") == f"x,n\n{written},-1.5\n"
    for dtype in (str, None):
        assert files.read_table(tmp_path / "a.csv", dtype=dtype).x.tolist() == (
            [-0.0052] if dtype is None and cell == "-5.2e-3" else [cell])


def test_a_million_rows_are_read_in_two_gigabytes(tmp_path):
    """C28: in a process of its own, whose peak is measured."""
    row = b"a-dog-0001,a dog barks in the distance while heavy rain falls on a tin roof\n"
    (tmp_path / "a.csv").write_bytes(b"id,caption\n" + row * 1_000_000)
    code = (
        "import resource, sys; from maa import files\n"
        "frame = files.read_table(sys.argv[1], ('id', 'caption'), str)\n"
        "print(len(frame), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.csv"], check=True,
                          capture_output=True, text=True)
    rows, peak = map(int, done.stdout.split())
    assert rows == 1_000_000
    assert peak / (1 if sys.platform == "darwin" else 1 / 1024) < 2 * 2**30
