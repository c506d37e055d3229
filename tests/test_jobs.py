"""maa.jobs: rows compared with parameters cells, and notebooks in an order that works."""

import made_projects
import pytest

from maa import jobs


def test_a_job_has_the_row_the_scale_and_the_limits_of_its_notebook(tmp_path):
    books = {"10_one": made_projects.notebook("1")}
    folder = made_projects.project(tmp_path / "project", books, row={"seed": 3}, minutes=5)
    (job,) = jobs.prepare(folder, "mini")
    assert job.parameters == {"scale": "mini", "seed": 3}
    assert (job.name, job.scale, job.minutes, job.gpus) == ("10_one", "mini", 5, 0)


@pytest.mark.parametrize("row", [{"seed": 1.5}, {"seed": None}])
def test_whole_numbers_fractions_and_none_may_replace_one_another(row):
    jobs.check_parameters("here", {"scale": "mini", **row}, {"scale": "mini", "seed": 0})


def test_notebooks_wait_for_those_whose_results_they_read():
    stages = {
        "listen": {"deps": ["results/x/pipeline", "results/code/00_listen.py"]},
        "clips": {"outs": ["results/x/clips"]},
        "model": {"deps": ["results/x/clips"], "outs": [{"results/x/pipeline": {"cache": False}}]},
    }
    known = ["00_listen", "10_clips", "20_model", "50_table"]
    assert jobs.in_order(stages, known) == ["10_clips", "20_model", "00_listen", "50_table"]


def test_stages_in_a_circle_are_refused():
    stages = {"a": {"deps": ["y"], "outs": ["x"]}, "b": {"deps": ["x"], "outs": ["y"]}}
    with pytest.raises(ValueError, match="wait for one another"):
        jobs.in_order(stages, ["10_a", "20_b"])
