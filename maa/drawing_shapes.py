"""The pen that draws little pictures, and its colours.

Conventions: a pen's paper reaches from (-1, -1) at the top left to (1, 1) at the bottom right, and
    in each picture it is placed, tilted and turned left or right anew; colours are (red, green,
    blue) in 0 … 1; chance comes from `pen.generator` alone.
Source: none in the paper; scale mini has no photos.  Notebook: 15_clip.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

OVERSIZE = 4  # drawn so much larger and then averaged, for smooth edges
COLOURS = {  # ranges of hue, saturation and value
    "red": ((0.985, 1.01), (0.75, 0.95), (0.75, 0.9)),
    "orange": ((0.07, 0.095), (0.85, 1), (0.9, 1)),
    "yellow": ((0.14, 0.16), (0.75, 0.95), (0.92, 1)),
    "green": ((0.3, 0.4), (0.6, 0.85), (0.5, 0.72)),
    "blue": ((0.57, 0.63), (0.65, 0.9), (0.65, 0.9)),
    "purple": ((0.75, 0.8), (0.5, 0.75), (0.5, 0.7)),
    "brown": ((0.05, 0.08), (0.6, 0.75), (0.4, 0.52)),
    "black": ((0, 1), (0, 0.15), (0.08, 0.18)),
    "grey": ((0, 1), (0, 0.08), (0.5, 0.62)),
    "white": ((0, 1), (0, 0.03), (0.95, 1)),
}
GROUNDS = ((0, 1), (0.1, 0.4), (0.55, 0.97))
DAY, NIGHT = ((0.53, 0.6), (0.15, 0.4), (0.9, 1)), ((0.6, 0.7), (0.5, 0.8), (0.15, 0.3))
DULL = ((0.55, 0.65), (0.1, 0.3), (0.55, 0.8))  # a sky before the rain
BLACK, WHITE, STEEL = (0.08, 0.08, 0.08), (1, 1, 1), (0.6, 0.63, 0.68)
PINK, YELLOW, RED = (0.95, 0.6, 0.65), (1, 0.8, 0.1), (0.85, 0.12, 0.1)
SEA, WATER, LEAF = (0.15, 0.45, 0.75), (0.15, 0.5, 0.95), (0.2, 0.5, 0.2)
WOOD, GRASS = (0.45, 0.28, 0.13), (0.3, 0.55, 0.2)


def mix(colour, other, share):
    """The colour with a share of another in it."""
    return tuple((1 - share) * np.array(colour) + share * np.array(other))


def shade(colour):
    """A darker kind of the colour; of a dark one, a lighter kind, so that it can be seen."""
    return mix(colour, *((BLACK, 0.25) if sum(colour) > 0.7 else (WHITE, 0.25)))


def path(text, side=1, at=(0, 0), size=1):
    """Points (x, y) from text such as "-.5,0 .5,1"; side -1 mirrors, `at` and `size` place them."""
    points = np.array([pair.split(",") for pair in text.split()], float)
    return [tuple(point) for point in points * (side * size, size) + at]


class Pen:
    """Draws filled shapes with an outline; picture() gives what was drawn.

    size:       pixels on a side of the picture
    generator:  numpy.random.Generator, which places the paper and chooses the outline
    """

    def __init__(self, size, generator):
        self.generator, self.side = generator, OVERSIZE * size
        self.image = Image.new("RGB", (self.side, self.side))
        self.draw = ImageDraw.Draw(self.image)
        self.scale = self.side * generator.uniform(0.37, 0.45)
        self.middle = self.side * generator.uniform(0.45, 0.55, 2)
        tilt, side = generator.uniform(-0.1, 0.1), generator.choice([-1, 1])
        across, along = np.cos(tilt), np.sin(tilt)
        self.axes = np.array([[side * across, side * along], [-along, across]])
        self.stroke = generator.uniform(0.0, 0.045)

    def picture(self):
        """What was drawn: float32 (3, size, size) in 0 … 1."""
        small = np.asarray(self.image.reduce(OVERSIZE), np.float32) / 255
        return np.ascontiguousarray(small.transpose(2, 0, 1))

    def pick(self, ranges):
        """A colour from ranges of hue, saturation and value."""
        return colorsys.hsv_to_rgb(*(self.generator.uniform(*span) for span in ranges))

    def ground(self, *ranges, floor=None):
        """Fill the picture with one colour and, where wanted, its lower part with another."""
        self.draw.rectangle((0, 0, self.side, self.side), _rgb(self.pick(ranges)))
        if floor is not None:
            self.box(-4, self.generator.uniform(0.6, 0.8), 4, 4, floor, edge=False)

    def coat(self, word):
        """The colour that a word names, after a ground has been painted that it stands out from."""
        colour = self.pick(COLOURS[word])
        grounds = [self.pick(GROUNDS) for _ in range(4)]
        chosen = max(grounds, key=lambda ground: np.abs(np.subtract(ground, colour)).sum())
        self.draw.rectangle((0, 0, self.side, self.side), _rgb(chosen))
        return colour

    def line(self, points, colour, width=0.06):
        """A line through points (x, y), with round joints and ends."""
        placed, thick = self._placed(points), max(1, round(width * self.scale))
        self.draw.line(placed, _rgb(colour), thick, "curve")
        for x, y in (placed[0], placed[-1]):
            self.draw.circle((x, y), thick / 2, _rgb(colour))

    def shape(self, points, fill, edge=True):
        """A polygon."""
        self.draw.polygon(self._placed(points), _rgb(fill))
        if edge and self.stroke > 0.01:
            self.line([*points, points[0]], mix(fill, BLACK, 0.75), self.stroke)

    def blob(self, points, fill, edge=True):
        """A polygon whose corners are rounded off."""
        points = np.array(points, float)
        for _ in range(3):  # each corner gives way to two, a quarter along its sides
            after = np.roll(points, -1, 0)
            points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], 1)
            points = points.reshape(-1, 2)
        self.shape(list(points), fill, edge)

    def oval(self, x, y, width, height, fill, turn=0.0, edge=True):
        """An ellipse around (x, y) with half axes width and height, turned by `turn` radians."""
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        across, down = width * np.cos(angle), height * np.sin(angle)
        self.shape(list(zip(x + across * np.cos(turn) - down * np.sin(turn),
                            y + across * np.sin(turn) + down * np.cos(turn))), fill, edge)

    def box(self, left, top, right, bottom, fill, edge=True):
        """A rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], fill, edge)

    def arc(self, x, y, radius, start, end, colour, width=0.06):
        """A part of a circle; angles in degrees, clockwise from the right."""
        angle = np.radians(np.linspace(start, end, 24))
        self.line(list(zip(x + radius * np.cos(angle), y + radius * np.sin(angle))), colour, width)

    def _placed(self, points):
        return [tuple(p) for p in np.array(points, float) @ self.axes.T * self.scale + self.middle]


def _rgb(colour):
    return tuple(round(255 * min(max(part, 0), 1)) for part in colour)
