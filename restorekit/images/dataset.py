"""Images of a folder, a file or a stack in order, on [0, 1], for training and evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import digest
from restorekit.images.discovery import Item, find_images, split_array
from restorekit.images.formats import probe, read
from restorekit.images.intensity import IntensityRange, RangeOption, resolve_range, to_unit
from restorekit.images.picture import Picture
from restorekit.images.stacks import Stack, is_stack, load_stack
from restorekit.images.validity import no_data

__all__ = ["LabelledImages", "Labels", "load_images", "official_test"]

Labels = Literal["folders", "arrays"] | None
UNLABELLED = "unlabelled"  # the folder whose images are of no known class
_MANY_FRAMES = (".tif", ".tiff", ".npy", ".npz")


class LabelledImages(ABC):
    """Images in order, read on access.

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
        return digest("".join(sorted(self._image_digest(i) for i in range(len(self)))).encode())

    def drop_unreadable(self) -> dict[str, str]:
        """Remove the images that cannot be read; return the error of each by its name.

        Every image is decoded once, and its digest kept for `fingerprint`.
        """
        return {}

    def _image_digest(self, i: int) -> str:
        array = np.ascontiguousarray(self.raw(i).numpy())
        return digest(f"{array.shape} {array.dtype}".encode() + array.tobytes())


def load_images(
    source: str | Path,
    limit: int | None = None,
    labels: Labels = None,
    range: RangeOption = None,
    axes: str | None = None,
) -> LabelledImages:
    """Open the images of a folder, a file, a multi-page TIFF or a stack.

    Parameters
    ----------
    source : path
        A folder (searched with its sub-folders), an image file, or a stack (see `load_stack`).
    limit : int, optional
        At most this many images, from the first on.
    labels : "folders", "arrays" or None
        Number the images by the name of their folder, or take the labels of the stack. None: a stack's labels
        if it has them. Images in a folder ``unlabelled``, or with label -1, or 255 in unsigned bytes, have -1.
    range : "auto", (low, high) or None
        As in `resolve_range`; a stack has one range for all of its images.
    axes : str, optional
        Axes of arrays, as in `restorekit.images.formats.probe`.

    Returns
    -------
    LabelledImages

    Raises
    ------
    UsageError
        There are no images, or not the labels asked for.
    """
    if is_stack(source):
        stack = load_stack(source, axes)
        known, missing = stack.labels, stack.missing
        stack = replace(
            stack,
            images=stack.images[:limit],
            labels=None if known is None else known[:limit],
            names=stack.names[:limit],
            missing=None if missing is None else missing[:limit],
        )
        return _StackImages(stack, labels, range, Path(source))
    items = find_images(source)
    if labels == "arrays":
        raise UsageError(f"--labels arrays needs a stack that holds labels, got {source}; use --labels folders")
    return _FileImages(items, limit, labels, range, axes)


def official_test(source: str | Path) -> Path | None:
    """Return the test set next to a training set, by its name: t10k-images* for train-images*."""
    path = Path(source)
    if not (path.name.startswith("train") and "-images" in path.name):
        return None
    test = path.with_name("t10k" + path.name[path.name.index("-images") :])
    other = test.with_suffix("") if test.suffix == ".gz" else test.with_name(test.name + ".gz")
    return next((p for p in (test, other) if p.is_file()), None)


class _Frame(NamedTuple):
    item: Item
    number: int
    key: str


@dataclass(eq=False)
class _Decoded:
    """A file in memory; what holds for all of its frames is found once."""

    item: Item
    picture: Picture
    option: RangeOption

    @cached_property
    def range(self) -> tuple[IntensityRange, str | None]:
        return resolve_range(self.picture, self.option)

    @cached_property
    def missing(self) -> npt.NDArray[np.bool_] | None:
        from restorekit.images.masks import parse_mask  # arrays need no mask files

        masks = parse_mask(None, confirmed=True)  # training hides most pixels at times
        marked, empty = masks.missing(self.item, self.picture).missing, no_data(self.picture)
        return marked if empty is None else empty if marked is None else marked | empty


@dataclass(eq=False)
class _FileImages(LabelledImages):
    """Files, decoded on access; the last one is kept, as the frames of a file come one after the other."""

    items: list[Item]
    limit: int | None = None
    numbering: Labels = None
    option: RangeOption = None
    axes: str | None = None
    _last: _Decoded | None = field(default=None, init=False, repr=False)
    _digests: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._frames = list(islice(self._all_frames(), self.limit))
        self.keys = tuple(frame.key for frame in self._frames)
        if self.numbering == "folders":
            folders = [frame.item.key.rpartition("/")[0] for frame in self._frames]
            known = {folder for folder in folders if folder.partition("/")[0] != UNLABELLED}
            self.label_names = tuple(sorted(known))
            numbers = {name: i for i, name in enumerate(self.label_names)}
            self.labels = torch.tensor([numbers.get(folder, -1) for folder in folders])
            if len(self.label_names) < 2:
                raise UsageError(
                    f"--labels folders needs at least two sub-folders, not counting {UNLABELLED!r}, got "
                    f"{len(self.label_names)} in the source"
                )

    def drop_unreadable(self) -> dict[str, str]:
        errors = dict[str, str]()
        for i, key in enumerate(self.keys):
            try:
                self._digests[key] = self._image_digest(i)
            except ImageError as error:
                errors[key] = str(error)
        kept = [i for i, key in enumerate(self.keys) if key not in errors]
        self._frames = [self._frames[i] for i in kept]
        self.keys = tuple(frame.key for frame in self._frames)
        self.labels = None if self.labels is None else self.labels[kept]
        return errors

    def _image_digest(self, i: int) -> str:
        return self._digests.get(self.keys[i]) or super()._image_digest(i)

    def raw(self, i: int) -> Tensor:
        frame = self._frames[i]
        picture = self._decoded(frame).picture
        return torch.from_numpy(np.ascontiguousarray(picture.cropped(picture.pixels[frame.number], frame.number)))

    def missing(self, i: int) -> Tensor | None:
        frame = self._frames[i]
        decoded = self._decoded(frame)
        marked, number = decoded.missing, frame.number
        missing = None if marked is None else decoded.picture.cropped(marked[number if len(marked) > 1 else 0], number)
        return None if missing is None or not missing.any() else torch.from_numpy(missing.copy())

    @cached_property
    def sizes(self) -> Tensor:
        headers = {item: probe(item.path, self.axes) for item in dict.fromkeys(frame.item for frame in self._frames)}
        own = ((headers[f.item], f.number) for f in self._frames)
        return torch.tensor([h.shapes[i][:2] if h.shapes else (h.height, h.width) for h, i in own])

    def _all_frames(self) -> Iterator[_Frame]:
        """Yield the frames of all files; a file that cannot be read counts as one, and fails when it is read."""
        for item in self.items:
            n = 1
            if item.path.suffix.lower().startswith(_MANY_FRAMES):
                with suppress(ImageError):
                    n = probe(item.path, self.axes).frames
            yield from (_Frame(item, i, item.key if n == 1 else f"{item.key}#{i}") for i in range(n))

    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        return self._decoded(self._frames[i]).range

    def _decoded(self, frame: _Frame) -> _Decoded:
        last = self._last
        if last is None or last.item.path != frame.item.path:
            last = _Decoded(frame.item, read(frame.item.path, axes=self.axes), self.option)
            self._last = last  # one assignment: several threads may read at once
        return last


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
            raise UsageError(f"{self.source} holds no labels; remove --labels or add an array 'labels' to the file")
        if self.labels is not None and len(self.labels):
            self.label_names = tuple(str(k) for k in range(int(self.labels.max()) + 1))

    def raw(self, i: int) -> Tensor:
        return self.stack.images[i]

    def missing(self, i: int) -> Tensor | None:
        missing = None if self.stack.missing is None else self.stack.missing[i]
        return missing if missing is not None and bool(missing.any()) else None

    @cached_property
    def sizes(self) -> Tensor:
        return torch.tensor([image.shape[:2] for image in self.stack.images])

    def _resolved(self, i: int) -> tuple[IntensityRange, str | None]:
        return self._ranges[i] if len(self._ranges) > 1 else self._ranges[0]

    @cached_property
    def _ranges(self) -> list[tuple[IntensityRange, str | None]]:
        """One range for all, or one each if the images differ in size and perhaps in depth."""
        images, missing = self.stack.images, self.stack.missing
        unknown = None if missing is None else missing.numpy()
        parts = images if isinstance(images, list) else [images]
        return [resolve_range(Picture(p.numpy(), missing=unknown, spec=self.stack.spec), self.option) for p in parts]
