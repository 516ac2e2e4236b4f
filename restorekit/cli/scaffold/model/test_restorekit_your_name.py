"""Facts about the model `your-name`."""

import pytest
import torch
from restorekit_your_name import YourName, YourNameConfig

from restorekit import Batch, Rng
from restorekit.corruptions import Gaussian
from restorekit.testing import MODEL_CHECKS, build

SMALL = YourNameConfig(width=4, depth=1, latent=2)


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_keeps_the_promises_of_a_model(channels, check):
    check(build(YourName, SMALL, channels))


@torch.no_grad()
def test_the_estimate_is_the_mean_of_draws_and_its_spread_is_theirs():
    model, rng = build(YourName, SMALL), Rng(0)
    o = Gaussian(0.1)(rng.uniform("x", (1, 1, 8, 12), "cpu"), rng)
    estimate, draws = model.estimate(o, Gaussian(0.1)), model.sample(o, Gaussian(0.1), 4000, rng)
    spread = draws.mean.var(0)
    assert float(spread.min()) > 0
    assert bool(((draws.mean.mean(0) - estimate.mean).abs() < 5 * (spread / 4000).sqrt()).all())
    assert torch.allclose(spread + draws.variance[0], estimate.std**2, rtol=0.15)


def test_without_weight_of_the_rate_the_loss_is_the_distortion():
    x = Rng(0).uniform("x", (2, 1, 8, 8), "cpu")
    batch = Batch(x, Gaussian(0.1)(x, Rng(0)), Gaussian(0.1))
    for beta in (0.0, 2.0):
        terms = build(YourName, YourNameConfig(4, 1, 2, beta)).terms(batch, Rng(0))
        expected = terms.parts["distortion"] + beta * terms.parts["rate"]
        assert float(terms.loss.detach()) == pytest.approx(float(expected), rel=1e-5)
