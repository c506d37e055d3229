"""What every figure shares: bytes that never vary, colours that stay, sounds beside pictures."""

import base64
import io

import IPython.display
import matplotlib
import numpy as np
import pytest
import soundfile
from PIL import Image

from maa import canvas, mel


def drawn(kind="svg", **options):
    """A small figure with a line and a title of two lines."""
    figure = canvas.Canvas(2.0, kind, **options)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0, 1, 4])
    axes.set(title="A line\nthat bends", xlabel="time / s", ylabel="way / m")
    return figure


def tone(level, seconds=0.5):
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * mel.RATE)) / mel.RATE)


def heard(player):
    return soundfile.read(io.BytesIO(player.content))[0]


# ---- pictures -----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", canvas.MIME)
def test_a_figure_shown_saved_and_shown_again_is_the_same_bytes(kind, tmp_path):
    figure = drawn(kind)
    first = figure.content()
    canvas.save(figure, tmp_path / f"new/figure.{kind}")
    assert (tmp_path / f"new/figure.{kind}").read_bytes() == first == figure.content()


def test_a_png_has_100_pixels_an_inch_and_at_most_192_colours():
    picture = Image.open(io.BytesIO(drawn("png").content()))
    assert picture.size == (700, 200)
    assert len(picture.convert("RGB").getcolors()) <= 192


def test_a_notebook_gets_the_bytes_of_a_png_and_the_text_of_an_svg():
    png, svg = drawn("png"), drawn("svg")
    assert base64.b64decode(png._repr_mimebundle_()["image/png"]) == png.content()
    assert svg._repr_mimebundle_()["image/svg+xml"].encode() == svg.content()


def test_words_are_the_titles_without_line_breaks():
    figure = drawn()
    figure.suptitle("Two things")
    assert figure.words() == "Figure: Two things | A line that bends"


def test_a_long_title_takes_more_lines_and_leaves_the_axes_their_height():
    short, long = drawn(), drawn()
    short.titled("A finding")
    long.titled("A finding that needs many more words than fit into the width of one figure")
    assert long.words() == ("Figure: A finding that needs many more words than fit into the width "
                            "of one figure | A line that bends")
    heights = [figure.content() and figure.axes[0].get_position().height * figure.get_figheight()
               for figure in (short, long)]
    assert heights[1] == pytest.approx(heights[0], abs=0.05)
    assert long.get_figheight() == pytest.approx(short.get_figheight() + 0.25)


@pytest.mark.parametrize("label, words", [("sea_waves", "sea waves"), ("rain", "rain"), (3, "3")])
def test_labels_are_shown_as_words(label, words):
    assert canvas.plain(label) == words


def test_styled_drawings_use_our_style_and_leave_that_of_the_notebook():
    @canvas.styled
    def size():
        return matplotlib.rcParams["font.size"]

    with matplotlib.rc_context({"font.size": 31}):
        assert size() == canvas.STYLE["font.size"] == 12
        assert matplotlib.rcParams["font.size"] == 31


def test_the_style_is_put_back_when_a_drawing_fails():
    @canvas.styled
    def fail():
        raise KeyError("no such column")

    with matplotlib.rc_context({"font.size": 31}):
        with pytest.raises(KeyError):
            fail()
        assert matplotlib.rcParams["font.size"] == 31


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.PNG"])
def test_a_figure_of_another_ending_is_refused_and_not_written(name, tmp_path):
    with pytest.raises(ValueError, match=f"'{name}', expected an ending of .svg or .png"):
        canvas.save(drawn(), tmp_path / name)
    assert not list(tmp_path.iterdir())


# ---- colours ------------------------------------------------------------------------------------

def test_new_names_take_colours_that_the_known_ones_do_not_have():
    found = canvas.colours(["real", "one", "generated", "two", "train"])
    assert found["real"] == canvas.GREY and found["train"] == canvas.BLUE
    assert len(set(found.values())) == 5


def test_more_names_than_colours_begin_again_in_the_same_order():
    found = canvas.colours([f"name {n}" for n in range(12)])
    assert list(found.values()) == [*canvas.COLOURS, *canvas.COLOURS[:2]]


# ---- sounds -------------------------------------------------------------------------------------

def test_a_sound_above_full_scale_is_cut_as_a_loudspeaker_would():
    cut = np.clip(tone(3.0), -1, 1)
    assert canvas.Player(tone(3.0)).content == canvas.Player(cut).content


def test_a_player_keeps_length_and_level():
    wave = heard(canvas.Player(tone(0.5)))
    assert len(wave) / mel.RATE == pytest.approx(0.5, abs=0.1)  # of MP3 frames, 36 ms each
    middle = wave[len(wave) // 3:len(wave) // 2]
    assert np.sqrt(2 * np.square(middle).mean()) == pytest.approx(0.5, rel=0.1)


def test_a_player_carries_its_sound_in_the_page_and_waits_to_be_pressed():
    player = canvas.Player(tone(0.5), "A low tone")
    page = player._repr_html_()
    assert 'aria-label="A low tone"' in page and 'preload="none"' in page
    assert "autoplay" not in page
    assert base64.b64decode(page.split("base64,")[1].split('"')[0]) == player.content


def test_a_title_is_text_in_the_page_whatever_it_holds():
    """C22: a caption may hold markup."""
    page = canvas.Player(tone(0.5), '"><script>alert(1)</script>')._repr_html_()
    assert "<script>" not in page and "&quot;&gt;&lt;script&gt;" in page


def test_things_together_are_shown_in_their_order(monkeypatch):
    seen = []
    monkeypatch.setattr(IPython.display, "display", lambda *parts: seen.extend(parts))
    player, picture = canvas.Player(tone(0.5)), drawn()
    canvas.Together(player, picture)._ipython_display_()
    assert seen == [player, picture]


def test_a_name_is_wrapped_between_words_and_never_within_one():
    assert canvas.wrapped("2: clip, thunderstorm", 9) == "2: clip,\nthunderstorm"
    assert canvas.wrapped("sea_waves", 20) == "sea waves"
