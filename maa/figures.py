"""Drawings of the project: one function takes a frame or an array and gives a Figure.

    listen(wave, title)         a player and its spectrogram: a sound is never without its picture
    spectrogram(wave, title)    the picture alone
    mels({title: mel})          log-mel spectrograms side by side, on one colour scale
    latents(latent, title)      the channels of a latent side by side
    lines({name: (x, y)})       curves with named axes
    curves(log, names, title)   losses of log.csv over the steps, train and held-out
    bars(frame, title, …)       one bar a row, with its interval where there is one
    heatmap(frame, title, …)    a table as colours
    save(figure, path)          .svg or .png
    Together(first, second, …)  what one cell shows, one under the other

Conventions: titles state the finding; axes carry units; colours as in maa.canvas.
Source: none in the paper.  Notebook: all of them.
"""

import numpy as np
import torch
from matplotlib import ticker

from maa import canvas, mel

save, Together = canvas.save, canvas.Together
HEARD = 3.0  # seconds of a sound that are played and drawn
LETTERS = 54  # of the names above a row of mels
WIDE = 48  # letters of a label below bars: the names beside them take of the width
MANY = 30  # times the lowest value of an axis: more ticks would lie on each other
QUIETEST = -90  # decibels at the dark end of a spectrogram
LOG_MEL = (-5.0, 1.0)  # log10 magnitudes at the two ends of the colour scale
KILOHERTZ = (0.25, 0.5, 1, 2, 4, 7)  # ticks of a mel axis


def listen(wave, title=None, start=0.0):
    """Player and spectrogram of up to 3 s of a sound, shown together.

    wave:     (samples,) array, tensor or clips.Unread, 16 kHz; (1, samples) will do
    start:    seconds into the sound where the excerpt begins
    """
    wave = as_wave(wave)
    begin = int(start * mel.RATE)
    part = wave[begin : begin + int(HEARD * mel.RATE)]
    return canvas.Together(canvas.Player(part, title or ""), spectrogram(wave, title, start))


def as_wave(wave):
    """(samples,) float32 on the CPU; ValueError for more than one sound."""
    wave = torch.as_tensor(wave if torch.is_tensor(wave) else np.asarray(wave))
    wave = wave.detach().float().cpu().numpy()
    found = wave.squeeze(0) if wave.ndim == 2 and len(wave) == 1 else wave
    if found.ndim != 1 or len(found) < mel.WINDOW:
        raise ValueError(f"wave has shape {wave.shape}, expected ({mel.WINDOW} samples or more,); "
                         f"is it a batch? Give one of its sounds")
    return found


@canvas.styled
def spectrogram(wave, title=None, start=0.0, seconds=HEARD):
    """Level over time and frequency, in decibels below a full-scale tone.

    wave:     (samples,), 16 kHz
    """
    wave = as_wave(wave)
    begin = int(start * mel.RATE)
    part = torch.from_numpy(wave[begin : begin + int(seconds * mel.RATE)].copy())
    full = mel.hann(torch.device("cpu")).sum() / 2  # what a tone of amplitude 1 gives
    level = 20 * torch.log10(mel.spectrum(part[None])[0].abs() / full + 1e-6)
    figure = canvas.Canvas(2.4, "png")
    axes = figure.subplots()
    length = level.shape[1] * mel.HOP / mel.RATE
    picture = axes.imshow(level, origin="lower", aspect="auto", vmin=QUIETEST, vmax=0,
                          extent=(start, start + length, 0, mel.RATE / 2000))
    whole = len(wave) / mel.RATE
    more = f" (of {whole:.1f} s)" if whole - length > 0.1 else ""
    axes.set(xlabel=f"time / s{more}", ylabel="frequency / kHz")
    figure.titled(title)
    figure.colorbar(picture, label="level / dB", pad=0.02)
    return figure


@canvas.styled
def mels(named, title=None, columns=3):
    """Log-mel spectrograms side by side, on one colour scale.

    named:    {title: mel}, each (80, frames), (1, 80, frames) or (1, 1, 80, frames), log10
    title:    of the whole figure
    columns:  pictures in a row
    """
    pictures = {name: np.squeeze(torch.as_tensor(one).detach().float().cpu().numpy())
                for name, one in named.items()}
    for name, one in pictures.items():
        if one.ndim != 2 or len(one) != mel.BANDS:
            raise ValueError(f"mel {name!r} has shape {one.shape}, expected ({mel.BANDS}, frames); "
                             f"is it a batch? Give one of its mels")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    words = {name: canvas.wrapped(name, LETTERS // columns) for name in pictures}
    longest = max(len(line) for lines in words.values() for line in lines.split("\n"))
    size = 12 * min(1, LETTERS / columns / longest)  # a long word shall not reach its neighbour
    high = 2.1 + 0.2 * max(lines.count("\n") for lines in words.values())
    figure = canvas.Canvas((0.4 if title else 0) + 0.3 + high * rows, "png")
    grid = figure.subplots(rows, columns, squeeze=False, sharex="col", sharey=True)
    for axes in grid.flat[len(pictures):]:
        axes.set_visible(False)
    for axes, (name, one) in zip(grid.flat, pictures.items()):
        shown = axes.imshow(one, origin="lower", aspect="auto", vmin=LOG_MEL[0], vmax=LOG_MEL[1],
                            extent=(0, one.shape[1] * mel.HOP / mel.RATE, -0.5, mel.BANDS - 0.5))
        axes.set_title(words[name], fontsize=size, fontweight="normal")
    centres = mel.band_centres().numpy() / 1000
    grid[0, 0].set_yticks(np.interp(KILOHERTZ, centres, np.arange(mel.BANDS)),
                          [f"{f:g}" for f in KILOHERTZ])
    figure.supxlabel("time / s", fontsize=12)
    figure.supylabel("frequency / kHz, mel", fontsize=12)
    figure.colorbar(shown, ax=grid, label="level / log10", pad=0.02)
    figure.titled(title)
    return figure


@canvas.styled
def latents(latent, title=None):
    """The channels of one latent side by side; one square is 8 bands × 8 frames.

    latent:   (channels, 10, columns) or (1, channels, 10, columns), standardised
    """
    array = torch.as_tensor(latent).detach().float().cpu().numpy()
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.ndim != 3:
        raise ValueError(f"latent has shape {array.shape}, expected (channels, 10, columns)")
    figure = canvas.Canvas(2.3, "png")
    grid = figure.subplots(1, len(array), sharey=True, squeeze=False)[0]
    seconds = array.shape[2] * mel.COLUMN * mel.HOP / mel.RATE
    for number, (axes, one) in enumerate(zip(grid, array)):
        shown = axes.imshow(one, origin="lower", aspect="auto", vmin=-3, vmax=3, cmap="RdBu_r",
                            extent=(0, seconds, 0, array.shape[1]))
        axes.set_title(f"channel {number}", fontsize=12, fontweight="normal")
    grid[0].set_ylabel("row (8 mel bands)")
    figure.supxlabel("time / s", fontsize=12)
    figure.colorbar(shown, ax=grid, label="value", pad=0.02)
    figure.titled(title)
    return figure


@canvas.styled
def lines(named, title, xlabel, ylabel, log_y=False):
    """Curves in one frame.

    named:    {name: (x, y)} or {name: y}; the same name has the same colour in every figure
    """
    figure = canvas.Canvas()
    axes = figure.subplots()
    palette = canvas.colours(list(named))
    for name, curve in named.items():
        points = curve if isinstance(curve, tuple) else (range(len(curve)), curve)
        axes.plot(*(np.asarray(values) for values in points), color=palette[name], label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log_y else "linear")
    figure.titled(title)
    if len(named) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@canvas.styled
def curves(log, names=None, title=None, log_y=True):
    """Losses over the steps of a training run: train as lines, held-out as marks.

    log:      frame with the columns step, split, name, value (log.csv)
    names:    losses to draw, one axes each; all but gradients when None
    """
    known = list(dict.fromkeys(log["name"]))
    names = names or [name for name in known if not name.startswith("gradient")]
    if missing := sorted(set(names) - set(known)):
        raise ValueError(f"log has no {missing}, expected some of {known}")
    figure = canvas.Canvas()
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        for split, part in log[log["name"] == name].groupby("split", sort=False):
            mark = "o-" if split == "held_out" else "-"
            axes.plot(part["step"], part["value"], mark, color=canvas.VARIANTS[split],
                      label=split.replace("_", "-"))
        axes.set(xlabel="step", ylabel=name, yscale="log" if log_y else "linear")
        if log_y:
            low, high = axes.get_ylim()
            steps = (1, 1.5, 2, 3, 5, 7) if high < MANY * low else (1, 3)
            axes.yaxis.set_major_locator(ticker.LogLocator(subs=steps))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(ticker.NullLocator())
        if log["split"].nunique() > 1:
            axes.legend()
    figure.titled(title)
    return figure


@canvas.styled
def bars(frame, title, label, name="name", value="value"):
    """One horizontal bar a row, its number beside it, in the order of the frame.

    frame:    columns `name` and `value`; with low and high, an interval is drawn
    label:    of the value axis, with its unit
    """
    label = "\n".join(canvas.wrapped(line, WIDE) for line in label.split("\n"))
    figure = canvas.Canvas(0.9 + 0.36 * len(frame) + 0.2 * label.count("\n"))
    axes = figure.subplots()
    names, values = [str(word) for word in frame[name]], frame[value].to_numpy(float)
    palette = canvas.colours(names) if set(names) & set(canvas.VARIANTS) else {}
    axes.barh(range(len(frame)), values, color=[palette.get(n, canvas.BLUE) for n in names])
    starts = ends = values
    if {"low", "high"} <= set(frame):
        low, high = frame["low"].to_numpy(float), frame["high"].to_numpy(float)
        axes.errorbar(values, range(len(frame)), xerr=(values - low, high - values), fmt="none",
                      ecolor="black", capsize=4, linewidth=1.5)
        starts, ends = np.fmin(values, low), np.fmax(values, high)
    for row, number in enumerate(values):
        end, apart, side = (starts[row], -6, "right") if number < 0 else (ends[row], 6, "left")
        axes.annotate(f"{number:.3g}", (end, row), (apart, 0), textcoords="offset points",
                      va="center", ha=side)
    axes.margins(x=0.3 if (values < 0).any() else 0.12)  # room for the numbers
    axes.set_yticks(range(len(frame)), [canvas.wrapped(one, 35) for one in names])
    axes.invert_yaxis()
    axes.set(xlabel=label)
    figure.titled(title)
    return figure


@canvas.styled
def heatmap(frame, title, label, xlabel="", ylabel="", bounds=(None, None), numbers=False):
    """A table as colours.

    frame:    DataFrame; its index and columns name the ticks
    label:    of the colour scale, with its unit
    bounds:   values at the two ends of the colour scale
    numbers:  write each value into its square
    """
    figure = canvas.Canvas(max(2.6, 1.6 + 0.27 * len(frame)), "png")
    axes = figure.subplots()
    values = frame.to_numpy(float)
    shown = axes.imshow(values, vmin=bounds[0], vmax=bounds[1], cmap="viridis", aspect="auto")
    axes.set_xticks(range(frame.shape[1]), map(canvas.plain, frame.columns), rotation=90)
    axes.set_yticks(range(frame.shape[0]), map(canvas.plain, frame.index))
    for row, column in np.ndindex(*values.shape) if numbers else ():
        dark = shown.norm(values[row, column]) < 0.6
        axes.text(column, row, f"{values[row, column]:.2g}", ha="center", va="center", fontsize=10,
                  color="white" if dark else "black")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    figure.titled(title)
    figure.colorbar(shown, label=label, pad=0.02)
    return figure
