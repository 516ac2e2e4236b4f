"""Detection of defects as values that a model does not expect from the pixels around them.

Squares of an image are hidden and restored from the rest. The hidden values are compared with the restoration in units
of the model's standard deviation, noise included. A second round leaves out suspicious values of the first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Detector, Restorer
from restorekit.core.devices import Compute
from restorekit.core.errors import UsageError
from restorekit.core.plugins.hookspecs import hookimpl
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation, Problem
from restorekit.corruptions import Missing
from restorekit.images.defects import probability_of
from restorekit.restoration.loading import OpenedDetector, open_restorer
from restorekit.uncertainty.noise_level import IMAGE, estimate_sigma

SETS = 4  # each square is hidden in one pass of so many, its neighbours in the others
SUSPECT = 4.0  # standard deviations from which a value is not used to predict its neighbours; odds of a defect there: 1
MIN_STD = 1 / 255  # smallest standard deviation of model or noise that counts, on [0, 1]


class Anomaly(Detector):
    """Finds values that a model does not expect from the pixels around them.

    Parameters
    ----------
    restorer : Restorer or None
        One that gives standard deviations; None: the installed weights `default`.
    side : int
        Side of the hidden squares, pixels: wider than dust, narrower than the structures to keep.
    """

    name: ClassVar[str] = "anomaly"

    def __init__(self, restorer: Restorer | None = None, side: int = 8) -> None:
        self._restorer = restorer
        self.side = side

    @cached_property
    def restorer(self) -> Restorer:
        """The restorer that predicts hidden values."""
        return self._restorer or open_restorer("default").restorer

    @property
    def geometry(self) -> Geometry:  # type: ignore[override]
        """Sizes that the restorer accepts, of images of one or three channels."""
        return self.restorer.geometry._replace(channels=(1, 3))

    def probability(self, observation: Observation, rng: Rng) -> Tensor:
        """Return the probability that each pixel is defective, (B, 1, H, W), from how far off it is."""
        return probability_of(self.scores(observation, rng), SUSPECT).nan_to_num(1.0)

    def scores(self, observation: Observation, rng: Rng) -> Tensor:
        """Return how many standard deviations each pixel is off, (B, 1, H, W), the channel that is off most counting.

        Parameters
        ----------
        observation : Observation
            Images, noisy or not.
        rng : Rng
            With the images' names.
        """
        shape = (observation.y.shape[1], observation.y.shape[2], observation.y.shape[3])
        o = Observation(observation.y, observation.observed, shape)
        sigma = estimate_sigma(Problem(o, IMAGE))
        found = self._round(o, o.observed, sigma, rng)
        return self._round(o, o.observed & ~dilate(found > SUSPECT, 1), sigma, rng)

    def _round(self, o: Observation, trusted: Tensor, sigma: Tensor, rng: Rng) -> Tensor:
        """Return the scores, (B, 1, H, W), of what was observed, each expected from the `trusted` values around."""
        found, known = torch.zeros_like(o.y[:, :1]), o.observed.all(1, keepdim=True)
        quiet = bool((sigma < MIN_STD).all())
        level = torch.zeros_like(sigma) if quiet else sigma if self.restorer.needs_sigma else None
        for shift, number in product((0, self.side // 2), range(SETS)):  # at a rim, degradation stays visible
            hidden = squares(o.y, self.side, number, shift)
            shown = trusted & ~hidden
            part = replace(o, y=o.y * shown, observed=shown, sigma=level)
            problem = Problem(part, Missing() if quiet else IMAGE)
            restored = per_channel.restore(self.restorer, problem, 0, rng)
            if restored.std is None:
                raise UsageError("detect needs a model that gives standard deviations; choose a generative one")
            off = (o.y - restored.mmse).abs() / (restored.std.clamp_min(MIN_STD) ** 2 + sigma**2).sqrt()
            found = torch.where(hidden & known, torch.maximum(off.amax(1, keepdim=True), found), found)
        return found


@hookimpl
def restorekit_register_detectors() -> list[type[Detector]]:
    """Register the detector of what a model does not expect."""
    return [Anomaly]


def open_anomaly(model: str, side: int, compute: Compute) -> OpenedDetector:
    """Open the detector of what a model does not expect; raise a UsageError for a method without uncertainty."""
    opened = open_restorer(model, compute=compute)
    if opened.card is None:
        raise UsageError(f"{model} is a classical method without a standard deviation; use a model")
    return OpenedDetector(Anomaly.name, Anomaly(opened.restorer, side))


def squares(x: Tensor, side: int, number: int, shift: int = 0) -> Tensor:
    """Return True, (1, 1, H, W), in every second square of every second row of squares, of SETS such sets."""
    rows, columns = ((torch.arange(size, device=x.device) + shift) // side % 2 for size in x.shape[2:])
    return (2 * rows[:, None] + columns[None] == number)[None, None]


def dilate(mask: Tensor, pixels: int) -> Tensor:
    """Return a mask, (B, 1, H, W), widened by `pixels`, because degraded areas have soft rims."""
    return F.max_pool2d(mask.float(), 2 * pixels + 1, 1, pixels) > 0 if pixels else mask
