"""Drawings for one notebook each, beside the general ones of maa.figures.

    flow(density, …)       values on their way from noise to data (22_diffusion)
    spread({name: …})      share of clips below each distance (40_judges, 41_scores)
    pictures({name: …})    small pictures side by side (15_clip)
    sweep({name: frame})   two measures along a setting, one panel a source (59_figure_7)

Conventions: titles state the finding; axes carry units; colours as in maa.canvas.
Source: none in the paper.  Notebooks: 15_clip, 22_diffusion, 40_judges, 41_scores, 59_figure_7.
"""

import numpy as np

from maa import canvas


@canvas.styled
def flow(density, values, steps, paths, title):
    """Paths of single values over the sampling steps, on the density they should have there.

    density:  (steps, values) at each step
    values:   (values,) the axis
    steps:    (steps,) falling step numbers
    paths:    (steps, paths)
    """
    density, values, steps, paths = (np.asarray(part) for part in (density, values, steps, paths))
    if density.shape != (len(steps), len(values)) or len(paths) != len(steps):
        raise ValueError(f"density {density.shape} and paths {paths.shape} do not fit "
                         f"{len(steps)} steps and {len(values)} values")
    figure = canvas.Canvas(3.0, "png")
    axes = figure.subplots()
    extent = (steps[0], steps[-1], values[0], values[-1])
    shown = axes.imshow(density.T ** 0.5, origin="lower", aspect="auto", extent=extent,
                        cmap="Greys", vmax=1.4 * density.max() ** 0.5)
    axes.plot(steps, paths, color=canvas.BLUE, linewidth=0.7, alpha=0.8)
    axes.set(xlabel="step t (the sampler walks to the right)", ylabel="value x",
             ylim=(values[0], values[-1]))
    figure.titled(title)
    figure.colorbar(shown, label="√ density", pad=0.02)
    return figure


@canvas.styled
def pictures(named, title, columns=4):
    """Pictures side by side under their names.

    named:    {name: (3, size, size) tensor in 0 … 1}
    """
    rows = -(-len(named) // columns)
    figure = canvas.Canvas(2.1 * rows + 0.4, "png")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes in grid:
        axes.axis("off")
    for axes, (name, one) in zip(figure.axes, named.items()):
        axes.imshow(np.asarray(one).transpose(1, 2, 0).clip(0, 1))
        axes.set_title(canvas.wrapped(name, 60 // columns), fontsize=11, fontweight="normal")
    figure.titled(title)
    return figure


@canvas.styled
def spread(named, title, xlabel, mark=None):
    """Share of clips (%) that lie below each distance, one curve a name.

    named:    {name: distances (clips,)}
    mark:     {words: distance}, drawn as dashed lines
    """
    figure = canvas.Canvas(3.0)
    axes = figure.subplots()
    palette = canvas.colours(list(named))
    for name, distances in named.items():
        ordered = np.sort(np.asarray(distances, float))
        if not len(ordered) or not np.isfinite(ordered).all():
            raise ValueError(f"distances of {name!r} are none or not finite, expected one a clip")
        share = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, share, where="post", color=palette[name], label=name)
    for words, distance in (mark or {}).items():
        axes.axvline(distance, color="black", linestyle="--", linewidth=1, label=words)
    axes.set(xlabel=xlabel, ylabel="clips / %", ylim=(0, 102))
    figure.titled(title)
    axes.legend()
    return figure


@canvas.styled
def sweep(named, title, xlabel, ylabel):
    """Two measures along a setting, one panel a source, each with axes of its own.

    named:    {name: frame with x and y, in the order of the setting}; where it has them, `label` is
              printed at each point, and x_low … y_high are drawn as light lines. What stands before
              the first comma of a name chooses its colour
    """
    figure = canvas.Canvas(3.4)
    palette = canvas.colours([name.partition(",")[0] for name in named])
    for axes, (name, frame) in zip(figure.subplots(1, len(named), squeeze=False)[0], named.items()):
        x, y = frame["x"].to_numpy(float), frame["y"].to_numpy(float)
        colour = palette[name.partition(",")[0]]
        if not np.isfinite([x, y]).all():
            raise ValueError(f"points of {name!r} are not all finite, expected numbers")
        axes.plot(x, y, "o-", color=colour, markersize=5)
        if {"x_low", "x_high", "y_low", "y_high"} <= set(frame):
            axes.hlines(y, frame["x_low"], frame["x_high"], color=colour, alpha=0.3, linewidth=1.5)
            axes.vlines(x, frame["y_low"], frame["y_high"], color=colour, alpha=0.3, linewidth=1.5)
        for place, words in zip(zip(x, y), frame.get("label", ())):
            axes.annotate(words, place, (5, 5), textcoords="offset points", fontsize=11)
        axes.set_title(canvas.wrapped(name, 28), fontsize=12, fontweight="normal")
        axes.margins(0.12)
        axes.set(xlabel=xlabel, ylabel=ylabel)
    figure.titled(title)
    return figure
