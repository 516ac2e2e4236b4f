"""Assumed degradation of an image: resolved from the user's word, its file's word and the model's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from restorekit.core.config import checked_sigma, typed_number
from restorekit.core.contracts import Corruption
from restorekit.core.types import Observation, Problem, shape_of
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.uncertainty.noise_level import IMAGE

Sigma = float | Literal["auto"] | None  # a noise level on [0, 1]; to be estimated; not stated
NO_NOISE = "it holds no noise, as {}: only missing pixels are filled, unless a noise level is stated"
CorruptionSource = Literal["user", "file", "model", "nobody"]


def sigma_of(sigma: object) -> Sigma:
    """Check a noise level from Python: a number, its text such as "25/255", "auto" or None.

    Raises
    ------
    UsageError
        It is none of these, or not from 0 to 1.
    """
    if sigma is None:
        return None
    if isinstance(sigma, str):
        return "auto" if sigma == "auto" else checked_sigma(typed_number(sigma), sigma)
    return checked_sigma(sigma, str(sigma))  # type: ignore[arg-type]  # it raises an error for other objects


@dataclass(frozen=True)
class Degradation:
    """Assumed degradation of one image.

    Attributes
    ----------
    corruption : Corruption
        Assumed corruption.
    sigma : float or None
        Level of its Gaussian noise on [0, 1]; 0 = none, None = unknown.
    estimate : bool
        Whether the level is to be estimated from the image.
    exact : bool
        Whether observed values are those of the clean image.
    source : {"user", "file", "model", "nobody"}
        Author of the corruption; "nobody" if it is noise and missing values by default.
    """

    corruption: Corruption
    sigma: float | None
    estimate: bool
    exact: bool
    source: CorruptionSource


def resolve_degradation(
    user: Corruption | None = None,
    sigma: Sigma = None,
    file: Corruption | None = None,
    model: Corruption | None = None,
    needs_sigma: bool = False,
) -> Degradation:
    """Resolve the degradation of an image from all that is stated about it.

    The user's corruption comes before the file's, and the file's before the model's. The model's word, the noise in
    the images that it has learnt from, does not count if the user states a noise level. If nobody states a
    corruption, it is noise of unknown level and missing values, without the noise if the user states 0.

    The user's noise level comes before the level that the corruption implies. A level above 0, or "auto", adds noise
    to a corruption that only hides values.

    Parameters
    ----------
    user : Corruption or None
        Corruption that the user states.
    sigma : float, "auto" or None
        Noise level on [0, 1] that the user states; "auto" = to be estimated from the image.
    file : Corruption or None
        Corruption in the metadata of the image's file.
    model : Corruption or None
        Noise in the images that the model has learnt from; None if they were clean.
    needs_sigma : bool
        Whether the restorer requires a level: it is then estimated if nobody states anything.
    """
    stated: tuple[tuple[CorruptionSource, Corruption | None], ...] = (
        ("user", user), ("file", file), ("model", model if sigma is None else None)
    )  # fmt: skip
    nobody: tuple[CorruptionSource, Corruption | None] = "nobody", None
    source, known = next((word for word in stated if word[1] is not None), nobody)
    noisy = sigma == "auto" or (sigma is not None and sigma > 0)
    if known is None:
        corruption: Corruption = IMAGE if noisy or sigma is None else Missing()
    else:
        corruption = Chain((Gaussian(), known)) if noisy and known.hides else known
    if sigma == "auto" or (sigma is None and needs_sigma and known is None):
        return Degradation(corruption, None, True, False, source)
    # the default corruption has a level as well, which says nothing about any one image
    implied = None if known is None else corruption.noise_level()
    level = sigma if sigma is not None else None if implied is None else float(implied)
    return Degradation(corruption, level, False, level == 0 and corruption.direct, source)


def pose_problem(
    y: Tensor,
    observed: Tensor,
    corruption: Corruption,
    channels: int,
    sigma: Tensor | None = None,
    label: int | None = None,
) -> Problem:
    """Combine observed values with the assumed corruption.

    Parameters
    ----------
    y : Tensor, (B, Cy, Hy, Wy)
        Observed values on [0, 1], 0 where missing.
    observed : Tensor of bool, (B, 1 or Cy, Hy, Wy)
        True where a value was observed.
    corruption : Corruption
        Gives the shape of x, its fixed parameters, and whether y is x but for noise.
    channels : int
        Channels of x if y does not determine them.
    sigma : Tensor, (B, 1, 1, 1), or None
        Noise levels on [0, 1]; None, or NaN for one image, = unknown.
    label : int or None
        Class of the images.
    """
    shape, params = corruption.clean_shape(shape_of(y), channels), corruption.fixed_params(len(y))
    labels = None if label is None else torch.full((len(y),), label)
    return Problem(Observation(y, observed, shape, sigma, labels, params, direct=corruption.direct), corruption)
