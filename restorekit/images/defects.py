"""Marks of defects: connected pixels that a detector gives a high probability."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

GROW_PX = 1  # by which marks are widened, because their edges are soft
REACH_PX = 3  # to which marks are extended
VISIBLE = 0.03  # least deviation, on [0, 1], of pixels that extend a mark,
DEVIATION = 2.0  # and least ratio of it to the standard deviation of the image around,
PART = 0.1  # and least share of the deviation of the mark
NEAR = 15  # pixels along a side of the window in which the image around is measured
BLOCK, CONTEXT = 512, 64  # pixels along a side of a window that is extended at once, and around it
TINY = 1e-7  # probabilities are kept this far from 0 and 1, so that log-odds are finite
STEPS = (0.0, 0.5, 1.0)  # nats above the threshold: levels at which connected pixels are judged together

STEEPNESS = 4  # power of a score that gives the odds of a defect, so that log-odds distinguish the tail

Mask = npt.NDArray[np.bool_]
Probability = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
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
    return np.asarray(cv2.dilate(found.astype(np.uint8), _disc(grow)) > 0)


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


def extend_marks(marks: Mask, rows: Callable[[int, int], Bytes]) -> Mask:
    """Extend marks over pixels next to them that deviate from what is around, in the direction in which they do.

    A detector often finds the middle of a mark alone. What is left of its rim would be continued into the hole.

    Parameters
    ----------
    marks : array of bool, (H, W)
        Result of `find_marks`.
    rows : callable
        Returns rows (top, bottom) of the image, (h, W, C).

    Returns
    -------
    array of bool, (H, W)
        The marks, and pixels up to REACH_PX from them.

    References
    ----------
    Bertalmio, Bertozzi, Sapiro, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting", CVPR 2001: what is
    expected in place of a mark.
    """
    extended = marks.copy()
    for top in range(0, len(marks), BLOCK):
        low, high = max(0, top - CONTEXT), min(len(marks), top + BLOCK + CONTEXT)
        strip = rows(low, high) if marks[low:high].any() else None
        for left in range(0, marks.shape[1], BLOCK) if strip is not None else ():
            first, last = max(0, left - CONTEXT), min(marks.shape[1], left + BLOCK + CONTEXT)
            own = marks[low:high, first:last]
            if strip is not None and own.any():
                found = _extended(own, strip[:, first:last])[top - low :, left - first :]
                extended[top : top + BLOCK, left : left + BLOCK] = found[:BLOCK, :BLOCK]
    return extended


def _extended(marks: Mask, image: Bytes) -> Mask:
    """Extend the marks of a window, (H, W), of an image, (H, W, C)."""
    wide = np.asarray(cv2.dilate(marks.astype(np.uint8), _disc(REACH_PX)), np.uint8)
    near, (count, labels) = wide > 0, cv2.connectedComponents(wide, connectivity=8)
    label, inside, spread = labels[near], marks[near], _spread_near(near, image) / 255
    deviation = (image[near].astype(np.float32) - _continued(wide, image)[near]) / 255
    area = np.maximum(np.bincount(label[inside], minlength=count), 1)
    tone = np.stack([np.bincount(label[inside], t[inside], count) / area for t in deviation.T], 1)
    strength = np.linalg.norm(tone, axis=1)
    direction = (tone / np.maximum(strength, 1e-6)[:, None])[label]
    least = np.maximum(np.maximum(VISIBLE, PART * strength[label]), DEVIATION * (abs(direction) * spread).sum(1))
    alike = marks.copy()
    alike[near] |= (direction * deviation).sum(1) > least
    found = marks.astype(np.uint8)
    for _ in range(REACH_PX):
        found = np.asarray(cv2.dilate(found, np.ones((3, 3), np.uint8)), np.uint8) & alike
    return np.asarray(found > 0)


def _continued(mask: Bytes, image: Bytes) -> Bytes:
    """Return an image, (H, W, C), continued into a mask, (H, W), by Navier-Stokes inpainting."""
    if image.shape[2] == 3:
        return np.asarray(cv2.inpaint(image, mask, 3, cv2.INPAINT_NS), np.uint8)
    channels = (np.ascontiguousarray(t) for t in np.moveaxis(image, 2, 0))
    return np.stack([np.asarray(cv2.inpaint(t, mask, 3, cv2.INPAINT_NS), np.uint8) for t in channels], 2)


def _spread_near(near: Mask, image: Bytes) -> npt.NDArray[np.float32]:
    """Return the standard deviation of an image, (H, W, C), around each of N pixels `near`, without these, (N, C)."""
    kept, window = image.copy(), (NEAR, NEAR)
    kept[near] = 0
    number = cv2.boxFilter((~near).astype(np.uint8), cv2.CV_32F, window, normalize=False)[near].clip(1)[:, None]
    sums = cv2.boxFilter(kept, cv2.CV_32F, window, normalize=False)[near]
    squares = cv2.sqrBoxFilter(kept, cv2.CV_32F, window, normalize=False)[near]
    mean, square = (t.reshape(len(number), -1) / number for t in (sums, squares))
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0)), np.float32)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


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


def touched(probability: Probability, log_odds: Thresholds, find: Callable[[float], Mask]) -> Thresholds:
    """Return the share of the pixels of a clean image that is touched at each of some thresholds, or at a higher one.

    `find` returns the marks of the image at a threshold.
    """
    peak = math.log(max(float(probability.max()), 1e-12) / max(1 - float(probability.max()), 1e-12))
    shares = np.array([find(float(t)).mean() if t < peak else 0.0 for t in log_odds])
    return np.maximum.accumulate(shares[::-1])[::-1]
