"""Built-in corruptions, the SPEC language, and interpolation of missing values."""

from __future__ import annotations

from restorekit.core.contracts import Corruption
from restorekit.core.interpolation import bend, fill
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.corruptions.blur import Blur
from restorekit.corruptions.camera import Camera
from restorekit.corruptions.chain import Chain
from restorekit.corruptions.clean import Clean
from restorekit.corruptions.downsample import Downsample
from restorekit.corruptions.film import Film
from restorekit.corruptions.gaussian import Gaussian
from restorekit.corruptions.grayscale import Grayscale
from restorekit.corruptions.holes import Holes
from restorekit.corruptions.jpeg import JPEG
from restorekit.corruptions.lines import Lines
from restorekit.corruptions.missing import Missing, hide
from restorekit.corruptions.poisson import Poisson
from restorekit.corruptions.quantise import Quantise
from restorekit.corruptions.saltpepper import SaltPepper
from restorekit.corruptions.sensor import Sensor, smeared
from restorekit.corruptions.spec import parse
from restorekit.corruptions.speckle import Speckle
from restorekit.corruptions.stripes import Stripes

__all__ = [
    "JPEG", "Blur", "Camera", "Chain", "Clean", "Downsample", "Film", "Gaussian", "Grayscale", "Holes", "Lines",
    "Missing", "Poisson", "Quantise", "SaltPepper", "Sensor", "Speckle", "Stripes", "bend", "fill", "hide", "parse",
    "smeared",
]  # fmt: skip


@hookimpl
def restorekit_register_corruptions() -> list[type[Corruption]]:
    """Register the built-in corruptions."""
    return [
        Clean,
        Gaussian,
        Poisson,
        SaltPepper,
        Missing,
        Holes,
        Lines,
        Quantise,
        Sensor,
        Camera,
        JPEG,
        Blur,
        Downsample,
        Grayscale,
        Speckle,
        Stripes,
        Film,
    ]
