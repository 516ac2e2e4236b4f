"""Repair of damage that nobody marked: how much of it is found, what clean pictures lose, and PSNR of the repair.

Run: ``python -m tests.benchmarks.repairing DATA [DETECTOR] [--pictures N] [--held-out FOLDER] [--anomaly]``. The
pictures are McMaster and CBSD68, and those of a folder of clean photographs that the detector has not learnt from; the
shapes are every fifth file of each class of `film_damage`, which it has not learnt from either.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

import restorekit
from restorekit.core.psnr import psnr
from restorekit.core.rng import Rng
from restorekit.corruptions import Film
from restorekit.images.defects import find_marks, touched
from restorekit.restoration.anomaly import Anomaly
from restorekit.restoration.loading import open_detector, open_restorer
from restorekit.restoration.repair import ArraySource, Repair
from restorekit.uncertainty.touch import LOG_ODDS

TOUCH = 1e-3
DAMAGED, VISIBLE = 0.2, 0.04  # opacity of a damaged pixel, and change of a value that can be seen
SMALLEST = 6  # pixels of a mark that counts
CLASSES = ("hair", "hair-short", "scratches", "dots", "dirt", "lint", "smut", "spots", "sprinkles", "stain")
MARKS = {"density": (60.0, 400.0), "size": (5.0, 24.0), "opacity": 1.0}
EDGES = {"hard": -1.0, "sharp": -0.5, "plain": 0.0, "soft": 0.5, "blurred": 1.0}  # softness of the marks of a picture

Mask = npt.NDArray[np.bool_]
Find = Callable[[Tensor, str], npt.NDArray[np.float32]]


def pictures(folder: Path, count: int | None) -> list[tuple[str, Tensor]]:
    """Return colour pictures of a folder by name, (3, H, W) on [0, 1]."""
    found = []
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))[:count]:
        image = cv2.imread(str(path))
        assert image is not None
        x = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).movedim(-1, 0).float() / 255
        found.append((path.name, x[:, :1024, :1024]))
    return found


def median_difference(x: Tensor, name: str) -> npt.NDArray[np.float32]:
    """Return how far each pixel is from the median around it, as a probability, (H, W)."""
    gray = (255 * x.mean(0)).round().byte().numpy()
    off = np.abs(gray.astype(np.float32) - cv2.medianBlur(gray, 9)) / 255
    odds = (off / 0.1) ** 4
    return np.asarray(odds / (1 + odds), np.float32)


def threshold(maps: list[npt.NDArray[np.float32]]) -> float:
    """Return the log-odds at which a share `TOUCH` of the pixels of clean pictures is touched, marks being widened."""
    shares = np.mean([touched(p, LOG_ODDS, partial(find_marks, p)) for p in maps], 0)
    return float(LOG_ODDS[np.argmax(shares <= TOUCH)])


def damaged_pictures(clean: list[tuple[str, Tensor]], shapes: Path) -> list[tuple[str, Tensor, Tensor, Mask]]:
    """Return names, clean and damaged pictures, 8 bits deep, and where damage can be seen; `EDGES` take turns."""
    found = []
    for (name, x), softness in zip(clean, itertools.cycle(EDGES.values()), strict=False):
        o = Film(shapes=str(shapes), softness=softness, **MARKS)(x[None], Rng(3, (name,)))  # type: ignore[arg-type]
        y = (o.y[0] * 255).round() / 255
        assert o.marks is not None
        seen = (o.marks[0, 0] >= DAMAGED) & ((y - x).abs().amax(0) > VISIBLE)
        found.append((name, x, y, seen.numpy()))
    return found


def scores(found: list[Mask], truth: list[Mask]) -> tuple[float, float, float, int]:
    """Return the share of marks found by half of their area, Dice, the share of damaged pixels, and the marks."""
    hits = marks = both = either = area = 0
    for r, m in zip(found, truth, strict=True):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(m.astype(np.uint8), connectivity=8)
        sizes = stats[1:, 4]
        got = np.bincount(labels[r], minlength=count)[1:]
        large = sizes >= SMALLEST
        marks, hits = marks + int(large.sum()), hits + int((2 * got[large] >= sizes[large]).sum())
        both, either, area = both + int((r & m).sum()), either + int(r.sum() + m.sum()), area + int(m.sum())
    return hits / max(marks, 1), 2 * both / max(either, 1), both / max(area, 1), marks


def fifth(source: Path, home: Path) -> Path:
    """Link every fifth shape of each class to a folder; return it."""
    for folder in sorted(p for p in source.iterdir() if p.is_dir()):
        (home / folder.name).mkdir()
        for path in sorted(folder.glob("*.png"))[4::5]:
            (home / folder.name / path.name).symlink_to(path.resolve())
    return home


def fill(y: Tensor, mask: Mask, how: str, default: Callable[..., restorekit.Restoration]) -> Tensor:
    """Fill a mask of a picture, (3, H, W), by a model or a method of OpenCV."""
    if how == "default":
        return default(torch.where(torch.from_numpy(mask), torch.nan, y), sigma=0).mmse
    flag = cv2.INPAINT_TELEA if how == "telea" else cv2.INPAINT_NS
    image = (255 * y).round().byte().movedim(0, -1).numpy()
    return torch.from_numpy(cv2.inpaint(image, mask.astype(np.uint8), 3, flag)).movedim(-1, 0).float() / 255


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("detector", nargs="?", default="film")
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--anomaly", action="store_true")
    given = parser.parse_args()
    folders = [given.data / "colour" / name for name in ("mcmaster", "cbsd68")]
    folders += [given.held_out] if given.held_out else []
    clean = [pair for folder in folders for pair in pictures(folder, given.pictures)]
    opened = open_detector(given.detector)
    learned = opened.repair(TOUCH)
    methods: dict[str, Find] = {
        given.detector: lambda x, name: learned.probability(ArraySource(x), Rng(0, (name,))),
        "median difference": median_difference,
    }
    if given.anomaly:
        unexpected = Repair(Anomaly(open_restorer("default").restorer), 0.0)
        methods["anomaly"] = lambda x, name: unexpected.probability(ArraySource(x), Rng(0, (name,)))
    with tempfile.TemporaryDirectory() as place:
        shapes = fifth(given.data / "film_damage", Path(place))
        images = damaged_pictures(clean, shapes)
        by_class = {name: damaged_pictures(clean[:10], shapes / name) for name in CLASSES}
    truth = [m for *_, m in images]
    masks: dict[str, list[Mask]] = {"true mask": [find_marks(m.astype(np.float32), 0.0) for m in truth]}
    for name, find in methods.items():
        maps = [find(x, key) for key, x in clean]
        at = learned.threshold if name == given.detector else threshold(maps)

        def judged(p: npt.NDArray[np.float32], x: Tensor, own: bool = name == given.detector, at: float = at) -> Mask:
            return learned.judge(p, ArraySource(x), at) if own else find_marks(p, at)

        shares = [100 * judged(p, x).mean() for p, (_, x) in zip(maps, clean, strict=True)]
        worst = sorted(zip(shares, [key for key, _ in clean], strict=True))[-3:]
        masks[name] = [judged(find(y, key), y) for key, _, y, _ in images]
        hits, dice, area, marks = scores(masks[name], truth)
        print(f"{name}: log-odds {at:.2f}, clean touched {np.mean(shares):.4f} %, worst {worst}")
        print(f"  of {marks} marks found {hits:.3f}, Dice {dice:.3f}, of their pixels {area:.3f}", flush=True)
        for i, kind in enumerate(EDGES):
            hits, dice, area, marks = scores(masks[name][i :: len(EDGES)], truth[i :: len(EDGES)])
            print(f"    {kind:10s} of {marks} marks found {hits:.3f}, Dice {dice:.3f}, of their pixels {area:.3f}")
        for kind, some in by_class.items():
            found = [judged(find(y, key), y) for key, _, y, _ in some]
            hits, dice, area, marks = scores(found, [m for *_, m in some])
            print(f"    {kind:10s} of {marks} marks found {hits:.3f}, Dice {dice:.3f}, of their pixels {area:.3f}")
    default = restorekit.load("default")
    share = [100 * m.mean() for m in truth]
    at_first = np.mean([float(psnr(y[None], x[None])) for _, x, y, _ in images])
    print(f"damaged: {at_first:.2f} dB, marks cover {np.mean(share):.2f} %")
    for name, found in masks.items():
        for how in ("default", "telea", "navier-stokes"):
            whole, inside = [], []
            for (_, x, y, _), mask in zip(images, found, strict=True):
                repaired = fill(y, mask, how, default)
                whole.append(float(psnr(repaired[None], x[None])))
                if mask.any():
                    inside.append(float(psnr(repaired[None, :, mask], x[None, :, mask])))
            print(f"{name} + {how}: {np.mean(whole):.2f} dB, inside its mask {np.mean(inside):.2f} dB", flush=True)


if __name__ == "__main__":
    main()
