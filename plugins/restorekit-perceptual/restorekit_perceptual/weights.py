"""Where the weights of LPIPS are on this disk, and reading them."""

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

VARIABLE = "RESTOREKIT_LPIPS"  # names a file
_LAYERS = re.compile(r"(?:net\.slice\d+|features)\.(\d+)\.(weight|bias)")  # of the package lpips, and of torchvision
_LINEAR = re.compile(r"lin(\d+)\.model\.1\.weight")


class Layer(NamedTuple):
    """A convolution of AlexNet: its number in torchvision, channels, kernel, stride, padding, a pooling before it."""

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
    """Kernel and bias of each convolution, and one linear weight for each channel of what it sees."""

    convolutions: tuple[tuple[Tensor, Tensor], ...]
    linear: tuple[Tensor, ...]


def places() -> list[Path]:
    """Return the files that hold weights, what RESTOREKIT_LPIPS names before those of torchvision and lpips."""
    named, package = os.environ.get(VARIABLE), find_spec("lpips")
    cached = sorted(Path(torch.hub.get_dir(), "checkpoints").glob("alexnet-owt-*.pth"))
    own = [Path(package.origin).parent / "weights" / "v0.1" / "alex.pth"] if package and package.origin else []
    return [path for path in ([Path(named)] if named else []) + cached + own if path.is_file()]


def installed() -> Weights:
    """Return the weights on this disk; UndefinedMetricError, with what to do, where there are none."""
    found = places()
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_file():
        raise UndefinedMetricError(f"weights not found: {VARIABLE} names {named}, which is no file")
    return _read(tuple((path, path.stat().st_mtime_ns) for path in found))


@lru_cache(maxsize=1)
def _read(files: tuple[tuple[Path, int], ...]) -> Weights:
    """Read files, once as long as they stay the same; what the first holds goes before what others hold."""
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
    except Exception as error:  # whatever a damaged file makes of the reader
        raise UndefinedMetricError(
            f"weights cannot be read: {path} ({type(error).__name__}); get a whole copy"
        ) from error
    return {key: value for key, value in found.items() if isinstance(value, Tensor)} if isinstance(found, dict) else {}


def _checked(layers: dict[tuple[int, str], Tensor], linear: dict[int, Tensor]) -> Weights:
    """Put tensors into order; UndefinedMetricError where one is not there, or has another shape."""
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
            f"weights not found{what}: let {VARIABLE} name a file with the state of lpips.LPIPS(net='alex'), or put "
            "torchvision's AlexNet into its cache beside the installed package lpips; nothing is downloaded"
        )
    pairs = tuple((layers[c.number, "weight"], layers[c.number, "bias"]) for c in CONVOLUTIONS)
    return Weights(pairs, tuple(linear[i] for i in range(len(CONVOLUTIONS))))


def _shape(t: Tensor | None) -> tuple[int, ...]:
    return () if t is None else tuple(t.shape)
