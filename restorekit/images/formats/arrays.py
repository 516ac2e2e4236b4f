"""Read and write NPY, NPZ and IDX: arrays that hold one image or many.

IDX is the format of MNIST (http://yann.lecun.com/exdb/mnist). Only numpy is needed, so that training can read arrays
without the libraries of the other formats.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from restorekit.core.errors import ImageError, printable
from restorekit.images.axes import Shape, axes_of, frames_shape, from_frames, shortest_shape, to_frames
from restorekit.images.discovery import split_array
from restorekit.images.picture import SPEC_KEY, Array, ArrayLayout, Header, Metadata, Picture, assemble

PACKED = {"bytes", "offsets", "names"}  # the arrays of a packed NPZ; see `restorekit.images.stacks.pack`
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_CODES = {np.dtype(text).newbyteorder("="): code for code, text in IDX_TYPES.items()}
_GZIP = b"\x1f\x8b"
MAX_HEADER = 2**20  # bytes of the text that describes an array
MAX_OTHERS = 2**28  # bytes of the other arrays of an NPZ, unless the file is at least a quarter as large


class _Entry(NamedTuple):
    """Header of the array that holds the images of a file."""

    kind: str
    name: str
    shape: Shape
    dtype: np.dtype[Any]
    axes: str


def probe(path: Path, axes: str | None = None) -> Header:
    """Read the header; the axes are those of `restorekit.images.axes.parse_axes`."""
    entry = _entry(path, axes)
    dtype = entry.dtype.newbyteorder("=")
    if dtype.kind == "b" or (_is_odd(dtype) and is_bilevel(_load(path, entry))):
        dtype = np.dtype(np.uint8)
    return Header(entry.kind, *frames_shape(entry.shape, entry.axes), dtype=dtype)


def decode(path: Path, axes: str | None = None) -> Picture:
    """Decode a file.

    Booleans, and integers that are all 0 or 1, are black and white: 1 becomes the largest number of uint8 or uint16.
    """
    entry = _entry(path, axes)
    array = _load(path, entry)
    bilevel, spec, notes = is_bilevel(array), None, list[str]()
    layout = ArrayLayout(entry.shape, entry.axes, entry.name, bilevel=bilevel, compressed=_is_compressed(path, entry))
    if entry.kind == "npz":
        file = split_array(path)[0]
        members = _members(file)
        objects = [key for key, (_, dtype) in members.items() if dtype.hasobject and key != entry.name]
        others_size = sum(
            math.prod(shape) * dtype.itemsize for key, (shape, dtype) in members.items() if key != entry.name
        )
        if others_size > max(MAX_OTHERS, 4 * Path(file).stat().st_size):
            raise ImageError(
                f"{path} holds other arrays of {others_size / 2**30:.1f} GB; save the images to a file of their own"
            )
        with np.load(file, allow_pickle=False) as stored:
            dropped = len(stored.files) > len(members)
            others = {key: stored[key] for key in members if key != entry.name and key not in objects}
        notes = ["files in the NPZ that are no arrays are dropped"] if dropped else []
        notes += [f"the array {key!r} holds Python objects and is dropped" for key in objects]
        spec = str(others.pop(SPEC_KEY)) if SPEC_KEY in others else None
        layout = replace(layout, others=others)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if bilevel:
        dtype = np.dtype(np.uint8) if array.dtype.kind == "b" or _is_odd(array.dtype) else array.dtype
        notes.append(f"an array of 0 and 1 is written as {dtype.name}, 0 to {np.iinfo(dtype).max}")
        array = (array != 0).astype(dtype) * dtype.type(np.iinfo(dtype).max)
    metadata = Metadata(array=layout)
    return assemble(entry.kind, to_frames(array, entry.axes), metadata, spec=spec, notes=tuple(notes))


def encode_npy(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), with the axes that the array had; NPY has no place for a spec."""
    with path.open("wb") as file:
        np.save(file, _stored(picture, pixels), allow_pickle=False)


def encode_npz(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), and the other arrays that the file held."""
    layout = picture.metadata.array or ArrayLayout((), "")
    arrays = {**layout.others, layout.name or "image": _stored(picture, pixels)}
    if spec is not None:
        arrays[SPEC_KEY] = np.array(spec)
    save = np.savez_compressed if layout.compressed else np.savez
    with path.open("wb") as file:
        save(file, allow_pickle=False, **arrays)


def encode_idx(path: Path, picture: Picture, pixels: Array, spec: str | None) -> None:
    """Write samples, (N, H, W, S), gzipped if the file was; IDX has no place for a spec."""
    layout, array = picture.metadata.array, _stored(picture, pixels)
    code = _IDX_CODES[array.dtype]
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    data = head + array.astype(IDX_TYPES[code]).tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if layout is not None and layout.compressed else data)


def is_bilevel(array: Array) -> bool:
    """Return whether an array holds booleans, or integers that are all 0 or 1 and not all 0."""
    if array.dtype.kind == "b":
        return True
    return array.dtype.kind in "ui" and array.size > 0 and bool(array.max() == 1 and array.min() >= 0)


def read_idx(path: Path) -> Array:
    """Return the array of an IDX file, gzipped or not, in the byte order of the file."""
    with _open_idx(path) as file:
        shape, dtype = _idx_header(file)
        size = math.prod(shape) * dtype.itemsize
        data = file.read(size + 1)  # and no more: a small gzip file may unpack to any size
    if len(data) != size:
        held = "more" if len(data) > size else f"{len(data)}"
        raise ValueError(f"expected {size} bytes of numbers, got {held}")
    return np.frombuffer(data, dtype).reshape(shape)


def _entry(path: Path, axes: str | None) -> _Entry:
    """Find the array that holds the images, and read its header."""
    file, name = split_array(path)
    if is_archive(file):
        members = _members(file)
        name = _pick(file, name, members, axes)
        shape, dtype = members[name]
        labels = labels_name(name, members)
        labelled = labels is not None and is_label_shape(*members[labels]) and members[labels][0][:1] == shape[:1]
        return _Entry("npz", name, shape, dtype, axes_of(shape, axes, labelled))
    with Path(file).open("rb") as opened:
        if opened.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            opened.seek(0)
            shape, dtype = _npy_header(opened)
            if dtype.hasobject:
                raise ImageError("it holds Python objects, which are never loaded; save it as numbers")
            return _Entry("npy", "", shape, dtype, axes_of(shape, axes))
    with _open_idx(Path(file)) as opened:
        shape, dtype = _idx_header(opened)
    return _Entry("idx", "", shape, dtype, axes_of(shape, axes or ("NHW" if len(shape) == 3 else None)))


def is_archive(file: str) -> bool:
    """Return whether a file is a ZIP archive; ImageError for the start of one."""
    if zipfile.is_zipfile(file):
        return True
    with Path(file).open("rb") as opened:
        if opened.read(4) == b"PK\x03\x04":
            raise ImageError("the archive is truncated: it has no end; get a complete copy of the file")
    return False


def _pick(file: str, name: str, members: dict[str, tuple[Shape, np.dtype[Any]]], axes: str | None) -> str:
    """Return the name of the array that holds the images: the requested one, or the only one that can."""
    if name and name not in members:
        raise ImageError(f"{file} has no array {name!r}; it holds {printable(', '.join(members)) or 'none'}")
    if name:
        return name
    if members.keys() >= PACKED:
        raise ImageError(
            f"{file} is a packed NPZ, which train and evaluate read; restore the files packed in it instead"
        )
    lengths = {2, 3, 4} if axes is None else {len(part) for part in axes.split(",")}
    images = [
        key
        for key, (shape, dtype) in members.items()
        if len(shape) in lengths and dtype.kind in "ufib" and not is_label_shape(shape, dtype)
    ]
    if not images:
        names = ", ".join(f"{key} {shape} {dtype}" for key, (shape, dtype) in [*members.items()][:5]) or "none"
        raise ImageError(f"{file} holds no array that could be an image; its arrays: {printable(names)}")
    if len(images) != 1:
        raise ImageError(
            f"{file} holds {len(images)} arrays that could be the image ({printable(', '.join(images[:20]))});"
            f" name one as {Path(file).name}:ARRAY"
        )
    return images[0]


def labels_name(images: str, names: Collection[str]) -> str | None:
    """Return which array of an NPZ holds the labels of the images, by its name; None if none does."""
    swaps = (("images", "labels"), ("x_", "y_"), ("X_", "y_"))
    swapped = [images.replace(a, b) for a, b in swaps if a in images]
    return next((name for name in (*swapped, f"{images}_labels", "labels", "y") if name in names), None)


def is_label_shape(shape: Shape, dtype: np.dtype[Any]) -> bool:
    """Return whether an array of this shape and type, (N,) or (N, 1) integers, can hold labels."""
    return dtype.kind in "ui" and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))


def _members(file: str) -> dict[str, tuple[Shape, np.dtype[Any]]]:
    """Return shape and dtype of each array in an NPZ, from their headers."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        arrays = [name for name in names if name.endswith(".npy")]
        if names and not arrays:
            raise ImageError("it is a ZIP archive of other files than arrays (NPY); unpack it first")
        for member in arrays:
            with archive.open(member) as opened:
                found[member.removesuffix(".npy")] = _npy_header(opened)
    return found


def read_packed(path: Path, names: Collection[str]) -> dict[str, Array] | None:
    """Return the arrays of an NPZ that holds all of `names`; None if it lacks one."""
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files} if set(stored.files) >= set(names) else None


def _npy_header(file: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    version = npy.read_magic(file)
    size = file.read(2 if version == (1, 0) else 4)
    if (length := int.from_bytes(size, "little")) > MAX_HEADER:  # which numpy would read first
        raise ImageError(f"the header of an array states {length} bytes; get a complete copy of the file")
    text = file.read(length)
    if b"\\" in text:  # Python warns of odd escapes on the terminal
        raise ValueError("its header is not valid")
    head = io.BytesIO(size + text)
    shape, _, dtype = npy.read_array_header_1_0(head) if version == (1, 0) else npy.read_array_header_2_0(head)
    return shape, dtype


def _open_idx(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(len(_GZIP)) == _GZIP
    return gzip.open(path) if zipped else path.open("rb")  # type: ignore[return-value]  # a GzipFile reads bytes too


def _idx_header(file: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    head = file.read(4)
    if len(head) < 4:
        raise ValueError("it ends within its first four bytes")
    zeros, code, dimensions = struct.unpack(">HBB", head)
    if zeros or code not in IDX_TYPES:
        raise ImageError("it holds no array of the IDX format, the only one that is read packed with gzip; unpack it")
    return struct.unpack(f">{dimensions}I", file.read(4 * dimensions)), np.dtype(IDX_TYPES[code])


def _load(path: Path, entry: _Entry) -> Array:
    """Return the array that holds the images as it is stored."""
    file = split_array(path)[0]
    if entry.kind == "idx":
        return read_idx(Path(file))
    stored = np.load(file, allow_pickle=False)
    if entry.kind == "npy":
        return np.asarray(stored)
    with stored:
        return np.asarray(stored[entry.name])


def _is_compressed(path: Path, entry: _Entry) -> bool:
    file = split_array(path)[0]
    if entry.kind == "npz":
        with zipfile.ZipFile(file) as archive:
            return any(member.compress_type for member in archive.infolist())
    with Path(file).open("rb") as opened:
        return opened.read(len(_GZIP)) == _GZIP


def _is_odd(dtype: np.dtype[Any]) -> bool:
    """Return whether a type holds integers without a known white, which are read only as black and white."""
    return dtype.kind == "i" or (dtype.kind == "u" and dtype.itemsize > 2)


def _stored(picture: Picture, samples: Array) -> Array:
    """Return samples, (N, H, W, S), with the axes of the array that the picture was read from."""
    layout = picture.metadata.array
    if layout is not None and frames_shape(layout.shape, layout.axes)[0] == len(samples):
        return from_frames(samples, layout.shape, layout.axes)
    return samples.reshape(shortest_shape(samples.shape))
