"""The project and its results are found from any folder inside it."""

from pathlib import Path

import made_projects
import pytest

from maa import project
from maa.errors import MaaError


@pytest.fixture
def folder(tmp_path):
    return made_projects.project(tmp_path / "project", {"10_one": made_projects.notebook()})


@pytest.mark.parametrize("inside", [".", "notebooks"])
def test_results_are_found_from_the_root_and_from_the_notebooks(folder, inside, monkeypatch):
    monkeypatch.chdir(folder / inside)
    assert project.root() == folder
    assert project.results("mini").resolve() == folder / "results" / "mini"


def test_seen_from_the_root_results_have_a_short_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert project.results("reported") == Path("results/reported")


def test_outside_of_a_project_it_is_the_one_that_maa_lies_in(tmp_path):
    assert project.root(tmp_path) == Path(project.__file__).parents[1]


def test_without_any_project_one_line_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "__file__", str(tmp_path / "site/maa/project.py"))
    with pytest.raises(MaaError, match="R-ROOT: no params.yaml beside a folder 'notebooks'"):
        project.root(tmp_path)
