"""From opened images to what a training needs: who is held out, and pools of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.errors import UsageError
from restorekit.images.dataset import LabelledImages
from restorekit.pool import FULL, HeldPool, Pool, StreamedPool

HELD = 20  # images held out for validation, at most
BUDGET = 8 * 2**30  # bytes of pixels that are held on the device; more are streamed


def hold_out(keys: Sequence[str], count: int | None = None) -> tuple[list[int], list[int]]:
    """Split indices into training and validation, evenly over the sorted names.

    Parameters
    ----------
    keys : sequence of str
        Names of the images, in order.
    count : int or None
        How many are held out; None: one in twenty, from 1 to `HELD`.

    Returns
    -------
    (train, held) : lists of int
        An image whose name continues a held one's, or the other way round, is in neither: ``barn_d.jpg`` is
        likely a part of ``barn.jpg``.
    """
    if len(keys) < 2:
        raise UsageError(
            f"training needs at least 2 images, one of them to validate on, got {len(keys)}; give --validation"
        )
    count = min(HELD, max(1, len(keys) // 20)) if count is None else count
    held = [len(keys) * (2 * i + 1) // (2 * count) for i in range(count)]
    stems = [key if "#" in key else str(PurePath(key).with_suffix("")) for key in keys]  # name.npy#3 is a frame
    apart = {stems[i] for i in held}
    train = [i for i, stem in enumerate(stems) if stem not in apart and not _kin(stem, apart)]
    if not train:
        raise UsageError(
            f"holding out {count} of {len(keys)} images leaves none to train on; give --validation a folder"
        )
    return train, held


def _kin(stem: str, others: set[str]) -> bool:
    """Say whether one of the others continues the stem with an underscore, or the stem one of them."""
    return any(stem.startswith(f"{o}_") or o.startswith(f"{stem}_") for o in others)


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
    """
    first = images.raw(index[0])
    if int(images.sizes.prod(1).sum()) * first.shape[2] * first.element_size() > BUDGET:
        return StreamedPool(lambda i: images.raw(index[i]), images.sizes[list(index)], first.shape[2], device)
    raw = [images.raw(i) for i in index]
    channels = max(t.shape[2] for t in raw)
    if channels not in (1, 3) and len({t.shape[2] for t in raw}) > 1:
        raise UsageError(f"training needs images of one channel count, got {sorted({t.shape[2] for t in raw})}")
    if len({t.dtype for t in raw}) > 1 or first.dtype not in FULL:
        raw = [images[i].permute(1, 2, 0) for i in index]
    wide = [t.expand(-1, -1, channels) for t in raw]
    return HeldPool([_scaled(t, s) for s in scales for t in wide], device)


def _scaled(image: Tensor, scale: float) -> Tensor:
    """Shrink an image, (H, W, C), with anti-aliasing, in its own dtype."""
    if scale == 1:
        return image
    full = FULL.get(image.dtype, 1.0)
    unit = image.permute(2, 0, 1)[None].float() / full
    small = F.interpolate(unit, scale_factor=scale, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    small = small[0].permute(1, 2, 0) * full
    return small.round().to(image.dtype) if image.dtype in FULL else small


def names(images: LabelledImages, index: Sequence[int]) -> list[str]:
    """Return the names of some images."""
    return [images.keys[i] for i in index]


def labels(images: LabelledImages, index: Sequence[int], copies: int = 1) -> Tensor | None:
    """Return the class indices of some images, repeated for each scale."""
    return None if images.labels is None else images.labels[list(index)].repeat(copies)
