"""Image descriptions that state the layout of a stack: those of tifffile, ImageJ and OME."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from tifffile import TiffPage

from restorekit.images.picture import Tag, TiffLayout

_DESCRIPTION, _SEPARATE = 270, 2
_IMAGEJ_COUNTS = ("images", "slices", "frames", "channels", "hyperstack")
_OME_SIZE = re.compile(r"""<(?:\w+:)?Pixels\b[^>]*""")


def stated_frames(page: TiffPage, alone: bool) -> int:
    """Return how many frames a description states to lie behind one directory.

    Parameters
    ----------
    page : TiffPage
        The directory.
    alone : bool
        Whether the file has no other. ImageJ describes all directories of a file in the first.

    Returns
    -------
    int
        At least 1.
    """
    text = page.shaped_description or page.imagej_description or ""
    if (found := _shaped(text)) is not None and (alone or found.get("truncated")):
        frames, rest = divmod(math.prod(found["shape"]), max(1, page.size))
        return max(1, frames) if not rest else 1
    images = re.search(r"^images=(\d{1,12})\s*$", text, re.MULTILINE)
    return max(1, int(images[1])) if images and alone and page.imagej_description else 1


def fitted_pages(layout: TiffLayout, shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[Tag, ...], ...]:
    """Return the tags of every page with descriptions that agree with the frames they are written with.

    Parameters
    ----------
    layout : TiffLayout
        Layout and tags as they were read. A description holds for the frames up to the next page that has one.
    shapes : sequence of (int, int, int)
        Height, width and samples of every frame.

    Returns
    -------
    tuple of tuple of (code, type, count, value)
        Without descriptions that cannot be corrected.
    """
    described = [i for i, tags in enumerate(layout.pages) if any(tag[0] == _DESCRIPTION for tag in tags)]
    pages = list(layout.pages)
    for i, end in zip(described, [*described[1:], len(shapes)], strict=False):
        tags = list[Tag]()
        for code, kind, count, value in pages[i]:
            text = bytes(value).decode("utf-8", "surrogateescape").rstrip("\0") if code == _DESCRIPTION else ""
            fitted = fitted_description(text, end - i, shapes[i], layout.planar == _SEPARATE) if text else text
            if fitted == text:
                tags.append((code, kind, count, value))
            elif fitted is not None:
                data = fitted.encode("utf-8", "surrogateescape") + b"\0"
                tags.append((code, kind, len(data), data))
        pages[i] = tuple(tags)
    return tuple(pages)


def fitted_description(text: str, frames: int, shape: tuple[int, ...], separate: bool) -> str | None:
    """Return a description that agrees with the frames it is written with.

    Parameters
    ----------
    text : str
        The description as it was read.
    frames : int
        Number of directories that it describes.
    shape : tuple of int
        Height, width and samples of each.
    separate : bool
        Whether the samples are stored one plane after the other.

    Returns
    -------
    str or None
        The same text if it states no layout or the right one; None where it cannot be corrected.
    """
    height, width, samples = shape
    if (found := _shaped(text)) is not None:
        page = [samples, height, width] if separate and samples > 1 else [height, width, *[samples] * (samples > 1)]
        sizes = [size for size in found["shape"] if size != 1]
        ones = [size for size in page if size != 1]
        if math.prod(sizes) != frames * math.prod(page) or sizes[len(sizes) - len(ones) :] != ones:
            found["shape"] = [frames] * (frames > 1) + page
            found.pop("axes", None)
        elif "truncated" not in found:
            return text
        found.pop("truncated", None)
        return json.dumps(found)
    if text.startswith("ImageJ="):
        images = re.search(r"^images=(\d{1,12})\s*$", text, re.MULTILINE)
        if int(images[1] if images else 1) == frames:
            return text
        lines = [line for line in text.splitlines() if line.partition("=")[0] not in _IMAGEJ_COUNTS]
        return "\n".join([lines[0], *[f"images={frames}", f"slices={frames}"] * (frames > 1), *lines[1:], ""])
    pixels = _OME_SIZE.search(text) if "<OME" in text or ":OME" in text else None
    stated = dict(re.findall(r"""\b(Size[XY])\s*=\s*["'](\d+)["']""", pixels[0])) if pixels else {}
    return (
        text if all(stated.get(name) in (None, str(n)) for name, n in (("SizeX", width), ("SizeY", height))) else None
    )


def _shaped(text: str) -> dict[str, Any] | None:
    """Return what a description of tifffile states, with a list of positive integers as its shape, or None."""
    if text.startswith("shape=(") and (sizes := re.findall(r"\d{1,12}", text)):
        return {"shape": [int(size) for size in sizes]}
    try:
        found = json.loads(text) if text.startswith("{") and '"shape"' in text else None
    except (ValueError, RecursionError):
        return None
    shape = found.get("shape") if isinstance(found, dict) else None
    valid = isinstance(shape, list) and shape and all(type(size) is int and 0 < size < 10**12 for size in shape)
    return found if valid else None
