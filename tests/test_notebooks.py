"""maa.notebooks: found by name, parameters read, executed copies judged and normalised."""

import made_projects
import nbformat
import pytest

from maa import notebooks

KNOWN = ["10_clips", "20_autoencoder"]


@pytest.mark.parametrize("word", ["clips", "10_clips", "notebooks/10_clips.ipynb"])
def test_a_notebook_is_found_by_name_section_or_path(word):
    assert notebooks.find(KNOWN, word) == "10_clips"


def test_an_unknown_notebook_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="'clip' is unknown, expected one of: clips, autoencoder"):
        notebooks.find(KNOWN, "clip")


def test_names_are_those_of_the_project_in_reading_order(tmp_path):
    folder = made_projects.project(tmp_path / "project", {"10_one": made_projects.notebook()})
    assert notebooks.names(folder) == ["10_one"]


def test_a_half_saved_notebook_is_named(tmp_path):
    (tmp_path / "10_one.ipynb").write_text('{"cells": [')
    with pytest.raises(ValueError, match="'10_one.ipynb' cannot be read as a notebook"):
        notebooks.read(tmp_path / "10_one.ipynb")


def test_parameters_are_names_with_literals():
    book = made_projects.notebook(parameters="rates = [0.5, -1]  # kHz\nname = None")
    assert notebooks.parameters(book) == {"scale": "mini", "rates": [0.5, -1], "name": None}


@pytest.mark.parametrize("line", ["width = 2 * 3", "import os", "a.b = 1", "print(1)"])
def test_anything_else_in_the_parameters_cell_is_refused(line):
    with pytest.raises(ValueError, match="expected `name = literal`"):
        notebooks.parameters(made_projects.notebook(parameters=line))


def test_a_notebook_without_parameters_cell_is_refused():
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    with pytest.raises(ValueError, match="0 cells have the tag 'parameters'"):
        notebooks.parameters(book)


def executed(*counts, outputs=(), tags=()):
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell("1 / 0", execution_count=count) for count in counts]
    book.cells[-1].outputs = [nbformat.v4.new_output(**output) for output in outputs]
    book.cells[-1].metadata["tags"] = list(tags)
    return book


ERROR = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "no", "traceback": []}


def test_cells_that_all_ran_in_order_are_a_success():
    assert notebooks.failure(executed(1, 2, 3)) is None
    assert notebooks.failure(executed(1, outputs=[ERROR], tags=["raises-exception"])) is None


@pytest.mark.parametrize("counts", [(1, 3), (2, 1), (1, None), (2,)])
def test_cells_left_out_or_run_in_another_order_are_a_failure(counts):
    """N12."""
    assert notebooks.failure(executed(*counts))[0] == "N-ORDER"


def test_an_error_is_told_with_its_cell():
    assert notebooks.failure(executed(1, 2, outputs=[ERROR])) == (
        "N-CELL", "cell [2] '1 / 0': ZeroDivisionError: no")


def test_an_error_of_ours_keeps_its_code():
    error = {**ERROR, "ename": "MaaError", "evalue": "T-NAN: 'loss' is nan: sorry"}
    assert notebooks.failure(executed(1, 2, outputs=[error])) == (
        "T-NAN", "'loss' is nan: sorry — cell [2] '1 / 0'")


def test_a_copy_holds_no_time_no_random_id_no_place_and_no_progress_bar():
    outputs = [
        {"output_type": "stream", "name": "stderr", "text": "a\n\r 10%|#  | 1/10 [00:01"},
        {"output_type": "stream", "name": "stdout", "text": "in /disk/project/results, "},
        {"output_type": "stream", "name": "stderr", "text": "\r100%|###| 10/10 [00:09\nb\n"},
        {"output_type": "stream", "name": "stdout", "text": "/disk/project\n"},
        {"output_type": "display_data", "data": {
            "text/plain": "<A at 0x7f12ab34cd56> /scratch/ipykernel_77/12.py:1: Warning"}},
    ]
    copies = []
    for moment in ("01:02", "03:04"):
        book = executed(1, outputs=outputs)  # a random id for each cell
        book.metadata["papermill"] = {"start_time": moment}
        book.cells[0].metadata |= {"papermill": {"duration": moment}, "execution": {"t": moment}}
        copies.append(notebooks.normalised(book, "/disk/project"))
    assert copies[0] == copies[1]
    cell = nbformat.reads(copies[0].decode(), as_version=4).cells[0]
    assert [out.text for out in cell.outputs[:2]] == ["a\nb\n", "in results, .\n"]
    assert cell.outputs[2].data["text/plain"] == "<A at 0x…> cell:1: Warning"
    assert cell.metadata == {"tags": []}


def test_output_that_nobody_could_open_is_refused_and_dropped():
    """N09."""
    text = "x" * (notebooks.LARGEST_OUTPUT + 1)
    cell = executed(1, outputs=[{"output_type": "stream", "name": "stdout", "text": text}]).cells[0]
    with pytest.raises(ValueError, match="2.0 MB of output, expected at most 2 MB"):
        notebooks.refuse_large(cell)
    assert cell.outputs == []


def test_a_long_word_is_normalised_in_no_time():
    assert notebooks.plain("x" * 3_000_000, "/disk") == "x" * 3_000_000
