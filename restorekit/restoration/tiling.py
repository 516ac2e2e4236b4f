"""Cutting an image into overlapping tiles of one size, and blending their results without seams.

Tiles over an image: cut, solve in batches, blend, from the top down; memory does not grow with the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation, Restoration, Source

FEATHER = 16  # pixels over which one tile fades into the next


def starts(length: int, tile: int, overlap: int, multiple: int) -> list[int]:
    """Return where tiles begin along one side.

    Parameters
    ----------
    length, tile : int
        Side of the image and of a tile, both multiples of `multiple`.
    overlap : int
        Pixels that neighbours share, at least.
    multiple : int
        Every start is a multiple of this.

    Returns
    -------
    list of int
        Starts that cover the side, evenly spread; ``[0]`` where one tile is enough.
    """
    if tile >= length:
        return [0]
    step = max(multiple, (tile - overlap) // multiple * multiple)
    count = -(-(length - tile) // step) + 1
    exact = [(length - tile) * i // (count - 1) for i in range(count)]
    return [start // multiple * multiple for start in exact]


def ramp(start: int, tile: int, length: int, halo: int) -> Tensor:
    """Return the weight, (tile,), of a tile's rows or columns.

    It is 0 within `halo` of a cut, where the result misses context, grows over `FEATHER` pixels, and is 1
    elsewhere and up to the image's own border.
    """
    position = torch.arange(tile, dtype=torch.float32) + 0.5
    before = position if start > 0 else torch.full_like(position, torch.inf)
    after = tile - position if start + tile < length else torch.full_like(position, torch.inf)
    return ((torch.minimum(before, after) - halo) / FEATHER).clamp(0, 1)


BYTES_PER_PIXEL = 2048  # what a pass through a model keeps alive; the shipped models stay under it
BYTES_PER_VALUE = 16  # what a value of a draw takes that is returned: itself, its weighted sum, and copies underway
SHARED = 64  # draws whose means and variances are held at once where making them apart would repeat work
TOLD = "told "  # before the name of a field that holds what a sampler tells of each image

Solve = Callable[[Observation, Rng], dict[str, Tensor]]


@dataclass(frozen=True)
class Limits:
    """How much is done at once.

    Parameters
    ----------
    tile : int
        Side of a tile in pixels, at most.
    pixels : int
        Pixels of all tiles, and draws of them, in one pass through the network. What it takes up is also what
        the draws of a row of tiles may, as far as the halo allows: its tiles are made lower.
    """

    tile: int = 512
    pixels: int = 2**20

    @classmethod
    def within(cls, memory: int) -> Limits:
        """Return limits for so many bytes of working memory."""
        pixels = max(2**16, memory // BYTES_PER_PIXEL)
        return cls(min(1024, int(pixels**0.5)), pixels)

    def draws(self, values: int, shared: bool) -> int:
        """Return how many draws of images of so many values are made at once; more where their work is `shared`."""
        return max(SHARED if shared else 1, self.pixels // values)


@dataclass(frozen=True, eq=False)
class Sweep:
    """One pass of tiles over a source, from the top down.

    Parameters
    ----------
    solve : callable
        Restores a batch of tiles under the given noise; returns fields, (..., B, C, h, w), on any device.
    geometry : Geometry
        The model's sizes.
    source : Source
        What is restored.
    rng : Rng
        Of the whole images.
    limits : Limits
        How much is done at once.
    draws : int
        Draws that are returned.
    """

    solve: Solve
    geometry: Geometry
    source: Source
    rng: Rng
    limits: Limits
    draws: int = 0

    def bands(self) -> Iterator[tuple[int, Restoration]]:
        """Yield (top, rows that no further tile touches)."""
        height, width = (self._padded(side, axis) for axis, side in enumerate(self.source.shape[2:]))
        th, tw = self._tile(height, 0), self._tile(width, 1)
        tops, lefts = self._starts(height, th), self._starts(width, tw)
        fields: dict[str, Tensor] = {}
        for i, top in enumerate(tops):
            fields = _shifted(fields, top - tops[i - 1] if i else 0)
            self._row(fields, top, lefts, (height, width), (th, tw))
            end = tops[i + 1] + self._halo(th, height) if i + 1 < len(tops) else self.source.shape[2]
            yield top, self._finished(fields, end - top)

    def _row(
        self, fields: dict[str, Tensor], top: int, lefts: list[int], padded: tuple[int, int], tile: tuple[int, int]
    ) -> None:
        """Solve one row of tiles, a few at a time, and add them to the fields."""
        strip = self._strip(top, tile[0], padded[1])
        count = max(1, self.limits.pixels // (len(strip) * tile[0] * tile[1] * max(1, self.draws)))
        rows = ramp(top, tile[0], padded[0], self._halo(tile[0], padded[0]))
        for some in (lefts[i : i + count] for i in range(0, len(lefts), count)):
            result = self._solve(strip, top, some, tile[1])
            for j, left in enumerate(some):
                weight = rows[:, None] * ramp(left, tile[1], padded[1], self._halo(tile[1], padded[1]))
                part = {k: v[..., j * len(strip) : (j + 1) * len(strip), :, :, :] for k, v in result.items()}
                _blend(fields, part, weight, left, padded[1])

    def _solve(self, strip: Observation, top: int, lefts: list[int], tile: int) -> dict[str, Tensor]:
        """Restore tiles of equal shape as one batch, tile by tile, images innermost."""
        device = strip.y.device
        cuts = [
            strip.cut(torch.arange(strip.y.shape[2], device=device), torch.arange(left, left + tile, device=device))
            for left in lefts
        ]
        keys = (self.rng.keys or tuple(str(i) for i in range(len(strip)))) * len(lefts)
        origins = tuple((top, left) for left in lefts for _ in range(len(strip)))
        return {k: v.cpu() for k, v in self.solve(_stacked(cuts), self.rng.at(keys, origins)).items()}

    def _strip(self, top: int, tile: int, width: int) -> Observation:
        """Read a tile row, mirrored where it reaches over the image's lower or right border."""
        _, _, h, w = self.source.shape
        rows, columns = mirrored(top, top + tile, h), mirrored(0, width, w)
        low, high = int(rows.min()), int(rows.max()) + 1
        return self.source.rows(low, high).cut(rows - low, columns)

    def _finished(self, fields: dict[str, Tensor], rows: int) -> Restoration:
        return restoration({k: v[..., :rows, : self.source.shape[3]] for k, v in fields.items() if k != "weight"})

    def _padded(self, side: int, axis: int) -> int:
        """Return the side that is worked on: a whole number of multiples, and not less than the model's own size."""
        size, multiple, *_ = self.geometry
        rounded = -(-side // multiple) * multiple
        return rounded if size is None else max(rounded, size[axis])

    def _tile(self, padded: int, axis: int) -> int:
        geometry = self.geometry
        if geometry.size is not None:
            return geometry.size[axis]
        least = 2 * geometry.halo + 2 * FEATHER
        most = self.limits.tile
        if axis == 0:  # not down to the least, where nearly all of a tile is overlap and takes long
            most = min(most, max(self._rows(), least + geometry.halo))
        return min(padded, max(self._padded(least, axis), most // geometry.multiple * geometry.multiple))

    def _rows(self) -> int:
        """Return how many rows of draws, or of the estimate alone, may be in memory."""
        count, channels, _, width = self.source.shape
        row = max(1, self.draws) * count * channels * width * BYTES_PER_VALUE
        return max(1, self.limits.pixels * BYTES_PER_PIXEL // row)

    def _starts(self, padded: int, tile: int) -> list[int]:
        geometry = self.geometry
        overlap = tile // 2 if geometry.size is not None else 2 * geometry.halo + FEATHER
        return starts(padded, tile, overlap, geometry.multiple)

    def _halo(self, tile: int, padded: int) -> int:
        return self.geometry.halo if tile < padded else 0


def restoration(fields: dict[str, Tensor]) -> Restoration:
    """Return what fields, (..., B, C, h, w), named mmse, var, draws, and TOLD + name, amount to."""
    std = fields["var"].clamp_min(0).sqrt() if "var" in fields else None
    diagnostics = {k.removeprefix(TOLD): v.mean((1, 2, 3)) for k, v in fields.items() if k.startswith(TOLD)}
    return Restoration(fields["mmse"], std, fields.get("draws"), diagnostics=diagnostics)


def mirrored(start: int, stop: int, length: int) -> Tensor:
    """Return indices start..stop into a side of `length`, reflected at its end as often as needed."""
    index = torch.arange(start, stop) % (2 * length)
    return torch.where(index < length, index, 2 * length - 1 - index)


def _blend(fields: dict[str, Tensor], part: dict[str, Tensor], weight: Tensor, left: int, width: int) -> None:
    """Take tiles, (..., h, w), at column `left` into the weighted means so far, (..., h, width).

    A mean moves by its distance to the new value, so that a value on which all tiles agree stays it, bit for bit.
    """
    total = _place(fields, "weight", weight, left, width)
    total += weight
    share = weight / total.clamp_min(torch.finfo(weight.dtype).tiny)
    for name, value in part.items():
        mean = _place(fields, name, value, left, width)
        mean += share * (value - mean)


def _place(fields: dict[str, Tensor], name: str, value: Tensor, left: int, width: int) -> Tensor:
    """Return a view of where a tile lies in the field of this name, which is zero at first."""
    if name not in fields:
        fields[name] = value.new_zeros(*value.shape[:-1], width)
    return fields[name][..., left : left + value.shape[-1]]


def _shifted(fields: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
    """Move fields up by `rows`, which are finished, and make room below."""
    return {k: torch.cat([v[..., rows:, :], torch.zeros_like(v[..., :rows, :])], -2) for k, v in fields.items()}


def _stacked(cuts: list[Observation]) -> Observation:
    if len(cuts) == 1:
        return cuts[0]
    first, count = cuts[0], len(cuts)

    def repeat(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.repeat(count, *[1] * (t.dim() - 1))

    initial = None if first.initial is None else torch.cat([c.initial for c in cuts if c.initial is not None])
    many = replace(
        first, y=torch.cat([c.y for c in cuts]), observed=torch.cat([c.observed for c in cuts]), initial=initial
    )
    params = {k: v.repeat(count, *[1] * (v.dim() - 1)) for k, v in first.params.items()}
    return replace(many, sigma=repeat(first.sigma), label=repeat(first.label), params=params)
