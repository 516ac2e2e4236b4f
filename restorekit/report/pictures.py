"""Pictures over time, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture with a name.

    Attributes
    ----------
    path : str
        PNG.
    title : str
        What tells it from the others, such as "step 2,000".
    """

    path: str
    title: str


@dataclass(frozen=True)
class Gallery:
    """Pictures in an order, of which one is looked at: the same thing at several times.

    Attributes
    ----------
    title, caption : str
        What they show, and a sentence on how to read them.
    pictures : sequence of Picture
        At least one; the last is shown first.
    """

    title: str
    caption: str
    pictures: Sequence[Picture]
