"""The mutual information gap: whether each factor of the images is told by one latent alone.

    restorekit embed RUN/model.safetensors FACTORS.npz CODES.npz
    python -m restorekit_betavae.mig CODES.npz FACTORS.npz

Latents are the means of q(z | x), cut into bins of equal width on the scale of the prior and not of the latent itself,
so that one that is not used, whose mean hardly leaves 0, falls into one bin and tells nothing.

Reference: Chen, Li, Grosse, Duvenaud, "Isolating Sources of Disentanglement in Variational Autoencoders",
NeurIPS 2018, equations 5 and 6.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from restorekit import UsageError

BINS, FAR = 41, 4.1  # bins, and standard deviations of the prior on both sides of 0 that they cover; one is around 0


class Gap(NamedTuple):
    """How one factor is told.

    Attributes
    ----------
    gap : float
        What the best latent tells of it more than the second best, as a share of its entropy.
    best : int
        Number of the latent that tells most.
    told : Tensor, (K,)
        Nats that each latent tells of it.
    entropy : float
        Nats that there are to tell.
    """

    gap: float
    best: int
    told: Tensor
    entropy: float


def binned(z: Tensor) -> Tensor:
    """Return the number of the bin of latents, int64 in their shape."""
    return ((z.double() + FAR) * (BINS / (2 * FAR))).floor().clamp(0, BINS - 1).long()


def information(z: Tensor, factor: Tensor) -> Tensor:
    """Return the mutual information of each latent, (N, K), with a factor, (N,) int64 from 0 on: (K,) nats."""
    levels = int(factor.max()) + 1
    cells = binned(z) * levels + factor[:, None]
    counts = torch.stack([torch.bincount(column, minlength=BINS * levels) for column in cells.unbind(1)])
    joint = counts.view(-1, BINS, levels).double() / len(z)
    return _entropy(joint.sum(2)) + _entropy(joint.sum(1)) - _entropy(joint.flatten(1))


def gap(z: Tensor, factor: Tensor) -> Gap:
    """Return how much more of a factor, (N,), the best of two or more latents, (N, K), tells than the second best."""
    told = information(z, factor)
    entropy = float(_entropy(torch.bincount(factor)[None].double() / len(factor)))
    first, second = told.topk(2).values.tolist()
    return Gap((first - second) / entropy, int(told.argmax()), told, entropy)


def _entropy(shares: Tensor) -> Tensor:
    """Return the entropy of each row of shares, in nats."""
    return -torch.xlogy(shares, shares).sum(1)


def measure(codes: Path, factors: Path) -> dict[str, Gap]:
    """Return the gap of each factor.

    Parameters
    ----------
    codes : path
        What ``restorekit embed`` wrote of the images of `factors`.
    factors : path
        What ``python -m restorekit_betavae.factors`` wrote.
    """
    with np.load(codes) as found, np.load(factors) as known:
        if "z" not in found.files:
            raise UsageError(f"{codes} holds {', '.join(found.files)}; expected z, one vector of latents for an image")
        z, which = torch.from_numpy(found["z"]).flatten(1), [int(name.rpartition("#")[2]) for name in found["names"]]
        names = [name for name in known.files if name not in ("images", "labels")]
        return {name: gap(z, torch.from_numpy(known[name][which])) for name in names}


def main() -> None:
    """Read the command line and print a line for each factor, and the mean."""
    parser = argparse.ArgumentParser(description="Measure the mutual information gap of latents.")
    parser.add_argument("codes", type=Path, help="NPZ of restorekit embed")
    parser.add_argument("factors", type=Path, help="NPZ of python -m restorekit_betavae.factors")
    given = parser.parse_args()
    found = measure(given.codes, given.factors)
    for name, one in found.items():
        told = float(one.told[one.best])
        print(f"{name:<12s} gap {one.gap:.3f}   z{one.best} tells {told:.2f} of {one.entropy:.2f} nats")
    print(f"{'mean':<12s} gap {sum(one.gap for one in found.values()) / len(found):.3f}")


if __name__ == "__main__":
    main()
