"""Training images, cut into crops on the device that learns from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from restorekit.corruptions.grayscale import LUMA
from restorekit.noise import Noise

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


def order(count: int, batch: int, step: int, noise: Noise) -> Tensor:
    """Return the image indices of one step: each epoch visits every image once, in an order of its own.

    Parameters
    ----------
    count, batch : int
        Number of images, and images per step; an epoch's last batch may be smaller.
    step : int
        Steps done before; the result depends on nothing else, so that a resumed run goes on exactly.
    noise : Noise
        Source of the permutations.

    Returns
    -------
    Tensor of int64, (B,)
    """
    epoch, part = divmod(step, -(-count // batch))
    return _shuffled(count, noise.fork(f"epoch{epoch}"))[part * batch : (part + 1) * batch]


@lru_cache(4)
def _shuffled(count: int, noise: Noise) -> Tensor:
    return torch.randperm(count, generator=noise.generator("order"))


def place(pool: Pool, index: Tensor, crop: int, noise: Noise) -> Windows:
    """Draw where each image of `index` is cropped; crop 0 takes whole images, which then have one size."""
    sizes = pool.sizes[index]
    if crop == 0:
        corner = torch.zeros(len(index), dtype=torch.int64)
        return Windows(index, corner, corner, int(sizes[0, 0]), int(sizes[0, 1]))
    u = torch.rand(len(index), 2, generator=noise.generator("crop"))
    top, left = (u * (sizes - crop + 1).clamp_min(1)).long().unbind(1)
    return Windows(index, top, left, crop, crop)


def augment(x: Tensor, noise: Noise) -> Tensor:
    """Flip each image of x, (B, C, H, W), at random, and transpose it where it is square: one of eight symmetries."""
    flips = noise.uniform("flips", (len(x), 3, 1, 1, 1), x.device) < 0.5
    x = torch.where(flips[:, 0], x.flip(2), x)
    x = torch.where(flips[:, 1], x.flip(3), x)
    return torch.where(flips[:, 2], x.transpose(2, 3), x) if x.shape[2] == x.shape[3] else x


def gray(x: Tensor) -> Tensor:
    """Turn RGB, (B, 3, H, W), into gray, (B, 1, H, W)."""
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
