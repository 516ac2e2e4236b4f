"""Each check fails on a corruption that declares a trait it does not have, in a sentence."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch.nn import functional as F

from restorekit import Corruption, Ranged
from restorekit.corruptions import (
    Blur,
    Clean,
    Downsample,
    Gaussian,
    Holes,
    Lines,
    Missing,
    Poisson,
    Quantise,
    SaltPepper,
    Sensor,
    Speckle,
    Stripes,
)
from restorekit.testing import check_corruption, traits
from restorekit.testing.traits import TRAIT_CHECKS
from tests._helpers.broken_corruptions import Motion, broken, changed, keeps
from tests._helpers.check_failures import caught


def _uniform(self, x, rng):
    noise = rng.uniform("n", tuple(x.shape), x.device) - 0.5
    return replace(keeps(x), y=x + self.sigma * 12**0.5 * noise, sigma=self.draw("sigma", x, rng))


def _shaded(self, x, rng):
    """Noise that is stronger in bright places, of the level sigma on average."""
    noise = rng.normal("n", tuple(x.shape), x.device)
    return replace(keeps(x), y=x + self.sigma * (2 * x).sqrt() * noise, sigma=self.draw("sigma", x, rng))


def _grouped(self, x, rng):
    """Lose pixels in pairs."""
    kept = rng.uniform("pairs", (len(x), 1, x.shape[2], -(-x.shape[3] // 2)), x.device) >= self.draw("rate", x, rng)
    observed = kept.repeat_interleave(2, 3)[..., : x.shape[3]]
    return replace(keeps(x), y=x * observed, observed=observed)


def _small(self, x, rng):
    return replace(keeps(F.avg_pool2d(x, 2, ceil_mode=True)), shape=tuple(x.shape[1:]))


@dataclass(frozen=True)
class Dim(Corruption):
    """y = gain x: its operator reads the gain of each image under a name of its own."""

    name = "dim"
    gain: Ranged = field(default=0.5, metadata={"low": 0.0, "high": 1.0})

    def __call__(self, x, rng):
        gain = self.draw("gain", x, rng)
        return replace(keeps(gain * x), params={"dim.gain": gain}, direct=False)

    def operator(self, observation):
        return _Scale(observation.params["dim.gain"])

    def fixed_params(self, count=1):
        return {"dim.gain": super().fixed_params(count)["gain"]}


@dataclass(frozen=True, eq=False)
class _Scale:
    gain: torch.Tensor
    halo: int = 0

    def apply(self, x):
        return self.gain * x

    def adjoint(self, u):
        return self.gain * u


BROKEN = [
    (traits.declares_known_traits, broken(Gaussian, noise_law="gausian")),
    (traits.declares_known_traits, broken(Gaussian, smooth="yes")),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, noise_law="none")),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, noise_law="impulse")),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, noise_law="rounding")),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, noise_law="speckle")),
    (traits.has_the_noise_law_it_declares, broken(Speckle, noise_law="poisson")),
    (traits.has_the_noise_law_it_declares, broken(Poisson, noise_law="speckle")),
    (traits.has_the_noise_law_it_declares, broken(Poisson, noise_law="gaussian")),
    (traits.has_the_noise_law_it_declares, broken(SaltPepper, noise_law="other")),
    (traits.has_the_noise_law_it_declares, broken(Stripes, noise_law="other")),
    (traits.has_the_noise_law_it_declares, broken(Sensor, noise_law="poisson-gaussian")),
    (traits.has_the_noise_law_it_declares, broken(Missing, noise_law="none")),
    (traits.has_the_noise_law_it_declares, broken(Downsample, noise_law="none")),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, __call__=_uniform)),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, __call__=_shaded)),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, __call__=changed(Gaussian, sigma=lambda o: 1.1 * o.sigma))),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, __call__=changed(Gaussian, sigma=lambda o: None))),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, __call__=changed(Gaussian, y=lambda o: o.y + 0.02))),
    (traits.has_the_noise_law_it_declares, broken(Gaussian, __call__=changed(Gaussian, direct=lambda o: False))),
    (traits.loses_scattered_values, broken(Lines, scattered=True)),
    (traits.loses_scattered_values, broken(Holes, scattered=True)),
    (traits.loses_scattered_values, broken(Missing, __call__=_grouped)),
    (traits.resizes_as_declared, broken(Gaussian, resizes=True)),
    (traits.resizes_as_declared, broken(Gaussian, __call__=_small)),
    (traits.resizes_as_declared, broken(Downsample, resizes=False)),
    (traits.is_as_linear_as_declared, broken(Motion, operator=lambda self, o: None)),
    (
        traits.is_as_linear_as_declared,
        broken(Motion, __call__=lambda s, x, rng: replace(o := Motion()(x, rng), y=o.y + 0.01)),
    ),
    (traits.is_as_linear_as_declared, broken(Gaussian, linear=True)),
    (traits.states_its_noise_level, broken(Gaussian, noise_level=Corruption.noise_level)),
    (
        traits.states_its_noise_level,
        broken(Gaussian, noise_level=lambda self, count=1: torch.ones(count, 1, 1, 1)),
    ),
    (traits.states_its_noise_level, broken(Gaussian, noise_level=lambda self, count=1: self.fixed("sigma"))),
    (traits.states_its_noise_level, broken(Poisson, noise_level=lambda self, count=1: torch.zeros(count, 1, 1, 1))),
    (traits.states_its_params, broken(Dim, fixed_params=Corruption.fixed_params)),
    (
        traits.states_its_params,
        broken(Poisson, fixed_params=lambda s, n=1: {"peak": torch.ones(n, 1, 1, 1)}),
    ),
    (traits.states_its_params, broken(Blur, fixed_params=Corruption.fixed_params)),
]


@pytest.mark.parametrize(("check", "faulty"), BROKEN, ids=lambda v: getattr(v, "__name__", ""))
def test_a_broken_corruption_is_caught(check, faulty):
    caught(check, faulty)


def test_every_check_has_been_seen_to_fail():
    assert {*TRAIT_CHECKS} == {check for check, _ in BROKEN}


@pytest.mark.parametrize("corruption", [Dim(), Dim((0.2, 0.8)), Clean(), Quantise(3), Sensor(blur=(0.0, 1.0))], ids=str)
def test_sound_corruptions_pass(corruption):
    check_corruption(corruption)


def test_ranges_are_fixed_before_their_law_is_looked_at():
    traits.has_the_noise_law_it_declares(Gaussian((0.0, 0.3)))
    caught(traits.has_the_noise_law_it_declares, broken(Gaussian, sigma=(0.1, 0.3), __call__=_uniform_of_a_range))


def _uniform_of_a_range(self, x, rng):
    sigma = self.draw("sigma", x, rng)
    noise = rng.uniform("n", tuple(x.shape), x.device) - 0.5
    return replace(keeps(x), y=x + sigma * 12**0.5 * noise, sigma=sigma)
