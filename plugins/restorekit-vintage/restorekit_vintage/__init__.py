"""Degradations of old photographs and film: a plugin of restorekit."""

from __future__ import annotations

from restorekit import Corruption, hookimpl
from restorekit_vintage.cast import Cast
from restorekit_vintage.creases import Creases
from restorekit_vintage.dust import Dust
from restorekit_vintage.fading import Fading
from restorekit_vintage.grain import Grain
from restorekit_vintage.hairs import Hairs
from restorekit_vintage.halftone import Halftone
from restorekit_vintage.scratches import Scratches
from restorekit_vintage.stains import Stains
from restorekit_vintage.vintage import Vintage

__all__ = ["Cast", "Creases", "Dust", "Fading", "Grain", "Hairs", "Halftone", "Scratches", "Stains", "Vintage"]


@hookimpl
def restorekit_register_corruptions() -> list[type[Corruption]]:
    """Register the corruptions of old pictures."""
    return [Scratches, Dust, Hairs, Creases, Stains, Fading, Cast, Halftone, Grain, Vintage]
