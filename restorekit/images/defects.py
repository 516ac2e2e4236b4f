"""Marks of defects: connected pixels that a detector gives a high probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

GROW_PX = 1  # by which marks are widened, because their edges are soft
TINY = 1e-7  # probabilities are kept this far from 0 and 1, so that log-odds are finite
STEPS = (0.0, 0.5, 1.0)  # nats above the threshold: levels at which connected pixels are judged together

STEEPNESS = 4  # power of a score that gives the odds of a defect, so that log-odds distinguish the tail

Mask = npt.NDArray[np.bool_]
Probability = npt.NDArray[np.float32]
Thresholds = npt.NDArray[np.float64]
Scores = TypeVar("Scores", Probability, "Tensor")


def probability_of(scores: Scores, even: float) -> Scores:
    """Return the probability of a defect for scores from 0 on: one half at `even`. Only its order is meant."""
    odds = (scores / even) ** STEEPNESS
    return odds / (1 + odds)


def find_marks(probability: Probability, log_odds: float, grow: int = GROW_PX, penalty: float = 0.0) -> Mask:
    """Return the marks of a map of probabilities, (H, W): the pixels above the threshold, widened by `grow` pixels.

    With a penalty, connected pixels are judged together: their mean log-odds must exceed the threshold by the penalty
    times the logarithm of their number, so that a mark that covers more of the image must be surer. They are judged at
    each of the levels `STEPS` above the threshold, because marks that touch at one level are separate at the next.

    Parameters
    ----------
    probability : array of float32, (H, W)
        Of a defect.
    log_odds : float
        The threshold, in nats.
    grow : int
        Pixels by which marks are widened.
    penalty : float
        Nats for each nat of the logarithm of the number of connected pixels.

    References
    ----------
    Salembier, Oliveras, Garrido, "Antiextensive Connected Operators for Image and Sequence Processing", IEEE
    Transactions on Image Processing 7 (4), 1998: filters that keep or remove connected parts of level sets.
    """
    if not penalty:
        found = _above(probability, log_odds)
    else:
        found = np.zeros(probability.shape, np.bool_)
        for step in STEPS:
            found |= _sure_parts(probability, log_odds + step, log_odds, penalty)
    if not grow:
        return found
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    return np.asarray(cv2.dilate(found.astype(np.uint8), disc) > 0)


def _above(probability: Probability, log_odds: float) -> Mask:
    return np.asarray(probability > 1 / (1 + math.exp(-log_odds)))


def _sure_parts(probability: Probability, level: float, log_odds: float, penalty: float) -> Mask:
    """Return the connected pixels above a level whose mean log-odds exceeds the threshold by enough."""
    inside = _above(probability, level)
    count, labels = cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)
    label, p = labels[inside], probability[inside].astype(np.float64).clip(TINY, 1 - TINY)
    area = np.maximum(np.bincount(label, minlength=count), 1)
    mean = np.bincount(label, np.log(p / (1 - p)), count) / area
    sure = mean - penalty * np.log(area) > log_odds
    sure[0] = False
    return np.asarray(sure[labels])


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


def touched(probability: Probability, log_odds: Thresholds, grow: int = GROW_PX, penalty: float = 0.0) -> Thresholds:
    """Return the share of the pixels of a clean image that is touched at each of some thresholds."""
    peak = math.log(max(float(probability.max()), 1e-12) / max(1 - float(probability.max()), 1e-12))
    return np.array([find_marks(probability, t, grow, penalty).mean() if t < peak else 0.0 for t in log_odds])
