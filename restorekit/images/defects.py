"""Marks of defects: connected pixels that a detector gives a high probability."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

SOFTER = 2.0  # nats of log-odds by which the soft edge of a mark may be below the threshold
GROW_PX = 1  # by which marks are widened, because their edges are soft

Mask = npt.NDArray[np.bool_]
Probability = npt.NDArray[np.float32]
Thresholds = npt.NDArray[np.float64]


def find_marks(probability: Probability, log_odds: float, grow: int = GROW_PX, softer: float = SOFTER) -> Mask:
    """Return the marks of a map of probabilities, (H, W): each has a pixel above the threshold, and all around it.

    A mark is what is connected to that pixel and has log-odds of at most `softer` less, widened by `grow` pixels.

    Parameters
    ----------
    probability : array of float32, (H, W)
        Of a defect.
    log_odds : float
        The threshold, in nats.
    grow : int
        Pixels by which marks are widened.
    softer : float
        Nats by which the soft edge of a mark may be below the threshold.
    """
    high, low = (1 / (1 + math.exp(-value)) for value in (log_odds, log_odds - softer))
    found = connected_to(probability > low, probability > high)
    if not grow:
        return found
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    return np.asarray(cv2.dilate(found.astype(np.uint8), disc) > 0)


def count_marks(mask: Mask) -> int:
    """Return the number of connected marks of a mask, (H, W)."""
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1)


def without_marks(mask: Mask, kept: Mask) -> Mask:
    """Return a mask, (H, W), without its connected marks that have a pixel in `kept`, (H, W)."""
    return mask & ~connected_to(mask, kept)


def connected_to(mask: Mask, seeds: Mask) -> Mask:
    """Return the connected parts of a mask, (H, W), that have a pixel in `seeds`, (H, W)."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    held = np.zeros(count, np.bool_)
    held[np.unique(labels[seeds])] = True
    held[0] = False
    return np.asarray(held[labels])


def touched(probability: Probability, log_odds: Thresholds, grow: int = GROW_PX, softer: float = SOFTER) -> Thresholds:
    """Return the share of the pixels of a clean image that is touched at each of some thresholds."""
    peak = math.log(max(float(probability.max()), 1e-12) / max(1 - float(probability.max()), 1e-12))
    return np.array([find_marks(probability, t, grow, softer).mean() if t < peak else 0.0 for t in log_odds])
