"""Calibrated intervals: a table that says how many predicted standard deviations enclose so much of the truth.

The table is indexed by the conditions of an image: its channels, kind and level of noise, share of missing
pixels, distance to the nearest observed pixel, and predicted standard deviation.
`evaluation.calibration` makes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.errors import CheckpointError
from restorekit.core.records import About, Json, decode, encode, keys
from restorekit.uncertainty.conditions import MAX_DISTANCE_PX, Conditions

Floats = npt.NDArray[np.float64]
Grid = Sequence[Sequence[Sequence[float]]]  # (distance, std, level)
Cell = tuple[int, int, int, int]  # channels, 1 where noise is white, and nodes of sigma and missing
CellGroup = tuple[int, int, bool, bool]  # channels, 1 where noise is white, values missing, and the others noisy then
TINY = 1e-6  # on [0, 1]; smaller standard deviations count as this


@dataclass(frozen=True)
class Axes:
    """Nodes of the table along each axis, ascending.

    Attributes
    ----------
    sigma : tuple of float
        Noise levels on [0, 1]: known, or as `estimate_sigma` finds them.
    missing : tuple of float
        Shares of the pixels.
    distance : tuple of float
        Pixels to the nearest observed one; 0 is an observed one.
    std : tuple of float
        Predicted standard deviations on [0, 1].
    """

    sigma: tuple[float, ...] = tuple(v / 255 for v in (0, 3, 8, 15, 25, 35, 50, 75))
    missing: tuple[float, ...] = (0.0, 0.15, 0.5, 0.8, 0.9, 0.95)
    distance: tuple[float, ...] = (0, 1, 2, 4, 8, 16, 32)
    std: tuple[float, ...] = tuple(2.0**p / 255 for p in range(-1, 8))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Nodes along each axis."""
        return len(self.sigma), len(self.missing), len(self.distance), len(self.std)


@dataclass(frozen=True)
class Table:
    """Factors of the standard deviation, by axes and level.

    Attributes
    ----------
    axes : Axes
        Where the nodes are.
    levels : tuple of float
        Shares that the intervals enclose, ascending.
    factors : mapping of str to nested sequences of float, (distance, std, level)
        One entry "c,w,i,j" for c channels, white noise or not (1, 0), and each pair of nodes i of sigma and j of
        missing that calibration images had.
    reach : float
        Largest distance in the calibration images, pixels.
    images : int
        How many there were.
    source : str
        What they were.
    best : Table or None
        The same for the quality "best"; None: it is for one pass only.
    """

    axes: Axes
    levels: tuple[float, ...]
    factors: Mapping[str, Grid]
    reach: float
    images: int = 0
    source: str = ""
    best: Annotated[Table | None, About(omitted=True)] = None

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Table:
        """Read a card's table.

        Raises
        ------
        CheckpointError
            It is not one.
        """
        try:
            table, strange = decode(cls, values), sorted(values.keys() - keys(cls))
            if strange:
                raise ValueError(f"unknown entry {strange[0]}")
            for one in (table, *([] if table.best is None else [table.best])):
                one._check()
        except ValueError as error:  # of a record, the name of a cell, or rows of different lengths
            raise CheckpointError(
                f"the card's calibration cannot be read ({error}); calibrate the model again"
            ) from error
        return table

    def _check(self) -> None:
        """Raise a ValueError where the parts do not fit together."""
        axes = self.axes
        if not (_ascending(self.levels) and self.levels[0] > 0 and self.levels[-1] < 1):
            raise ValueError("expected ascending levels between 0 and 1")
        nodes = (axes.sigma, axes.missing, axes.distance, axes.std)
        if not all(len(along) > 1 and _ascending(along) for along in nodes):
            raise ValueError("expected two or more ascending nodes along each axis")
        for (*_, i, j), factors in self._cells.items():
            sound = factors.shape == (*axes.shape[2:], len(self.levels)) and bool(np.isfinite(factors).all())
            if not (sound and 0 <= i < axes.shape[0] and 0 <= j < axes.shape[1]):
                raise ValueError(f"cell {i},{j} does not fit the axes")

    def to_json(self) -> dict[str, Json]:
        """Return what a card holds."""
        return encode(self)

    @cached_property
    def _cells(self) -> dict[Cell, Floats]:
        return {parse_cell(key): np.asarray(factors, float) for key, factors in self.factors.items()}

    def level_refusal(self, level: float) -> str | None:
        """Return the reason why the table does not cover a level; None if it does."""
        low, high = self.levels[0], self.levels[-1]
        if low <= level <= high:
            return None
        return f"the calibration is of intervals that enclose {low:g} to {high:g}, not {level:g}"

    def refusal(self, conditions: Conditions, level: float) -> str | None:
        """Return the reason why the table does not cover an image or a level; None if it does."""
        if reason := self.level_refusal(level):
            return reason
        if not self._neighbours(conditions):
            kind = {1: "gray ", 3: "colour "}.get(conditions.channels, "")
            noise = f"{'' if conditions.white else 'coarse '}noise of a level near {255 * conditions.sigma:.1f}/255"
            return f"no {kind}calibration images had {noise} and {conditions.missing:.0%} of the pixels missing"
        if conditions.farthest > self.reach or conditions.farthest >= MAX_DISTANCE_PX:
            depth = f"{conditions.farthest:.0f}{' or more' if conditions.farthest >= MAX_DISTANCE_PX else ''}"
            return f"its holes reach {depth} pixels deep, those of the calibration images {self.reach:.0f}"
        return None

    def factor(self, conditions: Conditions, distance: Tensor, std: Tensor, level: float) -> Tensor:
        """Return by how many standard deviations an interval reaches from the mean.

        Parameters
        ----------
        conditions : Conditions
            Conditions of the entire image; the table must not refuse it.
        distance, std : Tensor, of one shape
            Of the values in question: pixels to the nearest observed one, and standard deviation.
        level : float
            Share that the interval is to enclose.

        Returns
        -------
        Tensor, of that shape
        """
        neighbours = self._neighbours(conditions)
        weights = np.array(list(neighbours.values()))
        grid = np.tensordot(weights / weights.sum(), np.stack([self._cells[key] for key in neighbours]), 1)
        of_level = self._at_level(grid, level)
        d = _place(np.log2(1 + distance.double().numpy()), np.log2(1 + np.asarray(self.axes.distance)))
        p = _place(np.log2(std.double().clamp_min(TINY).numpy()), np.log2(self.axes.std))
        return torch.from_numpy(_bilinear(of_level, d, p)).to(std)

    def _neighbours(self, conditions: Conditions) -> dict[Cell, float]:
        """Return the nodes around an image that are of its sort, with weights; none where its nearest is not there."""
        home = nearest(conditions, self.axes)
        found = {}
        for i, wi in _corners(conditions.sigma, self.axes.sigma):
            for j, wj in _corners(conditions.missing, self.axes.missing):
                one = (*home[:2], i, j)
                if one in self._cells and cell_group(one) == cell_group(home) and wi * wj > 0:
                    found[one] = wi * wj
        return found if home in found else {}

    def _at_level(self, grid: Floats, level: float) -> Floats:
        """Interpolate between levels, on the scale of normal quantiles."""
        wanted, *quantiles = (NormalDist().inv_cdf(0.5 + share / 2) for share in (level, *self.levels))
        known = np.array(quantiles)
        relative = grid / known
        place = np.interp(wanted, known, np.arange(len(known), dtype=float))
        low = int(place)
        high = min(low + 1, len(known) - 1)
        found: Floats = (1 - place + low) * relative[..., low] + (place - low) * relative[..., high]
        return wanted * found


def _ascending(values: Sequence[float]) -> bool:
    """Return whether there are values, all finite, each above the one before."""
    return bool(values) and all(map(math.isfinite, values)) and all(a < b for a, b in pairwise(values))


def parse_cell(key: str) -> Cell:
    """Read the key of a cell."""
    c, w, i, j = map(int, key.split(","))
    return c, w, i, j


def nearest(conditions: Conditions, axes: Axes) -> Cell:
    """Return the cell that an image lies nearest to."""
    i = round(float(_place(np.array(conditions.sigma), np.asarray(axes.sigma))))
    j = round(float(_place(np.array(conditions.missing), np.asarray(axes.missing))))
    return conditions.channels, int(conditions.white), i, j


def cell_group(one: Cell) -> CellGroup:
    """Return the group of a cell; cells of a group are scaled and interpolated together."""
    c, w, i, j = one
    return c, w, j > 0, i > 0 and j > 0


def _corners(value: float, nodes: Sequence[float]) -> list[tuple[int, float]]:
    """Return the nodes around a value and their weights; none where it is more than half a step off the last."""
    if value > nodes[-1] + (nodes[-1] - nodes[-2]) / 2:
        return []
    place = float(_place(np.array(value), np.asarray(nodes)))
    low = int(place)
    return [(low, 1 - place + low), (min(low + 1, len(nodes) - 1), place - low)]


def _place(values: Floats, nodes: Floats) -> Floats:
    """Return where values lie among ascending nodes, in steps from the first; those beyond the ends at the ends."""
    found: Floats = np.interp(values, nodes, np.arange(len(nodes), dtype=float))
    return found


def _bilinear(grid: Floats, rows: Floats, columns: Floats) -> Floats:
    r, c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below, right = np.minimum(r + 1, grid.shape[0] - 1), np.minimum(c + 1, grid.shape[1] - 1)
    v, h = rows - r, columns - c
    top = (1 - h) * grid[r, c] + h * grid[r, right]
    bottom = (1 - h) * grid[below, c] + h * grid[below, right]
    found: Floats = (1 - v) * top + v * bottom
    return found
