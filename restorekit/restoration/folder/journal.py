"""Journal of a restore run: OUT/_restorekit/images.jsonl, one line per image, written as each image ends."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from restorekit.core import files
from restorekit.core.errors import ImageError
from restorekit.core.records import Json, encode, parse_lines
from restorekit.images.discovery import OWN_FOLDER, UNLISTED, split_array
from restorekit.restoration.folder.records import Facts, ImageRecord, InputDigests

try:
    import fcntl
except ImportError:  # Windows: shards in one folder may mix up their lines there
    fcntl = None  # type: ignore[assignment]


def image_digest(path: Path) -> str:
    """Return the SHA-256 of the file of an image as 64 hexadecimal digits; ImageError if it cannot be read."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir may raise
        raise ImageError(f"the folder {path} cannot be listed; check the disk and its permissions")
    try:
        return files.digest_of_file(split_array(path)[0])
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}); check the file and its permissions") from error


def digest_of_values(values: Mapping[str, Json]) -> str:
    """Return a digest of plain values, in any order of keys."""
    return files.digest(json.dumps(values, sort_keys=True, default=str).encode())[:16]


class Journal:
    """The record of a run's images; threads, and shards in processes of their own, may add to it together.

    Parameters
    ----------
    out : Path
        The run's output folder.
    options : str
        Digest of everything that changes what the outputs hold: model, corruption, seed ...

    Attributes
    ----------
    lines : dict of str to ImageRecord
        The last line of every image.
    warning : str or None
        Sentence about lines that cannot be read, which are ignored; None if there are none.

    Raises
    ------
    ImageError
        The file cannot be opened.
    """

    def __init__(self, out: Path, options: str) -> None:
        self.options = options
        self.lines: dict[str, ImageRecord] = {}
        self.warning: str | None = None
        self._out = out
        self._path = out / OWN_FOLDER / "images.jsonl"
        self._written: dict[str, set[str]] = {}  # digests that each target may have, if it is restorekit's own
        self._files: dict[str, set[str]] = {}  # names of all files that each image may have
        self._owner: dict[str, str] = {}  # image of each target
        self._alone = threading.Lock()
        files.refuse_links(self._path)
        if not os.path.lexists(self._path):
            return
        try:
            lines, errors = parse_lines(ImageRecord, self._path)
        except OSError as error:
            raise ImageError(f"cannot read {self._path} ({error.strerror}); check or remove it") from error
        for line in lines:
            self._note(line)
        if errors:
            self.warning = (
                f"{len(errors)} line(s) of {self._path} cannot be read and are ignored ({errors[0]}); images that only "
                "they record are restored again, and --overwrite replaces files that are in the way"
            )

    def done(self, key: str, digests: InputDigests, target: Path, pictures: bool = False) -> bool:
        """Return whether an image was restored from the same input with the same options, and its files exist.

        Parameters
        ----------
        key : str
            Its name.
        digests : InputDigests
            Of the input and its mask, as they are to stand in its line.
        target : Path
            Path of the output; the other files kept for the image must still be the same too.
        pictures : bool
            Whether a report is asked for, whose pictures must then exist.
        """
        line = self.lines.get(key)
        return (
            line is not None
            and line.status == "done"
            and line.options == self.options
            and line.facts is not None
            and line.facts.digests == digests
            and target.is_file()
            and line.output == image_digest(target)
            and self._is_kept(line.facts)
            and not (pictures and self._lacks_pictures(line.facts))
        )

    def _is_kept(self, facts: Facts) -> bool:
        digests = facts.kept_digests or [""] * len(facts.kept)  # older versions recorded none
        for name, known in zip(facts.kept, digests, strict=False):
            path = self._out / name
            if not os.path.isfile(path) or known not in ("", image_digest(path)):  # noqa: PTH113 - any text is a name
                return False
        return len(digests) == len(facts.kept)

    def _lacks_pictures(self, facts: Facts) -> bool:
        own = self._path.parent
        return facts.unpictured or not all(os.path.isfile(own / name) for name in facts.view_files)  # noqa: PTH113

    def superseded(self, line: ImageRecord) -> list[Path]:
        """Return files of earlier restorations of an image that `line` replaces, if they are still restorekit's own."""
        found, start = list[Path](), f"{OWN_FOLDER}/views/{files.digest(line.image.encode())[:16]}-"
        for name in self._files.get(line.image, set()) - _file_names(line):
            path = self._out / name
            if ".." in path.parts or Path(name).is_absolute() or path.is_symlink() or not path.is_file():
                continue
            is_view = name.startswith(start) and "/" not in name.removeprefix(start)
            known = self._written.get(name, set()) if self._owner.get(name) == line.image else set()
            if is_view or (known and image_digest(path) in known):
                found.append(path)
        return found

    def kept(self, key: str) -> dict[Path, str]:
        """Return the digests of the other files that were kept for an image when it was last done, by their paths."""
        line = self.lines.get(key)
        if line is None or line.facts is None:
            return {}
        return {self._out / name: known for name, known in zip(line.facts.kept, line.facts.kept_digests, strict=False)}

    def owns(self, key: str, target: Path) -> bool:
        """Return whether the file at `target` has the bytes that a run wrote there, even if it was killed then."""
        by_image = self._written.get(key, set())  # lines of older versions name no target
        known = self._written.get(self._name(target), set()) | by_image
        return bool(known) and image_digest(target) in known

    def start(self, key: str, target: Path, temporary: Path) -> None:
        """Record that the complete `temporary` will be moved to `target`, so that a later run recognises it."""
        self.add(ImageRecord(key, "started", self._name(target), image_digest(temporary), self.options))

    def success(self, key: str, kept: Iterable[Path], facts: Facts) -> ImageRecord:
        """Return the line of a started image that is in its place, with the paths of its other files, `kept`."""
        paths = [*kept]
        names, digests = [self._name(path) for path in paths], [image_digest(path) for path in paths]
        return replace(self.lines[key], status="done", facts=replace(facts, kept=names, kept_digests=digests))

    def failure(self, key: str, error: str) -> ImageRecord:
        """Return the line of an image that failed."""
        return ImageRecord(key, "failed", options=self.options, error=error)

    def add(self, line: ImageRecord) -> None:
        """Append a line and flush it to the disk; a line cut short by a kill is passed over when read.

        Raises
        ------
        ImageError
            The disk is full or read-only.
        """
        if line.image.endswith(UNLISTED):  # no image of that name: the next run may find those that it stands for
            return
        text = json.dumps(encode(line)) + "\n"
        try:
            with self._alone:
                files.make_folder(self._path.parent)
                _append(self._path, text.encode())
                self._note(line)
        except OSError as error:
            raise files.write_error(self._path, error) from error

    def _note(self, line: ImageRecord) -> None:
        self.lines[line.image] = line
        names = _file_names(line)
        self._files[line.image] = names if line.status == "done" else names | self._files.get(line.image, set())
        if line.output is None:  # a failure: whatever is at the target stays what it was
            return
        self._owner[line.target or line.image] = line.image
        owned = self._written.setdefault(line.target or line.image, set())
        if line.status == "done":  # until then the earlier output may still be there
            owned.clear()
        owned.add(line.output)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._out).as_posix()


def _file_names(line: ImageRecord) -> set[str]:
    """Return the names of target and pictures of a line, relative to the output folder."""
    views = line.facts.view_files if line.facts is not None else []
    return {*filter(None, [line.target]), *(f"{OWN_FOLDER}/{name}" for name in views)}


def _append(path: Path, data: bytes) -> None:
    with files.open_to_append(path) as file:
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a kill cut the last line short
                data = b"\n" + data
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
