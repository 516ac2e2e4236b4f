"""Pixels of opened images where training can cut crops from them, and whether a model can learn from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.errors import UsageError
from restorekit.images.labelled import LabelledImages
from restorekit.images.scale import IntensityRange, to_unit
from restorekit.pool import FULL, HeldPool, Pool, StreamedPool
from restorekit.types import Geometry

BUDGET = 8 * 2**30  # bytes of pixels that are held on the device; more are streamed


def pool(images: LabelledImages, index: Sequence[int], device: torch.device, scales: Sequence[float] = (1.0,)) -> Pool:
    """Put images where training can cut crops from them: on the device where they fit, else read as needed.

    Parameters
    ----------
    images : LabelledImages
        Opened images; gray ones become RGB where any has colour.
    index : sequence of int
        Which of them.
    device : torch.device
        Where crops are used.
    scales : sequence of float
        Every image is held in each of these sizes.

    Raises
    ------
    UsageError
        Values are missing, channel counts do not go together, or scales are asked for where images are streamed.
    """
    held, shapes, ranges = _look(images, index)
    channels = _channels({shape[2] for shape in shapes})
    if len(held) < len(shapes) or _bytes(held, channels) * sum(s * s for s in scales) > BUDGET:
        if set(scales) != {1.0}:
            raise UsageError(f"scales needs images of at most {BUDGET / 2**30:g} GiB in all; leave --set scales out")
        return StreamedPool(
            lambda i: _plain(images.raw(index[i]), ranges[i]).expand(-1, -1, channels),
            torch.tensor([shape[:2] for shape in shapes]), channels, device,
        )  # fmt: skip
    alike = held if len({t.dtype for t in held}) == 1 else [t.float() / FULL.get(t.dtype, 1.0) for t in held]
    wide = [t.expand(-1, -1, channels) for t in alike]
    return HeldPool([_scaled(t, s) for s in scales for t in wide], device)


def _look(images: LabelledImages, index: Sequence[int]) -> tuple[list[Tensor], list[torch.Size], list[IntensityRange]]:
    """Read every image once: the first ones, as many as can be held, and the shapes and ranges of all."""
    held, shapes, ranges, room = list[Tensor](), list[torch.Size](), list[IntensityRange](), BUDGET
    for i in index:
        _check_missing(images, i)
        ranges.append(images.range_of(i))
        image = _plain(images.raw(i), ranges[-1])
        shapes.append(image.shape)
        room -= image.nbytes
        if room >= 0:
            held.append(image)
    return held, shapes, ranges


def _check_missing(images: LabelledImages, i: int) -> None:
    missing = images.missing(i)
    if missing is not None and bool(missing.any()):
        raise UsageError(
            f"{images.keys[i]} has missing values, and a training needs whole images; leave it out, or fill it first "
            f"with restorekit restore"
        )


def _plain(image: Tensor, range: IntensityRange) -> Tensor:
    """Return an image as its file has it where that spans its dtype, else as floats nominally on [0, 1]."""
    if image.dtype in FULL and range == IntensityRange(0.0, FULL[image.dtype]):
        return image
    return torch.from_numpy(to_unit(image.numpy(), range))


def _bytes(held: Sequence[Tensor], channels: int) -> int:
    """Return what images need in one dtype and with as many channels each."""
    each = held[0].element_size() if len({t.dtype for t in held}) == 1 else 4
    return sum(t.shape[0] * t.shape[1] for t in held) * channels * each


def _channels(found: set[int]) -> int:
    """Return how many channels images have in common: gray goes with RGB."""
    if len(found) > 1 and found != {1, 3}:
        raise UsageError(
            f"a training needs images of one channel count, or gray and RGB ones, got {sorted(found)} channels; "
            f"convert some, or leave them out"
        )
    return max(found)


def _scaled(image: Tensor, scale: float) -> Tensor:
    """Shrink an image, (H, W, C), with anti-aliasing, in its own dtype; floats may leave [0, 1], as they do."""
    if scale == 1:
        return image
    full = FULL.get(image.dtype)
    unit = image.permute(2, 0, 1)[None].float()
    size = [max(1, int(side * scale)) for side in image.shape[:2]]
    small = F.interpolate(unit, size, mode="bicubic", antialias=True, align_corners=False)[0].permute(1, 2, 0)
    return small if full is None else small.clamp(0, full).round().to(image.dtype)


def check(pool: Pool, names: Sequence[str], geometry: Geometry, whole: bool) -> None:
    """Refuse images that a model cannot learn from.

    Parameters
    ----------
    pool : Pool
        The images, in each of their scales.
    names : sequence of str
        Their names, once.
    geometry : Geometry
        What the model takes.
    whole : bool
        Whether images are taken whole, not cut into crops.

    Raises
    ------
    UsageError
        They have other channels or sizes than the model takes, or whole images differ in size.
    """
    if pool.channels not in geometry.channels:
        takes = " or ".join(map(str, geometry.channels))
        raise UsageError(f"the images have {pool.channels} channels and the model takes {takes}; convert the images")
    if not whole:
        return
    height, width = geometry.size or pool.sizes[0].tolist()
    other = (pool.sizes != torch.tensor([height, width])).any(1).nonzero().flatten().tolist()
    if other:
        h, w = pool.sizes[other[0]].tolist()
        raise UsageError(
            f"whole images must be of one size, {width} x {height} pixels, and {names[other[0] % len(names)]} has "
            f"{w} x {h}; scale them, or train on crops (--set crop=96; for a vae, --set network=conv)"
        )
    if height % geometry.multiple or width % geometry.multiple:
        raise UsageError(
            f"whole images must have sides that are multiples of {geometry.multiple}, got {width} x {height} pixels; "
            f"train on crops (--set crop=96)"
        )
