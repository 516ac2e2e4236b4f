"""Between a decoded picture and the batches of 1- or 3-channel planes that restorers work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.errors import ImageError
from restorekit.images.picture import Array, Picture
from restorekit.images.scale import IntensityRange, to_unit
from restorekit.types import Observation

WHOLE = 2**23  # pixels up to which the first guess is made over the whole image at once
MARGIN = 256  # rows around a band that the first guess sees in larger images; a multiple of its pyramid's steps


@dataclass(frozen=True, eq=False)
class Plane:
    """One picture that a restorer sees: a frame, or a band of one that has no channel count the restorer takes.

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
    sigma : float or None
        Noise level on [0, 1]; None = unknown.
    exact : bool
        Whether what was observed is known to be the truth.
    frame : int
        Which of its picture's.
    band : int or None
        The one channel that it is; None for all.
    """

    key: str
    pixels: Array
    missing: npt.NDArray[np.bool_] | None
    range: IntensityRange
    sigma: float | None = None
    exact: bool = False
    frame: int = 0
    band: int | None = None

    @property
    def channels(self) -> slice:
        """Where its channels lie in its picture."""
        return slice(None) if self.band is None else slice(self.band, self.band + 1)


def planes(
    key: str,
    picture: Picture,
    missing: npt.NDArray[np.bool_] | None,
    range: IntensityRange,
    channels: Sequence[int] = (1, 3),
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

    Raises
    ------
    ImageError
        The restorer takes neither the picture's channels nor single ones.
    """
    found = []
    for i, frame in enumerate(picture.pixels):
        lost = None if missing is None else missing[min(i, len(missing) - 1)]
        name = key if len(picture.pixels) == 1 else f"{key}#{i}"
        plane = Plane(name, frame, lost, range, frame=i)
        found.extend([plane] if frame.shape[2] in channels else _bands(plane, channels))
    return found


def _bands(plane: Plane, channels: Sequence[int]) -> list[Plane]:
    count, lost = plane.pixels.shape[2], plane.missing
    if 1 not in channels:
        takes = " or ".join(map(str, channels))
        raise ImageError(f"{plane.key} has {count} channels, the model takes {takes}; choose another model")
    return [
        replace(
            plane,
            key=f"{plane.key}#band{band}",
            pixels=plane.pixels[..., band : band + 1],
            missing=lost if lost is None or lost.shape[2] == 1 else lost[..., band : band + 1],
            band=band,
        )
        for band in range(count)
    ]


@dataclass(frozen=True, eq=False)
class PlaneSource:
    """A `restorekit.types.Source` over planes of equal shape, turned into numbers band by band."""

    planes: Sequence[Plane]
    corruption: Corruption
    label: int | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of x, (B, C, H, W)."""
        height, width, channels = self.planes[0].pixels.shape
        return (len(self.planes), channels, height, width)

    def rows(self, top: int, bottom: int) -> Observation:
        """Return a band of rows, with its first guess where values are missing."""
        observation = self.observed(top, bottom)
        if all(p.missing is None for p in self.planes):
            return observation
        height = self.shape[2]
        if len(self.planes) * height * self.shape[3] <= WHOLE:
            return replace(observation, guess=self._guess[:, :, top:bottom])
        low, high = max(0, top - MARGIN) // MARGIN * MARGIN, min(height, bottom + MARGIN)
        guess = self.observed(low, high).first_guess(self.corruption)
        return replace(observation, guess=guess[:, :, top - low : bottom - low])

    def observed(self, top: int, bottom: int) -> Observation:
        """Return a band of rows, without a guess."""
        seen = torch.stack([_observed(p, top, bottom) for p in self.planes])
        y = torch.stack([_channels_first(to_unit(p.pixels[top:bottom], p.range)) for p in self.planes])
        label = None if self.label is None else torch.full((len(self.planes),), self.label)
        return Observation(y * seen, seen, (self.shape[1], bottom - top, self.shape[3]), self._sigma, label)

    @property
    def _sigma(self) -> Tensor | None:
        levels = [torch.nan if p.sigma is None else p.sigma for p in self.planes]
        return None if all(p.sigma is None for p in self.planes) else torch.tensor(levels).view(-1, 1, 1, 1)

    @cached_property
    def _guess(self) -> Tensor:
        """Over the whole image, so that it does not depend on the bands."""
        return self.observed(0, self.shape[2]).first_guess(self.corruption)


def _observed(plane: Plane, top: int, bottom: int) -> Tensor:
    if plane.missing is None:
        return torch.ones(plane.pixels.shape[2], bottom - top, plane.pixels.shape[1], dtype=torch.bool)
    seen = _channels_first(~plane.missing[top:bottom])
    return seen.expand(plane.pixels.shape[2], -1, -1)


def _channels_first(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0)))
