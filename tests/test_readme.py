"""README.md says what the tables say, and names what is there."""

import re
from pathlib import Path

from maa import notebooks, scores

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def table(heading):
    """Rows of the first table under a heading, as lists of cells."""
    part = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_number_of_the_small_model_stands_in_its_scores():
    shown = scores.shown(scores.read(ROOT / "results/small/scores/scores.csv")).reset_index()
    known = {tuple(map(str, row)) for row in
             shown[["what", "metric", "value (95 % interval)", "n"]].itertuples(index=False)}
    rows = table("What the small model reaches")
    assert len(rows) >= 5
    for row in rows:
        assert tuple(row) in known, row


def test_every_notebook_and_module_is_in_the_map_and_exists():
    cells = " ".join(" ".join(row) for row in table("Paper → notebook → module"))
    assert set(re.findall(r"`(\d\d_\w+)`", cells)) == set(notebooks.names(ROOT))
    for module in re.findall(r"`maa\.(\w+)`", cells):
        assert (ROOT / f"maa/{module}.py").is_file(), module


def test_every_picture_and_sound_it_shows_is_there():
    places = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert places
    for place in places:
        assert (ROOT / place).is_file(), place
