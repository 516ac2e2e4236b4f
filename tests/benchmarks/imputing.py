"""MIWAE's protocol on MNIST: half of all values missing, in training too; root mean square error of the missing ones.

Run: ``python -m tests.benchmarks.imputing DATA MODEL [MODEL ...]`` with models trained as `proofs.imputation` has it,
on incomplete images alone or on whole ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

import restorekit
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Missing
from restorekit.images.stacks import load_stack

EVERY, DRAWS, NEAREST = 40, 32, 10
SAMPLERS = ("importance", "mwg")  # MIWAE's own, and the exact one that is quicker


def images(path: Path) -> Tensor:
    """Return a stack's images, (N, 1, H, W) on [0, 1]."""
    found = load_stack(path).images
    assert isinstance(found, Tensor)
    return found.float().view(-1, 1, 28, 28) / 255


def error(found: Tensor, x: Tensor, o: Observation) -> float:
    """Return the root mean square error of the missing values."""
    return float((found - x)[~o.observed].square().mean().sqrt())


def nearest(o: Observation, known: Observation) -> Tensor:
    """Return the mean of each value over the nearest incomplete images that have it, by the values both have."""
    found = torch.empty_like(o.y)
    for i in range(len(o)):
        both = (o.observed[i] & known.observed).float()
        apart = ((o.y[i] - known.y).square() * both).sum((1, 2, 3)) / both.sum((1, 2, 3))
        order = apart.argsort()[: 10 * NEAREST]
        seen = known.observed[order].float()
        taken = seen * (seen.cumsum(0) <= NEAREST)
        found[i] = (known.y[order] * taken).sum(0) / taken.sum(0).clamp_min(1)
    return found


def main(data: Path, models: list[str]) -> None:
    """Print the error of the mean image, of nearest neighbours, and of each model with each sampler."""
    train, test = (images(data / "mnist" / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k"))
    half, x = Missing(0.5), test[::EVERY]
    o = half(x, Rng(1, tuple(map(str, range(len(x))))))
    known = half(train, Rng(2))
    mean = known.y.sum(0) / known.observed.sum(0)
    print(f"mean of each value {error(mean.expand_as(x), x, o):.4f}")
    print(f"{NEAREST} nearest neighbours {error(nearest(o, known), x, o):.4f}")
    for model in models:
        for sampler in SAMPLERS:
            restorer = restorekit.load(model, device="cpu", sampler=sampler)
            mmse = restorer(torch.where(o.observed, x, torch.nan), sigma=0, samples=DRAWS).mmse
            print(f"{model} {sampler} {error(mmse, x, o):.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
