"""Pages as one file that can be mailed: pictures as data URIs, within a budget of bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from restorekit.core.files import atomic, open_to_read
from restorekit.images.previews import SIDE, format_of_picture, shrink_picture
from restorekit.images.views import Views
from restorekit.report.page import Gallery, GalleryPicture, Page
from restorekit.report.render import render, write_page

BUDGET = 10 * 10**6  # bytes; most mail servers accept attachments of this size
SIDES = (1200, 800, 480)  # pixels along the longer side, tried in this order if the pictures as they are need too much
ROOM = 10**5  # bytes for the sentences and the pairs that inlined pictures add to a page
MEGABYTE = 10**6


def write_report(page: Page, path: Path, single_file: bool = False) -> str:
    """Write a page, with pictures next to it or in it; return a sentence on those in it."""
    if single_file:
        return write_single_file(page, path)
    write_page(page, path)
    return ""


def write_single_file(page: Page, path: Path, budget: int = BUDGET) -> str:
    """Write a page that needs no other file, atomically; return a sentence on its pictures.

    Parameters
    ----------
    page : Page
        Its content; its pictures are read from the folder of the file.
    path : Path
        The file.
    budget : int
        Bytes that pictures may fill it up to. If they need more, they are made smaller and shown without maps and
        draws, and if that is not enough, only the first ones of the page keep theirs.

    Raises
    ------
    ImageError
        The file cannot be written.
    """
    inlined, sentence = inline_pictures(page, path.parent, budget)
    html = render(inlined).encode("utf-8", "replace")
    with atomic(path) as temporary:
        temporary.write_bytes(html)
    return f"one file of {len(html) / MEGABYTE:.1f} MB for mailing; {sentence}"


def inline_pictures(page: Page, folder: Path, budget: int = BUDGET) -> tuple[Page, str]:
    """Return a page whose pictures are data URIs, with a sentence on them that is in its summary too.

    Parameters
    ----------
    page : Page
        Its pictures lie in `folder`. Files outside of it, links and files that are no pictures are left out.
    folder : Path
        Folder of the page.
    budget : int
        Bytes of the page.
    """
    first = dict.fromkeys(page.pairs)
    order = [*first, *(i for i in range(len(page.rows)) if i not in first)]
    views = {i: view for i in order if (view := page.rows[i].views) is not None}
    bare = replace(page, rows=[replace(row, views=None) for row in page.rows], pairs=(), galleries=())
    left = budget - len(render(bare).encode("utf-8", "replace")) - ROOM
    reader = PictureReader(folder)
    galleries, left = keep_galleries(page.galleries, reader, left)
    found, side = keep_all(views, reader, left), 0
    if found is None:
        found, side = keep_first(views, reader, left)
    kept = [sum(len(gallery.pictures) for gallery in some) for some in (galleries, page.galleries)]
    losses = [
        f"those of the first {len(found)} of {len(views)} results" if len(found) < len(views) else "",
        f"some of at most {side} pixels a side" if side else "",
        "some without maps and draws" if any(len(found[i].files) < len(views[i].files) - 1 for i in found) else "",
        f"{kept[0]} of {kept[1]} over time" if kept[0] < kept[1] else "",
    ]
    sentence = "all pictures are in it"
    if any(losses):
        limits = ", ".join(filter(None, losses))
        sentence = f"to stay under {budget / MEGABYTE:g} MB it has not all pictures: {limits}"
    rows = [replace(row, views=found.get(i)) for i, row in enumerate(page.rows)]
    summary = [*page.summary, f"This page is one file, which can be mailed; {sentence}."]
    pairs = [i for i in page.pairs if i in found]
    return replace(page, rows=rows, pairs=pairs, galleries=galleries, summary=summary), sentence


class PictureReader:
    """Reader of the pictures of a page.

    Parameters
    ----------
    folder : Path
        Folder of the page.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """Return the bytes of a picture; empty for anything else, and for what lies outside of the folder."""
        path = self._folder / name
        try:
            if path.is_symlink() or not path.resolve().is_relative_to(self._folder.resolve()):
                return b""
            with open_to_read(path) as file:
                data = file.read()
        except (OSError, ValueError):  # ValueError: a null character in the name
            return b""
        return data if format_of_picture(data) else b""

    def uris(self, names: Iterable[str], side: int = 0) -> dict[str, str]:
        """Return pictures as data URIs, of at most `side` pixels a side unless that is 0; empty if unreadable."""
        found = {}
        for name in names:
            data = self.read(name)
            smaller = min(data, shrink_picture(data, side), key=len) if side and data else data
            kind = format_of_picture(smaller) if smaller else ""
            found[name] = f"data:image/{kind};base64,{base64.b64encode(smaller).decode()}" if smaller else ""
        return found


def keep_all(views: Mapping[int, Views], reader: PictureReader, left: int) -> dict[int, Views] | None:
    """Return the views with every picture as its file has it; None if they need more than `left` bytes."""
    known = dict[str, str]()
    for view in views.values():
        known |= reader.uris(name for name in view.files if name not in known)
        if sum(map(len, known.values())) > left:
            return None
    return {i: with_uris(view, known) for i, view in views.items() if known[view.after]}


def keep_first(views: Mapping[int, Views], reader: PictureReader, left: int) -> tuple[dict[int, Views], int]:
    """Return as many of the views as fit, and the side of the smallest pictures if some were made smaller, else 0.

    Each gets its share of what is left, in pictures as they are or as large as the share allows; beyond that the
    smallest size is used until nothing is left. Maps and draws come last, if there is room for them.
    """
    known, found, smallest = dict[str, str](), dict[int, Views](), 0
    for place, (i, view) in enumerate(views.items()):
        names = [name for name in (view.before, view.after, view.truth) if name and name not in known]
        share, longest = left // (len(views) - place), min(max(view.width, view.height), SIDE)
        for side in (0, *(side for side in SIDES[:-1] if side < longest), SIDES[-1]):
            made, used = reader.uris(names, side), side
            if sum(map(len, made.values())) <= share:
                break
        cost = sum(map(len, made.values()))
        if cost > left:
            break
        left, smallest = left - cost, min(used or smallest, smallest or used)
        known |= made
        if known[view.after]:
            found[i] = with_uris(view, known)
    for i in found:
        more = reader.uris(name for name in views[i].files if name not in known and name != views[i].thumb)
        if (cost := sum(map(len, more.values()))) > left:
            break
        left -= cost
        found[i] = with_uris(views[i], known | more)
    return found, smallest


def with_uris(view: Views, known: Mapping[str, str]) -> Views:
    """Return views with data URIs instead of names, without the pictures that have none."""
    thumb, before, after, truth = (known.get(name, "") for name in (view.thumb, view.before, view.after, view.truth))
    overlays = {key: replace(o, path=known[o.path]) for key, o in view.overlays.items() if known.get(o.path)}
    draws = [known[name] for name in view.draws if known.get(name)]
    return Views(view.width, view.height, thumb, before, after, truth, overlays, draws)


def keep_galleries(galleries: Sequence[Gallery], reader: PictureReader, left: int) -> tuple[list[Gallery], int]:
    """Return galleries of as many pictures as fit, the last ones first, and the bytes that are left."""
    found = list[Gallery]()
    for gallery in galleries:
        kept = list[GalleryPicture]()
        for picture in reversed(gallery.pictures):
            uri = reader.uris([picture.path])[picture.path]
            cost = 2 * len(uri)  # a link and a picture
            if cost > left:
                break
            left -= cost
            kept += [replace(picture, path=uri)] if uri else []
        found += [replace(gallery, pictures=kept[::-1])] if kept else []
    return found, left
