"""What a set of images offers, wherever they come from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from restorekit.images.scale import IntensityRange, to_unit


class LabelledImages(ABC):
    """Images in order, read when asked for.

    Attributes
    ----------
    keys : tuple of str
        Name of each image; a frame of a multi-page file is ``NAME#INDEX``.
    labels : Tensor of int64, (N,), or None
    label_names : tuple of str
        What label 0, 1, ... is called.
    """

    keys: tuple[str, ...]
    labels: Tensor | None = None
    label_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, i: int) -> Tensor:
        """Return image i as float32, (C, H, W), nominally on [0, 1]."""
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        raw = self.raw(i)
        return torch.from_numpy(to_unit(raw.numpy(), self.range_of(i))).permute(2, 0, 1).contiguous()

    @abstractmethod
    def raw(self, i: int) -> Tensor:
        """Return image i in its file's own dtype, (H, W, C), without alpha."""

    def range_of(self, i: int) -> IntensityRange:
        """Return the range that takes image i to [0, 1]."""
        return self._resolved(i)[0]

    @property
    def warning(self) -> str | None:
        """A sentence where the range of the first image, and so perhaps of others, had to be guessed."""
        return self._resolved(0)[1]

    @abstractmethod
    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        """Return the range of image i and `warning`."""

    @abstractmethod
    def missing(self, i: int) -> Tensor | None:
        """Return what is missing in image i, bool (H, W, 1 or C): NaN, and its `NAME.missing.png`; None for nothing."""

    @property
    @abstractmethod
    def sizes(self) -> Tensor:
        """Height and width of every image, (N, 2) int64, from the files' headers alone."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted digests of all decoded images, so that order and names do not matter."""
        digests = sorted(_digest(self.raw(i)) for i in range(len(self)))
        return hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest(image: Tensor) -> str:
    array = np.ascontiguousarray(image.numpy())
    return hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()
