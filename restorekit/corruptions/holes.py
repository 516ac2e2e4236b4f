"""Connected missing regions: strokes of a pen, boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Ranged
from restorekit.corruptions.missing import hide

STROKES, VERTICES, BOXES = 5, 5, 4


@dataclass(frozen=True)
class Holes(Corruption):
    """Lose free-form strokes or boxes that together cover a share of the picture; what is left is exact.

    Shapes are drawn as distance fields, and the threshold that gives exactly the wanted area is the
    width of the strokes or the scale of the boxes.

    Parameters
    ----------
    area : float or (float, float)
        Share of pixels lost, in [0, 1].
    shape : {"mixed", "strokes", "boxes"}
        What the holes look like; "mixed" tosses a coin per image.
    """

    name: ClassVar[str] = "holes"
    hides: ClassVar[bool] = True

    area: Ranged = field(default=0.2, metadata={"low": 0.0, "high": 1.0, "share": True})
    shape: str = field(default="mixed", metadata={"choices": ("mixed", "strokes", "boxes")})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Cut holes into x, (B, C, H, W)."""
        area = self.draw("area", x, rng)
        if self.shape == "mixed":
            coin = rng.uniform("holes.coin", (x.shape[0], 1, 1, 1), x.device) < 0.5
            distance = torch.where(coin, _strokes(x, rng), _boxes(x, rng))
        else:
            distance = _strokes(x, rng) if self.shape == "strokes" else _boxes(x, rng)
        order = distance.flatten(1).argsort(dim=1, stable=True)  # boxes tie often
        ranks = order.argsort(dim=1).view_as(distance)  # the nearest `area` share of pixels is hidden
        return hide(x, ranks >= area * distance[0].numel())


def _grid(x: Tensor) -> tuple[Tensor, Tensor]:
    h, w = x.shape[2:]
    rows, columns = torch.arange(h, device=x.device, dtype=x.dtype), torch.arange(w, device=x.device, dtype=x.dtype)
    return rows[None, :, None], columns[None, None, :]


def _strokes(x: Tensor, rng: Rng) -> Tensor:
    """Return the distance, in pixels, to a few wandering pen strokes."""
    b, (h, w) = x.shape[0], x.shape[2:]
    size = x.new_tensor([h, w])
    start = rng.uniform("holes.start", (b, STROKES, 1, 2), x.device) * size
    step = (rng.uniform("holes.step", (b, STROKES, VERTICES - 1, 2), x.device) - 0.5) * 0.6 * size.min()
    path = torch.cat([start, step], 2).cumsum(2)
    # the first stroke always exists, each further one half of the time
    absent = rng.uniform("holes.absent", (b, STROKES), x.device) < x.new_tensor([0.0] + [0.5] * (STROKES - 1))
    nearest = x.new_full((b, h, w), torch.inf)
    for s in range(STROKES):
        for v in range(VERTICES - 1):
            away = _segment_distance(x, path[:, s, v], path[:, s, v + 1])
            nearest = torch.minimum(nearest, away.masked_fill(absent[:, s, None, None], torch.inf))
    return nearest[:, None]


def _segment_distance(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the distance, (B, H, W), of every pixel to the segments from a to b, (B, 2) as row, column."""
    rows, columns = _grid(x)
    (ay, ax), (dy, dx) = (p[:, :, None, None].unbind(1) for p in (a, b - a))
    along = ((rows - ay) * dy + (columns - ax) * dx) / (dy**2 + dx**2).clamp_min(1e-6)
    along = along.clamp(0, 1)
    return torch.hypot(rows - ay - along * dy, columns - ax - along * dx)


def _boxes(x: Tensor, rng: Rng) -> Tensor:
    """Return the distance to a few box centres, in units of each box's own half sides."""
    b, (h, w) = x.shape[0], x.shape[2:]
    rows, columns = _grid(x)
    centre = rng.uniform("holes.centre", (b, BOXES, 2), x.device) * x.new_tensor([h, w])
    half = 0.2 + rng.uniform("holes.half", (b, BOXES, 2), x.device)
    absent = rng.uniform("holes.fewer", (b, BOXES), x.device) < x.new_tensor([0.0] + [0.5] * (BOXES - 1))
    nearest = x.new_full((b, h, w), torch.inf)
    for i in range(BOXES):
        (cy, cx), (sy, sx) = (p[:, i, :, None, None].unbind(1) for p in (centre, half))
        away = torch.maximum((rows - cy).abs() / sy, (columns - cx).abs() / sx)
        nearest = torch.minimum(nearest, away.masked_fill(absent[:, i, None, None], torch.inf))
    return nearest[:, None]
