"""Things that people made as little pictures.

Conventions: a drawing is a function (pen, word): it paints the ground and then the thing, so that
    `word` is true of it: the name of its colour.
Source: none in the paper; scale mini has no photos.  Notebook: 15_clip.
"""

import numpy as np

from maa import drawing_shapes as shapes

GLASS, SMOKE, DARK = (0.75, 0.9, 1), (0.75, 0.75, 0.75), (0.35, 0.35, 0.35)


def wheels(pen, places, size, y=0.55):
    for x in places:
        pen.oval(x, y, size, size, shapes.BLACK)
        pen.oval(x, y, 0.5 * size, 0.5 * size, shapes.STEEL)


def engine(pen, word):
    coat = pen.coat(word)
    wheels(pen, (-0.65, 0.65), 0.34)
    pen.line(shapes.path(".65,.5 .4,-.4 .2,-.5"), shapes.STEEL, 0.09)
    pen.shape(shapes.path("-.65,.55 -.1,.5 -.1,.6 -1.1,.62"), shapes.STEEL)
    pen.box(-0.25, 0.1, 0.25, 0.55, shapes.shade(shapes.STEEL))
    for y in (0.2, 0.3, 0.4):
        pen.line([(-0.2, y), (0.2, y)], shapes.BLACK, 0.04)
    pen.blob(shapes.path("-1,-.05 -.1,-.05 0,-.35 .45,-.4 .5,0 .2,.25 -.5,.25"), coat)
    pen.blob(shapes.path("-.95,-.1 -.1,-.2 0,0 -.85,.05"), shapes.BLACK)
    pen.oval(0.52, -0.22, 0.12, 0.14, shapes.YELLOW)
    for x in (-1.1, -1.25):
        pen.oval(x, -0.8 - x, 0.14, 0.12, SMOKE, edge=False)


def helicopter(pen, word):
    coat = pen.coat(word)
    pen.shape(shapes.path("0,-.15 -1.05,-.15 -1.05,-.02 0,.25"), coat)
    pen.oval(-1.02, -0.12, 0.06, 0.28, shapes.STEEL, 0.5)
    pen.box(0.12, -0.6, 0.2, -0.3, shapes.BLACK)
    pen.oval(0.16, -0.62, 1.05, 0.05, shapes.BLACK)
    for x in (-0.05, 0.4):
        pen.line([(x, 0.3), (x, 0.65)], shapes.BLACK, 0.06)
    pen.line(shapes.path("-.4,.65 .75,.65 .85,.55"), shapes.BLACK, 0.08)
    pen.oval(0.2, 0.02, 0.58, 0.42, coat)
    pen.blob(shapes.path(".3,-.33 .72,-.3 .8,.1 .3,.1"), GLASS)


def siren(pen, word):
    coat = pen.coat(word)
    for turn in (-160, -125, -90, -55, -20):
        x, y = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        pen.line([(0.75 * x, 0.3 + 0.85 * y), (1.02 * x, 0.3 + 1.1 * y)], shapes.YELLOW, 0.1)
    pen.blob(shapes.path("-.5,.7 -.52,-.1 -.4,-.55 .4,-.55 .52,-.1 .5,.7"), coat)
    pen.line(shapes.path("-.25,.3 -.25,.05 -.12,-.2"), shapes.mix(coat, shapes.WHITE, 0.6), 0.1)
    pen.box(-0.7, 0.5, 0.7, 0.8, shapes.shade(shapes.STEEL))


def car_horn(pen, word):
    coat = pen.coat(word)
    pen.blob(shapes.path("-.75,.1 -.45,-.5 .3,-.5 .6,.1"), coat)
    for window in ("-.35,-.33 -.1,-.33 -.1,-.02 -.5,-.02", "-.02,-.33 .25,-.33 .4,-.02 -.02,-.02"):
        pen.shape(shapes.path(window), GLASS)
    pen.blob(shapes.path("-1,-.05 .85,-.05 1,.2 1,.55 -1,.55"), coat)
    wheels(pen, (-0.55, 0.5), 0.25)
    pen.oval(0.83, 0.15, 0.09, 0.09, shapes.YELLOW)
    for radius in (0.14, 0.28, 0.42):  # as comics draw a sound
        pen.arc(0.8, -0.3, radius, -40, 40, shapes.shade(DARK), 0.05)


def train_horn(pen, word):
    coat = pen.coat(word)
    for x, y, size in ((0.55, -0.75, 0.16), (0.3, -0.95, 0.2), (-0.05, -1.05, 0.24)):
        pen.oval(x, y, size, size, shapes.mix(shapes.WHITE, shapes.BLACK, 0.25), edge=False)
    pen.line([(-1.4, 0.85), (1.4, 0.85)], DARK, 0.08)
    pen.box(-0.95, -0.6, -0.25, 0.4, coat)
    pen.box(-0.8, -0.4, -0.4, -0.05, GLASS)
    pen.box(-1.05, -0.75, -0.15, -0.58, shapes.shade(coat))
    pen.box(-0.25, -0.2, 0.8, 0.4, coat)
    pen.shape(shapes.path(".45,-.2 .4,-.6 .75,-.6 .7,-.2"), shapes.BLACK)
    pen.shape(shapes.path(".8,.3 1.1,.75 .75,.75"), shapes.shade(shapes.STEEL))
    wheels(pen, (-0.7, -0.1, 0.45), 0.25, 0.57)


def phone_ring(pen, word):
    coat = pen.coat(word)
    pen.blob(shapes.path("-.35,-.35 .35,-.35 .55,.1 .85,.85 -.85,.85 -.55,.1"), coat)
    pen.blob(shapes.path("-.95,-.05 -1,-.5 -.5,-.75 .5,-.75 1,-.5 .95,-.05 .5,-.05 .5,-.4 -.5,-.4 "
                         "-.5,-.05"), coat)
    pen.oval(0, 0.25, 0.36, 0.36, shapes.WHITE)
    for turn in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        x, y = 0.25 * np.cos(turn), 0.25 + 0.25 * np.sin(turn)
        pen.oval(x, y, 0.06, 0.06, shapes.BLACK, edge=False)
    pen.oval(0, 0.25, 0.1, 0.1, coat)


def dial(pen, size, y=0.0):
    """The face of a clock at a random hour."""
    pen.oval(0, y, size, size, shapes.WHITE)
    for hour in range(12):
        x, up = size * np.sin(hour * np.pi / 6), size * np.cos(hour * np.pi / 6)
        pen.line([(0.78 * x, y - 0.78 * up), (0.9 * x, y - 0.9 * up)], shapes.BLACK, 0.05)
    for reach, width in ((0.45, 0.09), (0.68, 0.06)):
        turn, reach = pen.generator.uniform(0, 2 * np.pi), reach * size
        pen.line([(0, y), (reach * np.sin(turn), y - reach * np.cos(turn))], shapes.BLACK, width)


def clock_tick(pen, word):
    coat = pen.coat(word)
    pen.oval(0, 0, 0.98, 0.98, coat)
    dial(pen, 0.65)


def clock_alarm(pen, word):
    coat = pen.coat(word)
    for side in (-1, 1):
        pen.line(shapes.path(".3,.6 .6,.98", side), shapes.BLACK, 0.14)
        pen.line(shapes.path("0,0 .55,-.65", side), shapes.BLACK, 0.08)
        pen.blob(shapes.path(".12,-.72 .4,-1.05 .8,-.85 .85,-.35", side), coat)
    pen.line(shapes.path("0,-.6 0,-.9"), shapes.BLACK, 0.07)
    pen.oval(0, 0.15, 0.75, 0.75, coat)
    dial(pen, 0.5, 0.15)


def church_bells(pen, word):
    coat = pen.coat(word)
    pen.line([(-1.4, -0.85), (1.4, -0.85)], shapes.WOOD, 0.18)
    pen.box(-0.12, -0.85, 0.12, -0.6, shapes.shade(shapes.STEEL))
    pen.oval(0, 0.75, 0.17, 0.17, DARK)
    pen.blob(shapes.path("-.3,-.65 .3,-.65 .5,-.2 .55,.35 .95,.7 .7,.75 -.7,.75 -.95,.7 -.55,.35 "
                         "-.5,-.2"), coat)
    pen.line([(-0.58, 0.42), (0.58, 0.42)], shapes.shade(coat), 0.07)
    pen.line([(-0.25, -0.35), (-0.3, 0.2)], shapes.mix(coat, shapes.WHITE, 0.6), 0.08)


def footsteps(pen, word):
    coat = pen.coat(word)
    for at in ((-0.38, 0.4), (0.38, -0.4)):
        pen.blob(shapes.path("-.26,-.5 .26,-.5 .3,-.1 .16,.14 -.16,.14 -.3,-.1", at=at), coat)
        pen.blob(shapes.path("-.2,.2 .2,.2 .19,.52 -.19,.52", at=at), coat)


def door_wood_knock(pen, word):
    coat = pen.coat(word)
    pen.box(-0.68, -1.15, 0.68, 1.3, shapes.shade(shapes.shade(coat)))
    pen.box(-0.56, -1.0, 0.56, 1.3, coat)
    for left in (-0.42, 0.06):
        pen.box(left, -0.8, left + 0.36, -0.05, shapes.shade(coat))
        pen.box(left, 0.3, left + 0.36, 0.95, shapes.shade(coat))
    pen.oval(0.44, 0.12, 0.09, 0.09, shapes.YELLOW)


def keyboard_typing(pen, word):
    coat = pen.coat(word)
    pen.box(-1.08, -0.48, 1.08, 0.48, coat)
    key = shapes.BLACK if word == "white" else shapes.WHITE
    for row, y in enumerate((-0.3, -0.08, 0.14)):
        for x in np.linspace(-0.9, 0.82, 9) + 0.04 * row:
            pen.box(x - 0.07, y - 0.075, x + 0.07, y + 0.075, key, edge=False)
    pen.box(-0.45, 0.28, 0.45, 0.4, key, edge=False)


def glass_clink(pen, word):
    coat = pen.coat(word)
    for side in (-1, 1):
        pen.line(shapes.path(".55,.03 .76,.71", side), shapes.WHITE, 0.08)
        pen.line(shapes.path(".48,.82 1.05,.64", side), shapes.WHITE, 0.1)
        pen.blob(shapes.path("-.06,-.71 .61,-.92 .84,-.42 .77,.08 .39,.2 .04,-.16", side), GLASS)
        drink = shapes.path(".03,-.37 .73,-.59 .82,-.36 .73,.04 .39,.14 .09,-.13", side)
        pen.blob(drink, coat, edge=False)
    for turn in (-150, -120, -90, -60, -30):
        x, y = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        pen.line([(0.18 * x, -0.85 + 0.18 * y), (0.32 * x, -0.85 + 0.32 * y)], shapes.YELLOW, 0.05)
