"""A second signal while a run ends for the first leaves no traceback, and nothing that the next run cannot complete."""

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
def test_a_second_signal_at_the_end_of_a_run(tmp_path, inputs):
    (tmp_path / "IN").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12), np.uint8)).save(tmp_path / "IN" / name)
    (tmp_path / "work").mkdir()
    words = [tmp_path / "IN", tmp_path / "work", *(["1.1"] if inputs > 2000 else ["3", "--no-report"])]
    words = [sys.executable, "-m", "tests.robustness.signals", *map(str, words)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    *wrong, summary = map(json.loads, done.stdout.splitlines())
    assert wrong == []
    assert summary["tried"] >= 5
