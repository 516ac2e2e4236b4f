"""Every contract checks what its implementations return, whoever calls them."""

import dataclasses

import pytest
import torch

from restorekit import (
    Corruption,
    Draws,
    Estimate,
    Geometry,
    Metric,
    Model,
    Observation,
    Restoration,
    Restorer,
    Rng,
    Sampler,
    Terms,
)
from restorekit.core.plugins.boundary import BrokenError
from restorekit.core.types import Batch
from restorekit.corruptions import Gaussian, Missing
from restorekit.models.vae.model import VAE

X = torch.rand(2, 1, 4, 6, generator=torch.Generator().manual_seed(0))
OBSERVATION = Missing(0.5)(X, Rng(0))


@dataclasses.dataclass(frozen=True)
class Shrinks(Corruption):
    """Leave out a row of `observed`."""

    name = "shrinks"

    def __call__(self, x, noise):  # an author's own name for the source of random numbers
        return Observation(x, torch.ones(1, 1, 4, 6, dtype=torch.bool), tuple(x.shape[1:]))

    def initial_estimate(self, observation):
        return observation.y[..., :-1]


class Wrong(Model):
    """Return the wrong thing from every method."""

    name, geometry = "wrong", Geometry()

    def terms(self, batch, noise, group="model"):
        return Terms(torch.zeros(2), {})

    def sample(self, observation, corruption, n, noise):
        return Draws(observation.y[None].expand(n + 1, -1, -1, -1, -1), None)

    def estimate(self, observation, corruption):
        return Estimate(observation.y, observation.y[:1])

    def diagnose(self, batch, noise):
        return {"a": torch.zeros(3)}


class Infinite(Restorer):
    """Return infinity."""

    name = "infinite"

    def __call__(self, observation, corruption, n, noise):
        return Restoration(observation.y / 0)


class Text(Metric):
    """Return a text."""

    name = "text"

    def __call__(self, restoration, reference, observation):
        return "good"


class TooFew(Sampler):
    """Return one draw too few."""

    name = "toofew"

    def __call__(self, model, corruption, observation, n, noise):
        return Draws(observation.y[None].expand(n - 1, -1, -1, -1, -1), None)

    def refuse(self, model, corruption):
        return None


class TextMixin:
    """Implement a restorer and a metric outside of their contracts."""

    def __call__(self, *arguments):
        return "good"


class MixedRestorer(TextMixin, Restorer):
    """Inherit the wrong result from a class that knows no contract."""

    name = "mixed"


class MixedMetric(TextMixin, Metric):
    """Inherit the wrong result from a class that knows no contract."""

    name = "mixed"


BATCH = Batch(X, OBSERVATION, Missing(0.5))
CASES = [
    (lambda: Shrinks()(X, Rng(0)), "in observed, got"),
    (lambda: Shrinks().initial_estimate(OBSERVATION), "in the initial estimate, got"),
    (lambda: Wrong(None).terms(BATCH, Rng(0)), r"shape \(\) in loss"),
    (lambda: Wrong(None).sample(OBSERVATION, Missing(0.5), 3, Rng(0)), "in mean, got"),
    (lambda: Wrong(None).estimate(OBSERVATION, Missing(0.5)), "in std, got"),
    (lambda: Wrong(None).diagnose(BATCH, Rng(0)), r"what it returns\['a'\]"),
    (lambda: Infinite()(OBSERVATION, Missing(0.5), 0, Rng(0)), "expected finite values"),
    (lambda: TooFew()(Wrong(None), Missing(0.5), OBSERVATION, 3, Rng(0)), "in mean, got"),
    (lambda: MixedRestorer()(OBSERVATION, Missing(0.5), 0, Rng(0)), "expected Restoration, got str"),
    (lambda: MixedMetric()(Restoration(X), X, OBSERVATION), "expected a float"),
    (lambda: Text()(Restoration(X), X, OBSERVATION), "expected a float"),
]


@pytest.mark.parametrize(("call", "message"), CASES)
def test_wrong_result_is_refused(call, message):
    with pytest.raises(BrokenError, match=message):
        call()


def test_keyword_reaches_a_parameter_of_another_name():
    assert torch.equal(Renamed(0.1)(X, rng=Rng(3)).y, Gaussian(0.1)(X, Rng(3)).y)


@dataclasses.dataclass(frozen=True)
class Renamed(Gaussian):
    """Gaussian noise whose author calls the source of random numbers differently."""

    def __call__(self, x, source):
        return super().__call__(x, source)


def test_methods_of_a_class_are_wrapped_once():
    assert not hasattr(VAE.terms.__wrapped__, "__wrapped__")
