"""Figures: what they show, that equal input gives equal bytes, and what they refuse."""

import io
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from maa import canvas, figures, mel


def tone(hertz=1000.0, seconds=1.0, level=1.0):
    time = np.arange(round(seconds * mel.RATE)) / mel.RATE
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def log():
    rows = [(step, "train", name, 10 / step) for step in (50, 100) for name in ("L1", "gradient x")]
    rows.append((100, "held_out", "L1", 0.2))
    return pd.DataFrame(rows, columns=["step", "split", "name", "value"])


def scores():
    return pd.DataFrame({"name": ["real", "generated"], "value": [0.9, 0.5], "low": [0.8, 0.4],
                         "high": [0.95, 0.6]})


EVERY = {
    "spectrogram": lambda: figures.spectrogram(tone(), "A tone is a line"),
    "mels": lambda: figures.mels({"a": torch.zeros(1, 1, 80, 16), "b": torch.zeros(80, 16)}),
    "latents": lambda: figures.latents(torch.zeros(4, 10, 3), "Four channels"),
    "lines": lambda: figures.lines({"a": [1, 2], "b": ([0, 1], [3, 4])}, "Two", "x / s", "y / m"),
    "curves": lambda: figures.curves(log(), title="The loss falls"),
    "bars": lambda: figures.bars(scores(), "Real sound is named more often", "accuracy"),
    "heatmap": lambda: figures.heatmap(
        pd.DataFrame([[1.0, 0.0]], ["a"], ["b", "c"]), "b wins", "cosine", numbers=True),
}


@pytest.mark.parametrize("name", EVERY)
def test_same_drawing_twice_is_the_same_bytes(name):
    """S21."""
    assert EVERY[name]().content() == EVERY[name]().content()


@pytest.mark.parametrize("name", EVERY)
def test_figure_is_seven_inches_wide_so_that_it_is_legible_at_half(name):
    assert EVERY[name]().get_size_inches()[0] == canvas.WIDTH == 7


@pytest.mark.parametrize("name", ["spectrogram", "mels", "latents"])
def test_spectra_are_shown_as_png(name):
    assert set(EVERY[name]()._repr_mimebundle_()) == {"image/png", "text/plain"}


@pytest.mark.parametrize("name", ["lines", "curves", "bars"])
def test_lines_are_shown_as_svg(name):
    assert set(EVERY[name]()._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}


def test_title_is_also_there_as_words():
    assert EVERY["bars"]().words() == "Figure: Real sound is named more often"


def test_svg_holds_no_date():
    assert not re.search(rb"\d{4}-\d\d-\d\dT", EVERY["lines"]().content())


def test_tone_of_full_scale_is_at_zero_decibels_at_its_frequency():
    picture = figures.spectrogram(tone(1000.0)).axes[0].images[0]
    level = picture.get_array()
    assert level.max() == pytest.approx(0, abs=0.1)
    assert level[:, 30].argmax() * mel.RATE / mel.WINDOW == pytest.approx(1000, abs=8)


def test_axes_of_a_sound_are_seconds_and_kilohertz():
    axes = figures.spectrogram(tone(seconds=2.0)).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time / s", "frequency / kHz")
    assert axes.images[0].get_extent() == [0, 2, 0, 8]


def test_long_sound_is_drawn_and_played_for_three_seconds():
    player, picture = figures.listen(tone(seconds=10.0), "Long").parts
    wave, rate = soundfile.read(io.BytesIO(player.content))
    assert rate == mel.RATE
    assert len(wave) / rate == pytest.approx(3, abs=0.2)
    assert picture.axes[0].get_xlabel() == "time / s (of 10.0 s)"


def test_excerpt_begins_where_asked():
    picture = figures.listen(tone(seconds=5.0), start=2.0).parts[1]
    assert picture.axes[0].images[0].get_extent()[:2] == pytest.approx([2, 5], abs=0.02)


def test_player_keeps_the_level_and_is_at_most_65_kilobytes_in_the_page():
    quiet = figures.listen(tone(seconds=3.0, level=0.1), "Quiet").parts[0]
    wave, _ = soundfile.read(io.BytesIO(quiet.content))
    assert np.abs(wave).max() == pytest.approx(0.1, abs=0.02)
    assert len(quiet._repr_html_()) < 65_000


def test_same_sound_is_the_same_player():
    assert canvas.Player(tone()).content == canvas.Player(tone()).content


def test_player_title_cannot_close_its_own_quotes():
    assert 'aria-label="&quot;&gt;&lt;b&gt;"' in canvas.Player(tone(), '"><b>')._repr_html_()


def test_mel_ticks_lie_at_the_bands_of_their_frequency():
    axes = figures.mels({"a": torch.zeros(80, 16)}).axes[0]
    ticks = dict(zip([t.get_text() for t in axes.get_yticklabels()], axes.get_yticks()))
    band = int((mel.band_centres() - 1000).abs().argmin())
    assert ticks["1"] == pytest.approx(band, abs=1)


def test_curves_leave_out_gradients_unless_asked():
    assert [axes.get_ylabel() for axes in figures.curves(log()).axes] == ["L1"]


def test_same_name_has_the_same_colour_wherever_it_stands():
    assert canvas.colours(["x", "real"])["real"] == canvas.colours(["real", "y"])["real"]


def test_names_in_one_figure_have_different_colours():
    found = canvas.colours(["real", "x", "generated", "y"])
    assert len(set(found.values())) == 4


def test_palette_is_seaborns_colour_blind_one():
    seaborn = pytest.importorskip("seaborn")
    assert list(canvas.COLOURS) == seaborn.color_palette("colorblind").as_hex()


def test_saved_figure_is_its_content(tmp_path):
    figure = EVERY["lines"]()
    figures.save(figure, tmp_path / "new" / "lines.svg")
    assert (tmp_path / "new" / "lines.svg").read_bytes() == figure.content()


@pytest.mark.parametrize("name, kind", [("lines", "svg"), ("bars", "svg"), ("mels", "png")])
def test_a_figure_made_anew_is_saved_as_the_same_bytes(tmp_path, name, kind):
    """S21: no date, no random id in the file."""
    paths = [tmp_path / f"{number}.{kind}" for number in (1, 2)]
    for path in paths:
        figures.save(EVERY[name](), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("call, words", [
    (lambda: figures.listen(np.zeros((2, 16_000))), "expected .1024 samples or more"),
    (lambda: figures.listen(np.zeros(10)), "expected .1024 samples or more"),
    (lambda: figures.mels({"a": torch.zeros(64, 16)}),
     r"shape \(64, 16\), expected \(80, frames\)"),
    (lambda: figures.mels({"a": torch.zeros(3, 1, 80, 16)}), "is it a batch"),
    (lambda: figures.latents(torch.zeros(10, 3)), "expected .channels, 10, columns"),
    (lambda: figures.curves(log(), ["L2"]), "log has no .'L2'., expected some of"),
    (lambda: canvas.Canvas(kind="gif"), "expected one of"),
    (lambda: figures.save(EVERY["lines"](), "lines.jpg"), "expected an ending of .svg or .png"),
])
def test_what_cannot_be_drawn_is_refused_with_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_number_of_a_bar_stands_beyond_its_end_on_either_side():
    frame = pd.DataFrame({"name": ["up", "down"], "value": [0.5, -0.4], "low": [0.4, -0.6],
                          "high": [0.7, -0.3]})
    numbers = figures.bars(frame, "two", "cosine").axes[0].texts
    assert [(one.xy[0], one.get_ha(), np.sign(one.get_position()[0])) for one in numbers] == [
        (0.7, "left", 1), (-0.6, "right", -1)]


@pytest.mark.parametrize("last, ticks", [(0.1, [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1]),
                                         (0.001, [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1])])
def test_losses_over_many_decades_have_fewer_ticks(last, ticks):
    frame = pd.DataFrame({"step": [1, 2], "split": "train", "name": "L1", "value": [1.0, last]})
    axes = figures.curves(frame).axes[0]
    low, high = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert shown == pytest.approx(ticks)


def test_long_name_above_a_mel_does_not_reach_its_neighbour():
    names = {f"{number}: thunderstorm": np.zeros((80, 32)) for number in range(5)}
    drawn = figures.mels(names, columns=5)
    drawn.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in drawn.axes[:5]]
    assert all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:]))


def test_labels_in_a_title_are_words():
    assert figures.lines({"x": [1, 2]}, "clock_alarm: real", "x", "y").get_suptitle() == (
        "clock alarm: real")
