"""Stains: water and coffee that dried with a dark rim, and foxing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from restorekit import Observation, Ranged, Rng
from restorekit_vintage.ageing import Ageing, fully_observed, tinted
from restorekit_vintage.clouds import clouds

FINE = 0.25  # strength and size of the unevenness of an outline, of the stain
BROWN = (0.45, 0.7, 1.0)  # what a stain takes of R, G and B, of its strength
SOFT = 0.02  # of the size: how far an edge runs, and a pixel
RIM, MOTTLE = 2.0, 0.2  # pixels over which the rim fades, and standard deviation of what is left inside of it


@dataclass(frozen=True)
class Stains(Ageing):
    """Brown patches, darkest along their outline, where the liquid left what it had dissolved.

    Parameters
    ----------
    area : float or (float, float)
        Share of pixels stained, on average over images.
    size : float or (float, float)
        Distance over which the outline bends, pixels: 5 for foxing, 100 for a spilt cup.
    strength : float or (float, float)
        Share of blue light that is lost at the rim, at most; less of green and red.
    rim : float or (float, float)
        Share of the strength that is missing in the middle: 0 for an even stain, 1 for a line around clean paper.
    """

    name: ClassVar[str] = "stains"

    area: Ranged = field(default=0.2, metadata={"low": 0.0, "high": 0.9, "share": True})
    size: Ranged = field(default=50.0, metadata={"low": 4.0, "high": 1000.0, "unit": "pixels"})
    strength: Ranged = field(default=0.4, metadata={"low": 0.0, "high": 1.0, "share": True})
    rim: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 1.0, "share": True})

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Stain x, (B, C, H, W)."""
        area, size, strength, rim = (self.draw(key, x, rng) for key in ("area", "size", "strength", "rim"))
        least = min(self.size) if isinstance(self.size, tuple) else self.size
        liquid = clouds(x, rng, "stains.large", size, least)
        fine = clouds(x, rng, "stains.fine", FINE * size, FINE * least)
        level = (liquid + FINE * fine) / (1 + FINE**2) ** 0.5  # standard normal again
        inside = (level + torch.special.ndtri(area.clamp(1e-6, 1 - 1e-6))) * size / 2  # pixels from the outline, about
        soft = 1 + SOFT * size
        wet, dry = (inside / soft + 0.5).clamp(0, 1), torch.exp(-(inside - soft / 2).clamp_min(0) / RIM)
        dark = wet * (1 - rim * (1 - dry) + MOTTLE * (1 - rim) * fine).clamp(0, 1)
        return fully_observed(x * (1 - amount * strength * dark * tinted(x, BROWN)))
