"""Lossy storage as JPEG."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Ranged, shape_of

COLOURS = 3


@dataclass(frozen=True)
class JPEG(Corruption):
    """y = x after it was stored as an 8-bit JPEG file, colour at half the resolution. It can only be simulated.

    Parameters
    ----------
    quality : float or (float, float)
        Of libjpeg, 1 to 100; rounded.
    share : float
        Share of images that are stored so; the others pass untouched. For training on both.
    row_offset, column_offset : float or (float, float)
        Rows, and columns, from the corner of the grid of blocks to that of the image, rounded: 0 in a file as a camera
        wrote it, anything after it was cropped.
    scale : float or (float, float)
        Sides of the stored file over those of the image: above 1, the file was shrunk after it was read.
    """

    name: ClassVar[str] = "jpeg"

    quality: Ranged = field(default=75.0, metadata={"low": 1, "high": 100})
    share: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0, "share": True})
    row_offset: Ranged = field(default=0.0, metadata={"low": 0, "high": 15, "unit": "pixels"})
    column_offset: Ranged = field(default=0.0, metadata={"low": 0, "high": 15, "unit": "pixels"})
    scale: Ranged = field(default=1.0, metadata={"low": 0.5, "high": 4.0})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Store x, (B, C, H, W)."""
        chosen = rng.uniform(self.name, (x.shape[0], 1, 1, 1), x.device) < self.share
        drawn = [self.draw(key, x, rng) for key in ("quality", "row_offset", "column_offset", "scale")]
        values = zip(x, *(t.flatten().tolist() for t in (*drawn, chosen)), strict=True)
        y = torch.stack(
            [_stored(image, round(q), round(r), round(c), s) if k else image for image, q, r, c, s, k in values]
        )
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(y, observed, shape_of(x))


def _stored(image: Tensor, quality: int, rows: int, columns: int, scale: float) -> Tensor:
    """Write and read an image, (C, H, W); channels that are no colours are stored one by one."""
    height, width = image.shape[1:]
    sides = max(1, round(height * scale)), max(1, round(width * scale))
    file = image if sides == (height, width) else _resampled(image, sides)
    # The blocks of the file begin before the image: its border is repeated there, and cut off again.
    file = F.pad(file[None], (columns, 0, rows, 0), mode="replicate")[0]
    values = (file.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    planes = [values] if len(values) == COLOURS else list(values[:, None])
    read = torch.cat([_through_file(plane, quality) for plane in planes]).to(image)[:, rows:, columns:] / 255
    return read if sides == (height, width) else _resampled(read, (height, width)).clamp(0, 1)


def _resampled(image: Tensor, sides: tuple[int, int]) -> Tensor:
    """Resize an image, (C, H, W), without aliasing."""
    return F.interpolate(image[None], sides, mode="bicubic", antialias=True)[0]


def _through_file(plane: Tensor, quality: int) -> Tensor:
    file = BytesIO()
    Image.fromarray(plane.movedim(0, -1).squeeze(-1).numpy()).save(file, "JPEG", quality=quality)
    read = torch.from_numpy(np.array(Image.open(file)))
    return read.movedim(-1, 0) if read.dim() > 2 else read[None]
