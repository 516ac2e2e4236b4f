"""Each check fails on a latent model with that one fault, in a sentence."""

import pytest
import torch

from restorekit.core.distributions import DiagonalGaussian
from restorekit.testing import LATENT_CHECKS, build, latent_model
from tests._helpers.check_failures import caught
from tests._helpers.linear_gaussian import PCA, FullGaussian, StandardNormal
from tests._helpers.linear_hierarchy import Bare, Ladder, LadderPrior, Posterior


class BatchDensity(PCA):
    def infer(self, x, observed=None, label=None):
        q = super().infer(x, observed, label)

        class Summed(FullGaussian):
            def log_prob(self, z):
                return super().log_prob(z).sum()

        return Summed(q.mu, q.scale)


class WidePrior(PCA):
    def prior(self, label=None):
        return StandardNormal(self.config.latent + 1)


class ColdPrior(PCA):
    def prior(self, label=None):
        class Cold(StandardNormal):
            def sample(self, n, shape, rng, temperature=1.0):
                return torch.zeros(n, self.latent)

        return Cold(self.config.latent)


class Counted(Ladder):
    def prior(self, label=None):
        class Twice(LadderPrior):
            def log_probs(self, z):
                return (self.log_prob(z), *super().log_probs(z)[1:])

        found = super().prior(label)
        return Twice(found.top, found.below)


class OneLevel(Ladder):
    def infer(self, x, observed=None, label=None):
        class Whole(Posterior):
            def log_probs(self, z):
                return (self.log_prob(z),)

        q = super().infer(x, observed, label)
        return Whole(q.top, q.below, q.again)


class OneHeat(Ladder):
    def prior(self, label=None):
        class Even(LadderPrior):
            def sample(self, n, shape, rng, temperature=1.0):
                warmth = temperature if isinstance(temperature, float) else temperature[-1]
                return super().sample(n, shape, rng, warmth)

        p = super().prior()
        return Even(p.top, p.below)


class OneSided(Ladder):
    def infer(self, x, observed=None, label=None):
        q = super().infer(x, observed, label)
        return Bare(q.top, q.below)


class Cools(Ladder):
    def infer(self, x, observed=None, label=None):
        q = super().infer(x, observed, label)
        return Posterior(q.top, q.below, lambda t: q.again((0.9 * t[0], t[1])))


class Narrow(Ladder):
    def infer(self, x, observed=None, label=None):
        class Top(Posterior):
            def tempered(self, temperatures):
                return super().tempered(temperatures)[0]

        q = super().infer(x, observed, label)
        return Top(q.top, q.below, q.again)


class SeesAll(PCA):
    def decode(self, z, label=None):
        class Deaf(DiagonalGaussian):
            def log_prob(self, x, observed=None):
                return super().log_prob(x)

        found = super().decode(z, label)
        return Deaf(found.mu, found.logvar)


class Peeks(PCA):
    def infer(self, x, observed=None, label=None):
        return super().infer(x)


def _law(**members):
    """A decoder whose Gaussian has other members."""

    class Misled(PCA):
        def decode(self, z, label=None):
            found = super().decode(z, label)
            return type("Other", (DiagonalGaussian,), members)(found.mu, found.logvar, "x")

    return Misled


Wide = _law(variance=property(lambda self: 9 * self.logvar.exp().expand_as(self.mu)))
Shifted = _law(sample=lambda self, rng: DiagonalGaussian.sample(self, rng) + 1)


BROKEN = [
    (latent_model.infers_a_posterior, BatchDensity),
    (latent_model.has_a_prior, WidePrior),
    (latent_model.has_a_prior, ColdPrior),
    (latent_model.has_a_density_per_level, Counted),
    (latent_model.has_a_density_per_level, OneLevel),
    (latent_model.has_a_density_per_level, OneSided),
    (latent_model.has_a_density_per_level, OneHeat),
    (latent_model.tempers_its_posterior, Cools),
    (latent_model.tempers_its_posterior, Narrow),
    (latent_model.decodes_to_a_likelihood, SeesAll),
    (latent_model.draws_as_its_moments_say, Wide),
    (latent_model.draws_as_its_moments_say, Shifted),
    (latent_model.ignores_what_was_not_observed, Peeks),
]


@pytest.mark.parametrize(("check", "cls"), BROKEN, ids=lambda v: v.__name__)
def test_a_broken_latent_model_is_caught(check, cls):
    caught(check, build(cls))


def test_every_check_has_been_seen_to_fail():
    assert {*LATENT_CHECKS} == {check for check, _ in BROKEN}
