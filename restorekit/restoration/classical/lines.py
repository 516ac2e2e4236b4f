"""Detection of thin lines through an image: scratches of film, dead columns and rows of sensors.

A line is brighter or darker than both of its sides, by the same amount all along, and its sides continue each other. In
one row its contrast may be far below the texture. It is averaged over segments of some rows, compared with that of the
columns around it, and summed along the path on which the sum is largest. An edge of the picture that is as thin, as
straight and as even as this looks like a defect.

Reference: Bellman, "Dynamic Programming", Princeton University Press, 1957.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.contracts import Detector
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Source
from restorekit.images.defects import probability_of

Values = npt.NDArray[np.float32]
Plane = npt.NDArray[np.float16]

SEGMENT = 16  # rows that are averaged: a scratch drifts by at most one column in so many
WIDTHS = (1, 3)  # of the middle that is compared with its sides; with the gaps next to it, lines of 1 to 5 pixels
SIDE = 3  # pixels of a side that are averaged, beyond a gap of one pixel for soft edges
CLIP = 8 / 255  # difference from which one row counts no further, so that what crosses a line does not outweigh it
BOLD = 32 / 255  # the same, where the contrast along the line is to be even
FLOOR = 0.25 / 255  # least spread of contrasts: half of the rounding to 8 bits
REACH = 32  # columns to each side with which contrasts are compared
STRONGEST = 3.0  # spreads from which the contrast of a segment counts no further
STRAIGHT, DRIFTING = 0.35, 1.0  # spreads that a segment of a straight line, and of a drifting scratch, must exceed
DRIFT = 0.7  # spreads that a drift by one column costs
UNLIKE = 0.35  # of the contrast: a mean difference of the sides that is larger belongs to an edge of the picture
UNEVEN, TILTED = 0.35, 0.5  # of the contrast: variation of it, and of the sides, along the line beyond that around it
SLACK = 0.4  # of the variation around, by which these two may be exceeded
ECHO, ECHO_PX = 0.5, 5  # of the clearest line within so many columns: what is less clear is caused by it
CROWD = 4.0  # times the mean score of the columns around is lost
TAIL = 2.0  # spreads of the rest of a line from where it is marked, so that grain does not lengthen it
BORDER = 8  # columns at the border, which lack a side
STRONG = 20 / 255  # contrast from which a line is rather one of the picture
STRONG_LOSS = 0.45  # share of the score that is lost at the contrast `BOLD`
SHORT = 8  # segments added to the height, so that small images need more evidence
EVEN_ODDS = 0.5  # score at which a line is as probable as none; only the order matters, as thresholds are calibrated
BLOCK, HALO = 512, 96  # columns searched at once, and further columns at each end of them
STRIP = 512  # rows read at once

CALIBRATION = {
    "shares": [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01],
    "log_odds": [4.75, 3.0, 0.625, -0.5, -2.0, -3.375],
    "measured": [4.37e-05, 0.000347, 0.000811, 0.00185, 0.00459, 0.00977],
    "images": 134,
    "source": "134 photographs of 0.2 megapixels",
}  # printed by `python -m tests.benchmarks.touching lines PHOTOS`; the rules above were chosen with a look at PHOTOS


class LineDetector(Detector):
    """Finds thin lines through an image, even faint ones: scratches of film, dead columns and rows."""

    name: ClassVar[str] = "lines"
    calibration = CALIBRATION

    def probability(self, observation: Observation, rng: Rng) -> Tensor:
        """Return the probability that each pixel is on a line, (B, 1, H, W)."""
        y = observation.y if observation.initial is None else observation.initial
        return torch.stack([torch.from_numpy(find_lines(x.cpu().numpy().astype(np.float16))) for x in y])[:, None]

    def search(self, source: Source, rng: Rng) -> Tensor:
        """Return the same of the one image of a source, (1, 1, H, W); two bytes a pixel of it are held at once."""
        planes = (read_channel(source, channel) for channel in range(source.shape[1]))
        return torch.from_numpy(find_lines(planes))[None, None]


def read_channel(source: Source, channel: int) -> Plane:
    """Return one channel, (H, W), of the one image of a source; missing values are interpolated."""
    height, width = source.shape[2:]
    plane = np.empty((height, width), np.float16)
    for top in range(0, height, STRIP):
        o = source.rows(top, min(height, top + STRIP))
        y = o.y if o.initial is None else o.initial
        plane[top : top + STRIP] = y[0, channel].numpy()
    return plane


def find_lines(planes: Iterable[Plane]) -> Values:
    """Return the probability of a line, (H, W), the channel with the clearest line counting.

    Parameters
    ----------
    planes : iterable of array of float16, (H, W)
        Channels on [0, 1], without gaps.
    """
    found: Values | None = None
    for plane in planes:
        height, width = plane.shape
        found = np.zeros((height, width), np.float32) if found is None else found
        for turned, searched in ((found, plane), (found.T, plane.T)):
            drifting = searched is plane  # film runs down, so its scratches do; rows of sensors are straight
            scores = score_columns(searched, drifting)
            for k, row in enumerate(scores):
                last = k == len(scores) - 1  # rows that make no full segment belong to the last one
                rows = turned[k * SEGMENT : None if last else (k + 1) * SEGMENT]
                np.maximum(rows, row, out=rows)
    assert found is not None  # an image has a channel
    return probability_of(found, EVEN_ODDS)


def score_columns(plane: Plane, drifting: bool) -> Values:
    """Return a score of a line, (segments, W): 0 for none, up to about 2.6 for a strong one from end to end.

    Parameters
    ----------
    plane : array of float16, (H, W)
        One channel on [0, 1].
    drifting : bool
        Whether lines may be off the vertical, by up to a column for each segment.
    """
    height, width = plane.shape
    count = height // SEGMENT
    scores = np.zeros((count, width), np.float32)
    if count < 2 or width <= 2 * BORDER:
        return scores
    for left in range(0, width, BLOCK):
        first, last = max(0, left - HALO), min(width, left + BLOCK + HALO)
        terms = segment_terms(plane[: count * SEGMENT, first:last])
        if first == 0:
            terms[0, :, :, :BORDER] = -STRONGEST
        if last == width:
            terms[0, :, :, -BORDER:] = -STRONGEST
        best = path_scores(terms, STRAIGHT, False)
        if drifting:
            best = np.maximum(best, path_scores(terms, DRIFTING, True))
        scores[:, left : left + BLOCK] = best[:, left - first : left - first + BLOCK]
    return scores


def segment_means(plane: Plane) -> Values:
    """Return means of segments, (5, 2, segments, W), for lines of each of the `WIDTHS`.

    They are contrasts clipped at `CLIP`, differences of the sides, contrasts clipped at `BOLD`, and two slopes over the
    distance of the sides, before and after a line.

    Parameters
    ----------
    plane : array of float16, (H, W)
        One channel on [0, 1]; H is a multiple of `SEGMENT`.
    """
    height, width = plane.shape
    means = np.empty((5, len(WIDTHS), height // SEGMENT, width), np.float32)
    contrasts, sides, bold, before, after = means
    pad = max(WIDTHS) // 2 + 2 * SIDE + 2
    for top in range(0, height, STRIP):
        x = np.ascontiguousarray(plane[top : top + STRIP], np.float32)
        rows = slice(top // SEGMENT, (top + len(x)) // SEGMENT)
        padded = cv2.copyMakeBorder(x, 0, 0, pad, pad, cv2.BORDER_REFLECT)
        mean = cv2.blur(padded, (SIDE, 1))
        for i, wide in enumerate(WIDTHS):
            off = wide // 2 + SIDE // 2 + 2
            middle = (padded if wide == 1 else mean)[:, pad : pad + width]
            far, left, right, further = (
                mean[:, pad + shift : pad + shift + width] for shift in (-off - SIDE, -off, off, off + SIDE)
            )
            slopes = 2 * off / SIDE * (far - left), 2 * off / SIDE * (right - further)  # over the distance of the sides
            difference = middle - 0.5 * (left + right)
            stores = (
                (difference, BOLD, bold),
                (difference, CLIP, contrasts),
                (left - right, CLIP, sides),
                (slopes[0], CLIP, before),
                (slopes[1], CLIP, after),
            )
            for values, most, store in stores:
                clipped = np.clip(values, -most, most, out=values)
                store[i, rows] = clipped.reshape(-1, SEGMENT, width).mean(1)
    return means


def segment_terms(plane: Plane) -> Values:
    """Return what is summed along lines, (12, 4, segments, W), of bright and of dark lines of each of the `WIDTHS`.

    Of each segment: its contrast in spreads of the contrasts around, its contrast clipped at `CLIP` and at `BOLD`, the
    difference of its sides, what the slope of each side makes of that, the squares of the contrast, of its spread, of
    the difference and of its spread, 0.5 in the two segments at each border, and 1.

    Parameters
    ----------
    plane : array of float16, (H, W)
        One channel on [0, 1]; H is a multiple of `SEGMENT`.
    """
    contrasts, sides, bold, before, after = segment_means(plane)
    spread, rough, loud = (np.stack([local_spread(one) for one in values]) for values in (contrasts, sides, bold))
    score = np.clip(contrasts / (spread + FLOOR), -STRONGEST, STRONGEST)
    ends = np.zeros_like(score)
    ends[:, :2] += 0.5
    ends[:, -2:] += 0.5
    even = np.stack([sides, before, after, bold**2, loud**2, sides**2, rough**2, ends, np.ones_like(score)])
    signed = np.stack([score, contrasts, bold])
    return np.concatenate([np.concatenate([signed, -signed], 1), np.concatenate([even, even], 1)])


def local_spread(values: Values) -> Values:
    """Return the standard deviation of values, (segments, W), from their mean size around each."""
    size = cv2.blur(np.abs(values), (2 * REACH + 1, 5), borderType=cv2.BORDER_REFLECT)
    return np.asarray(1.25 * size, np.float32)  # of a Gaussian: sqrt(pi / 2) times the mean size


def path_scores(terms: Values, cost: float, drifting: bool) -> Values:
    """Return the score, (segments, W), of the best line through each segment and column; 0 where there is none.

    Parameters
    ----------
    terms : array of float32, (12, 4, segments, W)
        As `segment_terms` returns them.
    cost : float
        Spreads that each segment must exceed.
    drifting : bool
        Whether a line may go over to the next column.
    """
    terms = terms.copy()
    terms[0] -= cost
    above, below = sum_paths(terms, drifting), sum_paths(terms[:, :, ::-1], drifting)[:, :, ::-1]
    least = np.where(terms[-2, 0] > 0, 0, TAIL)  # beyond an end of a line, only one of both sums is positive
    inside = (above[0] > least) & (below[0] > least)
    total = above + below - terms
    score, length = total[0], total[-1]
    contrast, bold, sides, before, after, squares, spread, tilts, rough = total[1:-2] / length
    uneven = np.sqrt(np.maximum(squares - bold**2, 0)) - np.sqrt(spread)
    tilted = np.sqrt(tilts) - np.sqrt(rough)
    sides = sides - minmod(before, after)  # less the shading, which goes on at both sides
    strength = np.maximum(score, 0) * np.maximum(contrast, 0)
    window = np.ones((1, 2 * ECHO_PX + 1), np.uint8)
    strongest = cv2.dilate(strength.max(0), window)
    even = (
        (uneven < UNEVEN * bold + SLACK * np.sqrt(spread))
        & (tilted < TILTED * contrast + SLACK * np.sqrt(rough))
        & (np.abs(sides) < UNLIKE * contrast + np.sqrt(rough / length))
    )
    if drifting:  # a path that only passes by a line goes over to it and back
        inside &= score >= np.stack([cv2.dilate(one, window) for one in score]) - DRIFT
    real = inside & even & (strength > ECHO * strongest)
    count, borders = terms.shape[2], np.minimum(total[-2], 2)
    share = length / count * (1 + borders) / 3  # most defects run through, lines of the picture end in it
    share *= 1 - STRONG_LOSS * ((bold - STRONG) / (BOLD - STRONG)).clip(0, 1)
    found = np.asarray(np.where(real, score * share, 0).max(0) / (count + SHORT), np.float32)
    return without_crowds(found)


def minmod(a: Values, b: Values) -> Values:
    """Return the smaller of two values where their signs agree, else 0."""
    return np.where(a * b > 0, np.sign(a) * np.minimum(np.abs(a), np.abs(b)), 0)


def without_crowds(scores: Values) -> Values:
    """Return scores, (segments, W), less those of the columns around, where bars and fabric have their like."""
    wide, close = (cv2.blur(scores, (2 * px + 1, 1)) * (2 * px + 1) for px in (REACH, ECHO_PX))
    crowd = np.maximum(wide - close, 0) / (2 * (REACH - ECHO_PX))
    return np.asarray(np.maximum(scores - CROWD * crowd, 0), np.float32)


def sum_paths(terms: Values, drifting: bool) -> Values:
    """Return the sums of terms, (12, 4, segments, W), along the path of the largest score down to each segment.

    Parameters
    ----------
    terms : array of float32, (12, 4, segments, W)
        The first is the score; a path starts where nothing above adds to it.
    drifting : bool
        Whether a path may go over to the next column.
    """
    sums = np.empty_like(terms)
    state = np.zeros_like(terms[:, :, 0])
    for k in range(terms.shape[2]):
        chosen = state
        for step in (-1, 1) if drifting else ():
            moved = np.roll(state, step, -1)
            moved[0] -= DRIFT
            chosen = np.where(moved[0] > chosen[0], moved, chosen)
        state = chosen * (chosen[0] > 0) + terms[:, :, k]
        sums[:, :, k] = state
    return sums
