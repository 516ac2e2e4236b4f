"""A plausible mixture of everything that happens to old pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from torch import Tensor

from restorekit import Observation, Ranged, Rng, shape_of
from restorekit_vintage.ageing import Ageing, Marked, fully_observed
from restorekit_vintage.cast import Cast
from restorekit_vintage.creases import Creases
from restorekit_vintage.dust import Dust
from restorekit_vintage.fading import Fading
from restorekit_vintage.grain import Grain
from restorekit_vintage.hairs import Hairs
from restorekit_vintage.halftone import Halftone
from restorekit_vintage.lattice import chosen
from restorekit_vintage.scratches import Scratches
from restorekit_vintage.stains import Stains

# In the order in which they happen to a picture: made, printed, in the light, spilt on, folded, scratched, scanned.
KINDS: dict[str, Ageing] = {
    "grain": Grain(strength=(0.02, 0.12), size=(0.0, 1.2), colour=(0.0, 0.5)),
    "halftone": Halftone(period=(2.5, 5.0), softness=(0.6, 1.0), strength=(0.2, 0.8)),
    "sepia": Cast(cyan=0.0, magenta=0.0, yellow=0.0, paper=0.0, sepia=(0.5, 1.0)),
    "cast": Cast(cyan=(0.0, 0.5), magenta=(0.0, 0.35), yellow=(0.0, 0.35), paper=(0.0, 0.4)),
    "fading": Fading(strength=(0.2, 1.0), black=(0.1, 0.4), white=(0.7, 1.0), uneven=(0.0, 0.3)),
    "stains": Stains(area=(0.05, 0.5), size=(5.0, 120.0), strength=(0.1, 0.5), rim=(0.1, 0.8)),
    "creases": Creases(spacing=(80.0, 400.0), width=(0.8, 4.0), relief=(0.02, 0.2)),
    "scratches": Scratches(area=(0.001, 0.02), width=(0.4, 2.5)),
    "tramlines": Scratches(area=(0.001, 0.01), width=(0.4, 2.0), bright=0.5, direction="vertical"),
    "dust": Dust(area=(0.0005, 0.01), size=(0.6, 1.3)),
    "hairs": Hairs(area=(0.0005, 0.005), width=(0.6, 1.8)),
}


def _chance(of: float) -> Any:
    return field(default=of, metadata={"low": 0.0, "high": 1.0, "share": True})


@dataclass(frozen=True)
class Vintage(Ageing):
    """Every kind of degradation, each with a probability of its own, scaled by one strength per image.

    Parameters
    ----------
    strength : float or (float, float)
        Of all degradations, from 0, none, to 1, as in `KINDS`.
    known : bool
        Whether the pixels under scratches, dust, hairs and creases are known and missing.
    grain, halftone, sepia, cast, fading, stains, creases, scratches, tramlines, dust, hairs : float
        Chance of each kind; tramlines are the vertical scratches of film.
    """

    name: ClassVar[str] = "vintage"

    strength: Ranged = field(default=(0.3, 1.0), metadata={"low": 0.0, "high": 1.0, "share": True})
    known: bool = True
    grain: float = _chance(0.6)
    halftone: float = _chance(0.15)
    sepia: float = _chance(0.15)
    cast: float = _chance(0.5)
    fading: float = _chance(0.6)
    stains: float = _chance(0.25)
    creases: float = _chance(0.2)
    scratches: float = _chance(0.5)
    tramlines: float = _chance(0.2)
    dust: float = _chance(0.6)
    hairs: float = _chance(0.25)

    def age(self, x: Tensor, rng: Rng, amount: Tensor) -> Observation:
        """Degrade x, (B, C, H, W); `params` of the observation hold the strength of each kind for every image."""
        strength, params = amount * self.draw("strength", x, rng), {}
        y, observed = x.clone(), fully_observed(x).observed
        for name, kind in self._kinds():
            coin = rng.uniform(f"vintage.{name}", (len(x), 1, 1, 1), x.device) < getattr(self, name)
            params[name] = strength * coin
            _further(y, observed, kind, rng.fork(name), params[name])
        return Observation(y, observed, shape_of(x), params=params, direct=False)

    def _kinds(self) -> Iterator[tuple[str, Ageing]]:
        """Yield each kind of a probability above 0; its marks are known if `known`."""
        for name, kind in KINDS.items():
            if getattr(self, name) > 0:
                yield name, replace(cast(Any, kind), known=self.known) if isinstance(kind, Marked) else kind


def _further(y: Tensor, observed: Tensor, kind: Ageing, rng: Rng, amount: Tensor) -> None:
    """Degrade in place those images of a batch whose `amount` is above 0."""
    rows = chosen(amount.flatten() > 0)
    if not len(rows):
        return
    found = kind.age(y[rows], rng.take(rows.tolist()) if rng.keys else rng, amount[rows])
    left = observed[rows] & found.observed
    y.index_copy_(0, rows, found.y * left)
    observed.index_copy_(0, rows, left)
