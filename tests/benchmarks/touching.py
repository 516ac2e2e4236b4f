"""Measure the thresholds of a detector without weights, printed as its class attribute `calibration`.

Run it on photographs without defects that nothing was tuned on:

    python -m tests.benchmarks.touching lines PHOTOS
"""

from __future__ import annotations

import sys
from pathlib import Path

from restorekit.images.dataset import load_images
from restorekit.restoration.loading import OpenedDetector, open_detector
from restorekit.restoration.repair import Repair


def main(name: str, folder: str) -> None:
    """Print the thresholds that keep the shares of clean pixels touched."""
    opened: OpenedDetector = open_detector(name)
    repair = Repair(opened.detector, 0.0)
    print(repair.calibrated(load_images(folder, None, None), Path(folder).name, lambda key, error: None).to_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
