"""Tiled processing of images: overlapping tiles are solved in batches and blended without seams.

An image is read and finished in strips of rows from the top down, so that memory does not grow with its height.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation, Restoration, Source

FEATHER = 16  # pixels over which one tile fades into the next
BYTES_PER_PIXEL = 2048  # memory of one pixel in a pass through a model; the shipped models need less
MAX_TILE = 1024  # side of a tile in pixels, at most
MAX_PIXELS = 2**20  # in one pass through a model, at most: with more, processors wait for memory
BYTES_PER_VALUE = 16  # memory of one value of a returned draw: the value, its weighted sum, and temporary copies
SHARED_DRAWS = 64  # draws whose means and variances are held at once if they share work
DIAGNOSTIC = "diagnostic "  # prefix of the name of a field that holds a sampler's diagnostic

Solve = Callable[[Observation, Rng], dict[str, Tensor]]


@dataclass(frozen=True)
class Limits:
    """Amount of work done at once.

    Parameters
    ----------
    tile : int
        Side of a tile in pixels, at most.
    pixels : int
        Pixels of all tiles, and draws of them, in one pass through the network. The draws of a row of tiles may take
        the same memory again, as far as the halo allows: its tiles are made lower.
    """

    tile: int = 512
    pixels: int = MAX_PIXELS

    @classmethod
    def for_memory(cls, memory: int, bytes_per_pixel: int = BYTES_PER_PIXEL) -> Limits:
        """Return limits for that many bytes of working memory, and bytes of one pixel in a pass."""
        pixels = min(MAX_PIXELS, max(2**16, memory // bytes_per_pixel))
        return cls(min(MAX_TILE, int(pixels**0.5)), pixels)

    def draws(self, values: int, shared: bool) -> int:
        """Return how many draws of images of `values` values to make at once; more if their work is `shared`."""
        return max(SHARED_DRAWS if shared else 1, self.pixels // values)


def process_tiles(
    source: Source, solve: Solve, geometry: Geometry, rng: Rng, limits: Limits, draws: int = 0
) -> Iterator[tuple[int, Restoration]]:
    """Solve a source in overlapping tiles from the top down.

    Parameters
    ----------
    source : Source
        Images of one size.
    solve : callable
        Restores a batch of tiles with these random numbers; returns fields, (..., B, C, h, w), on any device.
    geometry : Geometry
        Sizes that `solve` accepts, and the halo it needs.
    rng : Rng
        Random numbers of the full images.
    limits : Limits
        Amount of work done at once.
    draws : int
        Draws in the fields; they count as memory.

    Yields
    ------
    (int, Restoration)
        The first row of a strip, and its rows: those that no further tile touches.
    """
    grid = lay_tiles(source.shape, geometry, limits, draws)
    count, _, height, width = source.shape
    (rows, columns), halos = grid.tile, grid.halos
    keys = rng.keys or tuple(str(i) for i in range(count))
    per_pass = max(1, limits.pixels // (count * rows * columns * max(1, draws)))
    fields: dict[str, Tensor] = {}
    across = mirrored(0, grid.padded[1], width)  # a row of tiles goes on beyond the lower and right border
    for i, top in enumerate(grid.tops):
        finished = top - grid.tops[i - 1] if i else 0  # rows above, which make room below
        for name, field in fields.items():
            fields[name] = torch.cat([field[..., finished:, :], torch.zeros_like(field[..., :finished, :])], -2)
        down = mirrored(top, top + rows, height)
        low, high = int(down.min()), int(down.max()) + 1
        strip = source.rows(low, high).cut(down - low, across)
        fading = ramp(top, rows, grid.padded[0], halos[0])[:, None]
        for lefts in (grid.lefts[i : i + per_pass] for i in range(0, len(grid.lefts), per_pass)):
            places = rng.at(keys * len(lefts), tuple((top, left) for left in lefts for _ in range(count)))
            solved = {name: field.cpu() for name, field in solve(_cut_tiles(strip, lefts, columns), places).items()}
            for j, left in enumerate(lefts):
                weight = fading * ramp(left, columns, grid.padded[1], halos[1])
                tile = {name: field[..., j * count : (j + 1) * count, :, :, :] for name, field in solved.items()}
                _blend(fields, tile, weight, left, grid.padded[1])
        end = grid.tops[i + 1] + halos[0] if i + 1 < len(grid.tops) else height
        yield top, restoration({k: v[..., : end - top, :width] for k, v in fields.items() if k != "weight"})


@dataclass(frozen=True)
class TileGrid:
    """Places of the tiles of one size over an image.

    Attributes
    ----------
    padded : (int, int)
        Height and width of the image, mirrored up to sides that the model accepts.
    tile : (int, int)
        Height and width of a tile.
    tops, lefts : list of int
        First rows and first columns of the tiles.
    halos : (int, int)
        Rows and columns at a cut that lack context; 0 along an axis with one tile.
    """

    padded: tuple[int, int]
    tile: tuple[int, int]
    tops: list[int]
    lefts: list[int]
    halos: tuple[int, int]


def lay_tiles(shape: tuple[int, int, int, int], geometry: Geometry, limits: Limits, draws: int = 0) -> TileGrid:
    """Choose the tiles of a batch of images, (B, C, H, W)."""
    count, channels, height, width = shape
    size, multiple, halo, *_ = geometry
    padded = tuple(_padded(side, geometry, axis) for axis, side in enumerate((height, width)))
    if size is not None:
        tile, overlaps = size, (size[0] // 2, size[1] // 2)
    else:
        least = 2 * halo + 2 * FEATHER
        row = max(1, draws) * count * channels * width * BYTES_PER_VALUE
        rows = max(1, limits.pixels * BYTES_PER_PIXEL // row)  # of all draws that fit the memory
        # not down to `least`, where nearly all of a tile is overlap and the work grows many times
        most = min(limits.tile, max(rows, least + halo)), limits.tile
        smallest = _padded(least, geometry, 0)
        overlaps = (2 * halo + FEATHER,) * 2
        largest = [min(padded[a], max(smallest, most[a] // multiple * multiple)) for a in (0, 1)]
        tile = (
            smallest_tile(padded[0], largest[0], overlaps[0], multiple),
            smallest_tile(padded[1], largest[1], overlaps[1], multiple),
        )
    tops, lefts = (starts(padded[a], tile[a], overlaps[a], multiple) for a in (0, 1))
    halos = tuple(halo if tile[a] < padded[a] else 0 for a in (0, 1))
    return TileGrid(padded, tile, tops, lefts, halos)  # type: ignore[arg-type]


def _padded(side: int, geometry: Geometry, axis: int) -> int:
    """Return the multiple from `side` on that the model accepts, and not less than a fixed size."""
    rounded = -(-side // geometry.multiple) * geometry.multiple
    return rounded if geometry.size is None else max(rounded, geometry.size[axis])


def smallest_tile(length: int, tile: int, overlap: int, multiple: int) -> int:
    """Return the least side of as many tiles as `starts` gives for a side: they share no more than they must."""
    count, shared = len(starts(length, tile, overlap, multiple)), -(-overlap // multiple) * multiple
    return min(tile, -(-(length + (count - 1) * shared) // (count * multiple)) * multiple)


def starts(length: int, tile: int, overlap: int, multiple: int) -> list[int]:
    """Return the first pixel of each tile along one side.

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
        Starts that cover the side, evenly spread; ``[0]`` if one tile is enough.
    """
    if tile >= length:
        return [0]
    step = max(multiple, (tile - overlap) // multiple * multiple)
    count = -(-(length - tile) // step) + 1
    exact = [(length - tile) * i // (count - 1) for i in range(count)]
    return [start // multiple * multiple for start in exact]


def ramp(start: int, tile: int, length: int, halo: int) -> Tensor:
    """Return the weight, (tile,), of a tile's rows or columns.

    It is 0 within `halo` of a cut, where the result lacks context, grows over `FEATHER` pixels, and is 1
    elsewhere and up to the image's own border.
    """
    position = torch.arange(tile, dtype=torch.float32) + 0.5
    before = position if start > 0 else torch.full_like(position, torch.inf)
    after = tile - position if start + tile < length else torch.full_like(position, torch.inf)
    return ((torch.minimum(before, after) - halo) / FEATHER).clamp(0, 1)


def restoration(fields: dict[str, Tensor]) -> Restoration:
    """Return the restoration of fields, (..., B, C, h, w), named mmse, var, draws, and DIAGNOSTIC + name."""
    std = fields["var"].clamp_min(0).sqrt() if "var" in fields else None
    found = {k.removeprefix(DIAGNOSTIC): v.mean((1, 2, 3)) for k, v in fields.items() if k.startswith(DIAGNOSTIC)}
    return Restoration(fields["mmse"], std, fields.get("draws"), diagnostics=found)


def mirrored(start: int, stop: int, length: int) -> Tensor:
    """Return indices start..stop into a side of `length`, reflected at its end as often as needed."""
    index = torch.arange(start, stop) % (2 * length)
    return torch.where(index < length, index, 2 * length - 1 - index)


def _cut_tiles(strip: Observation, lefts: list[int], width: int) -> Observation:
    """Cut tiles of equal shape from a strip as one batch, tile by tile, images innermost."""
    device, count = strip.y.device, len(lefts)
    rows = torch.arange(strip.y.shape[2], device=device)
    cuts = [strip.cut(rows, torch.arange(left, left + width, device=device)) for left in lefts]
    if count == 1:
        return cuts[0]
    empty = strip.cut(rows[:0], rows[:0])  # so that only what belongs to an image as such is repeated
    found = empty.take(torch.arange(len(strip), device=device).repeat(count))
    initial = None if strip.initial is None else torch.cat([c.initial for c in cuts if c.initial is not None])
    y, observed = torch.cat([c.y for c in cuts]), torch.cat([c.observed for c in cuts])
    return replace(found, y=y, observed=observed, shape=cuts[0].shape, initial=initial)


def _blend(fields: dict[str, Tensor], tile: dict[str, Tensor], weight: Tensor, left: int, width: int) -> None:
    """Add a tile, (..., h, w), at column `left` to the weighted means so far, (..., h, width).

    A mean moves by its distance to the new value, so that a value on which all tiles agree stays it, bit for bit.
    """
    total = _place(fields, "weight", weight, left, width)
    total += weight
    share = weight / total.clamp_min(torch.finfo(weight.dtype).tiny)
    for name, value in tile.items():
        mean = _place(fields, name, value, left, width)
        mean += share * (value - mean)


def _place(fields: dict[str, Tensor], name: str, value: Tensor, left: int, width: int) -> Tensor:
    """Return a view of a tile's place in the field of this name, which is zero at first."""
    if name not in fields:
        fields[name] = value.new_zeros(*value.shape[:-1], width)
    return fields[name][..., left : left + value.shape[-1]]
