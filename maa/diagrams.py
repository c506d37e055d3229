"""The chain of Make-An-Audio as one drawing, with the part that a notebook is about in colour.

`python -m maa.diagrams` draws notebooks/pictures/*.svg anew: upper arrows make sound from words,
lower arrows turn sound into what the networks learn from. Shapes are those of 10 s in the paper.

Conventions: a drawing is 10 × 2.6 inches; letters and boxes only, so it stays small.
Source: Figure 2.  Notebook: 00_listen_first.
"""

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from maa import canvas, project

FOLDER = "notebooks/pictures"
PLAIN = "#e8e8e8"
TILES = {  # what travels: (place, shape in the paper)
    "prompt": (0.0, "words"), "text": (2.2, "77 × 1024"), "latent": (4.4, "4 × 10 × 78"),
    "mel": (6.6, "80 × 624"), "wave": (8.8, "160,000"),
}
STEPS = {  # what is done: (place, height, words)
    "text_encoder": (1.1, 0.0, "text\nencoder"), "diffusion": (3.3, 0.0, "U-Net\nn times"),
    "decoder": (5.5, 0.55, "decoder"), "encoder": (5.5, -0.55, "encoder"),
    "vocoder": (7.7, 0.55, "vocoder"), "log_mel": (7.7, -0.55, "log-mel"),
}
PARTS = {  # picture → what is coloured in it
    "chain": [], "chain_mel": ["log_mel", "mel"], "chain_clips": ["prompt", "wave"],
    "chain_text_encoder": ["text_encoder", "text"], "chain_diffusion": ["diffusion"],
    "chain_autoencoder": ["encoder", "latent", "decoder"], "chain_vocoder": ["vocoder", "wave"],
    "chain_generation": ["text_encoder", "diffusion", "decoder", "vocoder"],
}


@canvas.styled
def chain(coloured):
    """Prompt → text → latent → mel → wave, the steps and tiles named in `coloured` in colour."""
    figure = canvas.Canvas(2.6, width=10)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.6, 9.4), ylim=(-1.3, 1.3))
    axes.axis("off")
    for name, (x, shape) in TILES.items():
        tile(axes, name, x, shape, name in coloured)
    for name, (x, y, words) in STEPS.items():
        step(axes, x, y, words, name in coloured)
    axes.text(0, 0, '"a dog\nbarking"', ha="center", va="center", fontsize=12, style="italic")
    axes.annotate("noise", (3.3, -0.3), (3.3, -0.95), ha="center", va="center", fontsize=12,
                  arrowprops={"arrowstyle": "-|>", "facecolor": "black"})
    return figure


def tile(axes, name, x, shape, coloured):
    """A thing that travels: a small picture of it, its name above and its shape below."""
    edge = canvas.ORANGE if coloured else "#888888"
    axes.add_patch(FancyBboxPatch(
        (x - 0.45, -0.4), 0.9, 0.8, "round,pad=0,rounding_size=0.06",
        facecolor="white", edgecolor=edge, linewidth=2.5 if coloured else 1))
    axes.text(x, 0.62, name, ha="center", va="center", fontsize=13, fontweight="bold")
    axes.text(x, -0.64, shape, ha="center", va="center", fontsize=11)
    if name in PICTURES:
        PICTURES[name](axes, x)


def step(axes, x, y, words, coloured):
    """A thing that is done: a box on an arrow, to the right above and to the left below."""
    direction = -1 if y < 0 else 1
    start, end = (x - 0.62 * direction, y / 2.2), (x + 0.62 * direction, y / 2.2)
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color="black",
                                   shrinkA=0, shrinkB=0))
    axes.text(x, y / 2.2 if y == 0 else y, words, ha="center", va="center", fontsize=12,
              color="black", bbox={
                  "boxstyle": "round,pad=0.3", "edgecolor": "none",
                  "facecolor": canvas.ORANGE if coloured else PLAIN})


def draw_wave(axes, x):
    time = np.linspace(-0.4, 0.4, 121)
    burst = 0.3 * np.exp(-(6 * time) ** 2) * np.sin(90 * time) + 0.02 * np.sin(300 * time)
    axes.plot(x + time, burst, color=canvas.BLUE, linewidth=1)


def draw_cells(rows, columns, cmap, values):
    """A drawer of a small grid whose squares have the given values 0 … 1."""
    def draw(axes, x):
        axes.pcolormesh(np.linspace(x - 0.4, x + 0.4, columns + 1),
                        np.linspace(-0.35, 0.35, rows + 1), values, cmap=cmap, vmin=0, vmax=1)
    return draw


def bark(rows, columns):
    """Two bursts with harmonics on a quiet ground."""
    band, time = np.mgrid[0:1:rows * 1j, 0:1:columns * 1j]
    burst = np.exp(-((time - 0.25) / 0.1) ** 2) + np.exp(-((time - 0.7) / 0.12) ** 2)
    return 0.15 + 0.8 * burst * (1 - band) * (0.6 + 0.4 * np.cos(25 * band))


CHANCE = np.random.default_rng(0)
PICTURES = {
    "text": draw_cells(6, 6, "Purples", CHANCE.random((6, 6))),
    "latent": draw_cells(5, 8, "RdBu_r", 0.5 + 0.18 * CHANCE.standard_normal((5, 8))),
    "mel": draw_cells(10, 14, "magma", bark(10, 14)),
    "wave": draw_wave,
}


def main():
    """Draw every picture of the notebooks anew."""
    for name, coloured in PARTS.items():
        canvas.save(chain(coloured), project.root() / FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
