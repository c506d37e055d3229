"""Checkpoints by themselves; tests/test_training.py has what a run does with them."""

from pathlib import Path

import pytest
import torch

from maa import checkpoints
from maa.errors import MaaError, MaaWarning


def state(step):
    return {"step": step, "weights": torch.arange(5.0) * step, "rows": [[step, "loss", 0.5]]}


def spoil(path, place=100):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_state_comes_back_as_it_was_written(tmp_path):
    checkpoints.write(tmp_path, 7, state(7))
    path, found = checkpoints.latest(tmp_path)
    assert path.name.startswith("step-00000007-")
    assert torch.equal(found.pop("weights"), torch.arange(5.0) * 7)
    assert found == {"step": 7, "rows": [[7, "loss", 0.5]]}


def test_newest_is_by_step_and_not_by_the_time_of_writing(tmp_path):
    for step in (9, 1200, 100):
        checkpoints.write(tmp_path, step, state(step))
    assert [int(path.name[5:13]) for path in checkpoints.newest(tmp_path)] == [1200, 100]


def test_a_folder_without_checkpoints_has_no_latest(tmp_path):
    (tmp_path / "log.csv").write_text("step\n")
    assert checkpoints.latest(tmp_path) == (None, None)
    assert checkpoints.latest(tmp_path / "none") == (None, None)


def test_the_older_one_is_read_where_the_newest_is_cut_short(tmp_path):
    for step in (1, 2):
        checkpoints.write(tmp_path, step, state(step))
    newest = checkpoints.newest(tmp_path)[0]
    newest.write_bytes(newest.read_bytes()[:500])
    with pytest.warns(MaaWarning, match="K-HASH: checkpoint 'step-00000002-.* is damaged"):
        path, found = checkpoints.latest(tmp_path)
    assert found["step"] == 1 and path.name.startswith("step-00000001")


def test_nothing_is_read_where_all_are_damaged(tmp_path):
    for step in (1, 2):
        checkpoints.write(tmp_path, step, state(step))
    for path in checkpoints.newest(tmp_path):
        spoil(path)
    with pytest.warns(MaaWarning, match="K-HASH"):
        assert checkpoints.latest(tmp_path) == (None, None)


def test_those_passed_over_as_damaged_are_removed_and_no_whole_one(tmp_path):
    for step in (1, 2):
        checkpoints.write(tmp_path, step, state(step))
    older, newest = sorted(tmp_path.iterdir())
    checkpoints.remove_newer(tmp_path, newest)
    assert checkpoints.newest(tmp_path) == [newest, older]
    checkpoints.remove_newer(tmp_path, older)
    assert checkpoints.newest(tmp_path) == [older]
    checkpoints.remove_newer(tmp_path, None)
    assert checkpoints.newest(tmp_path) == []


def test_the_same_settings_are_accepted_in_any_order():
    old, new = {"seed": 0, "labels": ["a"]}, {"labels": ["a"], "seed": 0}
    assert checkpoints.refuse_changes(old, new, Path("run/step.pt")) is None


@pytest.mark.parametrize("old, new, words", [
    ({"seed": 0}, {"seed": 1}, "seed is 1, was 0; set them back or remove the folder"),
    ({"seed": 0}, {"seed": 0, "mixup": 0.3}, "mixup is 0.3, was None"),
    ({"seed": 0, "mixup": 0.3}, {"seed": 0}, "mixup is None, was 0.3"),
    ({"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 2, "c": 5}, "a is 4, was 1; c is 5, was 3"),
])
def test_every_changed_new_or_missing_setting_is_named(old, new, words):
    with pytest.raises(MaaError, match=f"T-SETTINGS: step.pt in 'run' .*{words}") as caught:
        checkpoints.refuse_changes(old, new, Path("run/step.pt"))
    assert caught.value.exit_status == 2
