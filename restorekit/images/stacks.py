"""Stacks of images in one array file, loaded with numpy, torch and Pillow only.

NPY, NPZ (the packed one of `packed` too) and IDX, the format of MNIST (http://yann.lecun.com/exdb/mnist).
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.errors import UsageError
from restorekit.images.find import split_array
from restorekit.images.packed import PACKED, unpack

_Array = npt.NDArray[Any]
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FLAT = 28 * 28  # a row of a flattened MNIST image
_MAX_COLOURS = 4
_NONE = 255  # as a byte, the label of an image whose class is unknown


@dataclass(frozen=True, eq=False)
class Stack:
    """Images in memory.

    Attributes
    ----------
    images : Tensor, (N, H, W, C), or list of Tensor, (H, W, C)
        uint8, uint16 or float32; a list where sizes differ.
    labels : Tensor of int64, (N,), or None
        -1 = unknown.
    names : tuple of str
        One per image.
    """

    images: Tensor | list[Tensor]
    labels: Tensor | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def is_stack(source: str | Path) -> bool:
    """Say whether a path names an array file: NPY, NPZ, ``FILE.npz:ARRAY`` or IDX."""
    file, _ = split_array(source)
    return file.endswith((".npy", ".npz")) or _is_idx(file)


def load_stack(source: str | Path) -> Stack:
    """Load a stack.

    Parameters
    ----------
    source : path
        ``.npy``, ``.npz``, ``FILE.npz:ARRAY``, or IDX images (``-idx3-ubyte``, ``.idx``, both also ``.gz``),
        whose labels are looked for beside them.

    Returns
    -------
    Stack
        Arrays that hold only 0 and 1 are floats; their rows become squares where flattened.

    Raises
    ------
    UsageError
        The file is missing or damaged, or holds no such array or no images.
    """
    file, name = split_array(source)
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file}; check the path")
    try:
        if _is_idx(file):
            return _stack(_read_idx(path), _idx_labels(path), path)
        if file.endswith(".npy"):
            return _stack(np.load(path, allow_pickle=False), None, path)
        return _load_npz(path, name)
    except (OSError, EOFError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise UsageError(f"{source} is truncated or damaged ({error}); get a whole copy of the file") from error


def _is_idx(file: str) -> bool:
    return file.removesuffix(".gz").endswith(("-ubyte", ".idx"))


def _read_idx(path: Path) -> _Array:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros or kind not in _IDX_TYPES:
            raise ValueError("its first bytes are not those of the IDX format")
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        array = np.frombuffer(file.read(), _IDX_TYPES[kind])
    if array.size != math.prod(shape):
        raise ValueError(f"expected {math.prod(shape)} numbers, got {array.size}")
    return array.reshape(shape).astype(array.dtype.newbyteorder("="))


def _idx_labels(path: Path) -> Tensor | None:
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    beside = (path.with_name(n) for n in (name, name.removesuffix(".gz"), name + ".gz") if n != path.name)
    found = next((p for p in beside if p.is_file()), None)
    return None if found is None else _known(_read_idx(found))


def _load_npz(path: Path, name: str) -> Stack:
    with np.load(path, allow_pickle=False) as stored:
        if not name and set(stored.files) >= PACKED:
            labels = stored["labels"] if "labels" in stored.files else None
            images, names = unpack(stored["bytes"], stored["offsets"], stored["names"])
            return Stack(images, _labels(labels, len(images)), names)
        arrays = stored.files
        if name and name not in arrays:
            raise UsageError(f"{path} has no array {name!r}; it holds {', '.join(arrays) or 'none'}")
        fit = [name] if name else [key for key in arrays if stored[key].ndim >= 2]
        if len(fit) != 1:
            raise UsageError(
                f"{path} holds the arrays {', '.join(arrays) or 'none'}; name the images as {path.name}:ARRAY"
            )
        beside = next((key for key in _label_names(fit[0]) if key in arrays and key != fit[0]), None)
        labels = None if beside is None else stored[beside]
        return _stack(stored[fit[0]], _labels(labels, len(stored[fit[0]])), path)


def _label_names(images: str) -> tuple[str, ...]:
    swapped = [images.replace(a, b) for a, b in (("images", "labels"), ("x_", "y_"), ("X_", "y_")) if a in images]
    return (*swapped, f"{images}_labels", "labels", "y")


def _labels(values: _Array | None, n: int) -> Tensor | None:
    """Return integer labels, one per image; None where the array is something else."""
    if values is None or values.dtype.kind not in "ui" or values.shape not in ((n,), (n, 1)):
        return None
    return _known(values.reshape(n))


def _known(values: _Array) -> Tensor:
    """Return labels as int64: -1, or the 255 of unsigned bytes, which have no -1, says that one is unknown."""
    labels = torch.from_numpy(values.astype(np.int64))
    return torch.where(labels == _NONE, -1, labels) if values.dtype == np.uint8 else labels


def _stack(array: _Array, labels: Tensor | None, path: Path) -> Stack:
    images = torch.from_numpy(_numbers(_framed(array, path), path))
    if labels is not None and len(labels) != len(images):
        raise UsageError(f"{path} holds {len(images)} images but {len(labels)} labels lie beside it; expected as many")
    width = len(str(max(len(images) - 1, 0)))
    return Stack(images, labels, tuple(f"{i:0{width}d}" for i in range(len(images))))


def _framed(array: _Array, path: Path) -> _Array:
    """Bring an array into the shape (N, H, W, C)."""
    if array.ndim == 2 and _flattened(array):
        side = math.isqrt(array.shape[1])
        return array.reshape(-1, side, side, 1)
    if array.ndim == 2:
        return array[np.newaxis, ..., np.newaxis]
    if array.ndim == 3:
        return array[np.newaxis] if array.shape[2] <= _MAX_COLOURS else array[..., np.newaxis]
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] > _MAX_COLOURS:
        return array.transpose(0, 2, 3, 1)
    if array.ndim == 4:
        return array
    raise UsageError(f"{path} holds an array of shape {array.shape}; expected (N, H, W) or (N, H, W, C)")


def _flattened(array: _Array) -> bool:
    """Tell rows that are flattened squares from the rows of one image, which may have a square number of columns."""
    n, size = array.shape
    square = math.isqrt(size) ** 2 == size
    return size == _FLAT or (square and size > 1 and n != size and _binary(array))


def _binary(array: _Array) -> bool:
    return array.size > 0 and array.max() == 1 and bool(((array == 0) | (array == 1)).all())


def _numbers(array: _Array, path: Path) -> _Array:
    """Bring an array to uint8, uint16 or float32."""
    if array.dtype.kind == "b" or (array.dtype.kind in "uif" and _binary(array)) or array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float32)
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    raise UsageError(f"{path} holds {array.dtype.name} numbers; expected uint8, uint16 or floats")
