"""A command that is killed, or that meets an error of the disk, at any step is completed by the next run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOBS = {
    "OUT": (
        *("restore/kill", "restore/EIO", "restore/ENOSPC", "restore/EACCES", "other/kill", "again/EIO"),
        *("train/kill", "train/EIO", "corrupt/kill", "plugin/kill", "plugin/EIO", "evaluate/kill"),
    ),
    "IN": ("restore/EIO", "corrupt/EIO"),
}  # two processes, as each of them imports everything


@pytest.mark.skipif(not hasattr(os, "fork") or shutil.which("cc") is None, reason="needs fork and a C compiler")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the preloaded library is one for glibc")
@pytest.mark.parametrize("below", [*JOBS])
def test_the_next_run_ends_with_the_files_of_an_undisturbed_one(tmp_path, below, inputs):
    jobs = JOBS[below]
    tries = ("--every", "1") if inputs > 2000 else ("--tries", "2", "--first", "9")
    words = [sys.executable, "-m", "tests.robustness.faults", tmp_path, *jobs, "--below", below, *tries]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, words)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in found if "step" in line] == []
    assert [line["job"] for line in found] == [f"{job}/{below}" for job in jobs]
    assert all(line["tried"] >= 1 and line["files"] >= 1 for line in found)
