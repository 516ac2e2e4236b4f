"""Compare a golden run with the stored digests, or store it: ``python -m tests.golden [--write]``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from tests.golden.commands import run_all
from tests.golden.digests import digests, environment, summaries

STORED = Path(__file__).with_name("digests.json")


def main() -> None:
    """Run the commands and print what differs as JSON."""
    os.environ["RESTOREKIT_PLUGINS"] = ""  # plugins add metrics and families to what is written
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_all(folder)
        found = {"environment": environment(), "digests": digests(folder), "summaries": summaries(folder)}
    if "--write" in sys.argv:
        STORED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    before, now = stored["digests"], found["digests"]
    print(
        json.dumps(
            {
                "same_environment": stored["environment"] == found["environment"],
                "changed": sorted(name for name in before if name in now and before[name] != now[name]),
                "lost": sorted(before.keys() - now.keys()),
                "new": sorted(now.keys() - before.keys()),
                "summaries": found["summaries"],
            }
        )
    )


if __name__ == "__main__":
    main()
