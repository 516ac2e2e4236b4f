"""The tests of a package that is not installed are skipped, with the line that installs it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

os.environ["OMP_NUM_THREADS"] = "1"  # the tests themselves take all cores
torch.set_num_threads(1)


class Absent(pytest.Module):
    """A test module whose package is not there."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Skip all of it."""
        folder = self.path.parent.name
        pytest.skip(f"{folder} is not installed: pip install -e plugins/{folder}", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip the tests in the folder of a package that is not installed; leave the others to pytest."""
    if find_spec(module_path.parent.name.replace("-", "_")) is None:
        absent: Absent = Absent.from_parent(parent, path=module_path)
        return absent
    return None
