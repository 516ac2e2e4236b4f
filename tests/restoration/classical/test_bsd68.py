"""The classical restorers reach their published PSNR on BSD68.

bsd68.json holds the values of all images, and of the corners of the first images, which are measured again here. To
measure all images again: ``python tests/restoration/classical/test_bsd68.py [RESTORER...]``; BM3D takes ten
minutes per corruption on one quiet core. Protocol: noise neither clipped nor quantised, the true sigma passed, the
result clamped and rounded to 8 bits, the mean over images of the PSNR per image.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from restorekit.core.psnr import quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Restoration
from restorekit.corruptions import restorekit_register_corruptions
from restorekit.corruptions.spec import parse
from restorekit.evaluation.metrics.fidelity import PSNR
from restorekit.restoration.classical import restorekit_register_restorers

FIGURES = Path(__file__).with_name("bsd68.json")
FIRST, CROP = 4, 128  # images, pixels: what the tests do again
DENOISERS = ("nlm", "opencv-nlm", "tv", "wavelet", "wiener", "bm3d")
INPAINTERS = ("delaunay", "delaunay-cubic", "navier-stokes", "telea")
CASES = {
    **{f"gaussian:sigma={level}/255": DENOISERS for level in (15, 25, 50)},
    "missing:rate=0.5": (*INPAINTERS, "biharmonic"),
    **{f"missing:rate={rate}": INPAINTERS for rate in (0.8, 0.9)},
    **{f"saltpepper:rate={rate}": ("median",) for rate in (0.1, 0.5)},
    **{f"poisson:peak={peak}": ("anscombe-nlm", "anscombe-bm3d") for peak in (4, 30)},
}
CORRUPTIONS = {cls.name: cls for cls in restorekit_register_corruptions()}
RESTORERS = {cls.name: cls for cls in restorekit_register_restorers()}


def images(folder: Path) -> list[Path]:
    """Return the pictures of BSD68 by name."""
    return sorted((folder / "gray" / "bsd68").glob("*.png"))


def read(path: Path, crop: int | None = None) -> Tensor:
    """Return a gray picture, (1, 1, H, W) in [0, 1], or its upper left corner."""
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[:crop, :crop]
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None, None]


def psnr(spec: str, restorer: str, x: Tensor, key: str) -> float:
    """Corrupt x, restore it, and return the PSNR in dB."""
    corruption, rng = parse(spec, CORRUPTIONS), Rng(0, (key,))
    observation = corruption(x, rng)
    result = RESTORERS[restorer]()(observation, corruption, 0, rng)
    return PSNR()(Restoration(quantise_8bit(result.mmse)), x, observation) or 0.0


def corners(spec: str, restorer: str, folder: Path) -> list[float]:
    """Return the PSNR of the corners of the first images."""
    return [psnr(spec, restorer, read(path, CROP), path.name) for path in images(folder)[:FIRST]]


def measure(spec: str, restorer: str, folder: Path) -> dict[str, object]:
    """Return the mean PSNR over all images, and the PSNR of the first ones' corners."""
    values = [psnr(spec, restorer, read(path), path.name) for path in images(folder)]
    return {"mean": round(float(np.mean(values)), 3), "corners": [round(v, 3) for v in corners(spec, restorer, folder)]}


def main(folder: Path, chosen: list[str]) -> None:
    """Measure the named restorers, or all that have no figure yet, writing after each."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for spec, restorers in CASES.items():
        for restorer in restorers:
            row = figures.setdefault(spec, {})
            if restorer in chosen or (not chosen and restorer not in row):
                row[restorer] = measure(spec, restorer, folder)
                print(spec, restorer, row[restorer], flush=True)
                FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


STORED = json.loads(FIGURES.read_text())
# Tables that DnCNN's authors publish for BM3D; the others were measured with scikit-image, SciPy and OpenCV directly.
KNOWN = {
    "gaussian:sigma=15/255": {"bm3d": 31.08, "nlm": 30.20, "tv": 29.91, "wavelet": 29.92},
    "gaussian:sigma=25/255": {"bm3d": 28.57, "nlm": 27.68, "tv": 27.46, "wavelet": 27.43, "opencv-nlm": 26.67},
    "gaussian:sigma=50/255": {"bm3d": 25.60, "nlm": 24.58, "tv": 24.77, "wavelet": 24.44},
    "missing:rate=0.5": {
        "delaunay": 29.40, "delaunay-cubic": 29.81, "navier-stokes": 28.89, "telea": 27.52, "biharmonic": 30.38
    },
    "missing:rate=0.8": {"delaunay": 25.39, "delaunay-cubic": 24.90, "navier-stokes": 24.72, "telea": 24.42},
    "missing:rate=0.9": {"delaunay": 23.57, "delaunay-cubic": 22.72, "navier-stokes": 22.93, "telea": 23.07},
}  # fmt: skip
PAIRS = [(spec, restorer) for spec, row in STORED.items() for restorer in row]


@pytest.mark.parametrize(("spec", "restorer"), [(spec, name) for spec, row in KNOWN.items() for name in row])
def test_whole_set_reaches_what_is_known(spec, restorer):
    assert STORED[spec][restorer]["mean"] >= KNOWN[spec][restorer] - 0.2


@pytest.mark.parametrize(("spec", "restorer"), PAIRS)
def test_corners_give_the_stored_figures(spec, restorer):
    if "RESTOREKIT_DATA" not in os.environ:
        pytest.skip("needs BSD68: set RESTOREKIT_DATA to the folder that holds gray/bsd68")
    if "bm3d" in restorer and importlib.util.find_spec("bm3d") is None:
        pytest.skip("needs the extra [bm3d]")
    found = corners(spec, restorer, Path(os.environ["RESTOREKIT_DATA"]))
    assert found == pytest.approx(STORED[spec][restorer]["corners"], abs=0.02)


if __name__ == "__main__":
    main(Path(os.environ["RESTOREKIT_DATA"]), sys.argv[1:])
