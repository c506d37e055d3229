"""Drawings of one notebook each: what they show, with units, and what they refuse."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from maa import canvas, charts

STEPS = np.array([999, 500, 0])
VALUES = np.linspace(-3, 3, 7)


def density():
    return np.exp(-VALUES**2 / np.array([[2.0], [1.0], [0.5]]))


def paths(count=5):
    return np.random.default_rng(0).normal(size=(3, count))


def flow(**changed):
    return charts.flow(**{"density": density(), "values": VALUES, "steps": STEPS, "paths": paths(),
                          "title": "Noise becomes data", **changed})


def spread(named=None, mark=None):
    named = named or {"real": [0.4, 0.1, 0.3, 0.2], "generated": [0.5, 0.6]}
    return charts.spread(named, "No clip is a copy", "distance to the nearest clip", mark)


@pytest.mark.parametrize("draw", [flow, spread])
def test_same_drawing_twice_is_the_same_bytes(draw):
    assert draw().content() == draw().content()


@pytest.mark.parametrize("draw, title, x, y", [
    (flow, "Noise becomes data", "step t (the sampler walks to the right)", "value x"),
    (spread, "No clip is a copy", "distance to the nearest clip", "clips / %")])
def test_title_and_axes_say_what_is_drawn(draw, title, x, y):
    figure = draw()
    axes = figure.axes[0]
    assert figure.words() == f"Figure: {title}"
    assert (axes.get_xlabel(), axes.get_ylabel()) == (x, y)
    assert figure.get_size_inches()[0] == canvas.WIDTH


def test_flow_is_a_png_and_spread_an_svg():
    assert flow().content().startswith(b"\x89PNG")
    assert spread().content().lstrip().startswith(b"<?xml")


def test_flow_walks_from_the_first_step_on_the_left_to_the_last_on_the_right():
    axes = flow().axes[0]
    assert axes.get_xlim() == (999, 0)
    assert axes.get_ylim() == (-3, 3)


def test_flow_draws_every_path_at_its_steps_on_the_root_of_the_density():
    wanted, axes = paths(5), flow().axes[0]
    assert len(axes.lines) == 5
    assert np.array_equal(axes.lines[2].get_xdata(), STEPS)
    assert np.array_equal(axes.lines[2].get_ydata(), wanted[:, 2])
    assert np.allclose(axes.images[0].get_array(), density().T ** 0.5)
    assert flow().axes[1].get_ylabel() == "√ density"


def test_spread_climbs_by_equal_shares_from_the_nearest_to_the_furthest():
    line = spread().axes[0].lines[0]
    assert list(line.get_xdata()) == [0.1, 0.2, 0.3, 0.4]
    assert list(line.get_ydata()) == [25, 50, 75, 100]


def test_spread_names_each_curve_in_the_colour_it_has_everywhere():
    axes = spread(mark={"a copy": 0.05}).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "real", "generated", "a copy"]
    assert [line.get_color() for line in axes.lines[:2]] == [canvas.GREY, canvas.RED]


def test_spread_marks_a_distance_with_a_dashed_line():
    line = spread(mark={"a copy": 0.05}).axes[0].lines[-1]
    assert list(line.get_xdata()) == [0.05, 0.05]
    assert line.get_linestyle() == "--"


def test_settings_of_the_notebook_are_neither_used_nor_changed():
    wanted = spread().content()
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert spread().content() == wanted
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("changed, words", [
    ({"density": density().T}, r"density \(7, 3\) and paths \(3, 5\) do not fit 3 steps"),
    ({"paths": paths().T}, r"paths \(5, 3\) do not fit 3 steps and 7 values"),
    ({"values": VALUES[:-1]}, "do not fit 3 steps and 6 values"),
    ({"steps": STEPS[:2]}, "do not fit 2 steps and 7 values")])
def test_a_flow_whose_parts_do_not_fit_is_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        flow(**changed)


def test_each_picture_stands_under_its_name():
    red, blue = np.zeros((3, 4, 4)), np.zeros((3, 4, 4))
    red[0], blue[2] = 1, 1
    figure = charts.pictures({"a red square": red, "blue_one": blue}, "Two", columns=2)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert [one[0, 0].tolist() for one in shown] == [[1, 0, 0], [0, 0, 1]]
    assert [axes.get_title("left") for axes in figure.axes] == ["a red square", "blue one"]


def swept(**changed):
    return pd.DataFrame({"x": [0.2, 0.4], "y": [180, 100], "label": ["1", "4"], **changed})


def sweep(named=None):
    named = named or {"here, n = 104": swept(), "paper, digitised": swept()[["x", "y"]]}
    return charts.sweep(named, "A trade", "CLAP score", "FID")


def test_a_sweep_has_one_panel_a_source_with_axes_of_its_own():
    ours, paper = sweep({"here": swept(), "paper": swept(y=[5, 6])}).axes
    assert ours.get_ylim() != paper.get_ylim()
    assert (ours.get_xlabel(), ours.get_ylabel()) == ("CLAP score", "FID")
    assert [axes.get_title("left") for axes in (ours, paper)] == ["here", "paper"]


def test_a_sweep_prints_its_setting_where_it_is_known():
    ours, paper = sweep().axes
    assert [text.get_text() for text in ours.texts] == ["1", "4"]
    assert not paper.texts


def test_a_sweep_draws_intervals_light_and_the_paper_in_its_own_colour():
    wide = swept(x_low=[0.1, 0.3], x_high=[0.3, 0.5], y_low=[170, 90], y_high=[190, 110])
    ours, paper = sweep({"here, n = 104": wide, "paper, digitised": swept()}).axes
    assert len(ours.collections) == 2 and not paper.collections
    assert {one.get_alpha() for one in ours.collections} == {0.3}
    assert paper.lines[0].get_color() == canvas.VARIANTS["paper"]


def test_a_sweep_twice_is_the_same_bytes():
    """S21."""
    assert sweep().content() == sweep().content()


def test_a_point_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="points of 'here' are not all finite"):
        sweep({"here": swept(y=[180, float("nan")])})
