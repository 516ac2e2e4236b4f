import dataclasses

import torch

from restorekit import testing
from restorekit.core.rng import Rng
from restorekit.models import CVAE
from restorekit.models.cvae.error_model import spread_loss
from restorekit.testing._assertions import perturb

SMALL = CVAE.Config(**CVAE.presets["small"])


def test_a_value_pulls_at_its_spread_by_how_large_it_is_and_how_wrong():
    """The gradient of the log-variance is s (1 - e^2 / s^2) / 2 over the sum of s: none where s is right."""
    error, s = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4) + 0.1
    s[0, 0, 0, 0] = error[0, 0, 0, 0]
    logvar = (2 * s.log()).requires_grad_()
    spread_loss(error, logvar, torch.ones_like(error, dtype=torch.bool)).sum().backward()
    expected = s * (1 - error**2 / s**2) / 2 / s.flatten(1).sum(1).view(2, 1, 1, 1)
    torch.testing.assert_close(logvar.grad, expected)
    assert logvar.grad[0, 0, 0, 0].abs() < 1e-6


def test_draws_have_the_spread_that_the_estimate_tells():
    """Variance between decoder means, and the decoder's own, make s^2 at every value."""
    model = testing.build(CVAE, dataclasses.replace(SMALL))
    perturb(model)
    features = tuple(Rng(i).normal("f", (1, w, 8 >> i, 12 >> i), "cpu") for i, w in enumerate(SMALL.widths))
    with torch.no_grad():
        s, likelihood = model.around.draw(features, (3, 16, 24), Rng(0).expand(4000), 4000)
    total = s**2 * (likelihood.mean.var(0) + likelihood.variance[0])
    torch.testing.assert_close(total, s**2, rtol=0.13, atol=0)
    assert float(likelihood.mean.mean(0).abs().max()) < 5.5 / 4000**0.5
