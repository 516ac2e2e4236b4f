"""Conversion between images and sequences of lines."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

AXES = ("columns", "rows", "channels")
_TO = {
    "columns": (0, 3, 1, 2),
    "rows": (0, 2, 1, 3),
    "channels": (0, 1, 2, 3),
}  # permutation that makes lines the second axis
_BACK = {"columns": (0, 2, 3, 1), "rows": (0, 2, 1, 3)}


@dataclass(frozen=True)
class Lines:
    """Division of images of one size into lines.

    Parameters
    ----------
    axis : {"columns", "rows", "channels"}
        Kind of line.
    channels, height, width : int
        Size of an image.
    """

    axis: str
    channels: int
    height: int
    width: int

    @property
    def count(self) -> int:
        """Number of lines in an image."""
        return {"columns": self.width, "rows": self.height, "channels": self.channels}[self.axis]

    @property
    def values(self) -> int:
        """Number of values in a line."""
        return self.channels * self.height * self.width // self.count

    def single(self, images: int) -> tuple[int, int, int, int]:
        """Return the shape of a tensor with one value per line, for a batch of images."""
        shape = [images, 1, 1, 1]
        shape[_TO[self.axis][1]] = self.count
        batch, channels, height, width = shape
        return batch, channels, height, width

    def cut(self, x: Tensor) -> Tensor:
        """Return the lines, (B, count, values), of x, (B, C, H, W)."""
        return x.permute(_TO[self.axis]).flatten(2)

    def joined(self, lines: Tensor) -> Tensor:
        """Return (B, k C, H, W) from lines with k numbers per value, (B, count, k values); k = 1 for an image."""
        many = lines.shape[2] // self.values
        if self.axis == "channels":
            return lines.view(-1, self.count, many, self.height, self.width).transpose(1, 2).flatten(1, 2)
        inner = {"columns": self.height, "rows": self.width}[self.axis]
        return lines.view(-1, self.count, many * self.channels, inner).permute(_BACK[self.axis])
