"""Location and reading of the weights of LPIPS on this disk."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from restorekit import UndefinedMetricError

VARIABLE = "RESTOREKIT_LPIPS"  # environment variable with the path of a file
_LAYERS = re.compile(r"(?:net\.slice\d+|features)\.(\d+)\.(weight|bias)")  # in the package lpips, and in torchvision
_LINEAR = re.compile(r"lin(\d+)\.model\.1\.weight")


class Layer(NamedTuple):
    """Convolution of AlexNet: number in torchvision, channels, kernel, stride, padding, pooling before it."""

    number: int
    channels: tuple[int, int]
    kernel: int
    stride: int
    padding: int
    pooled: bool


CONVOLUTIONS = (
    Layer(0, (3, 64), 11, 4, 2, False),
    Layer(3, (64, 192), 5, 1, 2, True),
    Layer(6, (192, 384), 3, 1, 1, True),
    Layer(8, (384, 256), 3, 1, 1, False),
    Layer(10, (256, 256), 3, 1, 1, False),
)


class Weights(NamedTuple):
    """Kernel and bias of each convolution, and one linear weight for each of its output channels."""

    convolutions: tuple[tuple[Tensor, Tensor], ...]
    linear: tuple[Tensor, ...]


def weight_files() -> list[Path]:
    """Return the files with weights: that of RESTOREKIT_LPIPS before those of torchvision and lpips."""
    named, package = os.environ.get(VARIABLE), find_spec("lpips")
    cached = sorted(Path(torch.hub.get_dir(), "checkpoints").glob("alexnet-owt-*.pth"))
    own = [Path(package.origin).parent / "weights" / "v0.1" / "alex.pth"] if package and package.origin else []
    return [path for path in ([Path(named)] if named else []) + cached + own if path.is_file()]


def installed() -> Weights:
    """Return the weights on this disk; raise an UndefinedMetricError with a remedy if there are none."""
    found = weight_files()
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_file():
        raise UndefinedMetricError(f"weights not found: expected a file in {VARIABLE}, got {named}; correct the path")
    return _read(tuple((path, path.stat().st_mtime_ns) for path in found))


@lru_cache(maxsize=1)
def _read(files: tuple[tuple[Path, int], ...]) -> Weights:
    """Read files, once as long as they do not change; the first file with a tensor counts."""
    layers, linear = dict[tuple[int, str], Tensor](), dict[int, Tensor]()
    for path, _ in files:
        for key, value in _tensors(path).items():
            if layer := _LAYERS.fullmatch(key):
                layers.setdefault((int(layer[1]), layer[2]), value)
            elif weight := _LINEAR.fullmatch(key):
                linear.setdefault(int(weight[1]), value.flatten())
    return _checked(layers, linear)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a broken file can raise anything
        raise UndefinedMetricError(
            f"weights cannot be read: {path} ({type(error).__name__}); get a complete copy"
        ) from error
    return {key: value for key, value in found.items() if isinstance(value, Tensor)} if isinstance(found, dict) else {}


def _checked(layers: dict[tuple[int, str], Tensor], linear: dict[int, Tensor]) -> Weights:
    """Order tensors by layer; raise an UndefinedMetricError if one is missing or has another shape."""
    wanted = {
        **{(c.number, "weight"): (c.channels[1], c.channels[0], c.kernel, c.kernel) for c in CONVOLUTIONS},
        **{(c.number, "bias"): (c.channels[1],) for c in CONVOLUTIONS},
    }
    lacking = [f"features.{n}.{kind}" for (n, kind), shape in wanted.items() if _shape(layers.get((n, kind))) != shape]
    for i, c in enumerate(CONVOLUTIONS):
        lacking += [f"lin{i}.model.1.weight"] if _shape(linear.get(i)) != (c.channels[1],) else []
    if lacking:
        what = f" ({', '.join(lacking[:2])}{', ...' * (len(lacking) > 2)})" if layers or linear else ""
        raise UndefinedMetricError(
            f"weights not found{what}: set {VARIABLE} to a file with the state of lpips.LPIPS(net='alex'), or install "
            "lpips and put torchvision's AlexNet into its cache; nothing is downloaded"
        )
    pairs = tuple((layers[c.number, "weight"], layers[c.number, "bias"]) for c in CONVOLUTIONS)
    return Weights(pairs, tuple(linear[i] for i in range(len(CONVOLUTIONS))))


def _shape(t: Tensor | None) -> tuple[int, ...]:
    return () if t is None else tuple(t.shape)
