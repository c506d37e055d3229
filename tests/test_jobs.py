"""maa.jobs: rows compared with parameters cells, and notebooks in an order that works."""

import made_projects
import pytest
import yaml

from maa import jobs
from maa.errors import MaaError

VARIANTS = {"bert": {"encoder": "bert"}, "plain": {"events": 0}, "t5": {"encoder": "t5"}}
CELL = 'variant = "bert"\nencoder = "clap"\nevents = 2'


def varied(tmp_path, variants=VARIANTS, cell=CELL):
    """A project with a notebook that has a row for each variant, and one that reads all of them."""
    row = {"encoder": "clap", "events": 2}
    books = {"24_variant": made_projects.notebook("1", parameters=cell),
             "10_one": made_projects.notebook("1", parameters='encoder = "clap"\nevents = 2')}
    stages = {"variant": {"matrix": {"scale": ["mini"], "variant": list(variants)},
                          "outs": ["audio/${item.variant}"]},
              "one": {"deps": ["audio/plain"]}}
    return made_projects.project(
        tmp_path / "project", books, row=row, stages=stages, variants={"variant": variants})


def test_a_job_has_the_row_the_scale_and_the_limits_of_its_notebook(tmp_path):
    books = {"10_one": made_projects.notebook("1")}
    folder = made_projects.project(tmp_path / "project", books, row={"seed": 3}, minutes=5)
    (job,) = jobs.prepare(folder, "mini")
    assert job.parameters == {"scale": "mini", "seed": 3}
    assert (job.name, job.scale, job.minutes, job.gpus) == ("10_one", "mini", 5, 0)


def test_a_scale_without_minutes_is_refused_and_the_table_that_lacks_it_named(tmp_path):
    folder = made_projects.project(
        tmp_path / "project", {"10_one": made_projects.notebook("1")}, row={"seed": 3})
    rows = jobs.read_yaml(folder / "params.yaml")
    rows["one"]["mine"] = {"seed": 3}
    (folder / "params.yaml").write_text(yaml.safe_dump(rows))
    told = "R-SCALE: limits.minutes of params.yaml has no 'mine' for 'one', expected .* mini"
    with pytest.raises(MaaError, match=told) as caught:
        jobs.prepare(folder, "mine")
    assert caught.value.exit_status == 2
    rows["limits"]["minutes"]["one"]["mine"] = 4
    (folder / "params.yaml").write_text(yaml.safe_dump(rows))
    assert [job.minutes for job in jobs.prepare(folder, "mine")] == [4]


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


# ---- variants -----------------------------------------------------------------------------------

def test_a_notebook_with_variants_has_a_job_for_each_and_others_wait_for_all(tmp_path):
    found = jobs.prepare(varied(tmp_path), "mini")
    assert [(job.name, job.variant) for job in found] == [
        ("24_variant", "bert"), ("24_variant", "plain"), ("24_variant", "t5"), ("10_one", "")]


def test_a_variant_changes_its_own_parameters_and_keeps_the_others(tmp_path):
    bert, plain, t5, one = jobs.prepare(varied(tmp_path), "mini")
    row = {"scale": "mini", "encoder": "clap", "events": 2}
    assert bert.parameters == row | {"variant": "bert", "encoder": "bert"}
    assert plain.parameters == row | {"variant": "plain", "events": 0}
    assert t5.parameters == row | {"variant": "t5", "encoder": "t5"}
    assert one.parameters == row


def test_each_variant_has_a_copy_and_checkpoints_of_its_own(tmp_path):
    found = jobs.prepare(varied(tmp_path), "mini")
    assert [job.copy for job in found] == [
        "24_variant.bert", "24_variant.plain", "24_variant.t5", "10_one"]
    assert [job.section for job in found] == ["variant/bert", "variant/plain", "variant/t5", "one"]


@pytest.mark.parametrize("words, wanted", [
    (["variant@bert"], ["24_variant.bert"]),
    (["24_variant@t5", "variant@bert"], ["24_variant.bert", "24_variant.t5"]),  # reading order
    (["variant@t5", "variant"], ["24_variant.bert", "24_variant.plain", "24_variant.t5"]),
    (["one", "variant@plain"], ["24_variant.plain", "10_one"]),
])
def test_only_the_variants_that_are_named_are_run(tmp_path, words, wanted):
    assert [job.copy for job in jobs.prepare(varied(tmp_path), "mini", words)] == wanted


@pytest.mark.parametrize("word, said", [
    ("variant@bart", "R-NAME: 24_variant has no variant 'bart', expected one of: bert, plain, t5"),
    ("one@bert", "R-NAME: 10_one has no variant 'bert', expected one of: none"),
])
def test_a_variant_that_is_not_there_is_refused(tmp_path, word, said):
    with pytest.raises(ValueError, match=said):
        jobs.prepare(varied(tmp_path), "mini", [word])


def test_a_variant_that_changes_what_the_notebook_does_not_know_is_refused(tmp_path):
    """N06."""
    folder = varied(tmp_path, {"bert": {"encoder": "bert"}, "wide": {"width": 8}})
    with pytest.raises(ValueError, match="'width', which the notebook does not know"):
        jobs.prepare(folder, "mini")


def test_outs_of_a_stage_are_those_of_all_its_variants():
    stage = {"outs": ["models/${item.variant}", {"logs/${item.variant}.csv": {"cache": False}}],
             "matrix": {"scale": ["mini"], "variant": ["bert", "t5"]}}
    assert jobs.outs(stage) == ["models/bert", "models/t5", "logs/bert.csv", "logs/t5.csv"]
    plain = {"outs": ["models/${item.scale}"], "matrix": {"scale": ["mini", "small"]}}
    assert jobs.outs(plain) == ["models/${item.scale}"] and jobs.outs({}) == []


def test_gpus_that_the_user_has_chosen_keep_their_names(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert jobs.visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-7")
    assert jobs.visible_gpus() == ["3", "GPU-7"]
