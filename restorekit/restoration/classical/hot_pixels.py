"""Detection of hot, dead and stuck pixels: single values beyond all of their neighbours, as nothing around is.

A value counts by how far it is beyond the largest or smallest of its neighbours, compared with the range of these and
with how far other values near by are beyond theirs. Along a line or an edge a neighbour has a like value; stars and
grains are wider than a pixel, or have their like near by. In colour images made of mosaics, a hot pixel is a small
cross in one channel alone: there the neighbours are those at a distance of two pixels.
"""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.contracts import Detector
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation
from restorekit.images.defects import probability_of

Values = npt.NDArray[np.float32]

WINDOW = 11  # pixels: side of the window in which other values are compared
LIKE = 3.0  # root mean squares of the excess near by that count as one more range
GLOW = 3.0  # ranges that count for a difference of the neighbours from those at two pixels
FLOOR = 2 / 255  # least range, for flat areas
ARM = 0.25  # of the height of a cross: what is lower does not belong to it
OTHERS = 4.0  # weight of the excess in other channels, which a hot pixel of a mosaic lacks
EVEN_ODDS = 1.0  # score at which a defect is as probable as none; only the order matters, as thresholds are calibrated

CALIBRATION = {
    "shares": [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01],
    "log_odds": [1.375, -0.25, -1.0, -1.75, -2.75, -3.375],
    "measured": [5.22e-05, 0.00034, 0.000791, 0.00185, 0.00488, 0.00928],
    "images": 134,
    "source": "134 photographs of 0.2 megapixels",
}  # printed by `python -m tests.benchmarks.touching pixels PHOTOS`, of photographs held out from training


class PixelDetector(Detector):
    """Finds hot, dead and stuck pixels of sensors: single values beyond all around them."""

    name: ClassVar[str] = "pixels"
    calibration = CALIBRATION
    geometry = Geometry(halo=WINDOW // 2 + 3)

    def probability(self, observation: Observation, rng: Rng) -> Tensor:
        """Return the probability that each pixel is defective, (B, 1, H, W)."""
        y = observation.y if observation.initial is None else observation.initial
        scores = np.stack([pixel_scores(image.cpu().numpy().astype(np.float32)) for image in y])
        return probability_of(torch.from_numpy(scores)[:, None], EVEN_ODDS)


def pixel_scores(image: Values) -> Values:
    """Return how far each pixel is off, (H, W), in ranges of its neighbours.

    Parameters
    ----------
    image : array of float32, (C, H, W)
        On [0, 1], without gaps.
    """
    near, far = ring(3), ring(5)
    found = []
    for plane in image:
        excesses, span = excess(plane, near)
        glow = mean_of(plane, near) - mean_of(plane, far)  # of a star, whose neighbours are brighter than the sky
        found.append(relative(excesses, span + GLOW * np.abs(glow)))
    scores: Values = np.max(found, 0)
    if len(image) == 1:
        return scores
    beyond, spans = zip(*(excess(plane, far) for plane in image), strict=True)
    arms = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for c, (plane, span) in enumerate(zip(image, spans, strict=True)):
        others = np.max([beyond[d] for d in range(len(image)) if d != c], 0)
        peak = np.abs(plane - cv2.blur(plane, (5, 5), borderType=cv2.BORDER_REFLECT_101))
        highest = peak >= cv2.dilate(peak, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REFLECT_101)
        alone = np.maximum(beyond[c] - OTHERS * others, 0) * highest
        arm = peak > ARM * cv2.dilate(peak, arms)  # of a single pixel, the neighbours stay
        scores = np.maximum(scores, arm * cv2.dilate(relative(alone, span), arms))
    return scores


def ring(side: int) -> npt.NDArray[np.uint8]:
    """Return the border of a square of `side` pixels."""
    return np.pad(np.zeros((side - 2, side - 2), np.uint8), 1, constant_values=1)


def mean_of(plane: Values, element: npt.NDArray[np.uint8]) -> Values:
    """Return the mean of the values of an `element` around each, (H, W)."""
    weights = element.astype(np.float32) / element.sum()
    return np.asarray(cv2.filter2D(plane, -1, weights, borderType=cv2.BORDER_REFLECT_101))


def excess(plane: Values, element: npt.NDArray[np.uint8]) -> tuple[Values, Values]:
    """Return how far values, (H, W), are beyond all in an `element` around them, and the range of the latter."""
    top = cv2.dilate(plane, element, borderType=cv2.BORDER_REFLECT_101)
    low = cv2.erode(plane, element, borderType=cv2.BORDER_REFLECT_101)
    return np.maximum(np.maximum(plane - top, low - plane), 0), np.asarray(top - low)


def relative(beyond: Values, span: Values) -> Values:
    """Return excesses, (H, W), in units of the range of the neighbours and of other excesses near by."""
    squares, count = beyond**2, WINDOW**2
    others = cv2.blur(squares, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT_101) * count - squares
    typical = np.sqrt(np.maximum(others, 0) / (count - 1))
    return np.asarray(beyond / (LIKE * typical + span + FLOOR), np.float32)
