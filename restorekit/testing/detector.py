"""Checks of detectors: one observation in, a probability of a defect for each pixel out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from restorekit.core.contracts import Detector
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Clean
from restorekit.testing._assertions import (
    copied,
    described,
    expect,
    global_randomness_untouched,
    name_of,
    names,
    promise,
    random_images,
    same_as_before,
)

MIN_SIDE_PX = 24  # pixels a side of test images


def build_detector(cls: type[Any]) -> Detector:
    """Return a detector with its default settings, always with the same weights, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Detector = cls(cls.Config()) if hasattr(cls, "Config") else cls()
    return made.eval() if isinstance(made, nn.Module) else made


def check_detector(detector: type[Detector] | Detector) -> None:
    """Check everything that a detector promises.

    Parameters
    ----------
    detector : Detector, or a class of them
        A class is made with its defaults.

    Raises
    ------
    AssertionError
        One sentence: what was expected, what was got, where to look.
    """
    for check in DETECTOR_CHECKS:
        check(build_detector(detector) if isinstance(detector, type) else detector)


@promise
def declares_itself(detector: Detector) -> None:
    """Expect a name and a docstring."""
    described(detector)


@promise
def gives_a_probability_for_each_pixel(detector: Detector) -> None:
    """Expect float32 values in [0, 1], one for each pixel, for gray and colour images of accepted sizes."""
    for o in _scenes(detector):
        found, wanted = _asked(detector, o), (len(o), 1, *o.y.shape[2:])
        who = f"{name_of(detector)}.probability"
        expect(tuple(found.shape) == wanted, f"{who} must have the shape {wanted}, got {tuple(found.shape)}")
        expect(found.dtype == torch.float32, f"{who} must be float32, got {found.dtype}")
        inside = bool(((found >= 0) & (found <= 1)).all())
        expect(inside, f"{who} must lie in [0, 1], got {float(found.min()):g} to {float(found.max()):g}")


@promise
def ignores_the_batch(detector: Detector) -> None:
    """Expect the same probabilities for an image alone and in a batch, but for rounding."""
    for o in _scenes(detector):
        both, alone = _asked(detector, o), _asked(detector, o.take(torch.tensor([1])), ("1",))
        close = torch.allclose(both[1:], alone, atol=1e-4)
        expect(close, f"{name_of(detector)}.probability of an image must not depend on the others of its batch")


@promise
def leaves_its_input_alone(detector: Detector) -> None:
    """Expect the observation to be afterwards what it was, and nothing drawn from global generators."""
    for o in _scenes(detector):
        before = copied(o)
        with global_randomness_untouched(name_of(detector)):
            _asked(detector, o)
        same_as_before(detector, before, copied(o), "a call")


@promise
def repeats_itself(detector: Detector) -> None:
    """Expect the same probabilities for the same observation and random numbers."""
    for o in _scenes(detector):
        same = torch.equal(_asked(detector, o), _asked(detector, o))
        expect(same, f"{name_of(detector)}.probability must repeat itself; draw from the passed Rng")


@promise
def accepts_images_with_gaps(detector: Detector) -> None:
    """Expect finite probabilities where values are missing."""
    for o in _scenes(detector):
        observed = torch.ones_like(o.observed)
        observed[..., ::3, :] = False
        gaps = replace(o, y=o.y * observed, observed=observed)
        finite = bool(_asked(detector, gaps).isfinite().all())
        expect(finite, f"{name_of(detector)}.probability must be finite where values are missing")


DETECTOR_CHECKS: tuple[Callable[[Detector], None], ...] = (
    declares_itself,
    gives_a_probability_for_each_pixel,
    ignores_the_batch,
    leaves_its_input_alone,
    repeats_itself,
    accepts_images_with_gaps,
)


def _scenes(detector: Detector) -> list[Observation]:
    """Return two images each in gray and colour, of a size that the detector accepts."""
    size, multiple = detector.geometry.size, detector.geometry.multiple
    height, width = size or (-(-MIN_SIDE_PX // multiple) * multiple, -(-MIN_SIDE_PX // multiple) * multiple + multiple)
    images = [random_images(2, channels, height, width) for channels in detector.geometry.channels]
    return [Clean()(x, Rng(0, names(len(x)))) for x in images]


def _asked(detector: Detector, o: Observation, keys: tuple[str, ...] | None = None) -> torch.Tensor:
    with torch.no_grad():
        return detector.probability(o, Rng(0, keys or names(len(o))))
