"""The chain drawn above every notebook: what it names, and that the pictures in git are its own."""

import pytest

from maa import diagrams, project


@pytest.mark.parametrize("name", diagrams.PARTS)
def test_picture_in_the_project_is_what_the_module_draws(name):
    path = project.root() / diagrams.FOLDER / f"{name}.svg"
    assert path.read_bytes() == diagrams.chain(diagrams.PARTS[name]).content(), (
        "run python -m maa.diagrams")


def test_every_coloured_part_is_in_the_chain():
    known = {*diagrams.TILES, *diagrams.STEPS}
    assert all(known.issuperset(parts) for parts in diagrams.PARTS.values())


def test_chain_names_every_thing_that_travels():
    words = {text.get_text() for text in diagrams.chain([]).axes[0].texts}
    assert words.issuperset(diagrams.TILES)
