"""Training and validation parts of a set of images, and their class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import torch
from torch import Tensor

from restorekit.core.errors import UsageError
from restorekit.images.dataset import LabelledImages

MAX_HELD_OUT = 20  # images held out for validation unless a number is set


@dataclass(frozen=True, eq=False)
class ImageSubset:
    """Part of a set of opened images: the set and the indices in use."""

    images: LabelledImages
    index: list[int]

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [self.images.keys[i] for i in self.index]

    def cut(self, index: Sequence[int]) -> ImageSubset:
        """Return the images at some positions of this part."""
        return ImageSubset(self.images, [self.index[i] for i in index])

    def labels(self, known: Sequence[str], copies: int = 1) -> Tensor:
        """Return class numbers by their position in `known`, (copies * N,) int64; -1 = unknown.

        Raises
        ------
        UsageError
            The images have no classes, or one that `known` lacks.
        """
        own, names = self.images.labels, self.images.label_names
        if own is None:
            raise UsageError("the validation images have no classes and the training images do; remove --labels")
        mine = own[self.index]
        strange = [names[i] for i in sorted({*mine.tolist()} - {-1}) if names[i] not in known]
        if strange:
            raise UsageError(
                f"expected classes among {', '.join(known)}, got {strange[0]!r}; remove its images, or rename it"
            )
        table = torch.tensor([known.index(name) if name in known else -1 for name in names])
        return torch.where(mine < 0, -1, table[mine]).repeat(copies)


def large_enough(images: LabelledImages, crop: int) -> tuple[ImageSubset, str | None]:
    """Leave out a few images that are much smaller than the others and would make all crops small.

    Parameters
    ----------
    images : LabelledImages
        Opened images.
    crop : int
        Side of the requested crops, pixels. An image is left out if its shorter side is below this and below half of
        the median shorter side, so that none is left out when all are small.

    Returns
    -------
    (ImageSubset, str or None)
        The images in use, and a sentence about those left out, if any.
    """
    short = images.sizes.amin(1)
    min_side = min(float(crop), float(short.sort().values[len(short) // 2]) / 2)
    index = (short >= min_side).nonzero().flatten().tolist()
    small = (short < min_side).nonzero().flatten().tolist()
    if not small:
        return ImageSubset(images, index), None
    height, width = images.sizes[small[0]].tolist()
    example = f"{images.keys[small[0]]} has {width} x {height} pixels" + (", ..." if len(small) > 1 else "")
    return ImageSubset(
        images, index
    ), f"left out {len(small)} of {len(short)} images, much smaller than the others: {example}"


def hold_out(keys: Sequence[str], count: int | None = None) -> tuple[list[int], list[int]]:
    """Split indices into training and validation, evenly over the sorted names.

    Parameters
    ----------
    keys : sequence of str
        Names of the images, in order.
    count : int or None
        Images to hold out; None: one in twenty, from 1 to `MAX_HELD_OUT`.

    Returns
    -------
    (train, held) : lists of int
        An image is in neither if its name continues that of a held-out image with an underscore, or the reverse:
        ``barn_d.jpg`` is likely a part of ``barn.jpg``.

    Raises
    ------
    UsageError
        There are fewer than two images, `count` is below 1, or none is left to train on.
    """
    if len(keys) < 2:
        raise UsageError(
            f"training needs at least 2 images, one of them to validate on, got {len(keys)}; pass --validation"
        )
    count = min(MAX_HELD_OUT, max(1, len(keys) // 20)) if count is None else count
    if count < 1:
        raise UsageError(f"expected at least 1 image to validate on, got --validation {count}; pass 1 or more")
    held = [len(keys) * (2 * i + 1) // (2 * count) for i in range(count)]
    stems: list[str] = []
    for key in keys:
        _, mark, frame = key.rpartition("#")
        is_frame = mark and frame.isdigit()  # such as name.npy#3, without a suffix; set.npz#barn.jpg has one
        stems.append(key if is_frame else str(PurePath(key).with_suffix("")))
    held_stems = {stems[i] for i in held}
    related = {s for s in stems if any(s.startswith(f"{h}_") or h.startswith(f"{s}_") for h in held_stems)}
    train = [i for i, stem in enumerate(stems) if stem not in held_stems | related]
    if not train:
        raise UsageError(
            f"holding out {count} of {len(keys)} images leaves none to train on; pass a folder with --validation"
        )
    return train, held
