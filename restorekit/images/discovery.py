"""Find the image files of a folder and name them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from restorekit.core.errors import UsageError, unknown
from restorekit.images.picture import SUFFIXES

# IDX files are read by name only: the labels next to them have the same suffix.
IMAGE_SUFFIXES = frozenset(suffix for kind, suffixes in SUFFIXES.items() if kind != "idx" for suffix in suffixes)
OWN_FOLDER = "_restorekit"  # what `restorekit restore` writes next to the images
OTHER_PICTURES = frozenset({
    ".gif", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jxl", ".tga", ".heic", ".heif", ".avif", ".exr",
    ".hdr", ".psd", ".svg", ".ico", ".pcx", ".dds", ".fits", ".fit", ".dcm", ".czi", ".nd2", ".lif", ".lsm", ".vsi",
    ".svs", ".ims", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
})  # fmt: skip
_REASONS: dict[type[Exception], str] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "it is a folder",
    PermissionError: "permission is denied",
    UnicodeDecodeError: "it is no text in UTF-8",
}
UNLISTED = "/*"  # end of the key that stands for all images of a folder that cannot be listed
MAX_LIST_BYTES = 2**28  # of a --list: a million of the longest names that file systems have
MISSING = ".missing"  # NAME.missing.png marks what is missing in NAME.png
INFRARED = ".ir"  # NAME.ir.tif is the infrared plane of NAME.tif


@dataclass(frozen=True)
class Item:
    """One image file.

    Attributes
    ----------
    path : Path
        Where it is.
    key : str
        Its path below the source with forward slashes: its name in outputs and reports, and of its noise.
    """

    path: Path
    key: str


def find_images(source: str | Path, listed: str | Path | None = None) -> list[Item]:
    """Find the images of a folder and its sub-folders, sorted by key, or the one of a file.

    Hidden files, `_restorekit` folders, and masks and infrared planes (`NAME.missing.png` and `NAME.ir.tif` next to
    `NAME.png`) are skipped. A sub-folder that cannot be listed counts as one image, `FOLDER/*`, which fails when it is
    read.

    Parameters
    ----------
    source : path
        A folder, a file, or ``FILE.npz:ARRAY``.
    listed : path, optional
        A text file with one name relative to `source` per line: only these, in this order.

    Returns
    -------
    list of Item
        At least one.

    Raises
    ------
    UsageError
        Nothing is there, no file is an image, a listed name is unknown, or there is a list for a single file.
    """
    source = Path(source)
    if not source.is_dir():
        file = Path(split_array(source)[0])
        if not file.exists():
            raise UsageError(f"there is no file or folder {source}; check the path")
        if not file.is_file():
            raise UsageError(f"{source} is neither a file nor a folder; expected an image or a folder of images")
        if listed is not None:
            raise UsageError(f"--list names images of a folder, got the single file {source}; remove --list")
        return [Item(source, _key(file.name))]
    if listed is not None:
        return _chosen(source, Path(listed))
    items = sorted(_walk(source), key=lambda item: item.key)
    stems = {_stem(item.key) for item in items}
    images = [item for item in items if not is_mask(item.key, stems)]
    if not images:
        kind = "no image" if any(source.iterdir()) else "nothing at all"
        raise UsageError(f"there is {kind} in {source}; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return images


def left_out(source: str | Path) -> str | None:
    """Return sentences about pictures and folders under a folder that cannot be read, or None."""
    if not Path(source).is_dir():
        return None
    closed, found = list[str](), list[str]()
    walk = os.walk(source, onerror=lambda error: closed.append(_key(os.path.relpath(error.filename, source))))
    for file in (Path(folder, name) for folder, _, names in walk for name in names if not name.startswith(".")):
        suffix = file.suffix.lower()
        is_dead = suffix in IMAGE_SUFFIXES and not os.path.isfile(file)  # noqa: PTH113 - Path.is_file may raise
        if suffix in OTHER_PICTURES or is_dead:
            found.append(_key(os.path.relpath(file, source)))
    kinds = {
        f"left out, as no image that restorekit reads ({', '.join(sorted(SUFFIXES))})": found,
        "left out, as folders that may not be read": closed,
    }
    sentences = [
        f"{what}: {len(names)}, {', '.join(sorted(names)[:3])}{', ...' * (len(names) > 3)}"
        for what, names in kinds.items()
        if names
    ]
    return "; ".join(sentences) or None


def missing_path(path: str | Path, frames: int = 1) -> Path:
    """Return where the mask of an image lies: ``NAME.missing.png``, for several frames ``NAME.missing.tif``."""
    path = Path(path)
    return path.with_name(f"{path.stem}{MISSING}{'.png' if frames == 1 else '.tif'}")


def is_mask(key: str, stems: set[str]) -> bool:
    """Return whether a key names a mask or an infrared plane next to an image with one of the stems."""
    return any(marked_stem(_stem(key), mark) in stems for mark in (MISSING, INFRARED))


def marked_stem(stem: str, mark: str = MISSING) -> str | None:
    """Return the stem of the image that a file belongs to whose stem ends with a mark, or None if it does not."""
    return stem.removesuffix(mark) if stem.endswith(mark) else None


def walk_images(folder: Path) -> list[Item]:
    """Return every image file under a folder, masks included, sorted by key; none is no error."""
    return sorted(_walk(folder), key=lambda item: item.key)


def _stem(key: str) -> str:
    return key.rpartition(".")[0]


def split_array(source: str | Path) -> tuple[str, str]:
    """Split ``FILE.npz:ARRAY`` into file and array name; the name is empty if there is none."""
    text = os.fspath(source)
    head, mark, name = text.rpartition(".npz:")
    return (head + ".npz", name) if mark and not Path(text).exists() else (text, "")


def _key(relative: str) -> str:
    """Make a key that any encoding can hold, for names that are no valid UTF-8."""
    return os.fsencode(relative).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def _walk(source: Path) -> Iterator[Item]:
    visited, unlisted = set(), list[str]()
    for folder, folders, names in os.walk(source, onerror=lambda e: unlisted.append(str(e.filename)), followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = [] if real in visited else [f for f in folders if f != OWN_FOLDER and not f.startswith(".")]
        if real in visited:  # a link back into a folder that was searched already
            continue
        visited.add(real)
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            try:
                is_image = path.is_file()
            except OSError:  # which reading the image reports
                is_image = True
            if is_image:
                yield Item(path, _key(os.path.relpath(path, source)))
    for folder in unlisted:
        if Path(folder) == source:
            raise UsageError(f"cannot list the folder {source}; check the disk and its permissions")
        yield Item(Path(folder), _key(os.path.relpath(folder, source)) + UNLISTED)


def _chosen(source: Path, listed: Path) -> list[Item]:
    is_pipe = listed.parent.name == "fd" or listed == Path("/dev/stdin")  # of a shell, which has a writer
    if listed.exists() and not (listed.is_file() or listed.is_dir() or is_pipe):  # a FIFO waits for its writer
        raise UsageError(f"the list {listed} is no regular file; give a text file with one name per line")
    try:
        with listed.open("rb") as file:  # a pipe will do
            data = file.read(MAX_LIST_BYTES + 1)
        lines = re.split(r"\r\n|\n|\r", data.decode("utf-8-sig"))  # others, such as U+2028, may be in a name
    except (OSError, UnicodeDecodeError) as error:
        why = _REASONS.get(type(error)) or (error.strerror if isinstance(error, OSError) else "")
        raise UsageError(f"cannot read the list {listed}: {why}; give a text file with one name per line") from error
    if len(data) > MAX_LIST_BYTES:
        raise UsageError(f"the list {listed} is larger than {MAX_LIST_BYTES // 2**20} MB; split it")
    names = list(dict.fromkeys(line for line in lines if line.strip()))
    if not names:
        raise UsageError(f"the list {listed} names no image; expected one name relative to {source} per line")
    items = (_named(source, name) for name in names)
    return list({item.key: item for item in items}.values())  # a.png and ./a.png are one


def _named(source: Path, name: str) -> Item:
    path = source / name
    if any(part.casefold() == OWN_FOLDER for part in Path(name).parts):
        raise UsageError(f"the list names {name!r}; a folder {OWN_FOLDER} holds records of restorekit and no images")
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    if inside and path.is_file():
        return Item(path, _key(os.path.relpath(path, source)))
    known = {item.key: item for item in walk_images(source)}  # a file's name that is no UTF-8 is not its key
    if name not in known:
        raise UsageError(unknown(f"image in {source}", name, known))
    return known[name]
