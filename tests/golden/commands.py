"""The commands of the golden run: small, seeded, on one thread, all of them on `samples/`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import tifffile

SAMPLES = Path(__file__).parents[2] / "samples"
SMALL = (
    *("--set", "preset=small", "--set", "batch=4", "--set", "crop=32", "--set", "warmup=20"),
    *("--set", "validate=100", "--validation", "1", "--init", "none"),
)
DIGITS = (
    *("--set", "network=mlp", "--set", "size=16,16", "--set", "hidden=32", "--set", "latent=4"),
    *("--set", "batch=4", "--set", "crop=0", "--set", "validate=100", "--validation", "1"),
)
MIXTURE = ("--corruption", "gaussian:sigma=0..50/255", "--corruption", "missing:rate=0.2..0.8")


def run_all(folder: Path) -> None:
    """Run every command of the golden run, each into a sub-folder of `folder`, which is empty."""
    _write_inputs(folder)
    with _directory(folder):
        for words in _commands():
            _run(words)


def _commands() -> Iterator[list[str]]:
    """Yield the words of each command; paths are relative to the folder of the run, or to `samples/`."""
    damaged, clean = str(SAMPLES / "damaged"), str(SAMPLES / "clean")
    yield ["restore", damaged, "restored", "--self-check", "--interval", "0.9", "--keep", "std"]
    yield ["restore", "marked", "drawn", "--samples", "2", "--keep", "std,draws", "--seed", "3"]
    yield ["restore", "deep", "deep-restored", "--sigma", "auto", "--interval", "0.8"]
    yield ["restore", "deep", "large-memory", "--sigma", "5/255", "--max-memory", "128MB"]
    yield ["restore", "marked", "classical", "--model", "biharmonic"]
    yield ["corrupt", clean, "corrupted", "--corruption", "gaussian:sigma=9/255..30/255+missing:rate=0.3"]
    yield ["corrupt", clean, "corrupted-16", "--corruption", "poisson+lines", "--depth", "16", "--seed", "2"]
    yield ["corrupt", "tiles", "corrupted-32", "--corruption", "blur+gaussian:sigma=2/255", "--depth", "32f"]
    specs = ("gaussian:sigma=15/255,25/255", "missing:rate=0.5+gaussian:sigma=5/255", "saltpepper")
    flags = [word for spec in specs for word in ("--corruption", spec)]
    yield ["evaluate", "tiles", "evaluated", *flags, "--samples", "2", "--baseline", "delaunay", "--baseline", "tv"]
    yield ["report", "restored", "reported", "--reference", clean, "--observed", damaged]
    train = [word for words in (SMALL, MIXTURE) for word in words]
    yield ["train", clean, "cvae", "--model", "cvae", *train, "--steps", "100"]
    yield ["train", clean, "cvae", "--model", "cvae", *train, "--steps", "200", "--resume"]
    yield ["train", "small", "vae", "--model", "vae", *DIGITS, "--steps", "200"]
    yield ["restore", "marked", "by-cvae", "--model", "cvae/model.safetensors", "--samples", "2"]
    yield ["report", "by-cvae", "compared", "--reference", "tiles", "--against", "classical"]
    yield [
        "evaluate",
        "small",
        "by-vae",
        "--model",
        "vae/model.safetensors",
        "--corruption",
        "missing",
        "--samples",
        "2",
    ]


def _run(words: list[str]) -> None:
    """Run one command in this process, silently; raise with its output if it fails."""
    from restorekit.cli import main

    words = words if words[0] in ("corrupt", "report") else [*words, "--device", "cpu"]
    words = words if words[0] == "corrupt" else [*words, "--threads", "1"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            with mock.patch.object(sys, "argv", ["restorekit", *words]):
                main()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{' '.join(words)} ended with {end.code}: {output.getvalue()}") from end


def _write_inputs(folder: Path) -> None:
    """Write small crops of the samples, in 8 bits with a mask and in 16 bits with noise."""
    from PIL import Image

    for name in ("tiles", "marked", "deep", "small"):
        (folder / name).mkdir()
    for path in sorted((SAMPLES / "clean").rglob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB" if "chelsea" in path.name else "L"))
        Image.fromarray(pixels[40:136, 60:188]).save(folder / "tiles" / path.name)
        Image.fromarray(pixels[40:56, 60:76]).convert("L").save(folder / "small" / path.name)
    noise = np.random.default_rng(0).normal(0, 1500, (96, 128))
    pixels = np.asarray(Image.open(folder / "tiles" / "camera.png")).astype(np.float64) * 257 + noise
    tifffile.imwrite(folder / "deep" / "camera.tif", pixels.clip(0, 65535).astype(np.uint16))
    gaps = np.random.default_rng(1).random((96, 128)) < 0.4
    for name in ("camera", "chelsea"):
        Image.open(folder / "tiles" / f"{name}.png").save(folder / "marked" / f"{name}.png")
        Image.fromarray(gaps.astype(np.uint8) * 255).save(folder / "marked" / f"{name}.missing.png")


@contextlib.contextmanager
def _directory(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
