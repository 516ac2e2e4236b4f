"""Stacks of images in one array file, loaded with numpy, torch and Pillow only.

NPY, NPZ, IDX (the format of MNIST, http://yann.lecun.com/exdb/mnist) and the packed format: an NPZ that
holds PNG and JPEG files byte for byte.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from restorekit.errors import UsageError
from restorekit.images.atomic import atomic
from restorekit.images.find import split_array

_Array = npt.NDArray[Any]
_PACKED = {"bytes", "offsets", "names"}
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FLAT = 28 * 28  # a row of a flattened MNIST image
_MAX_COLOURS = 4
_PACKABLE = (b"\x89PNG", b"\xff\xd8\xff")


@dataclass(frozen=True, eq=False)
class Stack:
    """Images in memory.

    Attributes
    ----------
    images : Tensor, (N, H, W, C), or list of Tensor, (H, W, C)
        uint8, uint16 or float32; a list where sizes differ.
    labels : Tensor of int64, (N,), or None
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


def pack(paths: Iterable[str | Path], out: str | Path) -> None:
    """Write PNG and JPEG files byte for byte into one packed NPZ.

    Parameters
    ----------
    paths : iterable of path
        In the order in which they are to be packed.
    out : path
        Ends in ``.npz``.

    Raises
    ------
    UsageError
        There are no files, or one is neither PNG nor JPEG, or a PNG of 16 bits and colour.
    """
    files = [Path(path) for path in paths]
    contents = [path.read_bytes() for path in files]
    wrong = next((path for path, data in zip(files, contents, strict=True) if not data.startswith(_PACKABLE)), None)
    if wrong is not None or not files:
        raise UsageError(f"only PNG and JPEG files can be packed, got {wrong or 'none'}; convert the others first")
    deep = next((path for path, data in zip(files, contents, strict=True) if _deep_colour(data)), None)
    if deep is not None:
        raise UsageError(f"PNG files of 16 bits and colour cannot be packed, got {deep}; make an .npy of them")
    offsets = np.cumsum([0, *map(len, contents)], dtype=np.int64)
    with atomic(out) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            bytes=np.frombuffer(b"".join(contents), np.uint8),
            offsets=offsets,
            names=np.array(
                [path.as_posix() if len({p.name for p in files}) < len(files) else path.name for path in files]
            ),
        )


def _deep_colour(data: bytes) -> bool:
    """Tell a PNG that Pillow would cut to 8 bits, by the depth and colour type of its header."""
    return data.startswith(_PACKABLE[0]) and data[24:25] == b"\x10" and data[25:26] != b"\0"


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
    return None if found is None else torch.from_numpy(_read_idx(found).astype(np.int64))


def _load_npz(path: Path, name: str) -> Stack:
    with np.load(path, allow_pickle=False) as stored:
        if not name and set(stored.files) >= _PACKED:
            labels = stored["labels"] if "labels" in stored.files else None
            return _unpack(stored["bytes"], stored["offsets"], stored["names"], labels)
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
    return torch.from_numpy(values.reshape(n).astype(np.int64))


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


def _unpack(data: _Array, offsets: _Array, names: _Array, labels: _Array | None) -> Stack:
    images = [_decode(data[a:b], str(name)) for a, b, name in zip(offsets[:-1], offsets[1:], names, strict=True)]
    alike = len({(tuple(image.shape), image.dtype) for image in images}) == 1
    together = torch.stack(images) if alike else images
    return Stack(together, _labels(labels, len(images)), tuple(map(str, names)))


def _decode(data: _Array, name: str) -> Tensor:
    try:
        with Image.open(io.BytesIO(data.tobytes())) as opened:
            image = np.asarray(ImageOps.exif_transpose(_plain(opened)))
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"the packed image {name} is damaged ({error}); pack it again") from error
    return torch.from_numpy(np.array(image if image.ndim == 3 else image[..., np.newaxis]))


def _plain(image: Image.Image) -> Image.Image:
    """Return palette and black-and-white images as colour and gray."""
    return image.convert({"P": "RGB", "1": "L"}[image.mode]) if image.mode in ("P", "1") else image
