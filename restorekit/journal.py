"""What a restore run has done: OUT/_restorekit/images.jsonl, a line per image, written as each one ends."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorekit.errors import ImageError
from restorekit.images.find import OWN_FOLDER, split_array


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


@dataclass
class Journal:
    """The record of a run's images.

    Parameters
    ----------
    out : Path
        The run's output folder.
    options : str
        Digest of everything that changes what the outputs hold: model, corruption, seed ...
    """

    out: Path
    options: str

    def __post_init__(self) -> None:
        self.path = self.out / OWN_FOLDER / "images.jsonl"
        self.lines = _read(self.path)
        self._whole = not self.path.is_file() or self.path.read_bytes()[-1:] in (b"", b"\n")  # no line cut short

    def done(self, key: str, source: str, target: Path) -> bool:
        """Say whether an image was restored from this very file with these very options, and still stands.

        Parameters
        ----------
        key : str
            Its name.
        source : str
            Digest of the input, and of its mask where it has one.
        target : Path
            Where the output should be.
        """
        line = self.lines.get(key)
        return (
            line is not None
            and line.get("status") == "done"
            and line.get("input") == source
            and line.get("options") == self.options
            and target.is_file()
            and line.get("output") == digest(target)
        )

    def wrote(self, key: str, target: Path) -> bool:
        """Say whether the file at `target` is this journal's own earlier output."""
        line = self.lines.get(key)
        return line is not None and line.get("output") is not None and line["output"] == digest(target)

    def add(self, line: dict[str, Any]) -> None:
        """Append a line and flush it to the disk; a line cut short by a kill is passed over when read."""
        self.lines[line["image"]] = line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if self._whole else "\n") + json.dumps(line) + "\n")
            self._whole = True
            file.flush()
            os.fsync(file.fileno())


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    found = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and "image" in line:
            found[line["image"]] = line
    return found
