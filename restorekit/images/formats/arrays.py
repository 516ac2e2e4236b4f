"""NPY and NPZ files as images.

Stacks of images in one array file, loaded with numpy, torch and Pillow only.

NPY, NPZ (the packed one of `packed` too) and IDX, the format of MNIST (http://yann.lecun.com/exdb/mnist).

The packed format: an NPZ that holds PNG and JPEG files byte for byte, so that a folder travels as one small file.
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
from numpy.lib import format as npy
from PIL import Image, ImageOps
from torch import Tensor

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import atomic
from restorekit.images.discovery import split_array
from restorekit.images.picture import SPEC_KEY, Array, ArrayLayout, Header, Metadata, Picture, assemble

_MAX_COLOURS = 4  # a last axis this short holds samples, not columns


def probe(path: Path) -> Header:
    """Read the header."""
    file, name = split_array(path)
    if file.endswith(".npz") or zipfile.is_zipfile(file):
        shape, dtype = _members(file)[_pick(file, name)]
        kind = "npz"
    else:
        with Path(file).open("rb") as opened:
            shape, dtype = _header(opened)
        kind = "npy"
    return Header(kind, *_frames(shape), dtype=np.dtype(np.uint8) if dtype.kind == "b" else dtype)


def decode(path: Path) -> Picture:
    """Decode a file."""
    file, name = split_array(path)
    if not zipfile.is_zipfile(file):
        array = np.load(file, allow_pickle=False)
        return _picture("npy", array, ArrayLayout(array.shape), None)
    name = _pick(file, name)
    with zipfile.ZipFile(file) as archive:
        compressed = any(member.compress_type for member in archive.infolist())
    with np.load(file, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    spec = str(arrays.pop(SPEC_KEY)) if SPEC_KEY in arrays else None
    array = arrays.pop(name)
    return _picture("npz", array, ArrayLayout(array.shape, name, arrays, compressed), spec)


def encode_npy(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), in the shape that the array had; NPY has no place for a spec."""
    with path.open("wb") as file:
        np.save(file, _shaped(picture, pixels), allow_pickle=False)


def encode_npz(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), beside the arrays that the file held."""
    layout = picture.metadata.array or ArrayLayout(())
    arrays = {**layout.others, layout.name or "image": _shaped(picture, pixels)}
    if spec is not None:
        arrays[SPEC_KEY] = np.array(spec)
    save = np.savez_compressed if layout.compressed else np.savez
    with path.open("wb") as file:
        save(file, allow_pickle=False, **arrays)


def _picture(kind: str, array: Array, layout: ArrayLayout, spec: str | None) -> Picture:
    notes: tuple[str, ...] = ()
    samples = array.reshape(_frames(array.shape))
    if samples.dtype.kind == "b":
        samples = samples.astype(np.uint8) * 255
        notes = ("boolean array is written as 8-bit numbers",)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    return assemble(kind, samples, Metadata(array=layout), spec=spec, notes=notes)


def _shaped(picture: Picture, samples: Array) -> Array:
    layout = picture.metadata.array
    if layout is not None and samples.shape == _frames(layout.shape):
        return samples.reshape(layout.shape)
    if samples.shape[3] == 1:
        samples = samples[..., 0]
    return samples[0] if len(samples) == 1 else samples


def _frames(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Tell frames, height, width and channels: (H, W), (H, W, C <= 4), (N, H, W) or (N, H, W, C)."""
    if len(shape) == 2:
        return 1, *shape, 1
    if len(shape) == 3 and shape[2] <= _MAX_COLOURS:
        return 1, *shape
    if len(shape) == 3:
        return *shape, 1
    if len(shape) == 4 and not (shape[1] in (1, 3) and shape[3] > _MAX_COLOURS):
        return shape[0], shape[1], shape[2], shape[3]
    raise ImageError(f"an array of images has the shape (H, W), (H, W, C), (N, H, W) or (N, H, W, C), got {shape}")


def _pick(file: str, name: str) -> str:
    """Return which array of an NPZ is the image: the named one, or the only one that could be."""
    members = _members(file)
    if name and name not in members:
        raise ImageError(f"{file} has no array {name!r}; it holds {', '.join(members)}")
    fit = (
        [name]
        if name
        else [key for key, (shape, dtype) in members.items() if 2 <= len(shape) <= 4 and dtype.kind in "ufb"]
    )
    if len(fit) != 1:
        raise ImageError(
            f"{file} holds {len(fit)} arrays that could be the image ({', '.join(fit) or 'none at all'});"
            f" name one as {Path(file).name}:ARRAY"
        )
    return fit[0]


def _members(file: str) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and dtype of each array in an NPZ, from their headers."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            with archive.open(member) as opened:
                found[member.removesuffix(".npy")] = _header(opened)
    return found


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    return shape, dtype


_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FLAT = 28 * 28  # a row of a flattened MNIST image
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


PACKED = {"bytes", "offsets", "names"}  # the arrays of a packed file
_Array = npt.NDArray[Any]
_PACKABLE = (b"\x89PNG", b"\xff\xd8\xff")


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


def unpack(data: _Array, offsets: _Array, names: _Array) -> tuple[Tensor | list[Tensor], tuple[str, ...]]:
    """Decode the files of a packed NPZ.

    Parameters
    ----------
    data : ndarray of uint8
        The files, one after the other.
    offsets : ndarray of int64, (N + 1,)
        Where each begins, and where the last one ends.
    names : ndarray of str, (N,)
        What each is called.

    Returns
    -------
    Tensor, (N, H, W, C), or list of Tensor, (H, W, C)
        The images; a list where they differ in size or type.
    tuple of str
        Their names.

    Raises
    ------
    UsageError
        One of them is damaged.
    """
    images = [_decode(data[a:b], str(name)) for a, b, name in zip(offsets[:-1], offsets[1:], names, strict=True)]
    alike = len({(tuple(image.shape), image.dtype) for image in images}) == 1
    return torch.stack(images) if alike else images, tuple(map(str, names))


def _deep_colour(data: bytes) -> bool:
    """Tell a PNG that Pillow would cut to 8 bits, by the depth and colour type of its header."""
    return data.startswith(_PACKABLE[0]) and data[24:25] == b"\x10" and data[25:26] != b"\0"


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
