"""Run one command in this process and report which files of the package it enters; started by `story`.

Arguments: folder of the package, then the words of the command. The last line of output is a JSON object.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import FrameType


class Recorder:
    """Trace function that notes entered files and the call stack of the network's first ``forward``."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.entered: set[str] = set()
        self.imported: set[str] = set()
        self.frames: list[str] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note the call of a Python function; returning None turns off events of its lines."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(self.folder):
            return
        if code.co_name == "<module>":
            self.imported.add(code.co_filename)
            return
        if not self._runs_at_import(frame):
            self.entered.add(code.co_filename)
        if code.co_name == "forward" and not self.frames:
            self.frames = self._stack(frame)

    def _runs_at_import(self, frame: FrameType | None) -> bool:
        """Return whether a module's body calls the frame, as class bodies and decorators are."""
        while frame is not None and frame.f_code.co_filename.startswith(self.folder):
            if frame.f_code.co_name == "<module>":
                return True
            frame = frame.f_back
        return False

    def _stack(self, frame: FrameType | None) -> list[str]:
        """Return the frames of the package, outermost first; comprehensions are part of their function."""
        found = []
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(self.folder) and code.co_name not in (
                "<listcomp>",
                "<genexpr>",
                "<dictcomp>",
            ):
                found.append(f"{self._relative(code.co_filename)}:{frame.f_lineno}: {code.co_qualname}")
            frame = frame.f_back
        return found[::-1]

    def _relative(self, path: str) -> str:
        return Path(path).relative_to(Path(self.folder).parent).as_posix()

    def as_json(self, status: int) -> str:
        """Return what was noted."""
        entered, imported = ([self._relative(p) for p in sorted(paths)] for paths in (self.entered, self.imported))
        return json.dumps({"status": status, "entered": entered, "imported": imported, "frames": self.frames})


def main() -> None:
    """Run the command with the recorder in every thread."""
    folder, sys.argv = sys.argv[1], ["restorekit", *sys.argv[2:]]
    recorder = Recorder(folder)
    from restorekit.cli import main as command

    status = 0
    threading.settrace(recorder)
    sys.settrace(recorder)
    try:
        command()
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.settrace(None)
    print()
    print(recorder.as_json(status))


if __name__ == "__main__":
    main()
