"""Corruptions for tests to break: a blur, and ways to make a faulty copy of a sound one."""

from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from restorekit import Corruption, Observation


def keeps(x, sigma=0.0):
    """Say that y = x was observed whole."""
    everything = torch.ones_like(x[:, :1], dtype=torch.bool)
    return Observation(x, everything, tuple(x.shape[1:]), x.new_full((len(x), 1, 1, 1), sigma))


@dataclass(frozen=True)
class Shear:
    """y = x + x shifted right by one, half each, with nothing beyond the border: not its own adjoint."""

    halo: int = 1

    def apply(self, x):
        return 0.5 * x + 0.5 * F.pad(x, (1, 0))[..., :-1]

    def adjoint(self, u):
        return 0.5 * u + 0.5 * F.pad(u, (0, 1))[..., 1:]


@dataclass(frozen=True)
class Motion(Corruption):
    """A blur without noise."""

    name = "motion"

    def __call__(self, x, rng):
        return keeps(Shear().apply(x))

    def operator(self, observation):
        return Shear()


def broken(base, **members):
    """A frozen dataclass like `base` with other members."""
    return dataclass(frozen=True)(type("Broken", (base,), {"name": "broken", "__annotations__": {}, **members}))()


def changed(base, **fields):
    """Make a call that changes fields of the observation that `base` gives."""

    def call(self, x, rng):
        o = base.__call__(self, x, rng)
        return replace(o, **{k: f(o) for k, f in fields.items()})

    return call
