import json
import subprocess
import sys
from pathlib import Path

from tests.architecture import traced

PACKAGE = {
    "__init__.py": "",
    "cli.py": """
import sys
from restorekit import network

def helper():
    return [network.Net().forward() for _ in range(1)]

def command():
    return helper()

def main():
    command()
    sys.exit(int(sys.argv[1]))
""",
    "network.py": """
def decorate(cls):
    return cls

from restorekit import base

@base.mark
class Net(base.Layer):
    def forward(self):
        return self.twice()

    def twice(self):
        return 2
""",
    "base.py": """
def mark(cls):
    return cls

class Layer:
    pass
""",
}


def trace(folder, status="0"):
    """Run the traced command of a small package named restorekit; return what was noted."""
    package = folder / "restorekit"
    package.mkdir()
    for name, text in PACKAGE.items():
        (package / name).write_text(text, encoding="utf-8")
    program = [sys.executable, str(Path(traced.__file__)), str(package), status]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(folder)})
    return json.loads(done.stdout.splitlines()[-1])


def test_files_whose_functions_run_only_at_import_are_not_entered(tmp_path):
    found = trace(tmp_path)
    assert found["entered"] == ["restorekit/cli.py", "restorekit/network.py"]


def test_frames_lead_from_main_to_forward_without_comprehensions(tmp_path):
    names = [frame.rpartition(": ")[2] for frame in trace(tmp_path)["frames"]]
    assert names == ["main", "command", "helper", "Net.forward"]


def test_exit_code_is_reported(tmp_path):
    assert trace(tmp_path, "3")["status"] == 3
