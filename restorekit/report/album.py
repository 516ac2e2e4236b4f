"""Pictures for a report, of some of the images that are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from restorekit.glance import glance
from restorekit.measured import Images
from restorekit.report.page import Views
from restorekit.report.restored import as_views
from restorekit.types import Restoration

FOLDER = "views"


class Album:
    """Takes images as they are measured, and keeps what a page shows of those it is to have.

    Parameters
    ----------
    report : Path
        Folder of the report.
    names : collection of str
        Images of which there are to be pictures.

    Attributes
    ----------
    views : dict of str to Views
        By image.
    """

    def __init__(self, report: Path, names: Collection[str]) -> None:
        self.folder, self.names = report / FOLDER, names
        self.views: dict[str, Views] = {}

    def take(self, key: str, images: Images) -> None:
        """Write the pictures of an image, if it is one of those."""
        if key not in self.names:
            return
        given = images.observation if images.given else None
        seen = glance(Restoration(images.restored), given, images.clean, taken=given is not None)
        self.views[key] = as_views(seen.write(self.folder, hashlib.sha256(key.encode()).hexdigest()[:16]))


def evenly(names: Sequence[str], count: int) -> set[str]:
    """Return so many of the names, or all, evenly over the list."""
    chosen = min(count, len(names))
    return {names[(2 * i + 1) * len(names) // (2 * chosen)] for i in range(chosen)}
