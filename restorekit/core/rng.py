"""Random numbers that depend on names and absolute coordinates, never on order, batch or tile.

Every draw is a pure function of a seed, the image's key, a name and (for fields) the absolute
position, so the same image gets the same noise in any batch, tile, shard or engine. A
`torch.Generator` lives only inside this module; the global one is never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Generator, Tensor

BLOCK = 64  # fields are drawn in absolute blocks of this many cells a side
AHEAD = 10  # steps of a chain whose numbers are drawn at once
_Fill = Callable[[tuple[int, ...], Generator], Tensor]


@dataclass(frozen=True)
class Rng:
    """Named random numbers for a batch of images.

    Parameters
    ----------
    seed : int
        Seed of the run.
    keys : tuple of str or None
        One name per image of the batch, each with its own stream. None: one stream for the batch, which is
        faster and is used in training.
    origins : tuple of (int, int) or None
        Absolute (top, left) pixel of each image of the batch, if the images are tiles.
    path : tuple of str
        Names of the forks that led here.
    first : int
        Number of the first draw of `expand`, so that draws made in portions are the same draws.
    """

    seed: int
    keys: tuple[str, ...] | None = None
    origins: tuple[tuple[int, int], ...] | None = None
    path: tuple[str, ...] = ()
    first: int = 0

    def fork(self, name: str) -> Rng:
        """Return an independent source named `name`."""
        return replace(self, path=(*self.path, name))

    def at(self, keys: tuple[str, ...], origins: tuple[tuple[int, int], ...]) -> Rng:
        """Return the source for a batch of tiles: one key and one (top, left) each."""
        return replace(self, keys=keys, origins=origins)

    def before(self, pixels: int) -> Rng:
        """Return the source whose fields begin that many pixels further up and left."""
        if self.keys is None:
            return self
        origins = self.origins or ((0, 0),) * len(self.keys)
        return replace(self, origins=tuple((top - pixels, left - pixels) for top, left in origins))

    def after(self, first: int) -> Rng:
        """Return the same source with draws counted from `first`."""
        return replace(self, first=first)

    def expand(self, n: int) -> Rng:
        """Return the source for n draws of every image, draws outermost."""
        if self.keys is None:
            return self.fork(f"draws{self.first}+{n}")
        keys = tuple(f"{key}#{s}" for s in range(self.first, self.first + n) for key in self.keys)
        return replace(self, keys=keys, origins=None if self.origins is None else self.origins * n, first=0)

    def take(self, rows: list[int]) -> Rng:
        """Return the source for some images of the batch."""
        if self.keys is None:
            return self
        origins = None if self.origins is None else tuple(self.origins[i] for i in rows)
        return replace(self, keys=tuple(self.keys[i] for i in rows), origins=origins)

    def independent_tiles(self) -> Rng:
        """Return a source whose tiles of one image are independent, for models that process them one by one."""
        if self.keys is None or self.origins is None:
            return self
        keys = tuple(f"{key}@{top},{left}" for key, (top, left) in zip(self.keys, self.origins, strict=True))
        return replace(self, keys=keys, origins=None)

    def steps(self, flat: bool) -> Callable[[int], Step]:
        """Return a function of the step number of a chain; `AHEAD` steps are drawn at once, which is faster.

        Parameters
        ----------
        flat : bool
            Whether no image is a tile of a larger one, so that fields need no absolute position.
        """
        held: dict[Any, tuple[int, Tensor]] = {}
        return lambda i: Step(self.seed, self.keys, self.origins, self.path, self.first, i, flat, held)

    def generator(self, name: str, device: torch.device | str = "cpu") -> Generator:
        """Return a fresh generator for the batch's stream `name`."""
        return self._shared(torch.device(device), name)

    def normal(self, name: str, shape: tuple[int, ...], device: torch.device | str, stride: int = 1) -> Tensor:
        """Draw standard normal numbers.

        Parameters
        ----------
        name : str
            The same name gives the same numbers.
        shape : tuple of int, (B, ...)
            A shape (B, C, h, w) with more than one cell is a field over the image's plane.
        device : torch.device
            Device of the numbers.
        stride : int
            Pixels per cell of the field, which positions a tile's window in the field of the image.

        Returns
        -------
        Tensor of float32
        """
        return self._draw(name, shape, torch.device(device), stride, torch.randn)

    def uniform(self, name: str, shape: tuple[int, ...], device: torch.device | str, stride: int = 1) -> Tensor:
        """Draw uniform numbers in [0, 1); parameters as `normal`."""
        return self._draw(name, shape, torch.device(device), stride, torch.rand)

    def poisson(self, name: str, rate: Tensor) -> Tensor:
        """Draw Poisson counts with the rates `rate`, (B, ...), in a tensor of its shape."""
        if self.keys is None:
            return torch.poisson(rate, generator=self._shared(rate.device, name))
        rows = [
            torch.poisson(rate[i], generator=self._generator(rate.device, name, key)) for i, key in enumerate(self.keys)
        ]
        return torch.stack(rows)

    def _shared(self, device: torch.device, name: str) -> Generator:
        """Return the stream of the batch, which differs from every image's because no image is named ""."""
        return self._generator(device, name, "")

    def _generator(self, device: torch.device, *names: object) -> Generator:
        text = "\x1f".join(map(str, (self.seed, *self.path, *names)))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)

    def _draw(
        self, name: str, shape: tuple[int, ...], device: torch.device, stride: int, make: Callable[..., Tensor]
    ) -> Tensor:
        def fill(size: tuple[int, ...], generator: Generator) -> Tensor:
            return make(size, generator=generator, device=device)

        if self.keys is None:
            return fill(shape, self._shared(device, name))
        if len(self.keys) != shape[0]:
            raise ValueError(f"expected {len(self.keys)} images, one per key of this Rng, got a batch of {shape[0]}")
        if len(shape) == 4 and shape[2] * shape[3] > 1:
            return torch.stack([self._window(name, i, shape[1:], device, stride, fill) for i in range(shape[0])])
        return torch.stack([fill(shape[1:], self._generator(device, name, key)) for key in self.keys])

    def _window(
        self, name: str, i: int, shape: tuple[int, ...], device: torch.device, stride: int, fill: _Fill
    ) -> Tensor:
        """Return image i's window of its field, from the blocks that it touches."""
        keys, origins = self.keys or (), self.origins
        top, left = (0, 0) if origins is None else (o // stride for o in origins[i])
        channels, height, width = shape
        rows = range(top // BLOCK, (top + height - 1) // BLOCK + 1)
        columns = range(left // BLOCK, (left + width - 1) // BLOCK + 1)
        blocks = [
            torch.cat(
                [fill((channels, BLOCK, BLOCK), self._generator(device, name, keys[i], r, c)) for c in columns], 2
            )
            for r in rows
        ]
        y, x = top - rows[0] * BLOCK, left - columns[0] * BLOCK
        return torch.cat(blocks, 1)[:, y : y + height, x : x + width]


@dataclass(frozen=True)
class Step(Rng):
    """Random numbers of one step of a chain.

    Parameters
    ----------
    number : int
        Number of the step.
    flat : bool
        Draw fields as lists of numbers, without a position in the image.
    held : dict
        Numbers of this step and its neighbours, shared between them.
    """

    number: int = 0
    flat: bool = False
    held: dict[Any, tuple[int, Tensor]] = field(default_factory=dict, compare=False, repr=False)

    def _draw(
        self, name: str, shape: tuple[int, ...], device: torch.device, stride: int, make: Callable[..., Tensor]
    ) -> Tensor:
        block, place = divmod(self.number, AHEAD)
        key = (self.path, name, shape, stride, make)
        if self.held.get(key, (None,))[0] != block:
            rest = (AHEAD * prod(shape[1:]),) if self.flat or len(shape) != 4 else (AHEAD * shape[1], *shape[2:])
            many = super()._draw(f"{name}/{block}", (shape[0], *rest), device, stride, make)
            self.held[key] = block, many.view(shape[0], AHEAD, *shape[1:])
        return self.held[key][1][:, place]
