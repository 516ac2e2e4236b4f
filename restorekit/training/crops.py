"""Crops of training images, from pixels held on the device or read from files."""

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

FULL_SCALE = {torch.uint8: 255.0, torch.uint16: 65535.0}  # value that stands for 1
MAX_HELD_BYTES = 8 * 2**30  # pixels held on the device; if there are more, images are streamed


@dataclass(frozen=True, eq=False)
class Windows:
    """Positions of crops: image number, top and left, (B,) int64 each; height and width of the crops."""

    index: Tensor
    top: Tensor
    left: Tensor
    height: int
    width: int


class Pool(Protocol):
    """Set of images to cut crops from."""

    sizes: Tensor  # (N, 2) int64, height and width
    channels: int

    def crops(self, windows: Windows) -> Tensor:
        """Return the crops, (B, C, h, w) float32 on [0, 1]; beyond an image its border is repeated."""
        ...


class HeldPool:
    """Pool with the pixels of all images in one tensor on the device, in the dtype of the files.

    Parameters
    ----------
    images : sequence of Tensor, (H, W, C)
        Images of one dtype and channel count.
    device : torch.device
        Device of the pixels.
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
    """Pool that reads images from their files when a batch needs them, in a few threads.

    Parameters
    ----------
    read : callable
        Maps an index to its image, (H, W, C).
    sizes : Tensor, (N, 2) int64
        Heights and widths.
    channels : int
        Channels of every image.
    device : torch.device
        Device of the crops.
    """

    def __init__(self, read: Callable[[int], Tensor], sizes: Tensor, channels: int, device: torch.device) -> None:
        self.sizes, self.channels = sizes, channels
        self._read, self._device = read, device
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="pool")

    def crops(self, windows: Windows) -> Tensor:
        """Read and cut the crops; each file is opened once per crop."""

        def cut(place: tuple[int, int, int]) -> Tensor:
            index, top, left = place
            image = self._read(index)
            rows = torch.arange(top, top + windows.height).clamp(max=image.shape[0] - 1)
            columns = torch.arange(left, left + windows.width).clamp(max=image.shape[1] - 1)
            return _unit(image[rows][:, columns].movedim(-1, 0))

        places = torch.stack([windows.index, windows.top, windows.left], 1).tolist()
        return torch.stack(list(self._threads.map(cut, places))).to(self._device)


def _unit(pixels: Tensor) -> Tensor:
    """Convert pixels of any dtype to float32 on [0, 1]."""
    full = FULL_SCALE.get(pixels.dtype, 1.0)
    return pixels.contiguous().to(torch.float32) / full


def order(count: int, batch: int, step: int, rng: Rng) -> Tensor:
    """Return the image indices of one step; every epoch visits each image once, in its own order.

    Parameters
    ----------
    count, batch : int
        Number of images, and images per step; an epoch's last batch may be smaller.
    step : int
        Steps done before; the result depends on nothing else, so that a resumed run is bit-exact.
    rng : Rng
        Source of the permutations.

    Returns
    -------
    Tensor of int64, (B,)
    """
    epoch, part = divmod(step, -(-count // batch))
    return permutation(count, rng.fork(f"epoch{epoch}"))[part * batch : (part + 1) * batch]


@lru_cache(4)
def permutation(count: int, rng: Rng) -> Tensor:
    """Return a random order of 0 ... count - 1, int64; cached because every step of an epoch needs it."""
    return torch.randperm(count, generator=rng.generator("order"))


def place(pool: Pool, index: Tensor, crop: int, rng: Rng) -> Windows:
    """Draw the position of a crop in each image of `index`; crop 0 = uncropped images of one size."""
    sizes = pool.sizes[index]
    if crop == 0:
        corner = torch.zeros(len(index), dtype=torch.int64)
        return Windows(index, corner, corner, int(sizes[0, 0]), int(sizes[0, 1]))
    u = torch.rand(len(index), 2, generator=rng.generator("crop"))
    top, left = (u * (sizes - crop + 1).clamp_min(1)).long().unbind(1)
    return Windows(index, top, left, crop, crop)


def augment(x: Tensor, rng: Rng) -> Tensor:
    """Flip each image of x, (B, C, H, W), at random, and transpose it if it is square: one of eight symmetries."""
    flips = rng.uniform("flips", (len(x), 3, 1, 1, 1), x.device) < 0.5
    x = torch.where(flips[:, 0], x.flip(2), x)
    x = torch.where(flips[:, 1], x.flip(3), x)
    return torch.where(flips[:, 2], x.transpose(2, 3), x) if x.shape[2] == x.shape[3] else x


def gray(x: Tensor) -> Tensor:
    """Convert RGB, (B, 3, H, W), to gray, (B, 1, H, W)."""
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def pool(images: LabelledImages, index: Sequence[int], device: torch.device, scales: Sequence[float] = (1.0,)) -> Pool:
    """Return a pool of images: held on the device if they fit, else streamed from their files.

    Parameters
    ----------
    images : LabelledImages
        Opened images; gray ones become RGB if any has colour.
    index : sequence of int
        The images in use.
    device : torch.device
        Device of the crops.
    scales : sequence of float
        Every image is held in each of these sizes.

    Raises
    ------
    UsageError
        Values are missing, channel counts do not go together, or scales are requested for streamed images.
    """
    held, shapes, ranges = _read_all(images, index)
    found = {shape[2] for shape in shapes}
    if len(found) > 1 and found != {1, 3}:
        raise UsageError(
            f"a training needs images of one channel count, or gray and RGB ones, got {sorted(found)} channels; "
            f"convert some, or remove them"
        )
    channels, one_dtype = max(found), len({t.dtype for t in held}) == 1
    value_bytes = held[0].element_size() if one_dtype else 4
    pixels = sum(t.shape[0] * t.shape[1] for t in held)
    if len(held) < len(shapes) or pixels * channels * value_bytes * sum(s * s for s in scales) > MAX_HELD_BYTES:
        if set(scales) != {1.0}:
            limit = f"{MAX_HELD_BYTES / 2**30:g} GiB"
            raise UsageError(f"scales needs images of at most {limit} in all; remove --set scales")
        return StreamedPool(
            lambda i: _plain(images.raw(index[i]), ranges[i]).expand(-1, -1, channels),
            torch.tensor([shape[:2] for shape in shapes]), channels, device,
        )  # fmt: skip
    alike = held if one_dtype else [t.float() / FULL_SCALE.get(t.dtype, 1.0) for t in held]
    wide = [t.expand(-1, -1, channels) for t in alike]
    return HeldPool([shrink(t, s) for s in scales for t in wide], device)


def _read_all(
    images: LabelledImages, index: Sequence[int]
) -> tuple[list[Tensor], list[torch.Size], list[IntensityRange]]:
    """Read every image once; return the first ones, as many as can be held, and the shapes and ranges of all."""
    held, shapes, ranges, room = list[Tensor](), list[torch.Size](), list[IntensityRange](), MAX_HELD_BYTES
    for i in index:
        missing = images.missing(i)
        if missing is not None and bool(missing.any()):
            raise UsageError(
                f"{images.keys[i]} has missing values, and a training needs complete images; remove it, or fill it "
                f"first with restorekit restore"
            )
        ranges.append(images.range_of(i))
        image = _plain(images.raw(i), ranges[-1])
        shapes.append(image.shape)
        room -= image.nbytes
        if room >= 0:
            held.append(image)
    return held, shapes, ranges


def _plain(image: Tensor, range: IntensityRange) -> Tensor:
    """Return an image as in its file if its range is that of its dtype, else as floats nominally on [0, 1]."""
    if image.dtype in FULL_SCALE and range == IntensityRange(0.0, FULL_SCALE[image.dtype]):
        return image
    return torch.from_numpy(to_unit(image.numpy(), range))


def shrink(image: Tensor, scale: float) -> Tensor:
    """Shrink an image, (H, W, C), with anti-aliasing, in its own dtype; floats may overshoot [0, 1]."""
    if scale == 1:
        return image
    full = FULL_SCALE.get(image.dtype)
    values = image.permute(2, 0, 1)[None].float()
    size = [max(1, int(side * scale)) for side in image.shape[:2]]
    small = F.interpolate(values, size, mode="bicubic", antialias=True, align_corners=False)[0].permute(1, 2, 0)
    return small if full is None else small.clamp(0, full).round().to(image.dtype)


def check(pool: Pool, names: Sequence[str], geometry: Geometry, uncropped: bool) -> None:
    """Raise an error if a model cannot learn from the images of a pool.

    Parameters
    ----------
    pool : Pool
        The images, in each of their scales.
    names : sequence of str
        Names of the images, once for all scales.
    geometry : Geometry
        Image geometry of the model.
    uncropped : bool
        Whether images are used as they are, not cut into crops.

    Raises
    ------
    UsageError
        The model accepts other channels or sizes, or uncropped images differ in size.
    """
    if pool.channels not in geometry.channels:
        accepted = " or ".join(map(str, geometry.channels))
        raise UsageError(f"the model expects {accepted} channels, got images with {pool.channels}; convert the images")
    if not uncropped:
        return
    height, width = geometry.size or pool.sizes[0].tolist()
    other = (pool.sizes != torch.tensor([height, width])).any(1).nonzero().flatten().tolist()
    if other:
        h, w = pool.sizes[other[0]].tolist()
        raise UsageError(
            f"expected images of one size, {width} x {height} pixels, and {names[other[0] % len(names)]} has "
            f"{w} x {h}; scale them, or train on crops (--set crop=96; for a vae, --set network=conv)"
        )
    if height % geometry.multiple or width % geometry.multiple:
        raise UsageError(
            f"expected sides that are multiples of {geometry.multiple}, got {width} x {height} pixels; "
            f"train on crops (--set crop=96)"
        )
