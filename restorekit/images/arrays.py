"""NPY and NPZ files as images."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from restorekit.errors import ImageError
from restorekit.images.find import split_array
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
