"""Weather and animals as little pictures.

Conventions: a drawing is a function (pen, word): it paints the ground and then the thing, so that
    `word` is true of it: the name of a colour, or how much there is of it.
Source: none in the paper; scale mini has no photos.  Notebook: 15_clip.
"""

import numpy as np

from maa import drawing_shapes as shapes


def cloud(pen, y, colour):
    places = shapes.path("-.55,.05 .55,.05 -.15,-.15 .2,0")
    for (x, rise), size in zip(places, (0.3, 0.32, 0.4, 0.36)):
        pen.oval(x, y + rise, size, 0.85 * size, colour, edge=False)
    pen.box(-0.55, y, 0.55, y + 0.3, colour, edge=False)


def rain(pen, word):
    pen.ground(*shapes.DULL)
    few, most = {"light": (5, 7), "heavy": (22, 30)}[word]
    slant, count = pen.generator.uniform(0.05, 0.18), pen.generator.integers(few, most)
    columns = np.linspace(-0.75, 0.85, count)
    for x, y in zip(columns, pen.generator.permuted(np.linspace(0, 0.75, count))):
        pen.line([(x, y), (x - slant, y + 0.24)], (0.1, 0.3, 0.8), 0.07)
    cloud(pen, -0.4, (pen.generator.uniform(0.85, 0.95),) * 3)


BOLT = ".1,-.3 -.25,.3 -.02,.3 -.2,.95 .32,.12 .07,.12 .3,-.3"


def thunderstorm(pen, word):
    pen.ground(*shapes.NIGHT)
    for x in {"one": (0.05,), "two": (-0.4, 0.4)}[word]:
        pen.shape(shapes.path(BOLT, at=(x, 0)), (1, 0.9, 0.2), edge=False)
    cloud(pen, -0.45, (pen.generator.uniform(0.35, 0.5),) * 3)


def wind(pen, word):
    pen.ground(*shapes.DAY, floor=shapes.GRASS)
    lean = {"gentle": 0.25, "strong": 0.8}[word]
    pen.line([(-0.5, 0.85), (-0.45, 0.3), (-0.4 + 0.4 * lean, -0.2)], shapes.WOOD, 0.14)
    for x, y in ((-0.1, 0.05), (0.15, -0.1), (-0.05, -0.3), (-0.3, -0.15)):
        x += 0.7 * lean * (0.3 - y) - 0.25
        pen.oval(x, y - 0.15, 0.3 + 0.12 * lean, 0.24, shapes.LEAF, edge=False)
    for y in (-0.75, 0.15, 0.5)[: 1 if word == "gentle" else 3]:
        pen.line([(-0.9 if y < 0 else 0.1, y), (0.6, y)], shapes.WHITE, 0.08)
        pen.arc(0.6, y - 0.16, 0.16, 90, -150, shapes.WHITE, 0.08)


def sea_waves(pen, word):
    pen.ground(*shapes.DAY)
    pen.oval(0.5, -0.6, 0.24, 0.24, shapes.YELLOW, edge=False)
    height = {"calm": 0.06, "rough": 0.26}[word]
    x, phase = np.linspace(-3, 3, 150), pen.generator.uniform(0, 6)
    for row, y in enumerate((0.0, 0.35, 0.7)):
        crest = y - height * (2 * np.abs(np.sin(2.6 * x + phase + 1.9 * row)) - 1)
        water = shapes.mix(shapes.SEA, shapes.BLACK, 0.15 * row)
        pen.shape([(-3, 4), *zip(x, crest), (3, 4)], water, edge=False)
        pen.line(list(zip(x, crest)), shapes.WHITE, 0.06)


FLAME = "-.62,0 -.56,-.68 -.34,-.4 -.03,-1.55 .28,-.61 .5,-1.01 .62,0 0,.15"


def crackling_fire(pen, word):
    pen.ground((0, 1), (0.1, 0.4), (0.15, 0.3))
    size = {"small": 0.55, "big": 1.15}[word]
    for colour, part in ((shapes.RED, 1), ((1, 0.5, 0.05), 0.72), ((1, 0.85, 0.2), 0.42)):
        pen.blob(shapes.path(FLAME, at=(0, 0.6), size=size * part), colour, edge=False)
    pen.line([(-0.6, 0.85), (0.6, 0.6)], shapes.WOOD, 0.2)
    pen.line([(-0.6, 0.6), (0.6, 0.85)], shapes.mix(shapes.WOOD, shapes.BLACK, 0.3), 0.2)


def water_drops(pen, word):
    pen.ground((0, 1), (0.05, 0.15), (0.85, 0.98))
    pen.blob(shapes.path("-1,-.5 .3,-.5 .6,-.3 .6,0 .25,0 .25,-.15 -1,-.15"), shapes.STEEL)
    pen.box(-0.45, -0.75, -0.3, -0.45, shapes.STEEL)
    pen.box(-0.75, -0.9, 0, -0.72, shapes.RED)
    for y in {"one": (0.4,), "two": (0.25, 0.8)}[word]:
        pen.blob(shapes.path("0,-.3 .15,.05 .09,.2 -.09,.2 -.15,.05", at=(0.42, y)), shapes.WATER)


def dog(pen, word):
    coat = pen.coat(word)
    pen.oval(0, -0.1, 0.6, 0.65, coat)
    for side in (-1, 1):
        pen.blob(shapes.path(".3,-.8 .75,-.75 1,0 .9,.5 .6,.4 .55,-.3", side), shapes.shade(coat))
        pen.oval(side * 0.24, -0.25, 0.11, 0.13, shapes.WHITE)
        pen.oval(side * 0.23, -0.23, 0.07, 0.09, shapes.BLACK)
    pen.blob(shapes.path("-.1,.45 .1,.45 .2,.95 0,1.1 -.2,.95"), (0.9, 0.3, 0.35))
    pen.oval(0, 0.32, 0.42, 0.34, shapes.mix(coat, shapes.WHITE, 0.3))
    pen.oval(0, 0.13, 0.18, 0.13, shapes.BLACK)
    pen.line(shapes.path("0,.2 0,.42"), shapes.BLACK, 0.05)
    pen.arc(0, 0.2, 0.26, 25, 155, shapes.BLACK, 0.05)


def cat(pen, word):
    coat = pen.coat(word)
    for side in (-1, 1):
        pen.shape(shapes.path(".78,0 .7,-.95 .1,-.45", side), coat)
        pen.shape(shapes.path(".66,-.25 .62,-.72 .3,-.45", side), shapes.PINK)
    pen.oval(0, 0.1, 0.8, 0.68, coat)
    for side in (-1, 1):
        pen.oval(side * 0.34, -0.05, 0.17, 0.15, (0.6, 0.85, 0.3))
        pen.oval(side * 0.34, -0.05, 0.05, 0.14, shapes.BLACK)
        for y in (0.25, 0.36, 0.47):
            pen.line([(side * 0.3, 0.34), (side * 1.05, 1.6 * y - 0.2)],
                     shapes.shade(shapes.shade(coat)), 0.035)
        pen.arc(side * 0.12, 0.4, 0.12, 0, 180, shapes.BLACK, 0.05)
    pen.shape(shapes.path("-.12,.24 .12,.24 0,.38"), shapes.PINK)


def rooster(pen, word):
    coat = pen.coat(word)
    for turn, reach in ((-0.5, 1), (0, 0.95), (0.5, 0.8)):
        x, y = -0.62 - 0.1 * turn, 0.5 * turn - 0.05
        pen.oval(x, y, 0.42 * reach, 0.14, (0.1, 0.35, 0.25), 0.7 + turn)
    for x in (-0.12, 0.15):
        pen.line([(x, 0.5), (x, 0.95), (x + 0.18, 0.95)], shapes.YELLOW, 0.07)
    for x, y in ((0.28, -0.82), (0.42, -0.9), (0.56, -0.82)):
        pen.oval(x, y, 0.11, 0.14, shapes.RED, edge=False)
    pen.blob(shapes.path("-.7,0 -.3,.05 .1,-.3 .2,-.8 .6,-.85 .7,-.5 .6,.2 .3,.65 -.3,.65"), coat)
    pen.shape(shapes.path(".62,-.65 .95,-.52 .62,-.42"), shapes.YELLOW)
    pen.oval(0.6, -0.28, 0.09, 0.16, shapes.RED)
    pen.oval(0.46, -0.6, 0.06, 0.06, shapes.BLACK)
    pen.oval(-0.1, 0.25, 0.32, 0.2, shapes.shade(coat), 0.2)


def owl(pen, word):
    coat = pen.coat(word)
    pen.line([(-1.2, 0.85), (1.2, 0.8)], shapes.WOOD, 0.16)
    pen.blob(shapes.path("-.6,-1 -.2,-.75 .2,-.75 .6,-1 .7,-.2 .6,.75 0,.95 -.6,.75 -.7,-.2"), coat)
    pen.oval(0, 0.4, 0.34, 0.4, shapes.mix(coat, shapes.WHITE, 0.35))
    for side in (-1, 1):
        pen.oval(side * 0.52, 0.25, 0.15, 0.45, shapes.shade(coat), side * -0.15)
        pen.oval(side * 0.27, -0.38, 0.27, 0.27, shapes.WHITE)
        pen.oval(side * 0.25, -0.38, 0.15, 0.15, shapes.BLACK)
        pen.oval(side * 0.18, 0.82, 0.1, 0.08, shapes.YELLOW)
    pen.shape(shapes.path("-.12,-.25 .12,-.25 0,0"), shapes.YELLOW)


def frog(pen, word):
    coat = pen.coat(word)
    for side in (-1, 1):
        pen.oval(side * 0.68, 0.5, 0.32, 0.4, shapes.shade(coat), side * 0.4)
        pen.oval(side * 0.55, 0.85, 0.32, 0.1, coat)
    pen.oval(0, 0.4, 0.55, 0.5, coat)
    pen.oval(0, 0.5, 0.35, 0.35, shapes.mix(coat, shapes.WHITE, 0.4), edge=False)
    for side in (-1, 1):
        pen.oval(side * 0.42, -0.62, 0.25, 0.25, coat)
        pen.oval(side * 0.42, -0.64, 0.16, 0.16, shapes.WHITE)
        pen.oval(side * 0.42, -0.62, 0.08, 0.11, shapes.BLACK)
    pen.oval(0, -0.2, 0.8, 0.45, coat)
    pen.arc(0, -0.55, 0.68, 30, 150, shapes.BLACK, 0.06)


def chirping_birds(pen, word):
    pen.ground(*shapes.DAY)
    count = {"two": 2, "three": 3, "many": pen.generator.integers(6, 9)}[word]
    rows = 1 if count < 4 else 2
    for row in range(rows):
        y = 0.55 * (2 * row - rows + 1)
        pen.line([(-1.4, y + 0.42), (1.4, y + 0.36)], shapes.WOOD, 0.09)
        here = count // 2 if rows == 2 and row else count - (count // 2) * (rows - 1)
        for x in np.linspace(-1, 1, 2 * here + 1)[1::2]:
            bird(pen, x, y, 0.5 if here == 2 else 0.36 if here == 3 else 0.28)


def bird(pen, x, y, size):
    coat = pen.pick(shapes.COLOURS[pen.generator.choice(["blue", "red", "yellow", "brown"])])
    y, side = y + 0.4 - 0.75 * size, pen.generator.choice([-1, 1])
    pen.shape(shapes.path("-.5,0 -1.15,.3 -1,.55 -.3,.45", side, (x, y), size), shapes.shade(coat))
    pen.shape(shapes.path(".7,-.6 1.1,-.42 .7,-.3", side, (x, y), size), (1, 0.6, 0.1))
    pen.oval(x, y + 0.15 * size, 0.68 * size, 0.55 * size, coat)
    pen.oval(x + side * 0.45 * size, y - 0.42 * size, 0.4 * size, 0.4 * size, coat)
    pen.oval(x - side * 0.15 * size, y + 0.15 * size, 0.38 * size, 0.26 * size, shapes.shade(coat))
    pen.oval(x + side * 0.55 * size, y - 0.5 * size, 0.08 * size, 0.08 * size, shapes.BLACK)


def crickets(pen, word):
    coat = pen.coat(word)
    for x in np.linspace(-1.4, 1.4, 15):
        tip = (x + pen.generator.uniform(-0.1, 0.1), pen.generator.uniform(0.55, 0.8))
        pen.line([(x, 1.5), tip], shapes.GRASS)
    pen.line(shapes.path(".75,-.1 1,-.6 .6,-.95"), shapes.shade(coat), 0.05)
    for x in (0.15, 0.5):
        pen.line([(x, 0.2), (x + 0.15, 0.65)], shapes.shade(coat), 0.07)
    pen.oval(-0.05, 0.1, 0.75, 0.2, coat, -0.1)
    pen.oval(0.72, -0.02, 0.22, 0.24, coat)
    pen.oval(0.78, -0.08, 0.06, 0.08, shapes.BLACK)
    pen.line(shapes.path("0,.2 -.55,-.6 -.85,.65 -1,.65"), shapes.shade(coat), 0.09)
    pen.oval(-0.28, -0.2, 0.5, 0.13, coat, 0.97)
