import dataclasses

import pytest
import torch

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Estimate
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.models import CVAE
from restorekit.models.cvae.blindspot import combine, predicted, spots, without
from restorekit.testing._assertions import pictures, shake

SMALL = CVAE.Config(**CVAE.presets["small"] | {"spots": 3, "noise": 0.1})
DAMAGE = Chain((Gaussian(0.1), Missing(0.2)))


@pytest.fixture(scope="module")
def model():
    found = testing.build(CVAE, SMALL)
    shake(found)
    return found


def _observed(channels=1):
    return DAMAGE(pictures(2, channels, 24, 40), Rng(0, ("a", "b")))


def test_the_spots_of_all_numbers_cover_every_pixel_once():
    o = _observed()
    total = sum(spots(o, 3, torch.full((2,), k)).int() for k in range(9))
    assert total.shape == (2, 1, 24, 40)
    assert bool((total == 1).all())


def test_what_is_hidden_is_neither_seen_nor_guessed_from():
    o = dataclasses.replace(_observed(), initial=torch.ones(2, 1, 24, 40))
    hidden = spots(o, 3, torch.tensor([0, 4]))
    left = without(o, hidden)
    assert left.initial is None
    assert not bool((left.observed & hidden).any())
    assert float(torch.where(hidden, left.y, 0.0).abs().max()) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_prediction_of_a_value_does_not_depend_on_it(channels, model):
    """Nor on the other channels of its pixel."""
    o = _observed(channels)
    y = o.y.clone()
    y[:, :, 11, 17] += 0.3
    with torch.no_grad():
        one, other = (
            predicted(q, 3, lambda blind: model.one_pass(blind, DAMAGE)) for q in (o, dataclasses.replace(o, y=y))
        )
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a[:, :, 11, 17], b[:, :, 11, 17])
        assert not torch.equal(a[:, :, 11, 18], b[:, :, 11, 18])


def test_a_value_is_weighed_in_by_its_precision():
    o = _observed()
    prior = Estimate(torch.full_like(o.y, 0.5), torch.full_like(o.y, 0.2))
    found = combine(prior, o, torch.full((2, 1, 1, 1), 0.01))
    expected = torch.where(o.observed, (0.5 / 0.04 + o.y / 0.01) / (1 / 0.04 + 1 / 0.01), 0.5)
    torch.testing.assert_close(found.mean, expected)
    variance = torch.where(o.observed, torch.tensor(1 / (1 / 0.04 + 1 / 0.01)), torch.tensor(0.04))
    torch.testing.assert_close(found.std**2, variance)


def test_noise_that_is_not_told_is_that_of_what_was_learnt_from(model):
    other = testing.build(CVAE, dataclasses.replace(SMALL, noise=0.4))
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        told, untold = ([m.estimate(o, DAMAGE).std for m in (model, other)] for o in (_observed(), _observed().blind()))
    assert torch.equal(*told)
    assert float((untold[0] / untold[1]).mean()) < 0.95


def test_draws_vary_as_the_spread_says(model):
    o = _observed()
    with torch.no_grad():
        draws, estimate = model.sample(o, DAMAGE, 500, Rng(0)), model.estimate(o, DAMAGE)
    assert draws.mean.shape == (500, 2, 1, 24, 40)
    assert draws.variance is None
    torch.testing.assert_close(draws.mean.std(0).mean(), estimate.std.mean(), rtol=0.01, atol=0)
    torch.testing.assert_close(draws.mean.mean(0), estimate.mean, atol=6 * float(estimate.std.max()) / 500**0.5, rtol=0)


def test_it_learns_from_hidden_values_that_were_observed_alone(model):
    """Gradients reach trunk and spread; what was never observed changes nothing."""
    o = _observed()
    loss = model.terms(Batch(None, o, DAMAGE), Rng(0)).loss
    loss.backward()
    learnt = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert {"trunk", "around"} <= learnt
    model.zero_grad()
    moved = dataclasses.replace(o, y=torch.where(o.observed, o.y, 0.9))
    again = model.terms(Batch(None, dataclasses.replace(moved, y=moved.y * o.observed), DAMAGE), Rng(0)).loss
    assert float(again.detach()) == float(loss.detach())
