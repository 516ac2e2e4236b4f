"""A run that is killed, or that meets an error of the disk, at any step is completed by the next run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("fault", ["kill", "ENOSPC", "EIO", "EACCES"])
def test_the_next_run_ends_with_the_files_of_an_undisturbed_one(tmp_path, fault, inputs):
    rng = np.random.default_rng(0)
    (tmp_path / "IN" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(tmp_path / "IN" / name)
    (tmp_path / "work").mkdir()
    every = 1 if inputs > 2000 else 5 if fault == "kill" else 11
    words = [sys.executable, "-m", "tests.robustness.faults", fault, tmp_path / "IN", tmp_path / "work", every]
    done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    *wrong, summary = map(json.loads, done.stdout.splitlines())
    assert wrong == []
    assert summary["files"] >= 2
    assert summary["tried"] >= 5
