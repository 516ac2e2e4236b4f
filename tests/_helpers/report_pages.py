"""Pages to test and to look at: synthetic pictures with noise and holes, four methods on three kinds of damage."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from restorekit.images.views import Overlay, Views
from restorekit.report.page import Column, Page, Row, Run

TELEPHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOSTILE = "<img src=x onerror=alert(1)>.png"
STRANGE = (
    *(HOSTILE, "a#b?c=%20 d&e.png", "quote'\"s and 100%.png", "Übergröße/日本語 ☃.png"),
    *("back\\slash;semi,comma.png", "<b>bold&amp;.png", "a\u2028b \u202egnp.exe.png", "javascript:alert(3).png"),
)
CORRUPTIONS = ("gaussian:sigma=25/255", "missing:rate=0.7", "holes:area=0.1,shape=strokes")
METHODS = {"default": 1.0, "bm3d": 1.15, "biharmonic": 1.6, "median:size=3": 2.2}  # and how much worse each is
LEARNED = ("default",)
COLUMNS = (
    Column("psnr", "PSNR", "dB", "higher", meaning="Peak signal-to-noise ratio over the whole image."),
    Column("psnr_missing", "PSNR, missing", "dB", "higher", meaning="The same over the missing pixels alone."),
    Column("ssim", "SSIM", "", "higher", meaning="Structural similarity."),
    Column("coverage90", "Coverage", "", "", 0.9, "Share of the pixels inside their 90 % interval."),
    Column("std", "Mean spread", "/255", "", None, "Mean standard deviation."),
    Column("seconds", "Time", "s/MP", "lower", None, "Seconds per megapixel."),
)
REASONS = {"psnr_missing": "no pixel of it is missing", "coverage90": "this method gives no interval"}


@dataclass
class Drawn:
    """Pictures of a page, written once for each image and damage."""

    folder: Path
    size: tuple[int, int] = (96, 128)
    seed: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def texture(self):
        """Return a clean picture: waves, a slope and a few discs, (H, W, 3) on [0, 1]."""
        height, width = self.size
        y, x = np.mgrid[:height, :width] / min(self.size)
        angle, tempo = self.rng.uniform(0, math.pi), self.rng.uniform(8, 40)
        wave = 0.5 + 0.2 * np.sin(tempo * (x * math.cos(angle) + y * math.sin(angle)))
        picture = np.stack([wave * tint + 0.25 * x for tint in self.rng.uniform(0.4, 1, 3)], -1)
        for _ in range(5):
            (a, b), radius = self.rng.uniform(0, 1.2, 2), self.rng.uniform(0.05, 0.25)
            picture[(x - a) ** 2 + (y - b) ** 2 < radius**2] = self.rng.uniform(0, 1, 3)
        return picture.clip(0, 1)

    def damaged(self, clean, corruption):
        """Return what is left of a picture, and where it is missing."""
        height, width = self.size
        if corruption.startswith("gaussian"):
            return (clean + self.rng.normal(0, 25 / 255, clean.shape)).clip(0, 1), np.zeros((height, width), bool)
        missing = self.rng.random((height, width)) < 0.7
        if corruption.startswith("holes"):
            missing = np.zeros((height, width), bool)
            for _ in range(6):
                top, left = self.rng.integers(0, height - 8), self.rng.integers(0, width - 30)
                missing[top : top + 6, left : left + 30] = True
        return np.where(missing[..., None], 0, clean), missing

    def views(self, stem, clean, before, missing, error, draws=4):
        """Write the pictures of one restoration, and return where they lie."""
        spread = np.abs(self.rng.normal(0, error, self.size)) + (missing * error)
        after = (clean + spread[..., None] * self.rng.choice([-1, 1], self.size)[..., None]).clip(0, 1)
        path = Path("pictures") / stem
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        top = float(spread.max())
        names = {
            "before": before, "after": after, "truth": clean, "std": cividis(spread / top),
            "error": cividis(np.abs(after - clean).mean(-1) / top), "missing": cividis(missing.astype(float)),
        }  # fmt: skip
        made = {name: self.write(f"{path}.{name}.png", picture) for name, picture in names.items()}
        overlays = {
            "std": Overlay(made["std"], "Standard deviation", 0.0, top),
            "error": Overlay(made["error"], "Error against the truth", 0.0, top),
        }
        if missing.any():
            overlays["missing"] = Overlay(made["missing"], "What was missing")
        noisy = [(clean + self.rng.normal(0, error, clean.shape)).clip(0, 1) for _ in range(draws)]
        return Views(
            self.size[1], self.size[0], self.write(f"{path}.thumb.png", after[::2, ::2]),
            made["before"], made["after"], made["truth"], overlays,
            [self.write(f"{path}.draw{i}.png", draw) for i, draw in enumerate(noisy)],
        )  # fmt: skip

    def write(self, path, picture):
        """Write a picture on [0, 1] as PNG."""
        Image.fromarray((picture * 255).round().astype(np.uint8)).save(self.folder / path)
        return str(path)


def cividis(values):
    """Return values on [0, 1] in the colours of the legend."""
    from matplotlib import colormaps

    return colormaps["cividis"](values)[..., :3]


def evaluation(folder, images=6, names=(), size=(96, 128), damages=CORRUPTIONS, charts=False):
    """Return a page of an evaluation, and write its pictures, named after the images, into a folder."""
    drawn = Drawn(folder, size)
    names = names or [f"series {i // 4:02d}/{'sub/' if i % 2 else ''}scan_{i:04d}.png" for i in range(images)]
    rows = [row for name in names for damage in damages for row in _rows(drawn, name, damage)]
    return Page(
        "evaluate",
        "4 methods on 3 kinds of damage",
        ["On missing:rate=0.7 the model default loses to biharmonic on 2 of 6 images."],
        ["Four methods were compared on six images.", "The model is ahead by 1.3 dB on average."],
        "restorekit evaluate photos REPORT --corruption gaussian:sigma=25/255 --corruption missing:rate=0.7 --seed 7",
        [("noise", "not clipped, not quantised"), ("PSNR", "whole image, 8 bits"), ("draws", "8"), ("seed", "7")],
        COLUMNS,
        [_run(rows, damage, method) for damage in damages for method in METHODS],
        rows,
        _charts(rows) if charts else (),
        [("Sharpness", "<p>How sharp the restorations are.</p>")],
        pairs=sorted((i for i, row in enumerate(rows) if row.restorer in LEARNED), key=lambda i: not rows[i].flags),
        headline=("psnr", "ssim"),
    )


def _rows(drawn, name, damage):
    clean = drawn.texture()
    before, missing = drawn.damaged(clean, damage)
    for method, worse in METHODS.items():
        error = 0.02 * worse * (1 + missing.mean())
        views = drawn.views(f"{damage[:4]}/{method.partition(':')[0]}/{name}", clean, before, missing, error)
        values = {
            "psnr": -20 * math.log10(error), "psnr_missing": -20 * math.log10(error * 1.4) if missing.any() else None,
            "ssim": 1 - 4 * error + drawn.rng.normal(0, 0.01), "coverage90": 0.88 if method in LEARNED else None,
            "std": error * 255, "seconds": 0.3 * worse**3,
        }  # fmt: skip
        reasons = {key: REASONS[key] for key, value in values.items() if value is None}
        flags = ["The self-check says that the restoration harms."] if values["ssim"] < 0.87 else []
        yield Row(name, "done", damage, method, values, reasons, flags, ["sigma was told: 25/255"], views=views)


def _run(rows, damage, method):
    own = [row for row in rows if (row.corruption, row.restorer) == (damage, method)]
    means = {}
    for column in COLUMNS:
        values = [row.values[column.name] for row in own]
        means[column.name] = float(np.mean(values)) if None not in values else None
    reasons = {key: REASONS[key] for key, value in means.items() if value is None}
    learned = method in LEARNED
    counts = (4, 2, 0, "biharmonic") if learned else (None, None, None, "")
    note = "one-pass estimate" if learned else "told sigma"
    return Run(damage, method, len(own), learned, means, reasons, *counts, note)


def _charts(rows):
    from restorekit.report import charts

    psnr = {m: [row.values["psnr"] for row in rows if row.restorer == m] for m in METHODS}
    ssim = {m: [row.values["ssim"] for row in rows if row.restorer == m] for m in METHODS}
    nominal = [0.1 * i for i in range(1, 10)]
    shares = [0.05 * i for i in range(20)]
    return [
        charts.distribution("SSIM", "", ssim),
        charts.calibration({"default": [(p, p**1.1) for p in nominal], "other": [(p, p**0.8) for p in nominal]}),
        charts.sparsification(
            {"default": (shares, [0.06 * (1 - s) ** 0.4 for s in shares])},
            {"default": (shares, [0.06 * (1 - s) ** 0.9 for s in shares])},
        ),
        charts.strength(
            "PSNR against sigma",
            "sigma",
            {m: [(s, 38 - 3 * w - 4 * math.log2(s / 5)) for s in (5, 15, 25, 50)] for m, w in METHODS.items()},
            "/255",
        ),
        charts.speed("Quality and time", {m: (0.3 * w**3, float(np.mean(psnr[m]))) for m, w in METHODS.items()}),
        charts.curves(
            "Negative ELBO",
            {
                "train": [(i, 100 + 300 / (1 + i / 50)) for i in range(0, 4000, 10)],
                "validation": [(i, 104 + 310 / (1 + i / 50)) for i in range(0, 4000, 200)],
            },
            "nats per image",
            True,
        ),
    ]


def large(folder, count=5000):
    """Return a page with thousands of rows over few pictures."""
    rng = np.random.default_rng(1)
    base = evaluation(folder, 2, size=(48, 64), damages=CORRUPTIONS[:1]).rows
    rows = []
    for i in range(count):
        row = base[i % len(base)]
        values = {"psnr": float(rng.normal(30, 3)), "ssim": float(rng.uniform(0.6, 1)), "std": float(rng.gamma(2, 3))}
        name = f"site {i % 7}/day {i % 31:02d}/frame_{(i * 7919) % count:05d}.png"
        flags = ["Unlike the training data."] if i % 11 == 0 else []
        if i % 97 == 0:
            rows.append(Row(name, "failed", error="The file is cut off: expected 1024 bytes, got 512."))
        else:
            rows.append(Row(name, "done", "", "", values, flags=flags, views=row.views))
    pairs = [i for i, row in enumerate(rows) if row.views is not None]
    return Page("restore", f"{count} images restored", columns=COLUMNS, rows=rows, pairs=pairs, headline=("psnr",))
