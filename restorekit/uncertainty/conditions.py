"""Acquisition conditions of an image, by which calibrated intervals are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.types import Problem
from restorekit.uncertainty.noise_level import LAPLACIAN, UNEVEN, estimate_sigma, unevenness

MAX_DISTANCE_PX = 64  # pixels; larger distances count as this
BLOCK = 16  # side of the squares among which the flattest are sought
FLATTEST = 0.25  # share of them that tells what the noise is like
COARSE = 1.6  # noise that is so many times as strong at twice the scale as white noise would be is not white

FINE = 0.75  # and noise that is weaker at that scale than so many times; white noise on photographs has 0.97 at least

WHITE = 1.25  # ratio of both scales up to which a square is taken for nothing but white noise
ROUNDED = 0.3 / 255  # standard deviation of what rounding to 8 bits leaves in flat squares
FEWEST = 8  # such squares
VARIED = 4.0  # ratio of their powers above which the noise is not of one level
EQUAL = 0.3  # share of equal neighbours in a square that noise of one step of 255 stays below
NOISY = 0.05  # share of squares with fewer of them, above which an image may be noisy
CENTRE = 1024  # pixels along a side of the part of a large image that is looked at
GRID = 8  # pixels: period of the edges between the blocks of JPEG, within which neighbours may be equal
LEVELS = 4  # different values at most of an image that is drawn or dithered, in which noise would make more


class Conditions(NamedTuple):
    """Acquisition conditions of one image.

    channels : int, of those that are restored together;
    white : bool, whether its noise, if any, is: grain, JPEG and cameras' own processing make it coarser;
    sigma : float, noise level on [0, 1] as estimated, whatever is stated; too low if values are missing;
    missing : float, share of the values;
    farthest : float, largest distance to an observed pixel, pixels.
    """

    channels: int
    white: bool
    sigma: float
    missing: float
    farthest: float


def conditions_of(problem: Problem, distance: Tensor) -> list[Conditions]:
    """Return the conditions of each image of a batch; `distance` is what `distances` returns for it."""
    observation = problem.observation
    missing = 1 - observation.observed.float().flatten(1).mean(1)
    rows = zip(noise_of(problem), missing.tolist(), distance.flatten(1).amax(1).tolist(), strict=True)
    return [Conditions(observation.shape[0], *noise, share, farthest) for noise, share, farthest in rows]


def noise_of(problem: Problem) -> list[tuple[bool, float]]:
    """Return for each image whether its noise is white, and its level: that at twice the scale if it is not."""
    observation = problem.observation
    if problem.corruption.hides:
        return [(True, 0.0)] * len(observation)
    found = []
    levels = estimate_sigma(problem).flatten().tolist()
    for y, observed, level in zip(observation.y.cpu(), observation.observed.cpu(), levels, strict=True):
        ratio = coarseness(y, observed)
        found.append((ratio < COARSE, level * (1 if ratio < COARSE else ratio)))
    return found


def coarseness(y: Tensor, observed: Tensor) -> float:
    """Return how strong noise is at twice the scale of pixels, relative to what it would be if it were white.

    Parameters
    ----------
    y : Tensor, (C, H, W)
        A noisy image.
    observed : Tensor of bool, (1 or C, H, W)
        Only squares without a missing value are looked at.

    Returns
    -------
    float
        Over the flattest squares, the ratio of the root mean squares of a Laplacian (Immerkaer, "Fast Noise Variance
        Estimation", CVIU 1996) of means over 2 x 2 pixels and of the pixels; 1 where there are too few squares.
    """
    powers = _powers(y, observed)
    if powers is None:
        return 1.0
    flattest = powers[:, powers.sum(0).argsort()[: round(FLATTEST * powers.shape[1])]]
    one, two = flattest.mean(1).sqrt().tolist() if flattest.shape[1] else (1.0, 1.0)
    return two / max(one, 1e-6)


def variation(y: Tensor, observed: Tensor) -> float:
    """Return how much the power of the noise differs between the squares of an image without structure.

    Parameters
    ----------
    y : Tensor, (C, H, W)
        A noisy image.
    observed : Tensor of bool, (C, H, W)
        Which of its values are observed.

    Returns
    -------
    float
        Ratio of the 90th to the 10th percentile of the power over the squares that are as white as noise, in which
        image structure plays no part; 1 where there are too few. White noise of one level has up to 1.9.
    """
    powers = _powers(y, observed)
    if powers is None:
        return 1.0
    ratio = (powers[1] / powers[0].clamp_min(1e-12)).sqrt()
    white = powers[0][(ratio > 1 / WHITE) & (ratio < WHITE) & (powers[0] > ROUNDED**2)]
    if len(white) < FEWEST:
        return 1.0
    low, high = white.quantile(torch.tensor([0.1, 0.9]))
    return float(high / low)


def _powers(y: Tensor, observed: Tensor) -> Tensor | None:
    """Return the power of both Laplacians of `coarseness` in every square that is observed, (2, squares)."""
    if min(y.shape[-2:]) < BLOCK + 6:  # what both Laplacians leave of it holds no square
        return None
    fine = F.conv2d(y[:, None], LAPLACIAN[None, None].to(y))[..., 2:-2, 2:-2]
    half = F.avg_pool2d(y[:, None], 2, 1)
    coarse = 2 * F.conv2d(half, LAPLACIAN[None, None].to(y), dilation=2)[..., : fine.shape[-2], : fine.shape[-1]]
    full = F.avg_pool2d(observed.all(0)[None].float(), BLOCK) == 1
    rows, columns = coarse.shape[-2] // BLOCK, coarse.shape[-1] // BLOCK
    powers = torch.stack([F.avg_pool2d(t.square().mean(0), BLOCK) for t in (fine, coarse)])[:, 0, :rows, :columns]
    return powers[:, full[0, :rows, :columns]]


class WhiteLevel(NamedTuple):
    """Estimated level of white noise.

    sigma : float or None, standard deviation on [0, 1]; None if the noise is not white, or not the same everywhere;
    reason : str, what it is like then.
    """

    sigma: float | None
    reason: str = ""


def white_level(problem: Problem) -> WhiteLevel:
    """Estimate the level of the noise of one image if it is white and does not depend on the signal.

    Parameters
    ----------
    problem : Problem
        One image, (1, C, H, W), and its assumed corruption.
    """
    y, observed = problem.observation.y[0].cpu(), problem.observation.observed[0].cpu()
    observed = observed.expand_as(y)
    reason = departure(y, observed, observed & ((y <= 0) | (y >= 1)))
    return WhiteLevel(None, reason) if reason else WhiteLevel(float(estimate_sigma(problem)))


def without_noise(y: Tensor, observed: Tensor) -> str:
    """Describe why an image can hold no noise; empty if it may hold some.

    Noise makes neighbours differ. In drawings, screenshots and pixel art most of them are equal, and black-and-white
    scans and dithered images have few different values. JPEG makes neighbours equal too, but not across its blocks.

    Parameters
    ----------
    y : Tensor, (C, H, W)
        An image.
    observed : Tensor of bool, (1 or C, H, W)
        Only squares without a missing value are looked at, and of a large image its centre.
    """
    top, left = (max(0, (side - CENTRE) // 2) for side in y.shape[1:])
    y, observed = (t[:, top : top + CENTRE, left : left + CENTRE] for t in (y, observed))
    rows, columns = (side // BLOCK * BLOCK for side in y.shape[1:])
    if not rows or not columns:
        return ""
    known = y.movedim(0, -1)[observed.all(0)]
    for step in (len(known) // 4096 + 1, 1) if len(known) else ():  # few values first, as many take long to sort
        if any(len(channel[::step].unique()) > LEVELS for channel in known.T):
            break
    else:
        return f"it has {LEVELS} different values or fewer"
    across, down = (y == y.roll(-1, 2)).all(0)[:rows, :columns], (y == y.roll(-1, 1)).all(0)[:rows, :columns]
    share = F.avg_pool2d(0.5 * (across.float() + down.float())[None], BLOCK)[0]
    live = (share < 1) & (F.avg_pool2d(observed.all(0)[None, :rows, :columns].float(), BLOCK)[0] == 1)
    if not bool(live.any()) or float((share[live] < EQUAL).float().mean()) > NOISY:
        return ""
    pixels = live.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1).float()
    for same, axis in ((across, 0), (down, 1)):  # both counted by the places within a block of JPEG
        equal, all_pairs = ((same * pixels).sum(axis), pixels.sum(axis))
        phases = torch.stack([equal[k::GRID].sum() / all_pairs[k::GRID].sum().clamp_min(1) for k in range(GRID)])
        if phases.min() < 0.5 * phases.mean():
            return ""
    return f"{share.mean():.0%} of neighbouring values are equal"


def departure(y: Tensor, observed: Tensor, clipped: Tensor) -> str:
    """Describe how the noise of an image differs from white noise of one level; empty if it does not.

    Parameters
    ----------
    y : Tensor, (C, H, W)
        A noisy image.
    observed, clipped : Tensor of bool, (C, H, W)
        Which of its values are observed, and which of these are an end of the range.
    """
    inside = observed & ~clipped
    ratio, uneven = coarseness(y, inside), unevenness(y, observed, clipped)
    at_twice = f"at twice the scale it is {ratio:.1f} times as strong as white noise would be"
    if ratio >= COARSE:
        return f"the noise is coarse, as cameras, JPEG files and scaling make it: {at_twice}"
    if ratio <= FINE:
        return f"the noise is finer than white noise, as mosaics, dithering and sharpening make it: {at_twice}"
    if not 1 / UNEVEN < uneven < UNEVEN:
        where, times = ("bright", uneven) if uneven > 1 else ("dark", 1 / uneven)
        return (
            f"the noise is not of one level: in {where} parts its variance is {times:.1f} times as large as in others"
        )
    varied = variation(y, observed)
    if varied > VARIED:
        return f"the noise is not of one level: between parts of the image its variance differs by {varied:.1f} times"
    return ""


def distances(observed: Tensor) -> Tensor:
    """Return the distance of every value to the nearest observed one, (B, C, H, W) pixels, at most MAX_DISTANCE_PX."""
    return torch.stack([torch.stack([_plane_distances(plane) for plane in image.cpu()]) for image in observed])


def _plane_distances(observed: Tensor) -> Tensor:
    if bool(observed.all()):
        return torch.zeros(1).expand(observed.shape)
    if not bool(observed.any()):
        return torch.full(observed.shape, float(MAX_DISTANCE_PX))
    return torch.from_numpy(np.asarray(distance_transform_edt(~observed.numpy()))).float().clamp_max(MAX_DISTANCE_PX)
