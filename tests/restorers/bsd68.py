"""Measures the classical restorers on BSD68 and stores the figures that the tests hold them to.

Run as ``python -m tests.restorers.bsd68`` with RESTOREKIT_DATA set; BM3D takes half an hour per noise level.
Protocol: noise neither clipped nor quantised, the true sigma told, the result clamped and rounded to 8 bits,
the mean over images of the PSNR per image.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from restorekit.corruptions import restorekit_register_corruptions
from restorekit.corruptions.spec import parse
from restorekit.metrics import PSNR, finish
from restorekit.noise import Noise
from restorekit.restorers import restorekit_register_restorers
from restorekit.types import Restoration

FIGURES = Path(__file__).with_suffix(".json")
FIRST, CROP = 4, 128  # images, pixels: what the tests do again
DENOISERS = ("nlm", "opencv-nlm", "tv", "wavelet", "wiener", "bm3d")
INPAINTERS = ("delaunay", "delaunay-cubic", "navier-stokes", "telea", "biharmonic")
CASES = {
    **{f"gaussian:sigma={level}/255": DENOISERS for level in (15, 25, 50)},
    **{f"missing:rate={rate}": INPAINTERS for rate in (0.5, 0.8, 0.9)},
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
    corruption, noise = parse(spec, CORRUPTIONS), Noise(0, (key,))
    observation = corruption(x, noise)
    result = RESTORERS[restorer]()(observation, corruption, 0, noise)
    return PSNR()(Restoration(finish(result.mmse)), x, observation) or 0.0


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


if __name__ == "__main__":
    import os

    main(Path(os.environ["RESTOREKIT_DATA"]), sys.argv[1:])
