"""Restoring single images from Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from restorekit import bands, plugins
from restorekit.contracts import Corruption
from restorekit.corruptions.spec import parse
from restorekit.devices import Compute, Precision
from restorekit.enclose import enclose_told
from restorekit.errors import UsageError
from restorekit.exchange import take, take_missing
from restorekit.noise import Noise
from restorekit.opening import Opened, open_restorer
from restorekit.settings import checked_sigma
from restorekit.sigma import expected, stated
from restorekit.types import Observation, Restoration


class Loaded:
    """A model for Python: takes and returns images as numpy arrays or torch tensors.

    Parameters
    ----------
    opened : Opened
        What `open_restorer` gave.
    corruption : Corruption or None
        What damaged the images, where that is known.
    """

    def __init__(self, opened: Opened, corruption: Corruption | None = None) -> None:
        self.opened, self.corruption = opened, corruption

    def __call__(
        self,
        image: Any,
        missing: Any = None,
        sigma: float | None = None,
        samples: int = 0,
        seed: int = 0,
        label: int | None = None,
        interval: float | None = None,
    ) -> Restoration:
        """Restore one image, or a batch.

        Parameters
        ----------
        image : ndarray (H, W) or (H, W, C), or Tensor (H, W), (C, H, W) or (B, C, H, W)
            On [0, 1] where it is float; uint8 and uint16 span 0 to their maximum. NaN means missing.
        missing : array or Tensor of the same height and width, optional
            Non-zero where a pixel is missing.
        sigma : float, optional
            Standard deviation of the noise on [0, 1]; 0 = none; None = unknown, or as in the images that the model has
            learnt from where those had noise.
        samples : int
            Draws to return.
        seed : int
            Seed of the draws.
        label : int, optional
            Class of the image, for models that know classes.
        interval : float, optional
            Share of the unknown values that `low` and `high` are to enclose; they are NaN, with a warning,
            where the model's calibration does not reach.

        Returns
        -------
        Restoration
            On [0, 1]. Fields laid out like the image, numpy for numpy, torch for torch; draws have a leading axis.

        Raises
        ------
        UsageError
            A shape, type, scale or option that does not fit.
        """
        if not isinstance(samples, Integral) or samples < 0:
            raise UsageError(f"samples is a whole number of draws from 0 on, got {samples!r}")
        self.opened.check(label, int(samples))
        y, form = take(image)
        observed = y.isfinite()
        if missing is not None:
            observed = observed & ~take_missing(missing, tuple(y.shape))
        level = None if sigma is None else torch.full((len(y), 1, 1, 1), checked_sigma(sigma, str(sigma)))
        numbers = None if label is None else torch.full((len(y),), label)
        shape = (y.shape[1], y.shape[2], y.shape[3])
        observation = Observation(torch.where(observed, y, 0.0), observed, shape, level, numbers)
        corruption = expected(None, None if sigma is None else sigma > 0)
        if known := self._known(sigma):
            corruption, shape = known, known.clean_shape(shape, max(self.opened.restorer.geometry.channels))
            observation = stated(replace(observation, shape=shape), known)
        noise = Noise(seed, tuple(str(i) for i in range(len(y))))
        restored = bands.restore(self.opened.restorer, observation, corruption, samples, noise)
        if interval is not None:
            together, table = bands.together(self.opened.restorer, shape[0]), self.opened.table
            restored = enclose_told(restored, observation, corruption, together, table, interval)
        return _mapped(restored, form.give)

    def _known(self, sigma: float | None) -> Corruption | None:
        """Return what is known to have damaged images: as said when it was loaded, else as in what was learnt from."""
        if self.corruption is None:
            return parse(self.opened.noise, plugins.corruptions()) if self.opened.noise and sigma is None else None
        if sigma is not None:
            raise UsageError(
                f"the noise is a part of the corruption {self.corruption}, got sigma={sigma} too; leave it out"
            )
        return self.corruption


def load(
    name: str = "default", device: str = "auto", sampler: str | None = None, precision: Precision = "auto",
    compiled: bool = False, corruption: str | None = None,
) -> Loaded:  # fmt: skip
    """Load a model, weights or classical method by name for use from Python; see `devices.Compute` and `Loaded`.

    `corruption` is the spec of what damaged the images, where that is more than noise and missing values, such as
    ``blur:size=2+gaussian:sigma=5/255``; `sampler` that of an unconditional model's sampler.
    """
    known = None if corruption is None else parse(corruption, plugins.corruptions())
    return Loaded(open_restorer(name, known, sampler, Compute(device, precision, compiled)), known)


def _mapped(r: Restoration, give: Callable[[Tensor], Any]) -> Restoration:
    std, draws, low, high = (None if part is None else give(part) for part in (r.std, r.draws, r.low, r.high))
    return Restoration(give(r.mmse), std, draws, low, high, r.told)
