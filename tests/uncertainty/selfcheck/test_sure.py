"""Facts about Stein's unbiased risk estimate of restorers whose divergence is known."""

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Gaussian
from restorekit.uncertainty.selfcheck.case import Case
from restorekit.uncertainty.selfcheck.sure import sure
from tests._helpers.known_restorers import Filtering, Knowing, Shrinking, noisy, picture

SIGMA = 0.1


def case(observation, restorer, seed=0):
    return Case(Problem(observation, Gaussian(SIGMA)), restorer, Rng(seed, ("a",) * len(observation)), clip=False)


def estimated(observation, restorer, seed=0):
    own = case(observation, restorer, seed)
    return sure(own, own.restored(observation))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_of_a_shrinkage_it_is_the_closed_form_whatever_the_probe(share):
    o = noisy(picture(3), SIGMA)
    expected = (1 - share) ** 2 * float(o.y.double().square().mean()) + (2 * share - 1) * SIGMA**2
    risk = estimated(o, Shrinking(share))
    assert risk.mse == pytest.approx(expected, rel=1e-4)
    assert risk.slope == pytest.approx(2 * share - 1, abs=1e-4)


def test_leaving_the_noise_has_the_noise_for_an_error():
    assert estimated(noisy(picture(), SIGMA), Shrinking(1.0)).mse == pytest.approx(SIGMA**2, rel=1e-4)


def test_the_truth_has_an_error_of_nothing_but_chance():
    x = picture()
    found = [estimated(noisy(x, SIGMA, seed=seed), Knowing(x)) for seed in range(50)]
    assert all(r.se == pytest.approx((2 / x.numel()) ** 0.5 * SIGMA**2, rel=0.1) for r in found)
    mean = sum(r.mse for r in found) / len(found)
    assert abs(mean) < 4 * found[0].se / len(found) ** 0.5


def test_the_divergence_of_a_filter_is_its_centre():
    risk = estimated(noisy(picture(side=256), SIGMA), Filtering(0.4))
    assert risk.slope == pytest.approx(2 * 0.4 - 1, abs=4 * 2 * 0.3 * 2**0.5 / 256)


def test_it_is_unbiased_and_its_standard_error_is_that_of_its_distance_from_the_loss():
    x, off, errors = picture(side=32), [], []
    for seed in range(200):
        o = noisy(x, SIGMA, seed=seed)
        risk = estimated(o, Filtering(0.3), seed)
        off.append(risk.mse - float((Filtering(0.3)(o, None, 0, None).mmse - x).square().mean()))
        errors.append(risk.se)
    spread = torch.tensor(off).std()
    assert abs(sum(off) / len(off)) < 4 * spread / len(off) ** 0.5
    assert 0.85 < sum(errors) / len(errors) / spread < 1.3


def test_missing_values_do_not_count():
    x = picture()
    observed = torch.arange(64).view(1, 1, 1, 64).expand_as(x) % 3 > 0
    o = noisy(x, SIGMA, observed)
    expected = 0.25 * float(o.y[observed].double().square().mean())
    assert estimated(o, Shrinking(0.5)).mse == pytest.approx(expected, rel=1e-4)


def test_each_crop_has_its_own_level():
    x = picture().repeat(2, 1, 1, 1)
    o = noisy(x, SIGMA)
    o.sigma[1] = 3 * SIGMA
    assert estimated(o, Shrinking(1.0)).mse == pytest.approx(5 * SIGMA**2, rel=1e-4)


def test_few_values_take_more_probes_and_many_one(monkeypatch):
    asked = []
    monkeypatch.setattr(Filtering, "__call__", counted(Filtering.__call__, asked))
    for side in (8, 256):
        estimated(noisy(picture(side=side), SIGMA), Filtering(0.9))
    assert 2 < asked.count(8) <= 5
    assert asked.count(256) <= 5


def counted(call, asked):
    def counting(self, observation, corruption, n, rng):
        asked.append(observation.y.shape[-1])
        return call(self, observation, corruption, n, rng)

    return counting
