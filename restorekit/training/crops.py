"""Training images, cut into crops on the device that learns from them.

Pixels of opened images where training can cut crops from them, and whether a model can learn from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry
from restorekit.corruptions.grayscale import LUMA
from restorekit.images.dataset import LabelledImages
from restorekit.images.intensity import IntensityRange, to_unit

FULL = {torch.uint8: 255.0, torch.uint16: 65535.0}


@dataclass(frozen=True, eq=False)
class Windows:
    """Where crops lie: image number, top and left, (B,) int64 each, and the crop's height and width."""

    index: Tensor
    top: Tensor
    left: Tensor
    height: int
    width: int


class Pool(Protocol):
    """A set of images that gives crops."""

    sizes: Tensor  # (N, 2) int64, height and width
    channels: int

    def crops(self, windows: Windows) -> Tensor:
        """Return the crops, (B, C, h, w) float32 on [0, 1]; outside the image its border is repeated."""
        ...


class HeldPool:
    """Every pixel of every image in one tensor on the device, in the files' own dtype.

    Parameters
    ----------
    images : sequence of Tensor, (H, W, C)
        All with the same dtype and channel count.
    device : torch.device
        Where the pixels live.
    """

    def __init__(self, images: Sequence[Tensor], device: torch.device) -> None:
        self.sizes = torch.tensor([image.shape[:2] for image in images])
        self.channels = images[0].shape[2]
        self._pixels = torch.cat([image.reshape(-1, self.channels) for image in images]).to(device)
        uniform = bool((self.sizes == self.sizes[0]).all())
        self._stacked = self._pixels.view(len(images), *images[0].shape) if uniform else None
        area = self.sizes.prod(1)
        self._starts = (area.cumsum(0) - area).to(device)
        self._device_sizes = self.sizes.to(device)

    def crops(self, windows: Windows) -> Tensor:
        """Gather all crops in one indexing operation."""
        device = self._pixels.device
        index, top, left = (t.to(device, non_blocking=True) for t in (windows.index, windows.top, windows.left))
        if self._stacked is not None and self._stacked.shape[1:3] == (windows.height, windows.width):
            return _unit(self._stacked[index].movedim(-1, 1))
        height, width = self._device_sizes[index].unbind(1)
        rows = top[:, None] + torch.arange(windows.height, device=device)
        columns = left[:, None] + torch.arange(windows.width, device=device)
        rows = torch.minimum(rows, height[:, None] - 1)
        columns = torch.minimum(columns, width[:, None] - 1)
        cells = self._starts[index][:, None, None] + rows[:, :, None] * width[:, None, None] + columns[:, None, :]
        return _unit(self._pixels[cells].movedim(-1, 1))


class StreamedPool:
    """Images read from their files when a batch needs them, by a few threads.

    Parameters
    ----------
    read : callable
        Maps an index to its image, (H, W, C).
    sizes : Tensor, (N, 2) int64
        Heights and widths.
    channels : int
        Channels of every image.
    device : torch.device
        Where crops go.
    """

    def __init__(self, read: Callable[[int], Tensor], sizes: Tensor, channels: int, device: torch.device) -> None:
        self.sizes, self.channels = sizes, channels
        self._read, self._device = read, device
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="pool")

    def crops(self, windows: Windows) -> Tensor:
        """Read and cut the crops; each file is opened once per crop."""
        places = torch.stack([windows.index, windows.top, windows.left], 1).tolist()
        cut = self._threads.map(lambda p: self._crop(p[0], p[1], p[2], windows.height, windows.width), places)
        return torch.stack(list(cut)).to(self._device)

    def _crop(self, index: int, top: int, left: int, height: int, width: int) -> Tensor:
        image = self._read(index)
        rows = torch.arange(top, top + height).clamp(max=image.shape[0] - 1)
        columns = torch.arange(left, left + width).clamp(max=image.shape[1] - 1)
        return _unit(image[rows][:, columns].movedim(-1, 0))


def _unit(pixels: Tensor) -> Tensor:
    full = FULL.get(pixels.dtype, 1.0)
    return pixels.contiguous().to(torch.float32) / full


def order(count: int, batch: int, step: int, rng: Rng) -> Tensor:
    """Return the image indices of one step: each epoch visits every image once, in an order of its own.

    Parameters
    ----------
    count, batch : int
        Number of images, and images per step; an epoch's last batch may be smaller.
    step : int
        Steps done before; the result depends on nothing else, so that a resumed run goes on exactly.
    rng : Rng
        Source of the permutations.

    Returns
    -------
    Tensor of int64, (B,)
    """
    epoch, part = divmod(step, -(-count // batch))
    return _shuffled(count, rng.fork(f"epoch{epoch}"))[part * batch : (part + 1) * batch]


@lru_cache(4)
def _shuffled(count: int, rng: Rng) -> Tensor:
    return torch.randperm(count, generator=rng.generator("order"))


def place(pool: Pool, index: Tensor, crop: int, rng: Rng) -> Windows:
    """Draw where each image of `index` is cropped; crop 0 takes whole images, which then have one size."""
    sizes = pool.sizes[index]
    if crop == 0:
        corner = torch.zeros(len(index), dtype=torch.int64)
        return Windows(index, corner, corner, int(sizes[0, 0]), int(sizes[0, 1]))
    u = torch.rand(len(index), 2, generator=rng.generator("crop"))
    top, left = (u * (sizes - crop + 1).clamp_min(1)).long().unbind(1)
    return Windows(index, top, left, crop, crop)


def augment(x: Tensor, rng: Rng) -> Tensor:
    """Flip each image of x, (B, C, H, W), at random, and transpose it where it is square: one of eight symmetries."""
    flips = rng.uniform("flips", (len(x), 3, 1, 1, 1), x.device) < 0.5
    x = torch.where(flips[:, 0], x.flip(2), x)
    x = torch.where(flips[:, 1], x.flip(3), x)
    return torch.where(flips[:, 2], x.transpose(2, 3), x) if x.shape[2] == x.shape[3] else x


def gray(x: Tensor) -> Tensor:
    """Turn RGB, (B, 3, H, W), into gray, (B, 1, H, W)."""
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


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
