"""What a restore run has done: OUT/_restorekit/images.jsonl, a line per image, written as each one ends."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from restorekit.errors import ImageError
from restorekit.images.find import OWN_FOLDER, split_array

try:
    import fcntl
except ImportError:  # Windows: shards in one folder may mix up their lines there
    fcntl = None  # type: ignore[assignment]

Line = dict[str, Any]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits; ImageError where it cannot be read."""
    try:
        with Path(split_array(path)[0]).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}); check the file and its permissions") from error


def digest_of(values: Mapping[str, Any]) -> str:
    """Return a digest of plain values, in any order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


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
    lines : dict of str to Line
        The last line of every image.
    """

    def __init__(self, out: Path, options: str) -> None:
        self.options = options
        self.lines: dict[str, Line] = {}
        self._path = out / OWN_FOLDER / "images.jsonl"
        self._written: dict[str, str | None] = {}  # digest of the last output; None: one was being written
        self._alone = threading.Lock()
        for line in _read(self._path):
            self._note(line)

    def done(self, key: str, digests: Mapping[str, str | None], target: Path) -> bool:
        """Say whether an image was restored from this very input with these very options, and still stands.

        Parameters
        ----------
        key : str
            Its name.
        digests : mapping
            Of the input and its mask, as they are to stand in its line.
        target : Path
            Where the output should be.
        """
        line = self.lines.get(key)
        return (
            line is not None
            and line.get("status") == "done"
            and line.get("options") == self.options
            and all(line.get(name) == value for name, value in digests.items())
            and target.is_file()
            and line.get("output") == digest(target)
        )

    def owns(self, key: str, target: Path) -> bool:
        """Say whether the file at `target` is an earlier output, or one whose run was killed while it wrote it."""
        if key not in self._written:
            return False
        return self._written[key] in (None, digest(target))

    def start(self, key: str) -> None:
        """Note that an image's output is about to be written, so that a later run knows it for its own."""
        self.add({"image": key, "status": "started", "options": self.options})

    def failure(self, key: str, error: str) -> Line:
        """Return the line of an image that failed."""
        return {"image": key, "status": "failed", "options": self.options, "error": error}

    def add(self, line: Line) -> None:
        """Append a line and flush it to the disk; a line cut short by a kill is passed over when read.

        Raises
        ------
        ImageError
            The disk is full or read-only.
        """
        text = json.dumps(line) + "\n"
        try:
            with self._alone:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                _append(self._path, text.encode())
                self._note(line)
        except OSError as error:
            raise ImageError(f"cannot write {self._path} ({error.strerror}); free or choose another disk") from error

    def _note(self, line: Line) -> None:
        key = line["image"]
        self.lines[key] = line
        if line.get("status") == "started":
            self._written[key] = None
        elif "output" in line:
            self._written[key] = line["output"]


def _append(path: Path, data: bytes) -> None:
    with path.open("ab+") as file:
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        file.write(data if _whole(file) else b"\n" + data)
        file.flush()
        os.fsync(file.fileno())


def _whole(file: IO[bytes]) -> bool:
    """Say whether the last line was not cut short."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _read(path: Path) -> list[Line]:
    if not path.is_file():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("image"), str):
            found.append(line)
    return found
