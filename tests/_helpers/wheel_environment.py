"""A fresh environment in which restorekit is a wheel, as strangers have it: no checkout on its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
ALONE = {
    "PIP_NO_BUILD_ISOLATION": "0",  # which means yes: pip builds with the setuptools that is here
    "PIP_NO_INDEX": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "OMP_NUM_THREADS": "1",  # the tests themselves take all cores
}


@dataclass(frozen=True)
class Environment:
    """An environment, and a folder to work in."""

    home: Path
    work: Path

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script with the environment's own commands; what it prints, errors among it, is in stdout."""
        left = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("RESTOREKIT_")}
        found = {**left, **ALONE, "PATH": f"{self.home / 'bin'}{os.pathsep}{left['PATH']}"}
        words = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(
            words, cwd=self.work, env=found, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def must(self, script: str) -> str:
        """Run a script that must succeed; return what it printed."""
        done = self.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout


def fresh(folder: Path) -> Environment:
    """Make an environment with a wheel of restorekit, over links to all other packages of this one."""
    if int(version("setuptools").partition(".")[0]) < 77:
        pytest.skip("needs setuptools 77 or newer in this environment to build wheels: pip install -U setuptools")
    home, work = folder / "home", folder / "work"
    work.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "under.pth").write_text(str(_others(folder / "under")))
    pip = home / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{home / "bin" / "python"}" -m pip "$@"\n')
    pip.chmod(0o755)
    made = Environment(home, work)
    made.must(f"pip wheel -q --no-deps --wheel-dir {folder / 'dist'} {_source(folder / 'source')}")
    made.must(f"pip install -q --no-deps {folder / 'dist'}/*.whl")
    assert str(home) in made.must('python -c "import restorekit; print(restorekit.__file__)"')
    return made


def photos(folder: Path) -> list[str]:
    """Write small colour pictures into a folder; return their names."""
    folder.mkdir()
    for path in (ROOT / "samples" / "clean").rglob("*.png"):
        with Image.open(path) as found:
            if found.mode == "RGB":
                found.crop((64, 64, 128, 128)).save(folder / path.name)
    return sorted(path.name for path in folder.iterdir())


def _others(folder: Path) -> Path:
    """Link every installed package, restorekit and its plugins left out, into a folder."""
    folder.mkdir()
    for site in (Path(path) for path in sys.path if path.endswith("site-packages")):
        for found in site.iterdir():
            ours = (
                found.name.lower().startswith(("restorekit", "__editable__", "__pycache__")) or found.suffix == ".pth"
            )
            if not ours and not (folder / found.name).exists():
                (folder / found.name).symlink_to(found)
    return folder


def _source(folder: Path) -> Path:
    """Copy what a wheel is built from, so that the checkout stays as it is."""
    shutil.copytree(ROOT / "restorekit", folder / "restorekit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder
