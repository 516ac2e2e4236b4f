"""Built-in restorers: classical methods, and models through the same contract."""

from __future__ import annotations

from restorekit.contracts import Restorer
from restorekit.hookspecs import hookimpl
from restorekit.restorers.anscombe import AnscombeBM3D, AnscombeNLM
from restorekit.restorers.baselines import best_baselines
from restorekit.restorers.bm3d import BM3D
from restorekit.restorers.opencv import Lanczos, NavierStokes, OpenCVNLM, Telea
from restorekit.restorers.scipy import Delaunay, DelaunayCubic, Median, Wiener
from restorekit.restorers.skimage import NLM, TV, Biharmonic, Wavelet

__all__ = ["best_baselines"]


@hookimpl
def restorekit_register_restorers() -> list[type[Restorer]]:
    """Register the classical restorers."""
    noise: list[type[Restorer]] = [AnscombeBM3D, AnscombeNLM, BM3D, NLM, OpenCVNLM, TV, Wavelet, Wiener, Median]
    return [*noise, Biharmonic, Delaunay, DelaunayCubic, NavierStokes, Telea, Lanczos]
