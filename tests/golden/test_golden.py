import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STORED = json.loads(Path(__file__).with_name("digests.json").read_text(encoding="utf-8"))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outcome():
    """What a golden run in a process of its own writes, beside what is stored."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RESTOREKIT_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_same_files_are_written(outcome):
    assert not outcome["lost"]
    assert not outcome["new"]


def test_pixels_agree_within_rounding(outcome):
    for name, (count, mean, std) in STORED["summaries"].items():
        found = outcome["summaries"][name]
        assert found[0] == count, name
        scale = max(std, 1e-3)
        assert abs(found[1] - mean) < 0.05 * scale, name
        assert abs(found[2] - std) < 0.05 * scale, name


def test_everything_agrees_byte_for_byte(outcome):
    if not outcome["same_environment"]:
        pytest.skip("the stored digests are of other library versions or of another processor")
    assert not outcome["changed"]
