"""BM3D, from the package `bm3d` (extra ``[bm3d]``), which is for non-commercial use only."""

from __future__ import annotations

import functools
import math
import sys
from typing import Any, ClassVar

from restorekit.core.errors import UsageError
from restorekit.restoration.classical.arrays import Image, from_opponent, opponent, padded
from restorekit.restoration.classical.base import Denoiser

MIN_SIDE_PX = 16  # of an image: two of the method's blocks
TERMS = (
    "note: BM3D comes from the package bm3d, copyright Tampere University, which may be used, copied and changed "
    "for informational and non-commercial purposes only, naming its authors; see its LICENSE"
)


class BM3D(Denoiser):
    """Block matching and collaborative filtering; colour in an opponent space, matched on the luminance.

    Dabov, Foi, Katkovnik, Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
    filtering", IEEE TIP 2007; Makinen, Azzari, Foi, "Collaborative filtering of correlated noise", IEEE TIP 2020.
    """

    name: ClassVar[str] = "bm3d"

    def denoise(self, image: Image, sigma: float) -> Image:
        """Filter twice: hard threshold, then Wiener.

        Raises
        ------
        UsageError
            If the package is not installed.
        """
        library = _library()
        profile = library.BM3DProfile()
        profile.num_threads = 1  # several threads round differently from run to run
        # as the library's bm3d_rgb, which gives NaN where a colour difference is the same everywhere
        peak = math.sqrt(image.shape[-1])  # of the luminance, which is what blocks are matched on
        scaled = opponent(image) / peak
        cleaned = padded(
            lambda large: library.bm3d(large, sigma / peak, profile).reshape(large.shape), scaled, MIN_SIDE_PX
        )
        return from_opponent(cleaned * peak)


@functools.cache
def _library() -> Any:
    """Import bm3d, and print its terms once."""
    try:
        import bm3d
    except ImportError:
        raise UsageError(
            'bm3d is not installed; run: pip install "restorekit[bm3d]" (non-commercial use only)'
        ) from None
    print(TERMS, file=sys.stderr)
    return bm3d
