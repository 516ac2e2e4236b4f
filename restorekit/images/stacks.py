"""Stacks: the images of one array file or packed NPZ in memory, with their labels.

Loaded with numpy, torch and Pillow only. A packed NPZ holds PNG and JPEG files byte for byte, so that a folder travels
as one small file.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import atomic
from restorekit.images.discovery import split_array
from restorekit.images.formats import read
from restorekit.images.formats.arrays import PACKED, is_label_shape, labels_name, read_idx, read_packed
from restorekit.images.picture import Array, Picture

_UNKNOWN = 255  # in unsigned bytes, the label of an image whose class is unknown
_PNG, _JPEG = b"\x89PNG", b"\xff\xd8\xff"


@dataclass(frozen=True, eq=False)
class Stack:
    """Images in memory.

    Attributes
    ----------
    images : Tensor, (N, H, W, C), or list of Tensor, (H, W, C)
        uint8, uint16 or float32; a list if sizes differ. Floats are 0 where missing; those of an array that holds only
        0 and 1 are floats too.
    labels : Tensor of int64, (N,), or None
        -1 = unknown.
    names : tuple of str
        One per image.
    missing : Tensor of bool, (N, H, W, C), or None
        True where a float array holds NaN or infinity.
    spec : str or None
        Corruption spec that the file states.
    """

    images: Tensor | list[Tensor]
    labels: Tensor | None
    names: tuple[str, ...]
    missing: Tensor | None = None
    spec: str | None = None

    def __len__(self) -> int:
        return len(self.images)


def is_stack(source: str | Path) -> bool:
    """Return whether a path names an array file: NPY, NPZ, ``FILE.npz:ARRAY`` or IDX."""
    file, _ = split_array(source)
    return file.endswith((".npy", ".npz")) or file.removesuffix(".gz").endswith(("-ubyte", ".idx"))


def load_stack(source: str | Path, axes: str | None = None) -> Stack:
    """Load a stack.

    Parameters
    ----------
    source : path
        ``.npy``, ``.npz``, ``FILE.npz:ARRAY``, or IDX images (``-idx3-ubyte``, ``.idx``, both also ``.gz``). Labels are
        an array of the NPZ, or an IDX file of the matching name.
    axes : str, optional
        As in `restorekit.images.formats.probe`.

    Returns
    -------
    Stack

    Raises
    ------
    UsageError
        The file is missing or damaged, or holds no such array, no images, or another number of labels.
    """
    file, name = split_array(source)
    try:
        if (
            not name
            and Path(file).is_file()
            and zipfile.is_zipfile(file)
            and (packed := _load_packed(Path(file))) is not None
        ):
            return packed
        picture = read(source, sys.maxsize, axes)
        labels = _labels_of(picture, Path(file))
    except (ImageError, OSError, ValueError) as error:
        raise UsageError(str(error) if isinstance(error, ImageError) else f"{source}: {error}") from error
    pixels, layout = picture.pixels, picture.metadata.array
    if layout is not None and layout.bilevel:
        pixels = pixels > 0
    images = torch.from_numpy(pixels.astype(np.float32) if pixels.dtype.kind in "bf" else pixels)
    if labels is not None and len(labels) != len(images):
        raise UsageError(f"{source} holds {len(images)} images but there are {len(labels)} labels; expected as many")
    width = len(str(max(len(images) - 1, 0)))
    missing = None if picture.missing is None else torch.from_numpy(picture.missing)
    names = tuple(f"{i:0{width}d}" for i in range(len(images)))
    return Stack(images, labels, names, missing, picture.spec)


def _labels_of(picture: Picture, path: Path) -> Tensor | None:
    """Return the labels next to the images: an array of the same NPZ, or an IDX file; None if there are none."""
    layout = picture.metadata.array
    if picture.format == "idx":
        name = path.name.replace("images", "labels").replace("idx3", "idx1")
        candidates = (n for n in (name, name.removesuffix(".gz"), name + ".gz") if n != path.name)
        found = next((p for p in map(path.with_name, candidates) if p.is_file()), None)
        return None if found is None else _as_labels(read_idx(found))
    if layout is None or not layout.others:
        return None
    key = labels_name(layout.name, layout.others)
    values = None if key is None else layout.others[key]
    return _fitting_labels(values, len(picture.pixels))


def _fitting_labels(values: Array | None, n: int) -> Tensor | None:
    """Return integer labels, one per image; None if the array is something else."""
    if values is None or not is_label_shape(values.shape, values.dtype) or values.size != n:
        return None
    return _as_labels(values.reshape(n))


def _as_labels(values: Array) -> Tensor:
    """Return labels as int64; unknown ones, -1 or the 255 of unsigned bytes, are -1."""
    labels = torch.from_numpy(values.astype(np.int64))
    return torch.where(labels == _UNKNOWN, -1, labels) if values.dtype == np.uint8 else labels


def pack(paths: Iterable[str | Path], out: str | Path) -> None:
    """Write PNG and JPEG files byte for byte into one packed NPZ.

    Parameters
    ----------
    paths : iterable of path
        In the order of the packed images.
    out : path
        Ends in ``.npz``.

    Raises
    ------
    UsageError
        There are no files, or one is neither PNG nor JPEG, or a PNG of 16 bits and colour.
    """
    files = [Path(path) for path in paths]
    contents = [path.read_bytes() for path in files]
    pairs = list(zip(files, contents, strict=True))
    other = next((path for path, data in pairs if not data.startswith((_PNG, _JPEG))), None)
    if other is not None or not files:
        raise UsageError(f"only PNG and JPEG files can be packed, got {other or 'none'}; convert the others first")
    pngs = ((path, data[24:25], data[25:26]) for path, data in pairs if data.startswith(_PNG))
    deep = next((path for path, depth, colour in pngs if depth == b"\x10" and colour != b"\0"), None)
    if deep is not None:  # Pillow would cut it to 8 bits
        raise UsageError(f"PNG files of 16 bits and colour cannot be packed, got {deep}; make an .npy of them")
    repeated = len({path.name for path in files}) < len(files)
    with atomic(out) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            bytes=np.frombuffer(b"".join(contents), np.uint8),
            offsets=np.cumsum([0, *map(len, contents)], dtype=np.int64),
            names=np.array([path.as_posix() if repeated else path.name for path in files]),
        )


def _load_packed(path: Path) -> Stack | None:
    """Decode a packed NPZ; None if it is another NPZ. Images of one size and type become one tensor."""
    stored = read_packed(path, PACKED)
    if stored is None:
        return None
    data, offsets, names = stored["bytes"], stored["offsets"], tuple(map(str, stored["names"]))
    labels = stored.get("labels")
    ranges = zip(offsets[:-1], offsets[1:], names, strict=True)
    images = [_decode_packed(data[start:end].tobytes(), name) for start, end, name in ranges]
    alike = len({(tuple(image.shape), image.dtype) for image in images}) == 1
    return Stack(torch.stack(images) if alike else images, _fitting_labels(labels, len(images)), names)


def _decode_packed(data: bytes, name: str) -> Tensor:
    """Decode one packed file; palette and black-and-white images become colour and gray."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            modes = {"P": "RGB", "1": "L"}
            image = np.array(
                ImageOps.exif_transpose(opened.convert(modes[opened.mode]) if opened.mode in modes else opened)
            )
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"the packed image {name} is damaged ({error}); pack it again") from error
    return torch.from_numpy(image if image.ndim == 3 else image[..., np.newaxis])
