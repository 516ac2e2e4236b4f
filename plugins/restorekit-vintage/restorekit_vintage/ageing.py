"""Base classes of the degradations: an amount that a mixture scales, and marks that may be known as missing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from restorekit import Corruption, Observation, Rng, shape_of
from restorekit.corruptions import hide

PAPER = (0.95, 0.92, 0.86)  # what shows where the emulsion is gone, and dust that kept light from the print
LUMINANCE = (0.299, 0.587, 0.114)  # of R, G and B, as ITU-R BT.601 has it


class Ageing(Corruption):
    """Degradation of a variable amount."""

    @abstractmethod
    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Degrade x, (B, C, H, W), by the share `amount`, (B, 1, 1, 1), of what the fields say; 0 leaves x as it is."""

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Degrade x, (B, C, H, W), as the fields say."""
        return self.age(x, rng, x.new_ones(len(x), 1, 1, 1))


class Marks(NamedTuple):
    """Cover of a picture by marks.

    Attributes
    ----------
    cover : Tensor, (B, 1, H, W)
        From 0, untouched, to 1, nothing of the picture is left.
    bright : Tensor, (B, 1, H, W)
        Lightness of the mark, on the [0, 1] scale.
    relief : Tensor, (B, 1, H, W), or 0.0
        What light and shade add to the picture around the mark.
    """

    cover: Tensor
    bright: Tensor
    relief: Tensor | float = 0.0

    def over(self, other: Marks) -> Marks:
        """Return these where they cover more, the others elsewhere; light and shade of both."""
        bright = torch.where(self.cover > other.cover, self.bright, other.bright)
        return Marks(torch.maximum(self.cover, other.cover), bright, self.relief + other.relief)


class Marked(Ageing):
    """Degradation that covers values: known and missing, or left in the picture for the model to find."""

    known: bool  # a field of each

    @property
    def hides(self) -> bool:  # type: ignore[override]
        """Whether the marks are known, so that values are missing and nothing else happens."""
        return self.known

    @abstractmethod
    def marks(self, x: Tensor, rng: Rng, amount: Tensor) -> Marks:
        """Return the marks on x, (B, C, H, W); `amount`, (B, 1, 1, 1), scales how much they cover."""

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Cover some of x, (B, C, H, W)."""
        marks = self.marks(x, rng, amount)
        if self.hides:
            return hide(x, marks.cover <= 0)
        y = x + marks.relief
        if self.known:
            return replace(hide(y, marks.cover <= 0), sigma=None, direct=False)
        covered = fully_observed(y + marks.cover * (marks.bright * tinted(x, PAPER) - y))
        return replace(covered, marks=marks.cover)


def shade(number: Tensor, bright: float) -> Tensor:
    """Return the lightness of marks by a uniform number each: near that of paper for a share `bright`, else black."""
    return torch.where(number < bright, 0.9 + 0.1 * number, 0.1 * number)


def fully_observed(y: Tensor) -> Observation:
    """Return an observation y, (B, C, H, W), without gaps, in which no value is known to be exact."""
    return Observation(y, y.new_ones((len(y), 1, *y.shape[2:]), dtype=torch.bool), shape_of(y), direct=False)


def tinted(x: Tensor, colour: tuple[float, float, float]) -> Tensor:
    """Return a colour as it stands in images like x, (1, C, 1, 1): as it is in RGB, its luminance in gray ones."""
    rgb = x.new_tensor(colour)
    return (rgb if x.shape[1] == len(colour) else (rgb * x.new_tensor(LUMINANCE)).sum(0, True)).view(1, -1, 1, 1)
