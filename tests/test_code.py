"""maa.code: what a notebook's results depend on, and what they do not."""

import made_projects
import nbformat
import pytest

from maa import code

MODULES = {
    "mel.py": '"""Mels."""\nfrom maa import tones\nRATE = 16  # kHz\n\n\ndef log(x):\n'
              '    """Log."""\n    return x  # the same\n',
    "tones.py": "WORDS = 'words.csv'\n",
    "words.csv": "rain\n",
    "figures.py": "from maa import canvas\n",
    "canvas.py": "RED = 1\n",
    "other.py": "from maa.mel import RATE\n",
}


@pytest.fixture
def package(tmp_path):
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def behind(package, *cells, name="20_one", **options):
    cells = cells or ("from maa import figures, mel\nmel.log(1)",)
    return code.behind(name, made_projects.notebook(*cells, **options), package)


def test_all_modules_reached_directly_or_not_are_there_with_their_data(package):
    found = [path.name for path in code.reached("def f():\n    import maa.other", package)]
    assert found == ["mel.py", "other.py", "tones.py", "words.csv"]


@pytest.mark.parametrize("name, old, new", [
    ("mel.py", "return x", "return 2 * x"),
    ("tones.py", "WORDS", "TEXTS"),
    ("words.csv", "rain", "snow"),
])
def test_code_changes_with_what_it_computes(package, name, old, new):
    before = behind(package)
    (package / name).write_text(MODULES[name].replace(old, new))
    assert behind(package) != before


@pytest.mark.parametrize("name, old, new", [
    ("mel.py", '"""Log."""', '"""Logarithm,\n    to the base ten."""'),
    ("mel.py", "# the same", "# as it was"),
    ("mel.py", "\n\n\ndef", "\n\ndef"),
    ("other.py", "RATE", "log"),
    ("canvas.py", "1", "2"),
])
def test_code_stays_when_only_words_or_drawings_change(package, name, old, new):
    before = behind(package)
    assert old in MODULES[name]
    (package / name).write_text(MODULES[name].replace(old, new))
    assert behind(package) == before


def test_figures_count_where_they_are_the_result(package):
    assert "RED" not in behind(package, name="41_scores")
    assert "RED" in behind(package, name="90_report")


def test_prose_and_parameter_values_do_not_count_but_parameter_names_do(package):
    before = behind(package)
    assert behind(package, parameters="seed = 1  # another") == before
    assert behind(package, parameters="seed = 0\nwidth = 3") != before
    book = made_projects.notebook("from maa import figures, mel\n\nmel.log(1)  \n")
    book.cells.insert(1, nbformat.v4.new_markdown_cell("An explanation."))
    assert code.behind("20_one", book, package) == before


def test_a_number_sign_in_a_text_is_no_comment():
    assert code.bare('colour = "#ff0000"  # red\n') == 'colour = "#ff0000"'


def test_code_of_every_notebook_of_a_project_is_written(tmp_path, monkeypatch):
    made_projects.project(tmp_path / "project", {"10_one": made_projects.notebook("print(1)")})
    monkeypatch.chdir(tmp_path / "project")
    code.main()
    text = (tmp_path / "project" / "results" / "code" / "10_one.py").read_text()
    assert text == "# 10_one\n# parameters: scale, seed\nprint(1)\n"
