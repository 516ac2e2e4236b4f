"""Batches of images that are restored together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from restorekit.core.errors import ImageError
from restorekit.core.files import identity
from restorekit.images import formats
from restorekit.images.discovery import Item, split_array
from restorekit.images.picture import Header
from restorekit.restoration.folder.options import Setup

MAX_BATCH_IMAGES = 64  # images of one size restored as one batch, at most
PIXELS = 2**20  # and their pixels
CHECKED = 4  # images at most where each is checked too: what is interrupted loses no more


@dataclass(frozen=True)
class Group:
    """Images that are restored together.

    Attributes
    ----------
    items : tuple of Item
        At least one.
    bytes : int
        What they take up decoded.
    refused : str or None
        Reason why they are not restored; None if they are to be.
    """

    items: tuple[Item, ...]
    bytes: int
    refused: str | None = None


def tasks(items: Sequence[Item], setup: Setup) -> list[Group]:
    """Return the groups that this run's shard has to look after.

    Images that would be written to one and the same file, or onto an input, are groups of their own with a reason.
    """
    part, parts = setup.shard
    most = 1 if not setup.restorer.batches else CHECKED if setup.options.self_check else MAX_BATCH_IMAGES
    return list(groups(items, most, setup.options.axes, refusals(items, setup)))[part - 1 :: parts]


def refusals(items: Sequence[Item], setup: Setup) -> dict[Item, str]:
    """Return the reason why an image is refused, for each whose output would replace an input or another output."""
    takers: dict[Path, list[Item]] = {}
    for item in items:
        takers.setdefault(setup.target(item), []).append(item)
    inputs = {found for item in items if (found := identity(Path(split_array(item.path)[0]))) is not None}
    refused: dict[Item, str] = {}
    for target, several in takers.items():
        names = " and ".join(item.key for item in several[:3]) + (" and others" if len(several) > 3 else "")
        shared = f"{names} would all be written to {target}; rename them, or restore them into folders of their own"
        if len(several) > 1:
            refused |= dict.fromkeys(several, shared)
        elif identity(target) in inputs:
            refused[several[0]] = f"{target} is itself an input, which is never written to; choose another folder"
    return refused


def groups(
    items: Iterable[Item], most: int = MAX_BATCH_IMAGES, axes: str | None = None,
    refused: Mapping[Item, str] = MappingProxyType({}),
) -> Iterator[Group]:  # fmt: skip
    """Cut the list into runs of images of one size that fit one batch; unreadable and refused ones stand alone."""
    group: list[Item] = []
    before: Header | None = None
    for item in items:
        header = None
        if item in refused:
            if group:
                yield _group(group, before)
            group, before = [], None
            yield Group((item,), 0, refused[item])
            continue
        with suppress(ImageError):  # reading the image reports the error
            header = formats.probe(item.path, axes)
        fits = (
            header is not None
            and header == before
            and header.frames == 1
            and len(group) < most
            and (len(group) + 1) * header.height * header.width <= PIXELS
        )
        if group and not fits:
            yield _group(group, before)
            group = []
        group.append(item)
        before = header
    if group:
        yield _group(group, before)


def _group(items: list[Item], header: Header | None) -> Group:
    if header is None:
        return Group(tuple(items), 0)
    values = math.prod((header.frames, header.height, header.width, header.channels))
    return Group(tuple(items), len(items) * values * header.dtype.itemsize)
