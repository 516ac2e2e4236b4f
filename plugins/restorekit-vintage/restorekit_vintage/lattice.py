"""Objects that lie about a picture: one in each cell of a grid that is turned and shifted for every image.

A random shift makes the pattern stationary, so that the same share of a small crop and of a full scan is covered, and
as each object stays within its cell, a pixel asks one cell only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from restorekit import Rng

TAU = 2 * math.pi
Tables = TypeVar("Tables", bound=NamedTuple)


class Place(NamedTuple):
    """Some pixels of a batch.

    Attributes
    ----------
    pixels : Tensor of int64, (N,)
        Their numbers, the batch outermost.
    along, across : Tensor, (N,)
        How far from the centre of their cell they are, pixels.
    """

    pixels: Tensor
    along: Tensor
    across: Tensor


class Lattice:
    """A turned grid over a batch of images.

    Parameters
    ----------
    x : Tensor, (B, C, H, W)
        The images: their size, device and dtype.
    rng : Rng
        Shifts and numbers are drawn from it under `name`.
    name : str
        Lattices of one image need different ones.
    turn : Tensor, (B, 1, 1, 1)
        Angle between a cell's long side and the columns of the image, radians.
    cell : (float, Tensor (B, 1, 1, 1) or float)
        Length and breadth of a cell, pixels.
    least : float, optional
        The least breadth of any cell, where it is a tensor; says how many there may be.
    """

    def __init__(
        self,
        x: Tensor,
        rng: Rng,
        name: str,
        turn: Tensor,
        cell: tuple[float, Tensor | float],
        least: float | None = None,
    ) -> None:
        b, (h, w) = len(x), x.shape[2:]
        self._noise, self._name, self._x, self._cell = rng, name, x, cell
        rows, columns = torch.arange(h, device=x.device).view(-1, 1), torch.arange(w, device=x.device)
        cos, sin, reach = turn.cos(), turn.sin(), math.hypot(h, w)
        smallest = cell[0], cell[1] if isinstance(cell[1], float) else least or 1.0
        self._counts = tuple(math.ceil(2 * reach / size) + 2 for size in smallest)
        shift = rng.uniform(f"{name}.shift", (b, 2), x.device).view(b, 2, 1, 1)
        # places in units of cells, from 0 on: sums of a column and a row, so that few steps are done for all pixels
        self._along = ((rows * cos + reach) / cell[0] + shift[:, :1]) + columns * sin / cell[0]
        self._across = ((reach - rows * sin) / cell[1] + shift[:, 1:]) + columns * cos / cell[1]

    def numbers(self, count: int) -> Tensor:
        """Return uniform numbers of each cell, (count, B, 1, cells)."""
        shape = (len(self._x), count, *self._counts)
        return self._noise.uniform(f"{self._name}.cells", shape, self._x.device).flatten(2).movedim(1, 0)[:, :, None]

    def paint(
        self,
        centre: Tensor,
        reach: Tensor,
        shape: Callable[[Place, Tables], tuple[Tensor, ...]],
        tables: Tables,
    ) -> list[Tensor]:
        """Paint the objects.

        Parameters
        ----------
        centre : Tensor, (B, 1, cells)
            How far across its cell each object lies, pixels from the middle; infinity where there is none.
        reach : Tensor, (B, 1, 1, 1)
            How far from there, across the cell, any pixel of it may be.
        shape : callable
            Maps pixels and the entries of `tables` for their cells, (N,) each, to values of these pixels.
        tables : NamedTuple of Tensor, (B, 1, cells)
            Numbers of each object.

        Returns
        -------
        list of Tensor, (B, 1, H, W)
            The values; 0 where there is no object.
        """
        row, column = self._along.floor(), self._across.floor()
        first = torch.arange(len(centre), device=centre.device).view(-1, 1, 1, 1) * centre.shape[2]
        cells = ((row * self._counts[1] + column).long() + first).flatten()
        across = (self._across - column - 0.5) * self._cell[1]
        near = ((across - centre.flatten().index_select(0, cells).view_as(across)).abs() < reach).flatten()
        pixels = chosen(near)
        table = torch.stack([t.expand(centre.shape).flatten() for t in tables])
        along, aside, cells = (t.flatten().index_select(0, pixels) for t in (self._along - row, across, cells))
        place = Place(pixels, (along - 0.5) * self._cell[0], aside)
        values = shape(place, tables._make(table.index_select(1, cells).unbind()))
        fields = across.new_zeros(len(values), across.numel())
        fields.index_copy_(1, pixels, torch.stack(values) * near[pixels])
        return [field.view_as(across) for field in fields]


def only(there: Tensor, offset: Tensor) -> Tensor:
    """Return the offset of objects that exist; infinity where there is none."""
    return torch.where(there, offset, torch.inf)


def chosen(which: Tensor) -> Tensor:
    """Return the indices of True values, int64, on the CPU; elsewhere all, as reading values makes a device wait."""
    return which.nonzero()[:, 0] if which.device.type == "cpu" else torch.arange(len(which), device=which.device)
