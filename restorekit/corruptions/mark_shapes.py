"""Shapes of marks: opacities from a folder of images, or drawn by the program, at every scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.errors import UsageError, one_line

DRAWN = 24  # shapes of each class that the program draws
SIDE = 96  # of these, pixels
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, eq=False)
class Shape:
    """Opacity of a mark, with copies of half the size and so on, so that it can be drawn small without aliasing.

    Parameters
    ----------
    opacity : Tensor of uint8, (H, W)
        255 = nothing of the image is left.
    """

    opacity: Tensor
    levels: dict[tuple[int, torch.device], Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> Shape:
        """Read a gray image; raise a UsageError if it cannot be read."""
        try:
            with Image.open(path) as image:
                return cls(torch.from_numpy(np.array(image.convert("L"))))
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for broken files
            raise UsageError(f"shapes of film: {path} cannot be read ({one_line(error)}); remove it") from error

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.opacity.shape[0]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.opacity.shape[1]

    @cached_property
    def area(self) -> float:
        """Sum of the opacities, square pixels."""
        return max(float(self.opacity.double().sum()) / 255, 1.0)

    def side(self, size: float) -> float:
        """Return the longest side in pixels at which the mark covers a square of that side."""
        return max(self.height, self.width) * size / math.sqrt(self.area)

    def at(self, side: float, softness: float, device: torch.device) -> Tensor:
        """Return the opacity in [0, 1], (h, w), at the level of the pyramid for a longest side in pixels."""
        wanted = math.log2(max(self.height, self.width) / side) + softness
        level = max(0, min(round(wanted), int(math.log2(min(self.height, self.width)))))
        key = level, device
        if key not in self.levels:
            full = self.opacity.to(device).float()[None, None] / 255
            size = [max(1, math.ceil(n / 2**level)) for n in (self.height, self.width)]
            self.levels[key] = F.interpolate(full, size, mode="area")[0, 0]
        return self.levels[key]


@cache
def shapes_of(folder: str) -> tuple[tuple[Shape, ...], ...]:
    """Return the shapes of a folder by class; drawn ones for an empty name.

    Raises
    ------
    UsageError
        There is no such folder, no image in it, or one that cannot be read.
    """
    if not folder:
        return drawn_shapes()
    root = Path(folder)
    if not root.is_dir():
        raise UsageError(f"shapes of film expects a folder of gray images, got {folder}; give an existing folder")
    homes = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    classes = [
        tuple(Shape.read(path) for path in sorted(home.iterdir()) if path.suffix.lower() in SUFFIXES) for home in homes
    ]
    found = tuple(shapes for shapes in classes if shapes)
    if not found:
        raise UsageError(f"shapes of film expects PNG, JPEG or WebP images in {folder}, got none")
    return found


@cache
def drawn_shapes() -> tuple[tuple[Shape, ...], ...]:
    """Return blobs, hairs and scratches, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    return tuple(tuple(Shape(draw(generator)) for _ in range(DRAWN)) for draw in (_blob, _hair, _scratch))


def _blob(generator: torch.Generator) -> Tensor:
    """Draw a spot with a ragged outline."""
    noise = torch.zeros(1, 1, SIDE, SIDE)
    for cells in (4, 8, 16, 32):
        field = torch.randn(1, 1, cells, cells, generator=generator)
        noise += F.interpolate(field, (SIDE, SIDE), mode="bicubic") / cells**0.7
    rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, SIDE),) * 2, indexing="ij")
    stretch = 0.4 + 0.6 * float(torch.rand((), generator=generator))
    inside = 0.55 - torch.hypot(rows / stretch, columns) + 0.6 * noise[0, 0]
    rim = (1 - torch.maximum(rows.abs(), columns.abs())) * 8
    return _as_bytes((inside * 12).clamp(0, 1) * rim.clamp(0, 1))


def _hair(generator: torch.Generator) -> Tensor:
    """Draw a curled line."""
    steps = 200
    turns = torch.randn(4, generator=generator).tolist()
    t = torch.linspace(0, 1, steps)
    angle = sum(a * math.pi / (k + 1) * torch.cos(math.pi * (k + 0.5) * t) for k, a in enumerate(turns))
    return _stroke(torch.stack([torch.sin(angle), torch.cos(angle)]).cumsum(1), 1.5)


def _scratch(generator: torch.Generator) -> Tensor:
    """Draw a nearly straight line that breaks off here and there."""
    steps = 200
    t = torch.linspace(0, 1, steps)
    bend = 0.15 * float(torch.randn((), generator=generator)) * t**2
    gaps = F.interpolate(torch.rand(1, 1, 24, generator=generator), steps, mode="linear")[0, 0]
    path = torch.stack([t, bend])
    return _stroke(path[:, gaps > 0.25], 1.2)


def _stroke(path: Tensor, width: float) -> Tensor:
    """Draw points, (2, N), as a line of that half width, scaled to fill the square."""
    low, high = path.amin(1, keepdim=True), path.amax(1, keepdim=True)
    points = (path - (low + high) / 2) / (high - low).max() * (SIDE - 8) + SIDE / 2
    rows = torch.arange(SIDE).float()
    square = (rows[:, None, None] - points[0]) ** 2 + (rows[None, :, None] - points[1]) ** 2
    return _as_bytes((width + 0.5 - square.amin(2).sqrt()).clamp(0, 1))


def _as_bytes(opacity: Tensor) -> Tensor:
    return (opacity * 255).round().to(torch.uint8)
