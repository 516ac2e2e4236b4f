"""The way of one picture: files that ``restorekit restore`` enters and frames down to the network's ``forward``.

Frames count calls on one stack only: `main` and click above the command, frames of libraries such as torch, and
``forward`` of the network itself with everything that it calls are left out, and so is work of the command that
returned before the network was called, such as reading the image and estimating its noise level. Files count every
function that ran, in any thread, but not code that runs while a module is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PICTURE = Path("samples/damaged/noise/camera.png")
OPTIONS = ("--device", "cpu", "--threads", "1", "--no-report")


@dataclass(frozen=True)
class Story:
    """What one restoration touched.

    Attributes
    ----------
    files : tuple of str
        Files of the package of which a function ran, other than while a module was imported.
    frames : tuple of str
        Frames of the package on the stack from the command's function down to the caller of the first ``forward``,
        outermost first; ``main`` and ``forward`` itself are left out.
    """

    files: tuple[str, ...]
    frames: tuple[str, ...]


@lru_cache(maxsize=1)
def restore_one_picture(root: Path) -> Story:
    """Run ``restorekit restore`` on a sample in a new process without plugins, and trace it.

    Raises
    ------
    RuntimeError
        The command failed, called no network, or called it in another thread, where the stack lacks the command.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ["restore", str(root / PICTURE), str(Path(folder) / "OUT"), *OPTIONS]
        program = [sys.executable, str(Path(__file__).with_name("traced.py")), str(root / "restorekit"), *words]
        environment = {**os.environ, "RESTOREKIT_PLUGINS": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
        done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    traced = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    if traced.get("status", done.returncode) or not traced["frames"]:
        raise RuntimeError(f"expected a restored picture, got none from {' '.join(words)}: {done.stderr[-2000:]}")
    if not traced["frames"][0].endswith(": main"):
        raise RuntimeError(f"expected the network on the command's own stack, got one from {traced['frames'][0]}")
    return Story(tuple(traced["entered"]), tuple(traced["frames"][1:-1]))
