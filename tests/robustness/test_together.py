"""Shards that run at once leave the files of one run; a second run into the same folder is refused in a sentence."""

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
def test_runs_at_once_into_one_folder(tmp_path):
    (tmp_path / "IN" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png", "sub/d.png", "e.png", "f.png", "g.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12), np.uint8)).save(tmp_path / "IN" / name)
    (tmp_path / "work").mkdir()
    words = [sys.executable, "-m", "tests.robustness.together", str(tmp_path / "IN"), str(tmp_path / "work")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    shards, *twice = map(json.loads, done.stdout.splitlines())
    assert shards["files"] >= 7
    assert shards == {"codes": [0, 0, 0], "differing": [], "files": shards["files"]}
    assert len(twice) == 3
    for found in twice:
        assert (found["first"], found["second"]) == (0, 2), found
        assert "another run is writing into" in found["said"]
        assert "Traceback" not in found["said"]
