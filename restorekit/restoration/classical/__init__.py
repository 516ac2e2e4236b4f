"""Built-in classical methods: restorers, and detectors of defects."""

from __future__ import annotations

from restorekit.core.contracts import Detector, Restorer
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.restoration.classical.anscombe import AnscombeBM3D, AnscombeNLM
from restorekit.restoration.classical.baselines import best_baselines
from restorekit.restoration.classical.bm3d import BM3D
from restorekit.restoration.classical.hot_pixels import PixelDetector
from restorekit.restoration.classical.lines import LineDetector
from restorekit.restoration.classical.opencv import Lanczos, NavierStokes, OpenCVNLM, Telea
from restorekit.restoration.classical.scipy import Delaunay, DelaunayCubic, Median, Wiener
from restorekit.restoration.classical.skimage import NLM, TV, Biharmonic, Wavelet

__all__ = ["best_baselines"]


@hookimpl
def restorekit_register_restorers() -> list[type[Restorer]]:
    """Register the classical restorers."""
    noise: list[type[Restorer]] = [AnscombeBM3D, AnscombeNLM, BM3D, NLM, OpenCVNLM, TV, Wavelet, Wiener, Median]
    return [*noise, Biharmonic, Delaunay, DelaunayCubic, NavierStokes, Telea, Lanczos]


@hookimpl
def restorekit_register_detectors() -> list[type[Detector]]:
    """Register the classical detectors."""
    return [LineDetector, PixelDetector]
