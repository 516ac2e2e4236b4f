"""Results as JSON, whose keys results.schema.json describes, and as CSV."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import atomic, claim, make_folder, remove, sweep
from restorekit.core.records import encode
from restorekit.evaluation.protocol import Results


def prepare(folder: Path) -> None:
    """Make the folder of a result; UsageError, before the work, if it cannot be written to."""
    claim(folder)
    try:
        make_folder(folder)
        sweep(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ImageError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the folder {folder} cannot be written to ({reason}); choose another") from error


def write_results(results: Results, folder: Path) -> None:
    """Write results.json and results.csv (a row per corruption, restorer and image) into a folder.

    A metric value that does not exist is null in JSON and empty in CSV.
    """
    with atomic(folder / "results.json") as path:
        path.write_text(json.dumps(finite(results.to_json()), indent=1) + "\n", encoding="utf-8")
    if not results.images:
        remove(folder / "results.csv")  # of an earlier run
    else:
        with atomic(folder / "results.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
            rows = [encode(row) for row in results.images]
            columns = dict.fromkeys(
                name
                for row in rows
                for name in sorted(row, key=lambda name: name == "nelbo")  # last of a row, for readers by position
                if not isinstance(row[name], list | dict)
            )
            writer = csv.DictWriter(file, list(columns), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


def finite(value: Any) -> Any:
    """Replace infinities and NaN, which JSON does not have, by null, at any depth."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and value - value != 0 else value
