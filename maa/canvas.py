"""What every figure of the project shares: size, letters, colours, and bytes that never vary.

A Canvas is a matplotlib Figure that shows itself in a notebook: lines as SVG, spectra as PNG. It
is made without pyplot, so nothing lingers in memory and no backend has a say. A Player stands
beside the picture of its sound.

Conventions: one figure is 7 inches wide and can be read at half of that; the same content gives
    the same bytes (no dates, fixed ids), so that DVC sees no change where there is none.
Source: none in the paper.  Notebook: all of them.
"""

import base64
import functools
import html
import io
import itertools
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
from matplotlib.figure import Figure
from PIL import Image

from maa import files, mel

WIDTH = 7.0  # inches
LETTERS = 64  # of a title that fit into the width
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494",
           "#ece133", "#56b4e9")  # seaborn's "colorblind", whose import alone takes seconds
BLUE, ORANGE, GREEN, RED, PINK, BROWN, ROSE, GREY, YELLOW, SKY = COLOURS
VARIANTS = {  # the same thing has the same colour in every figure
    "train": BLUE, "held_out": ORANGE, "held out": ORANGE,
    "real": GREY, "rebuilt": GREEN, "vocoded": PINK, "generated": RED,
    "istft": PINK, "hifigan": SKY, "griffin_lim": BROWN,
    "clap": BLUE, "words": BROWN, "paper": "#555555",
}
STYLE = {
    "font.size": 12, "axes.titlesize": 13, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 12, "xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 11,
    "figure.titlesize": 13, "figure.titleweight": "bold", "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": False, "lines.linewidth": 2,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS), "image.cmap": "magma",
    "figure.facecolor": "white", "savefig.facecolor": "white",
    "figure.dpi": 100, "savefig.dpi": 100, "svg.hashsalt": "maa", "svg.fonttype": "path",
}
NO_DATE = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
MIME = {"svg": "image/svg+xml", "png": "image/png"}


class Canvas(Figure):
    """Figure whose last line in a cell shows it; `kind` is "svg" (lines) or "png" (spectra)."""

    def __init__(self, height=2.6, kind="svg", width=WIDTH):
        if kind not in MIME:
            raise ValueError(f"kind is {kind!r}, expected one of {sorted(MIME)}")
        super().__init__(figsize=(width, height), layout="constrained")
        self.kind = kind

    def titled(self, words):
        """Put the finding above everything, labels in it as words, on as many lines as it needs."""
        lines = wrapped(words or "", LETTERS)
        self.set_figheight(self.get_figheight() + 0.25 * lines.count("\n"))
        self.suptitle(lines, x=0.01, ha="left")

    def content(self):
        """The picture as bytes, the same for the same drawing."""
        return drawing(self, self.kind)

    def words(self):
        """Titles of the figure, for readers who do not see it."""
        titles = [self.get_suptitle()] + [
            axes.get_title(where) for axes in self.axes for where in ("left", "center")]
        return "Figure: " + " | ".join(title.replace("\n", " ") for title in titles if title)

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = self.content()
        shown = data.decode() if self.kind == "svg" else base64.b64encode(data).decode()
        return {MIME[self.kind]: shown, "text/plain": self.words()}


class Player:
    """A sound to press play on, as MP3 inside the page: 40 KB at most, and every browser knows it.

    Ogg was measured too: libsndfile gives each file a random serial number, so no two are equal.
    """

    def __init__(self, wave, title=""):
        memory = io.BytesIO()
        loud = np.clip(np.asarray(wave, np.float64), -1, 1)
        soundfile.write(memory, loud, mel.RATE, format="MP3", subtype="MPEG_LAYER_III",
                        bitrate_mode="CONSTANT", compression_level=0.5)
        self.content, self.title = memory.getvalue(), title

    def _repr_html_(self):
        data = base64.b64encode(self.content).decode()
        return (f'<audio controls preload="none" aria-label="{html.escape(self.title)}" '
                f'src="data:audio/mpeg;base64,{data}"></audio>')


class Together:
    """Several things that a cell shows one under the other, such as a Player and its picture."""

    def __init__(self, *parts):
        self.parts = parts

    def _ipython_display_(self):
        from IPython.display import display

        display(*self.parts)


def styled(function):
    """Drawing functions are run with STYLE, whatever a notebook has set."""
    @functools.wraps(function)
    def drawn(*arguments, **options):
        with matplotlib.rc_context(STYLE):
            return function(*arguments, **options)

    return drawn


def plain(name):
    """A label as words: "sea_waves" → "sea waves"."""
    return str(name).replace("_", " ")


def wrapped(name, letters):
    """A label as words on lines of at most that many letters; a longer word has its own line."""
    return "\n".join(textwrap.wrap(plain(name), letters, break_long_words=False))


def colours(names):
    """{name: colour}: those of VARIANTS, and for names not in it what is left, in order."""
    fixed = {VARIANTS[name] for name in names if name in VARIANTS}
    left = itertools.cycle([c for c in COLOURS if c not in fixed] or COLOURS)
    return {name: VARIANTS[name] if name in VARIANTS else next(left) for name in names}


def save(figure, path):
    """Write a figure: .svg or .png by the ending of the path, atomically, without a date."""
    path = Path(path)
    kind = path.suffix[1:]
    if kind not in NO_DATE:
        raise ValueError(f"path is {path.name!r}, expected an ending of .svg or .png")
    content = drawing(figure, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.atomic_write(path, content)


def drawing(figure, kind):
    """A figure as bytes; its layout is found once, for a second search would move it a little."""
    memory = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(memory, format=kind, metadata=NO_DATE[kind])
    return fewer_colours(memory) if kind == "png" else memory.getvalue()


def fewer_colours(memory):
    """A PNG a quarter the size: 192 colours are enough for a spectrum, its scale and letters."""
    small, picture = io.BytesIO(), Image.open(memory).convert("RGB")
    picture.quantize(192, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        small, "png", optimize=True)
    return small.getvalue()
