"""Every sampler against the one model whose p(x | y) is known in closed form."""

import dataclasses

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Blur, Chain, Gaussian, Missing
from restorekit.samplers import Importance, Langevin, MetropolisWithinGibbs, Mode, PlugAndPlay
from restorekit.samplers.targets import Joint, Marginal
from tests._helpers.builtin_registry import built_in
from tests._helpers.linear_gaussian import PCA
from tests._helpers.linear_hierarchy import Ladder
from tests._helpers.toy_models import ALL, NONE, SEEN, coins, forked, observed

DRAWS = 8000
NUMBER = {PCA: DRAWS, Ladder: 2000}  # of the model with two levels of latents fewer will do
MODES = ("map", "pnp")  # which give one answer: in a Gaussian model the mode is the mean
CASES = [
    pytest.param(Gaussian(0.4), 0.4, ALL, id="noise"),
    pytest.param(Missing(0.5), 0.0, SEEN, id="missing"),
    pytest.param(Chain((Gaussian(0.4), Missing(0.5))), 0.4, SEEN, id="both"),
    pytest.param(Missing(1.0), 0.0, NONE, id="nothing observed"),
]
SAMPLERS = {**built_in("samplers"), "importance": lambda: Importance(proposals=DRAWS)}


def agrees(draws, means, covariances, effective=None):
    """Expect mean and covariance of draws within 4 standard errors, by the effective number of draws of each image."""
    for i in range(draws.mean.shape[1]):
        drawn = draws.mean[:, i].flatten(1).double()
        exact, spread = means[i].double(), covariances[i].double()
        found = torch.cov(drawn.T) + torch.diag(draws.variance[:, i].flatten(1).double().mean(0))
        number = len(drawn) if effective is None else min(len(drawn), float(effective[i]))
        variance = spread.diag().clamp_min(0)  # of an observed value 0, but for rounding
        error = (variance / number).sqrt()
        assert ((drawn.mean(0) - exact).abs() < 4 * error + 1e-4).all()
        error = ((variance[:, None] * variance + spread**2) / number).sqrt()
        assert ((found - spread).abs() < 4 * error + 1e-4).all()


@pytest.mark.parametrize("cls", NUMBER)
@pytest.mark.parametrize(("corruption", "sigma", "seen"), CASES)
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in MODES])
def test_draws_have_the_mean_and_covariance_of_the_exact_posterior(name, corruption, sigma, seen, cls):
    """Chains are one for each draw, so that the effective number is that of draws; proposals are shared."""
    model, o = observed(sigma, seen, cls=cls)
    draws = SAMPLERS[name]()(model, corruption, o, NUMBER[cls], Rng(0))
    agrees(draws, *model.posterior(o), draws.diagnostics.get("effective_proposals"))


class Astray(Ladder):
    """The ladder with a q(z | x) that takes both levels' priors for wider than they are."""

    def infer(self, x, observed=None, label=None):
        return super().infer(x, observed, label).again((2.0, 1.5))


@pytest.mark.parametrize("name", ["mwg", "importance"])
def test_a_poor_q_over_levels_changes_nothing_where_it_is_weighed(name):
    model, o = observed(0.4, SEEN, cls=Astray)
    draws = SAMPLERS[name]()(model, Chain((Gaussian(0.4), Missing(0.5))), o, 4000, Rng(0))
    agrees(draws, *model.posterior(o), draws.diagnostics.get("effective_proposals"))
    assert float(draws.diagnostics.get("acceptance", torch.tensor(0.5)).max()) < 0.9


@pytest.mark.parametrize("name", ["mwg", "importance", "langevin"])
def test_a_decoder_of_zeros_and_ones_is_sampled_by_its_first_two_moments(name):
    """In `mwg` the accept step must weigh x by the law that it is drawn from."""
    model, o, exact = coins(0.4)
    draws = SAMPLERS[name]()(model, Gaussian(0.4), o, 4000, Rng(0))
    found = draws.mean[:, 0].flatten(1)
    number = min(4000, float(draws.diagnostics.get("effective_proposals", torch.tensor(4000.0))))
    assert ((found.mean(0) - exact).abs() < 4 * found.std(0) / number**0.5).all()


def test_gibbs_is_biased_by_how_far_q_is_from_the_posterior():
    """As its docs say: where q takes priors for wider than they are, so are the draws, by more than a quarter."""
    model, o = observed(0.4, SEEN, cls=Astray)
    draws = SAMPLERS["gibbs"]()(model, Chain((Gaussian(0.4), Missing(0.5))), o, 4000, Rng(0))
    _, covariances = model.posterior(o)
    exact = covariances[0].diag()
    found = draws.mean[:, 0].flatten(1).var(0) + draws.variance[:, 0].flatten(1).mean(0)
    assert float((found / exact).max()) > 1.25


@pytest.mark.parametrize("cls", NUMBER)
@pytest.mark.parametrize(("corruption", "sigma", "seen"), CASES)
@pytest.mark.parametrize("name", MODES)
def test_modes_are_the_joint_mode(name, corruption, sigma, seen, cls):
    model, o = observed(sigma, seen, cls=cls)
    draws = SAMPLERS[name]()(model, corruption, o, 3, Rng(0))
    means, _ = model.posterior(o)
    torch.testing.assert_close(draws.mean.flatten(2), means.expand(3, -1, -1), atol=2e-3, rtol=0)


BLURRED = Chain((Blur(size=0.7), Gaussian(0.3)))


def _blurred(cls=PCA):
    """The model, an observation of two images behind a blur, and the blur of six."""
    two, six = (BLURRED(torch.zeros(n, 1, 2, 3), Rng(0)) for n in (2, 6))
    model, o = observed(0.3, SEEN, BLURRED.operator(two), cls)
    return model, dataclasses.replace(o, params=two.params), BLURRED.operator(six)


def test_langevin_draws_behind_a_blur_are_those_of_the_exact_posterior():
    """Where p(y | z) is not used in closed form: the chain is one of z and of the decoder's noise."""
    model, o, operator = _blurred()
    draws = Langevin(steps=600)(model, BLURRED, o, DRAWS, Rng(0))
    agrees(draws, *model.posterior(o, operator))
    assert float(draws.diagnostics["acceptance"].mean()) == pytest.approx(0.574, abs=0.05)


@pytest.mark.parametrize("cls", NUMBER)
@pytest.mark.parametrize("sampler", [Mode(steps=600), PlugAndPlay()], ids=lambda s: s.name)
def test_modes_behind_a_blur_are_the_joint_mode(sampler, cls):
    model, o, operator = _blurred(cls)
    means, _ = model.posterior(o, operator)
    found = sampler(model, BLURRED, o, 1, Rng(0)).mean[0].flatten(1)
    torch.testing.assert_close(found, means, atol=5e-3, rtol=0)


def test_the_density_on_both_has_the_one_on_z_as_its_margin():
    """Averaged over the decoder's noise, the joint density is the marginal one."""
    model, o = observed(0.4, SEEN)
    many, z = o.cut(torch.arange(2), torch.arange(3)).expand(50_000), torch.full((100_000, 2), 0.3)
    e = Rng(0).normal("e", (100_000, 1, 2, 3), "cpu")
    corruption = Chain((Gaussian(0.4), Missing(0.5)))
    joint = Joint(model, corruption, many, z, e)
    found = (joint.prior((z, e)) + joint.log_likelihood(joint.image((z, e))[1])).view(50_000, 2).double()
    margin = Marginal(model, many, z).log_prob((z,)).view(50_000, 2)[0].double()
    torch.testing.assert_close(found.exp().mean(0).log(), margin, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    "sampler", [Importance(proposals=20_000), MetropolisWithinGibbs(20, 0, 20_000)], ids=lambda s: s.name
)
def test_both_of_two_modes_are_found_in_the_right_proportion(sampler):
    model, o, share = forked()
    assert 0.2 < share < 0.4
    draws = sampler(model, Missing(0.5), o, 4000, Rng(0))
    found = (draws.mean[..., 1] > 0.5).float().mean()
    number = min(4000, float(draws.diagnostics.get("effective_proposals", torch.tensor(4000.0))))
    assert float(found) == pytest.approx(share, abs=5 * (share * (1 - share) / number) ** 0.5)


def test_a_mode_is_one_of_the_two_whatever_their_proportion():
    model, o, _ = forked()
    draws = Mode()(model, Missing(0.5), o, 5, Rng(0))
    assert len(draws.mean.flatten(1).unique(dim=0)) == 1
    assert float(draws.mean[0, ..., 1]) == pytest.approx(-0.5, abs=0.05)  # the higher one: the prior is higher there
