"""Mutual information gap: the degree to which each factor of the images is in a single latent.

    restorekit embed RUN/model.safetensors FACTORS.npz CODES.npz
    python -m restorekit_betavae.mig CODES.npz FACTORS.npz

Latents are the means of q(z | x), in bins of equal width on the scale of the prior and not of the latent itself: an
unused latent, whose mean is about 0, falls into one bin and has no information.

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

BINS, REACH = 41, 4.1  # number of bins, and standard deviations of the prior that they cover on each side of 0


class Gap(NamedTuple):
    """Information of the latents about one factor.

    Attributes
    ----------
    gap : float
        Difference between the best and the second best latent, as a share of the entropy.
    best : int
        Number of the latent with the most information.
    information : Tensor, (K,)
        Mutual information of each latent with the factor, nats.
    entropy : float
        Entropy of the factor, nats.
    """

    gap: float
    best: int
    information: Tensor
    entropy: float


def binned(z: Tensor) -> Tensor:
    """Return the bin numbers of latents, int64 in their shape."""
    return ((z.double() + REACH) * (BINS / (2 * REACH))).floor().clamp(0, BINS - 1).long()


def information(z: Tensor, factor: Tensor) -> Tensor:
    """Return the mutual information of each latent, (N, K), with a factor, (N,) int64 from 0 on: (K,) nats."""
    levels = int(factor.max()) + 1
    cells = binned(z) * levels + factor[:, None]
    counts = torch.stack([torch.bincount(column, minlength=BINS * levels) for column in cells.unbind(1)])
    joint = counts.view(-1, BINS, levels).double() / len(z)
    return _entropy(joint.sum(2)) + _entropy(joint.sum(1)) - _entropy(joint.flatten(1))


def gap(z: Tensor, factor: Tensor) -> Gap:
    """Return the information gap between the best two of K latents, (N, K), about a factor, (N,)."""
    found = information(z, factor)
    entropy = float(_entropy(torch.bincount(factor)[None].double() / len(factor)))
    first, second = found.topk(2).values.tolist()
    return Gap((first - second) / entropy, int(found.argmax()), found, entropy)


def _entropy(shares: Tensor) -> Tensor:
    """Return the entropy of each row of shares, in nats."""
    return -torch.xlogy(shares, shares).sum(1)


def measure(codes: Path, factors: Path) -> dict[str, Gap]:
    """Return the gap of each factor.

    Parameters
    ----------
    codes : path
        Output of ``restorekit embed`` for the images of `factors`.
    factors : path
        Output of ``python -m restorekit_betavae.factors``.
    """
    with np.load(codes) as found, np.load(factors) as known:
        if "z" not in found.files:
            raise UsageError(f"expected z, one vector of latents per image, got {', '.join(found.files)} in {codes}")
        z, which = torch.from_numpy(found["z"]).flatten(1), [int(name.rpartition("#")[2]) for name in found["names"]]
        names = [name for name in known.files if name not in ("images", "labels")]
        return {name: gap(z, torch.from_numpy(known[name][which])) for name in names}


def main() -> None:
    """Read the command line and print a line for each factor, and the mean."""
    parser = argparse.ArgumentParser(description="Measure the mutual information gap of latents.")
    parser.add_argument("codes", type=Path, help="NPZ of restorekit embed")
    parser.add_argument("factors", type=Path, help="NPZ of python -m restorekit_betavae.factors")
    arguments = parser.parse_args()
    found = measure(arguments.codes, arguments.factors)
    for name, one in found.items():
        best = float(one.information[one.best])
        print(f"{name:<12s} gap {one.gap:.3f}   z{one.best} has {best:.2f} of {one.entropy:.2f} nats")
    print(f"{'mean':<12s} gap {sum(one.gap for one in found.values()) / len(found):.3f}")


if __name__ == "__main__":
    main()
