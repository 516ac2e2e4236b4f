"""Plug-and-play at temperatures, against models whose prior is that much narrower."""

import pytest
import torch

from restorekit.core.distributions import DiagonalGaussian
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.samplers import PlugAndPlay
from restorekit.samplers.plug_and_play import tempered
from tests._helpers.linear_gaussian import PCA
from tests._helpers.linear_hierarchy import Bare, Ladder, LadderConfig
from tests._helpers.toy_models import ALL, SEEN, observed

BOTH = Chain((Gaussian(0.4), Missing(0.5)))
CASES = [
    pytest.param(Gaussian(0.4), 0.4, ALL, id="noise"),
    pytest.param(Missing(0.5), 0.0, SEEN, id="missing"),
    pytest.param(BOTH, 0.4, SEEN, id="both"),
]


@pytest.mark.parametrize(
    ("temperature", "scales"),
    [
        ((0.3, 1.0), (0.3, 1.0)),
        ((1.0, 0.3), (1.0, 0.3)),
        ((0.4, 0.6), (0.4, 0.6)),
        ((0.5,), (0.5, 0.5)),
        ((1.0,), (1.0, 1.0)),
    ],
)
@pytest.mark.parametrize(("corruption", "sigma", "seen"), CASES)
def test_a_level_at_a_temperature_is_one_whose_prior_is_that_much_narrower(
    corruption, sigma, seen, temperature, scales
):
    """To the exact posterior mean of x, and not to that of the model as it is."""
    model, o = observed(sigma, seen, cls=Ladder)
    found = PlugAndPlay(temperature=temperature)(model, corruption, o, 1, Rng(0)).mean[0].flatten(1)
    means, _ = Ladder(LadderConfig(scales=scales)).posterior(o)
    torch.testing.assert_close(found, means, atol=2e-3, rtol=0)
    apart = float((means - model.posterior(o)[0]).abs().max())
    assert (apart > 0.01) == (temperature != (1.0,))


def test_temperatures_of_1_give_the_mean():
    model, o = observed(0.0, ALL, cls=Ladder)
    q = model.infer(o.y)
    for found in (tempered(q, (1.0, 1.0)), q.tempered((1.0, 1.0))):
        for level, mean in zip(found, q.mean, strict=True):
            torch.testing.assert_close(level, mean)


def test_a_diagonal_gaussian_is_tempered_in_closed_form():
    """The mean of N(mu, var), which holds a prior N(0, 1), had that been N(0, 0.5^2): by a likelihood of its own."""
    weight, noise, seen, t = 0.8, 0.3, 1.2, 0.5
    variance = 1 / (1 + weight**2 / noise)
    q = DiagonalGaussian(torch.tensor([[variance * weight * seen / noise]]), torch.tensor([[variance]]).log())
    exact = weight * seen / noise / (1 / t**2 + weight**2 / noise)
    assert float(tempered(q, (t,))) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("temperature", [(0.5, 0.5, 0.5), (0.5, 0.0), (-1.0,), ()])
def test_temperatures_that_do_not_fit_the_levels_are_one_sentence(temperature):
    model, o = observed(0.4, ALL, cls=Ladder)
    with pytest.raises(UsageError, match=r"or one for each of the 2 of 'ladder' .* got .*; give one"):
        PlugAndPlay(temperature=temperature)(model, Gaussian(0.4), o, 1, Rng(0))


class Untempered(Ladder):
    def infer(self, x, observed=None, label=None):
        q = super().infer(x, observed, label)
        return Bare(q.top, q.below)


@pytest.mark.parametrize(("cls", "kind"), [(PCA, "FullGaussian"), (Untempered, "Bare")])
def test_latents_that_cannot_be_tempered_are_one_sentence_and_work_without(cls, kind):
    model, o = observed(0.4, ALL, cls=cls)
    with pytest.raises(UsageError, match=f"a method `tempered`, got {kind}; use temperature 1"):
        PlugAndPlay(temperature=(0.5,))(model, Gaussian(0.4), o, 1, Rng(0))
    found = PlugAndPlay()(model, Gaussian(0.4), o, 1, Rng(0)).mean[0].flatten(1)
    torch.testing.assert_close(found, model.posterior(o)[0], atol=2e-3, rtol=0)
