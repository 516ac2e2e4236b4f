"""Objects that lie about a picture: one in each cell of a grid that is turned and shifted for every image.

A random shift makes the pattern stationary, so that the same share of a small crop and of a whole scan is covered, and
as each object stays within its cell, a pixel asks one cell only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.noise import Noise

TAU = 2 * math.pi


class Lattice:
    """A turned grid over a batch of images.

    Parameters
    ----------
    x : Tensor, (B, C, H, W)
        The images: their size, device and dtype.
    noise : Noise
        Shifts and numbers are drawn from it under `name`.
    name : str
        Lattices of one image need different ones.
    turn : Tensor, (B, 1, 1, 1)
        Angle between a cell's long side and the columns of the image, radians.
    cell : (Tensor (B, 1, 1, 1) or float, the same)
        Length and breadth of a cell, pixels.
    least : (float, float)
        The least length and breadth of any cell; says how many there may be.
    """

    def __init__(
        self,
        x: Tensor,
        noise: Noise,
        name: str,
        turn: Tensor,
        cell: tuple[Tensor | float, Tensor | float],
        least: tuple[float, float],
    ) -> None:
        b, (h, w) = len(x), x.shape[2:]
        self._noise, self._name, self._device = noise, name, x.device
        rows, columns = torch.arange(h, device=x.device).view(-1, 1), torch.arange(w, device=x.device)
        cos, sin, reach = turn.cos(), turn.sin(), math.hypot(h, w)
        self._counts = tuple(math.ceil(2 * reach / size) + 2 for size in least)
        shift = noise.uniform(f"{name}.shift", (b, 2), x.device).view(b, 2, 1, 1)
        i, self._along = _divided(rows * cos + columns * sin + reach, cell[0], shift[:, :1])
        j, self._across = _divided(columns * cos - rows * sin + reach, cell[1], shift[:, 1:])
        cells = torch.arange(b, device=x.device).view(-1, 1, 1, 1) * (self._counts[0] * self._counts[1])
        self._cell = (cells + (i * self._counts[1] + j).long()).flatten()

    def numbers(self, count: int) -> Tensor:
        """Return uniform numbers of each cell, (count, B, 1, cells)."""
        shape = (len(self._along), count, *self._counts)
        return self._noise.uniform(f"{self._name}.cells", shape, self._device).flatten(2).movedim(1, 0)[:, :, None]

    def paint(self, there: Tensor, shape: Callable[..., tuple[Tensor, ...]], *tables: Tensor) -> list[Tensor]:
        """Paint the objects.

        Parameters
        ----------
        there : Tensor of bool, (B, 1, cells)
            Whether a cell has an object at all.
        shape : callable
            Given numbers of pixels, int64, (N,), how far `along` and `across` from the centre of their cell they are,
            (N,), pixels, and what each of `tables` says of their cell, (N,), it returns values of the pixels.
        tables : Tensor, (B, 1, cells)
            What tells the objects apart.

        Returns
        -------
        list of Tensor, (B, 1, H, W)
            These values; 0 where there is no object.
        """
        pixels = chosen(there.flatten()[self._cell])
        table = torch.stack([t.expand(there.shape).flatten() for t in (there, *tables)])
        exists, *found = table[:, self._cell[pixels]].unbind()
        values = shape(pixels, self._along.flatten()[pixels], self._across.flatten()[pixels], *found)
        nothing = torch.zeros_like(self._along).flatten()
        return [nothing.index_copy(0, pixels, exists * value).view_as(self._along) for value in values]


def chosen(which: Tensor) -> Tensor:
    """Return the numbers of what is True, int64, on the CPU; elsewhere all numbers, as asking makes a device wait."""
    return which.nonzero()[:, 0] if which.device.type == "cpu" else torch.arange(len(which), device=which.device)


def _divided(place: Tensor, size: Tensor | float, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of the cell and the pixels from its centre, for places from 0 on."""
    cells = place / size + shift
    number = cells.floor()
    return number, (cells - number - 0.5) * size
