"""Batches of images that are restored together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from restorekit.core.errors import ImageError, UsageError
from restorekit.images import formats
from restorekit.images.discovery import Item
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
    """

    items: tuple[Item, ...]
    bytes: int


def tasks(items: Sequence[Item], setup: Setup) -> list[Group]:
    """Return the groups that this run's shard has to look after.

    Raises
    ------
    UsageError
        Two images would be written to the same file.
    """
    taken: dict[object, Item] = {}
    for item in items:
        first = taken.setdefault(setup.target(item), item)
        if first is not item:
            raise UsageError(
                f"{first.key} and {item.key} would both be written to {setup.target(item)};"
                " rename one, or restore them into two folders"
            )
    part, parts = setup.shard
    most = 1 if not setup.restorer.batches else CHECKED if setup.options.self_check else MAX_BATCH_IMAGES
    return list(groups(items, most, setup.options.axes))[part - 1 :: parts]


def groups(items: Iterable[Item], most: int = MAX_BATCH_IMAGES, axes: str | None = None) -> Iterator[Group]:
    """Cut the list into runs of images of one size that fit one batch; an unreadable one stands alone."""
    group: list[Item] = []
    before: Header | None = None
    for item in items:
        header = None
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
