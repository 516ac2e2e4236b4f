"""Lossy storage as JPEG."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

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
    """

    name: ClassVar[str] = "jpeg"

    quality: Ranged = field(default=75.0, metadata={"low": 1, "high": 100})
    share: float = field(default=1.0, metadata={"low": 0.0, "high": 1.0, "share": True})

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        """Store x, (B, C, H, W)."""
        quality = self.draw("quality", x, rng)
        chosen = (rng.uniform(self.name, (x.shape[0], 1, 1, 1), x.device) < self.share).flatten().tolist()
        rows = zip(x, quality.flatten().tolist(), chosen, strict=True)
        y = torch.stack([_stored(image, round(q)) if choose else image for image, q, choose in rows])
        observed = x.new_ones((x.shape[0], 1, *x.shape[2:]), dtype=torch.bool)
        return Observation(y, observed, shape_of(x))


def _stored(image: Tensor, quality: int) -> Tensor:
    """Write and read an image, (C, H, W); channels that are no colours are stored one by one."""
    values = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    planes = [values] if len(values) == COLOURS else list(values[:, None])
    return torch.cat([_through_file(plane, quality) for plane in planes]).to(image) / 255


def _through_file(plane: Tensor, quality: int) -> Tensor:
    file = BytesIO()
    Image.fromarray(plane.movedim(0, -1).squeeze(-1).numpy()).save(file, "JPEG", quality=quality)
    read = torch.from_numpy(np.array(Image.open(file)))
    return read.movedim(-1, 0) if read.dim() > 2 else read[None]
