"""Between a decoded picture and the batches of 1- or 3-channel planes that restorers work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.channels import one_channel
from restorekit.core.contracts import Corruption
from restorekit.core.errors import ImageError
from restorekit.core.interpolation import CELL, MARGIN, fill, pull, push
from restorekit.core.types import Observation, Problem
from restorekit.images.intensity import IntensityRange, to_unit
from restorekit.images.picture import Array, Picture
from restorekit.restoration.assumptions import pose_problem
from restorekit.uncertainty.conditions import CENTRE, white_level, without_noise
from restorekit.uncertainty.noise_level import IMAGE, estimate_sigma

MAX_UNTILED_PX = 2**20  # pixels of an image whose initial estimate is computed at once
WINDOW = 2048  # side of the central part of a large image from which its noise level is estimated, pixels
BLOCK = 1024  # pixels a side, at most, of what it is made of in larger images


@dataclass(frozen=True, eq=False)
class Plane:
    """One image for a restorer: a frame, or one channel of a frame with a channel count that it does not accept.

    Attributes
    ----------
    key : str
        Seeds its noise.
    pixels : array, (H, W, C)
        In the file's own numbers.
    missing : array of bool, (H, W, 1 or C), or None
        True where lost.
    range : IntensityRange
        What the numbers mean.
    kept : array of bool, (H, W, 1 or C), or None
        True where the numbers stay as they are and no model sees them: no data, transparent, far outside of the range.
    sigma : float or None
        Noise level on [0, 1]; None = unknown.
    exact : bool
        Whether what was observed is known to be the truth.
    frame : int
        Which of its picture's.
    channel : int or None
        The one channel that it is; None for all.
    clean : (C, H, W) or None
        Shape of what it is restored to; None = its own.
    repaired : array of bool, (H, W, 1), or None
        True where defects were found; these values are missing too.
    """

    key: str
    pixels: Array
    missing: npt.NDArray[np.bool_] | None
    range: IntensityRange
    sigma: float | None = None
    exact: bool = False
    frame: int = 0
    channel: int | None = None
    clean: tuple[int, int, int] | None = None
    kept: npt.NDArray[np.bool_] | None = None
    repaired: npt.NDArray[np.bool_] | None = None

    @property
    def lost(self) -> npt.NDArray[np.bool_] | None:
        """Missing values that are filled in, (H, W, 1 or C); None where there are none."""
        lost = self.missing if self.missing is None or self.kept is None else self.missing & ~self.kept
        return lost if lost is not None and lost.any() else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of what it is restored to, (C, H, W)."""
        height, width, channels = self.pixels.shape
        return self.clean or (channels, height, width)

    @property
    def resized(self) -> bool:
        """Whether it is restored to another height or width than its own."""
        return self.shape[1:] != self.pixels.shape[:2]

    @property
    def channels(self) -> slice:
        """Place of its channels in its picture."""
        return slice(self.shape[0]) if self.channel is None else slice(self.channel, self.channel + 1)


def planes(
    key: str,
    picture: Picture,
    missing: npt.NDArray[np.bool_] | None,
    range: IntensityRange,
    channels: Sequence[int] = (1, 3),
    corruption: Corruption = IMAGE,
    kept: npt.NDArray[np.bool_] | None = None,
) -> list[Plane]:
    """Split a picture into planes.

    Parameters
    ----------
    key : str
        The image's name.
    picture : Picture
        Decoded.
    missing : array of bool, (1 or N, H, W, 1 or C), or None
        True where lost.
    range : IntensityRange
        What its numbers mean.
    channels : sequence of int
        Channel counts that the restorer takes.
    corruption : Corruption
        Corruption of the picture; it may have made it smaller or gray.
    kept : array of bool, (1 or N, H, W, 1 or C), or None
        True where the file's numbers stay, as in `Plane`; they count as missing if the corruption is direct.

    Raises
    ------
    ImageError
        The restorer takes neither the clean picture's channels nor single ones; or the corruption leaves others.
    """
    found = []
    for i, full in enumerate(picture.pixels):
        frame = picture.cropped(full, i)
        lost = None if missing is None else picture.cropped(missing[min(i, len(missing) - 1)], i)
        stay = None if kept is None else picture.cropped(kept[min(i, len(kept) - 1)], i)
        if stay is not None and corruption.direct:
            lost = stay if lost is None else lost | stay
        name = key if len(picture.pixels) == 1 else f"{key}#{i}"
        clean = _clean(name, frame, corruption, max(channels))
        if picture.shapes is not None and clean != (frame.shape[2], *frame.shape[:2]):
            raise ImageError(f"{key} has pages of several sizes or kinds, which {corruption} would change; split it")
        plane = Plane(name, frame, lost, range, frame=i, clean=clean, kept=stay)
        found.extend([plane] if plane.shape[0] in channels else _single_channels(plane, channels))
    return found


def _clean(key: str, frame: Array, corruption: Corruption, channels: int) -> tuple[int, int, int]:
    """Return the shape of a frame's clean image, in so many channels where the frame does not tell how many."""
    height, width, count = frame.shape
    try:
        clean = corruption.clean_shape((count, height, width), channels)
    except ImageError as error:
        raise ImageError(f"{key}: {error}") from error
    if corruption.resizes and clean[1:] == (height, width):
        raise ImageError(
            f"{corruption} declares resizes = True, but its clean_shape returns {clean} for {key}, the size that was "
            "observed; fix its clean_shape"
        )
    if channels == 1 and corruption.clean_shape((1, height, width), 3)[0] == 3:
        raise ImageError(f"{key} lost its colours to {corruption}, and the model takes 1 channel; choose one of colour")
    return clean


def _single_channels(plane: Plane, channels: Sequence[int]) -> list[Plane]:
    count, lost = plane.pixels.shape[2], plane.missing
    if 1 not in channels:
        accepted = " or ".join(map(str, channels))
        raise ImageError(f"{plane.key} has {count} channels, the model takes {accepted}; choose another model")
    return [
        replace(
            plane,
            key=f"{plane.key}#band{c}",
            pixels=one_channel(plane.pixels, c, 2),
            missing=None if lost is None else one_channel(lost, c, 2),
            kept=None if plane.kept is None else one_channel(plane.kept, c, 2),
            channel=c,
            clean=(1, *plane.shape[1:]),
        )
        for c in range(count)
    ]


@dataclass(frozen=True, eq=False)
class PlaneSource:
    """A `restorekit.core.types.Source` over planes of equal shape, converted strip by strip."""

    planes: Sequence[Plane]
    corruption: Corruption
    label: int | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of x, (B, C, H, W)."""
        return (len(self.planes), *self.planes[0].shape)

    @property
    def resized(self) -> bool:
        """Whether y has another height or width than x."""
        return self.planes[0].resized

    def rows(self, top: int, bottom: int) -> Observation:
        """Return a strip of rows, with its initial estimate if values are missing; all of y if it is resized."""
        if self.resized:
            return self.observed(0, len(self.planes[0].pixels))
        observation = self.observed(top, bottom)
        if all(p.missing is None for p in self.planes):
            return replace(observation, initial=observation.y) if self.corruption.interpolates else observation
        # The initial estimate does not depend on the strip: it is that of the full image, or is made in blocks.
        count, _, height, width = self.shape
        if count * height * width <= MAX_UNTILED_PX:
            return replace(observation, initial=self._untiled[:, :, top:bottom])
        blocks = [self._block(top, bottom, left, min(width, left + BLOCK)) for left in range(0, width, BLOCK)]
        return replace(observation, initial=torch.cat(blocks, 3))

    def observed(self, top: int, bottom: int, left: int = 0, right: int | None = None) -> Observation:
        """Return a window of the planes themselves, without an initial estimate."""
        window = (slice(top, bottom), slice(left, right))
        observed = torch.stack([_observed(p, window) for p in self.planes])
        y = torch.stack([torch.from_numpy(to_unit(channels_first(p.pixels[window]), p.range)) for p in self.planes])
        levels = [torch.nan if p.sigma is None else p.sigma for p in self.planes]
        known = any(p.sigma is not None for p in self.planes)
        sigma = torch.tensor(levels).view(-1, 1, 1, 1) if known else None
        return pose_problem(
            torch.where(observed, y, 0.0), observed, self.corruption, self.shape[1], sigma, self.label
        ).observation

    def _block(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """Fill a window from the cells of the full image."""
        low, first = (max(0, edge - MARGIN) // CELL for edge in (top, left))
        high, last = (-(-(edge + MARGIN) // CELL) for edge in (bottom, right))
        window = self.observed(low * CELL, high * CELL, first * CELL, last * CELL)
        y = window.y
        if not bool(window.observed.all()):
            y = fill(y, window.observed, self._coarse[:, :, low:high, first:last])
        if not self.corruption.interpolates:
            filled = replace(window, y=y, observed=torch.ones_like(window.observed))
            y = filled.initial_estimate(self.corruption)
        top, left = top - low * CELL, left - first * CELL
        return y[:, :, top : bottom - low * CELL, left : right - first * CELL]

    @cached_property
    def _untiled(self) -> Tensor:
        return self.observed(0, self.shape[2]).initial_estimate(self.corruption)

    @cached_property
    def _coarse(self) -> Tensor:
        """Filled cells of the full image, read in strips of about MAX_UNTILED_PX pixels."""
        height, width = self.shape[2:]
        step = CELL * max(1, MAX_UNTILED_PX // (width * CELL))
        strips = (self.observed(top, top + step) for top in range(0, height, step))
        value, weight = (torch.cat(parts, 2) for parts in zip(*(pull(o.y, o.observed) for o in strips), strict=True))
        return push(value, weight)


def estimate_level(plane: Plane, corruption: Corruption, required: bool) -> tuple[Plane, str]:
    """Estimate the noise level of a plane from its values.

    Noise that is not white has no level that a restorer could use: the plane is restored without one then, unless the
    restorer requires it.

    Returns
    -------
    plane : Plane
        With the level, or with None.
    note : str
        Why the level is missing or uncertain; empty if it is usable.
    """
    window = central_window(plane, corruption)
    found = white_level(window)
    if found.sigma is not None:
        return replace(plane, sigma=found.sigma), ""
    if not required:
        return replace(plane, sigma=None), f"{found.reason}: it was restored without a noise level"
    sigma = float(estimate_sigma(window))
    return replace(plane, sigma=sigma), f"{found.reason}: its estimated level, {255 * sigma:.1f}/255, is uncertain"


def no_noise(planes: Sequence[Plane]) -> str:
    """Describe why no plane of an image can hold noise; empty if one may."""
    reasons = []
    for plane in planes:
        o = central_window(plane, IMAGE, CENTRE).observation
        reasons.append(without_noise(o.y[0], o.observed[0]))
        if not reasons[-1]:
            return ""
    return reasons[0]


def central_window(plane: Plane, corruption: Corruption, side: int = WINDOW) -> Problem:
    """Return the part of a plane from which noise is estimated: all of it, or the centre of a large one."""
    height, width = plane.pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    bottom, right = min(height, top + side), min(width, left + side)
    return Problem(PlaneSource([plane], corruption).observed(top, bottom, left, right), corruption)


def _observed(plane: Plane, window: tuple[slice, slice]) -> Tensor:
    height, width, channels = plane.pixels[window].shape
    if plane.missing is None:
        return torch.ones(channels, height, width, dtype=torch.bool)
    return torch.from_numpy(channels_first(~plane.missing[window])).expand(channels, -1, -1)


def channels_first(array: Array) -> Array:
    """Move the last axis to the front, in memory too: of a file's own numbers, which are smaller than intensities."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))
