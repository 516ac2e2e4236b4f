"""Cutting an image into overlapping tiles of one size, and blending their results without seams."""

from __future__ import annotations

import torch
from torch import Tensor

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
