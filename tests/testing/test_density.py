"""Each check fails on a corruption that does not describe what it simulates, in a sentence."""

from dataclasses import dataclass

import pytest
import torch

from restorekit import Corruption
from restorekit.corruptions import Gaussian, Poisson
from restorekit.testing import density
from restorekit.testing.density import DENSITY_CHECKS
from tests._helpers.broken_corruptions import Motion, Shear, broken, changed, keeps
from tests._helpers.check_failures import caught


def _noisy(self, x, rng):
    return keeps(x + 0.2 * rng.normal("n", tuple(x.shape), x.device))


@dataclass(frozen=True)
class Crooked(Shear):
    """Takes the map itself for its adjoint."""

    def adjoint(self, u):
        return self.apply(u)


@dataclass(frozen=True)
class Bent(Shear):
    def apply(self, x):
        return super().apply(x) ** 2


BROKEN = [
    (
        density.has_a_density_per_image,
        broken(Gaussian, log_prob=lambda self, o, x: Gaussian.log_prob(self, o, x).sum()),
    ),
    (
        density.has_a_density_per_image,
        broken(Gaussian, log_prob=lambda self, o, x: -(o.y - x).square().flatten(1).sum(1)),
    ),
    (
        density.has_a_density_per_image,
        broken(Gaussian, log_prob=lambda s, o, x: Gaussian.log_prob(s, o, x) - torch.inf),
    ),
    (density.has_an_unbiased_score, broken(Gaussian, log_prob=lambda self, o, x: Gaussian.log_prob(self, o, 0.9 * x))),
    (
        density.has_an_unbiased_score,
        broken(Poisson, log_prob=lambda s, o, x: torch.xlogy(30 * o.y, x).flatten(1).sum(1)),
    ),
    (density.has_an_adjoint, broken(Motion, operator=lambda self, o: Crooked())),
    (density.has_an_adjoint, broken(Motion, operator=lambda self, o: Bent())),
    (density.has_an_adjoint, broken(Motion, operator=lambda self, o: Shear(-1))),
    (density.tells_its_noise, broken(Corruption, __call__=_noisy)),
    (density.tells_its_noise, broken(Gaussian, __call__=changed(Gaussian, sigma=lambda o: 2 * o.sigma))),
]


@pytest.mark.parametrize(("check", "faulty"), BROKEN, ids=lambda v: getattr(v, "__name__", ""))
def test_a_broken_corruption_is_caught(check, faulty):
    caught(check, faulty)


def test_every_check_has_been_seen_to_fail():
    assert {*DENSITY_CHECKS} == {check for check, _ in BROKEN}
