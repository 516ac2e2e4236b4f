"""Between a decoded picture and the batches of 1- or 3-channel planes that restorers work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.contracts import Corruption
from restorekit.images.picture import Array, Picture
from restorekit.images.scale import IntensityRange, from_unit, to_unit
from restorekit.types import Observation, Restoration

WHOLE = 2**26  # pixels up to which the first guess is made over the whole image at once
MARGIN = 256  # rows around a band that the first guess sees in larger images


@dataclass(frozen=True, eq=False)
class Plane:
    """One picture that a restorer sees: a frame, or a band of one that is neither gray nor RGB.

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
    """

    key: str
    pixels: Array
    missing: npt.NDArray[np.bool_] | None
    range: IntensityRange
    sigma: float | None

    @property
    def exact(self) -> bool:
        """Whether what was observed is known to be free of noise."""
        return self.sigma == 0


def planes(
    key: str, picture: Picture, missing: npt.NDArray[np.bool_] | None, range: IntensityRange, sigma: float | None
) -> list[Plane]:
    """Split a picture into planes: frames, and bands where there are neither 1 nor 3 channels."""
    found = []
    for i, frame in enumerate(picture.pixels):
        lost = None if missing is None else missing[min(i, len(missing) - 1)]
        name = key if len(picture.pixels) == 1 else f"{key}#{i}"
        if frame.shape[2] in (1, 3):
            found.append(Plane(name, frame, lost, range, sigma))
            continue
        for band in np.arange(frame.shape[2]):
            cut = slice(band, band + 1)
            own = lost if lost is None or lost.shape[2] == 1 else lost[..., cut]
            found.append(Plane(f"{name}#band{band}", frame[..., cut], own, range, sigma))
    return found


@dataclass(frozen=True, eq=False)
class PlaneSource:
    """A `restorekit.types.Source` over planes of equal shape, turned into numbers band by band."""

    planes: Sequence[Plane]
    corruption: Corruption
    label: int | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:  # type: ignore[override]
        """Shape of x, (B, C, H, W)."""
        height, width, channels = self.planes[0].pixels.shape
        return (len(self.planes), channels, height, width)

    def rows(self, top: int, bottom: int) -> Observation:
        """Return a band of rows, with its first guess where values are missing."""
        if all(p.missing is None for p in self.planes):
            return self._observed(top, bottom)
        height = self.shape[2]
        whole = len(self.planes) * height * self.shape[3] <= WHOLE
        low, high = (0, height) if whole else (max(0, top - MARGIN), min(height, bottom + MARGIN))
        around = self._observed(low, high)
        around = replace(around, guess=around.first_guess(self.corruption))
        return around.cut(torch.arange(top - low, bottom - low), torch.arange(self.shape[3]))

    def _observed(self, top: int, bottom: int) -> Observation:
        seen = torch.stack([_observed(p, top, bottom) for p in self.planes])
        y = torch.stack([_channels_first(to_unit(p.pixels[top:bottom], p.range)) for p in self.planes])
        sigma = torch.tensor([float("nan") if p.sigma is None else p.sigma for p in self.planes])
        label = None if self.label is None else torch.full((len(self.planes),), self.label)
        shape = (self.shape[1], bottom - top, self.shape[3])
        return Observation(y * seen, seen, shape, sigma.view(-1, 1, 1, 1), label)


def _observed(plane: Plane, top: int, bottom: int) -> Tensor:
    if plane.missing is None:
        return torch.ones(plane.pixels.shape[2], bottom - top, plane.pixels.shape[1], dtype=torch.bool)
    seen = _channels_first(~plane.missing[top:bottom])
    return seen.expand(plane.pixels.shape[2], -1, -1)


def _channels_first(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0)))


@dataclass(frozen=True, eq=False)
class Canvas:
    """Where the restored rows of one plane are put together, in the file's own numbers.

    Attributes
    ----------
    plane : Plane
        What was restored.
    pixels : array, (H, W, C), in the file's dtype
        Result; equal to the input, bit for bit, wherever that was seen without noise.
    std, low, high : array of float32, (H, W, C), or None
        Spread, and ends of the interval, on [0, 1].
    draws : array of float32, (S, H, W, C), or None
        Draws on [0, 1].
    """

    plane: Plane
    pixels: Array
    std: npt.NDArray[np.float32] | None
    draws: npt.NDArray[np.float32] | None

    @classmethod
    def empty(cls, plane: Plane, spread: bool, draws: int) -> Canvas:
        """Make room for the results of a plane."""
        shape = plane.pixels.shape
        return cls(
            plane,
            np.empty_like(plane.pixels),
            np.zeros(shape, np.float32) if spread else None,
            np.zeros((draws, *shape), np.float32) if draws else None,
        )

    def put(self, top: int, band: Restoration, index: int) -> None:
        """Put the rows of image `index` of a restored band in place."""
        rows = slice(top, top + band.mmse.shape[2])
        self.pixels[rows] = self._encoded(_last(band.mmse[index]), rows)
        if self.std is not None and band.std is not None:
            self.std[rows] = _last(band.std[index])
        if self.draws is not None and band.draws is not None:
            self.draws[:, rows] = np.stack([_last(d[index]) for d in band.draws])

    def _encoded(self, values: npt.NDArray[np.float32], rows: slice) -> Array:
        plane = self.plane
        result = from_unit(values, plane.range, plane.pixels.dtype)
        if not plane.exact:
            return result
        if plane.missing is None:
            return plane.pixels[rows]
        return np.where(plane.missing[rows], result, plane.pixels[rows])


def _last(t: Tensor) -> npt.NDArray[np.float32]:
    return t.movedim(0, -1).numpy()


def joined(parts: Sequence[Array], picture: Picture) -> Array:
    """Put the planes' arrays, (H, W, c), back into the picture's shape, (N, H, W, C)."""
    frames, height, width, channels = picture.pixels.shape
    if channels in (1, 3):
        return np.stack(parts)
    stacked = np.concatenate(parts, -1).reshape(height, width, frames, channels)
    return np.moveaxis(stacked, 2, 0)
