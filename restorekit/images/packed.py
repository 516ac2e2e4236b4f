"""The packed format: an NPZ that holds PNG and JPEG files byte for byte, so that a folder travels as one small file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from restorekit.errors import UsageError
from restorekit.images.atomic import atomic

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
