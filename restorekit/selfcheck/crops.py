"""Which parts of a large image are checked."""

from __future__ import annotations

import math
from typing import NamedTuple

PIXELS = 2**20  # of one image, all its frames and bands together, that are checked at most
PLACES = ((1, 3), (3, 7), (5, 1), (7, 5))  # eighths of the room that crops lie at: no two in one row or column


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def windows(height: int, width: int, pixels: int = PIXELS) -> list[Window]:
    """Return the whole image where it has no more than so many pixels, else four crops, spread over it, that have.

    Parameters
    ----------
    height, width : int
        Of the image.
    pixels : int
        At least 4.
    """
    if height * width <= pixels:
        return [Window(0, 0, height, width)]
    each = pixels // len(PLACES)
    rows = min(height, max(math.isqrt(each), each // width))
    columns = min(width, each // rows)
    return [Window(_at(row, height - rows), _at(column, width - columns), rows, columns) for row, column in PLACES]


def _at(eighths: int, room: int) -> int:
    return eighths * room // 8
