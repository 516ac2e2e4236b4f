"""What a set of images offers, wherever they come from.

The images of a folder, a file or a stack, one after the other on [0, 1], for training and measuring.
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import digest
from restorekit.images.discovery import Item, find_images, split_array
from restorekit.images.formats.arrays import Stack, is_stack, load_stack
from restorekit.images.intensity import IntensityRange, RangeOption, range_of, resolve_range, to_unit

if TYPE_CHECKING:
    from restorekit.images.masks import MaskSource
    from restorekit.images.picture import Picture


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
        return digest("".join(digests).encode())


def _digest(image: Tensor) -> str:
    array = np.ascontiguousarray(image.numpy())
    return digest(f"{array.shape} {array.dtype}".encode() + array.tobytes())


__all__ = ["LabelledImages", "Labels", "load_images", "official_test"]

Labels = Literal["folders", "arrays"] | None
UNLABELLED = "unlabelled"  # the folder whose images are of no class that is known
_MANY_FRAMES = (".tif", ".tiff", ".npy", ".npz")


def load_images(
    source: str | Path, limit: int | None = None, labels: Labels = None, range: RangeOption = None
) -> LabelledImages:
    """Open the images of a folder, a file, a multi-page TIFF or a stack.

    Parameters
    ----------
    source : path
        A folder (searched with its sub-folders), an image file, or a stack (see `load_stack`).
    limit : int, optional
        Take only so many, from the first on.
    labels : "folders", "arrays" or None
        Number the images by the name of their folder, or take what the stack holds. None: a stack's labels
        where it has them. Images in a folder ``unlabelled``, or with label -1, or 255 in unsigned bytes, have -1.
    range : "auto", (low, high) or None
        As in `resolve_range`; a stack has one range for all of its images.

    Returns
    -------
    LabelledImages

    Raises
    ------
    UsageError
        Nothing is there, or the labels asked for are not.
    """
    if is_stack(source):
        return _StackImages(_limited(load_stack(source), limit), labels, range, Path(source))
    items = find_images(source)
    if labels == "arrays":
        raise UsageError(f"--labels arrays needs a stack that holds labels, got {source}; use --labels folders")
    return _FileImages(items, limit, labels, range)


def official_test(source: str | Path) -> Path | None:
    """Return the test set that belongs to a training set by its name: t10k-images* beside train-images*."""
    path = Path(source)
    if not (path.name.startswith("train") and "-images" in path.name):
        return None
    test = path.with_name("t10k" + path.name[path.name.index("-images") :])
    beside = (test, test.with_suffix("") if test.suffix == ".gz" else test.with_name(test.name + ".gz"))
    return next((p for p in beside if p.is_file()), None)


class _Frame(NamedTuple):
    item: Item
    number: int
    key: str


@dataclass(eq=False)
class _FileImages(LabelledImages):
    """Files, decoded on access; the last one is kept, as the frames of a file come one after the other."""

    items: list[Item]
    limit: int | None = None
    numbering: Labels = None
    option: RangeOption = None
    _last: tuple[Path, Picture] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._frames = list(islice(chain.from_iterable(map(_frames, self.items)), self.limit))
        self.keys = tuple(frame.key for frame in self._frames)
        if self.numbering == "folders":
            folders = [frame.item.key.rpartition("/")[0] for frame in self._frames]
            self.label_names = tuple(sorted({folder for folder in folders if not _unlabelled(folder)}))
            numbers = {name: i for i, name in enumerate(self.label_names)}
            self.labels = torch.tensor([numbers.get(folder, -1) for folder in folders])
            if len(self.label_names) < 2:
                raise UsageError(
                    f"--labels folders needs at least two sub-folders, not counting {UNLABELLED!r}, got "
                    f"{len(self.label_names)} in the source"
                )

    def raw(self, i: int) -> Tensor:
        frame = self._frames[i]
        return torch.from_numpy(self._picture(frame).pixels[frame.number])

    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        return resolve_range(self._picture(self._frames[i]), self.option)

    def missing(self, i: int) -> Tensor | None:
        frame = self._frames[i]
        marked = self._masks.missing(frame.item, self._picture(frame)).missing
        return None if marked is None else torch.from_numpy(marked[frame.number if len(marked) > 1 else 0].copy())

    @cached_property
    def _masks(self) -> MaskSource:
        from restorekit.images.masks import parse_mask

        return parse_mask(None)

    @cached_property
    def sizes(self) -> Tensor:
        from restorekit.images.formats import probe

        headers = {item: probe(item.path) for item in dict.fromkeys(frame.item for frame in self._frames)}
        return torch.tensor([(headers[f.item].height, headers[f.item].width) for f in self._frames])

    def _picture(self, frame: _Frame) -> Picture:
        from restorekit.images.formats import read

        path, last = frame.item.path, self._last
        if last is None or last[0] != path:
            last = path, read(path)
            self._last = last  # one assignment: several threads may read at once
        return last[1]


@dataclass(eq=False)
class _StackImages(LabelledImages):
    """A stack in memory."""

    stack: Stack
    numbering: Labels
    option: RangeOption
    source: Path

    def __post_init__(self) -> None:
        name = Path(split_array(self.source)[0]).name
        self.keys = tuple(f"{name}#{image}" for image in self.stack.names)
        self.labels = self.stack.labels
        if self.numbering == "folders":
            raise UsageError(
                f"--labels folders needs a folder with sub-folders, got the stack {self.source}; use --labels arrays"
            )
        if self.numbering == "arrays" and self.labels is None:
            raise UsageError(
                f"{self.source} holds no labels; leave --labels out or put an array 'labels' beside the images"
            )
        if self.labels is not None and len(self.labels):
            self.label_names = tuple(str(k) for k in range(int(self.labels.max()) + 1))

    def raw(self, i: int) -> Tensor:
        image = self.stack.images[i]
        return torch.nan_to_num(image, 0.0, 0.0, 0.0) if image.is_floating_point() else image

    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        return self._ranges[i] if len(self._ranges) > 1 else self._ranges[0]

    def missing(self, i: int) -> Tensor | None:
        image = self.stack.images[i]
        unknown = ~torch.isfinite(image) if image.is_floating_point() else None
        return unknown if unknown is not None and bool(unknown.any()) else None

    @cached_property
    def sizes(self) -> Tensor:
        return torch.tensor([image.shape[:2] for image in self.stack.images])

    @cached_property
    def _ranges(self) -> list[tuple[IntensityRange, str | None]]:
        """One range for all, or one each where the images differ in size and perhaps in depth."""
        images = self.stack.images
        return [_range(part, self.option) for part in (images if isinstance(images, list) else [images])]


def _unlabelled(folder: str) -> bool:
    return folder == UNLABELLED or folder.startswith(f"{UNLABELLED}/")


def _frames(item: Item) -> Iterator[_Frame]:
    n = _count(item.path)
    return (_Frame(item, i, item.key if n == 1 else f"{item.key}#{i}") for i in builtins.range(n))


def _count(path: Path) -> int:
    """Return how many images a file holds; one where it cannot be read, which is told when its turn comes."""
    if not path.suffix.lower().startswith(_MANY_FRAMES):
        return 1
    from restorekit.images.formats import probe

    try:
        return probe(path).frames
    except ImageError:
        return 1


def _range(images: Tensor, option: RangeOption) -> tuple[IntensityRange, str | None]:
    if not images.is_floating_point():
        return range_of(images.numpy(), None, option)
    return range_of(torch.nan_to_num(images, 0.0, 0.0, 0.0).numpy(), (~torch.isfinite(images)).numpy(), option)


def _limited(stack: Stack, limit: int | None) -> Stack:
    labels = None if stack.labels is None else stack.labels[:limit]
    return Stack(stack.images[:limit], labels, stack.names[:limit])
