"""Assembly of the restored rows of one picture, in the file's own numbers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.errors import ImageError
from restorekit.core.types import Restoration
from restorekit.images.intensity import from_unit, to_unit
from restorekit.images.picture import Array
from restorekit.images.previews import PreviewCollector
from restorekit.restoration.folder.planes import Plane, channels_first
from restorekit.restoration.safeguards import Removed, Safeguard

ROWS = 128  # of a picture that are corrected at once
IN_MEMORY = 2**28  # bytes of a spread or of draws that are kept in memory; more goes to a file without a name

Floats = npt.NDArray[np.float32]


@dataclass(eq=False)
class Canvas:
    """The result of one picture.

    Attributes
    ----------
    pixels : array, (N, H, W, C), in the file's dtype
        In the size and the channels that its planes are restored to. Equal to the input, bit for bit, wherever that is
        known to be the truth.
    keep : sequence of str
        What else is kept of "std", "low", "high" and "draws".
    folder : Path
        On the disk for what is too large for the memory.
    extras : dict of str to array of float32
        What was kept, (N, H, W, C) on [0, 1], draws (S, N, H, W, C); lacks what the restorer does not give.
    refusals : list of str
        Why planes of it lie outside of what the model's intervals are calibrated for.
    diagnostics : dict of str to float
        Diagnostics of the sampler, such as the share of proposals accepted: means over the picture.
    peek : Peek or None
        Looks on for the report.
    concerns : list of str
        Sentences on what the model takes for noise in this picture.
    """

    pixels: Array
    keep: Sequence[str]
    folder: Path
    extras: dict[str, Floats] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    diagnostics: dict[str, float] = field(default_factory=dict)
    peek: PreviewCollector | None = None
    concerns: list[str] = field(default_factory=list)
    _spread: float | None = None
    _count: int = 0

    @property
    def mean_std(self) -> float | None:
        """Mean of the standard deviation over all values; None where the restorer gives none."""
        return None if self._spread is None else self._spread / self._count

    def put(self, plane: Plane, top: int, strip: Restoration, index: int) -> None:
        """Put the rows of image `index` of a restored strip in the place of its plane."""
        rows = slice(top, top + strip.mmse.shape[2])
        place = _place(plane, rows)
        self.pixels[place] = _encoded(plane, rows, _last(strip.mmse[index]))
        if strip.std is not None:
            self._spread = (self._spread or 0.0) + float(strip.std[index].double().sum())
            self._count += strip.std[index].numel()
        share = strip.mmse[index].numel() / self.pixels.size
        for name, value in strip.diagnostics.items():
            self.diagnostics[name] = self.diagnostics.get(name, 0.0) + share * float(value[index])
        if self.peek is not None:
            self.peek.put(plane.frame, plane.channels, top, strip, index)
        for name in self.keep:
            extra: Tensor | None = getattr(strip, name)
            if extra is not None:
                values = _last(extra[:, index] if name == "draws" else extra[index])
                if name not in self.extras:
                    self.extras[name] = _room((*values.shape[:-3], *self.pixels.shape), self.folder)
                self.extras[name][(..., *place)] = values

    def hold(self, plane: Plane) -> None:
        """Put back what a restored plane has lost: local means, fine structure, and more than noise."""
        safeguard = Safeguard(plane.shape, partial(self._residual, plane))
        visible = float(safeguard.means.abs().max()) * abs(plane.range.high - plane.range.low)
        idle = not safeguard.lines.share and not bool(safeguard.excess.any())
        if idle and plane.pixels.dtype.kind in "ui" and visible < 0.5:
            return
        for top in range(0, plane.shape[1], ROWS):
            bottom = min(plane.shape[1], top + ROWS)
            shift = _last(safeguard.correction(top, bottom))
            place = _place(plane, slice(top, bottom))
            values = to_unit(self.pixels[place], plane.range) + shift
            self.pixels[place] = _with_kept(plane, place[1], from_unit(values, plane.range, plane.pixels.dtype))
            for name in self.extras.keys() - {"std"}:
                self.extras[name][(..., *place)] += shift
        self.concerns += [sentence for sentence in safeguard.concerns if sentence not in self.concerns]

    def weaken(self, plane: Plane, strength: float) -> None:
        """Go only a share of the way from what was observed to what was restored, where defects were found."""
        if plane.repaired is None:
            return
        rows = slice(0, plane.shape[1])
        place = _place(plane, rows)
        observed, restored = (to_unit(values, plane.range) for values in (plane.pixels, self.pixels[place]))
        blended = from_unit(observed + strength * (restored - observed), plane.range, plane.pixels.dtype)
        self.pixels[place] = _with_kept(plane, rows, np.where(plane.repaired, blended, self.pixels[place]))

    def _residual(self, plane: Plane, top: int, bottom: int) -> Removed:
        """Return some rows of the observation and of what was removed of it."""
        rows = slice(top, bottom)
        before, after = plane.pixels[rows], self.pixels[_place(plane, rows)]
        y, restored = (to_unit(channels_first(values), plane.range) for values in (before, after))
        residual = y - restored
        if plane.missing is not None:
            residual = np.where(channels_first(plane.missing[rows]), np.float32(np.nan), residual)
        return Removed(*(torch.from_numpy(t) for t in (y, residual, (y <= 0) | (y >= 1))))


def _place(plane: Plane, rows: slice) -> tuple[int, slice, slice, slice]:
    """Return the place of some rows of a plane; pages may be smaller than the array that holds all of them."""
    return plane.frame, rows, slice(plane.shape[2]), plane.channels


def _encoded(plane: Plane, rows: slice, values: Floats) -> Array:
    if plane.exact and plane.missing is None:
        return plane.pixels[rows]
    result = from_unit(values, plane.range, plane.pixels.dtype)
    if plane.exact and plane.missing is not None:
        result = np.where(plane.missing[rows], result, plane.pixels[rows])
    return _with_kept(plane, rows, result)


def _with_kept(plane: Plane, rows: slice, result: Array) -> Array:
    """Put the numbers back that stay as they are, unless the plane has another size than its file."""
    if plane.kept is None or plane.resized:
        return result
    return np.where(plane.kept[rows], plane.pixels[rows], result)


def _room(shape: tuple[int, ...], folder: Path) -> Floats:
    """Return an array in memory, or in a file that vanishes with it."""
    size = int(np.prod(shape)) * 4
    if size <= IN_MEMORY:
        return np.zeros(shape, np.float32)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk fails here, not with a signal at a later write
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "w+", shape=shape)
    except OSError as error:
        raise ImageError(
            f"no room in {folder} for {size / 1e9:.1f} GB of intermediate results ({error.strerror});"
            " ask for fewer draws or choose another folder"
        ) from error


def _last(t: Tensor) -> Floats:
    return t.movedim(-3, -1).numpy()
