"""Facts about the adversarial autoencoders."""

import dataclasses
import math

import pytest
import torch
from restorekit_aae import AAE, CAAE, AAEConfig
from restorekit_aae.discriminator import Discriminator, divergence, moments
from restorekit_aae.models import LEGACY_ACCURACY
from torch import distributions

from restorekit import Batch, Rng, SpecError, UsageError, testing
from restorekit.corruptions import Clean, Missing
from restorekit.models import VAE, DiagonalGaussian
from restorekit.testing._assertions import pictures, shake

TINY = {"network": "mlp", "hidden": (24,), "latent": 2, "likelihood": "gaussian", "discriminator": (24,)}
CONFIGS = {
    "mlp": AAEConfig(**{**TINY, "likelihood": "gaussian-pixel"}),
    "mixture": AAEConfig(**{**TINY, "likelihood": "mixture"}),
    "conv and labels": AAEConfig(hidden=(8, 8), latent=3, classes=3, discriminator=(8,)),
}


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("cls", [AAE, CAAE])
def test_the_contract_is_kept(cls, config):
    testing.check_model(cls, CONFIGS[config])


def _batch(count=64, label=None, corruption=None, seed=0):
    corruption = corruption or Clean()
    x = pictures(count, 1, 12, 12)
    return Batch(x, dataclasses.replace(corruption(x, Rng(seed)), label=label), corruption, 0)


def _trained(cls, batch, steps, **settings):
    """Return a model after updates of both groups, each with the other left alone."""
    model = testing.build(cls, cls.Config(**{**TINY, **settings})).train()
    optimisers = {name: torch.optim.Adam(params, 5e-3) for name, params in model.param_groups().items()}
    for step in range(steps):
        for name, optimiser in optimisers.items():
            model.zero_grad()
            model.terms(batch, Rng(step), name).loss.backward()
            optimiser.step()
    return model.eval()


def _logits(z, label=None, **settings):
    judge = Discriminator(**{"latent": 2, "widths": (16,), "classes": 0, "spatial": False, **settings})
    shake(judge)
    return judge(z, label), judge


def test_the_mean_logit_becomes_the_divergence_of_latents_from_the_prior():
    torch.manual_seed(0)
    judge, mean = Discriminator(2, (32,), 0, False), torch.tensor([0.8, -0.5])
    optimiser = torch.optim.Adam(judge.parameters(), 1e-2)
    for step in range(400):
        found, drawn = (Rng(step).normal(name, (512, 2), "cpu") for name in ("q", "p"))
        loss = torch.nn.functional.softplus(-judge(found + mean, None)) + torch.nn.functional.softplus(
            judge(drawn, None)
        )
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
    logit = judge(Rng(0).normal("test", (20000, 2), "cpu") + mean, None).mean()
    assert float(logit.detach()) == pytest.approx(0.5 * float(mean @ mean), abs=0.1)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 5)])
def test_the_slope_is_that_of_finite_differences(shape):
    z = Rng(0).normal("z", (3, *shape), "cpu").double()
    _, judge = _logits(z.float(), spatial=len(shape) == 3)
    _, slope = judge.steepness(z.float(), None)
    square = torch.zeros(3)
    for i in range(z[0].numel()):
        step = torch.zeros(z[0].numel()).index_fill(0, torch.tensor(i), 1e-2).view(1, *shape)
        ahead, behind = (judge((z + s * step).float(), None).detach() for s in (1, -1))
        square += ((ahead - behind) / 2e-2) ** 2
    torch.testing.assert_close(slope.detach(), square, rtol=2e-2, atol=1e-6)


def test_every_class_and_not_knowing_it_are_distinguished_by_the_discriminator():
    z = torch.ones(5, 2)
    found, judge = _logits(z, torch.tensor([0, 1, 2, -1, -1]), classes=3)
    assert len(found.unique()) == 4
    assert torch.equal(judge(z[:1], None), found[3:4])


def test_moments_are_the_divergence_of_a_gaussian_in_closed_form():
    mu = Rng(0).normal("mu", (500, 3), "cpu") @ torch.tensor([[1.0, 0.3, 0], [0, 0.5, 0], [0.2, 0, 0.7]]) + 0.4
    q = DiagonalGaussian(mu, torch.full_like(mu, math.log(0.04)))
    own = distributions.MultivariateNormal(mu.mean(0), torch.cov(mu.T, correction=0) + 0.04 * torch.eye(3))
    prior = distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))
    assert float(moments(q)) == pytest.approx(float(distributions.kl_divergence(own, prior)), rel=1e-4)
    grid = DiagonalGaussian(mu.view(50, 10, 1, 3).permute(0, 3, 1, 2), q.logvar.view(50, 10, 1, 3).permute(0, 3, 1, 2))
    assert float(moments(grid)) == pytest.approx(float(moments(q)), rel=1e-4)
    one = distributions.kl_divergence(distributions.Normal(mu, 0.2), distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(q), one)


def test_a_posterior_is_never_narrower_than_its_spread():
    model = testing.build(AAE, AAEConfig(**TINY, spread=0.2))
    with torch.no_grad():
        for p in model.coder.parameters():
            p.mul_(50)
    q = model.infer(pictures(8, 1, 12, 12))
    assert float(q.variance.detach().sqrt().min()) >= 0.2


def test_each_side_has_an_objective_of_its_own():
    model = testing.build(AAE, AAEConfig(**TINY, match=3.0, penalty=0.0, moments=False)).train()
    with torch.no_grad():
        model.discriminator.layers[-1].weight.zero_()
        model.discriminator.layers[-1].bias.zero_()
    batch = _batch()
    mine, theirs = (model.terms(batch, Rng(0), group) for group in ("model", "discriminator"))
    assert float(theirs.loss.detach()) == pytest.approx(2 * math.log(2))  # it knows nothing
    blind = float(mine.loss.detach() - mine.parts["distortion"])
    assert blind == pytest.approx(3 * math.log(2), abs=1e-3)
    assert float(mine.parts["nelbo"]) == pytest.approx(float(mine.parts["distortion"] + mine.parts["rate"]))
    theirs.loss.backward()
    assert all(p.grad is None for p in model.coder.parameters())


def test_latents_are_taken_to_the_prior_by_the_discriminator_and_nearer_with_moments():
    v = Rng(0).uniform("v", (256, 2), "cpu") - 0.5  # images of two factors that no Gaussian gives
    x = (0.5 + (v @ Rng(0).normal("w", (2, 144), "cpu")) / 3).view(-1, 1, 12, 12)
    batch = Batch(x, Clean()(x, Rng(0)), Clean(), 0)
    settings = ({"match": 0.0}, {"match": 30.0, "moments": False}, {"match": 30.0})
    alone, judged, held = (_trained(AAE, batch, 200, **s).diagnose(batch, Rng(0)) for s in settings)
    assert float(alone["moments"]) > 2.0
    assert float(judged["moments"]) < 1.0
    assert float(held["moments"]) < 0.1
    assert float(held[LEGACY_ACCURACY]) < 0.8 < float(alone[LEGACY_ACCURACY])


def test_one_pass_is_the_mean_of_draws():
    batch = _batch(64, corruption=Missing(0.5))
    model = _trained(CAAE, batch, 150)
    with torch.no_grad():
        one = model.estimate(batch.observation, batch.corruption)
        draws = model.sample(batch.observation, batch.corruption, 64, Rng(1))
    errors = [float(((found - batch.x) ** 2).mean().log10()) for found in (one.mean, draws.mean.mean(0))]
    assert 10 * abs(errors[0] - errors[1]) < 0.1  # dB
    assert float(draws.mean.std(0).min()) > 0
    torch.testing.assert_close(one.std**2, draws.variance[0])  # one learnt sigma


def test_a_conditional_one_is_scored_where_values_are_unknown():
    batch = _batch(4, corruption=Missing(0.5))
    other = dataclasses.replace(batch, x=torch.where(batch.observation.observed, 0.9, batch.x))
    model = testing.build(CAAE, AAEConfig(**TINY))
    one, two = (model.terms(b, Rng(0)).parts["distortion"] for b in (batch, other))
    assert torch.equal(one, two)


@pytest.mark.parametrize("cls", [AAE, CAAE])
def test_the_preset_is_as_large_as_the_vae_it_is_compared_with(cls):
    names = {f.name for f in dataclasses.fields(AAEConfig)}
    own = AAEConfig(**{k: v for k, v in cls.presets["fashion"].items() if k in names})
    theirs = VAE.Config(network="mlp", hidden=(400, 400), latent=40, likelihood="gaussian-pixel")
    counts = [
        sum(p.numel() for p in kind(kind.fit_config(config, (1, 28, 28), 0)).parameters())
        for kind, config in ((cls, own), (VAE, theirs))
    ]
    assert counts[0] == pytest.approx(counts[1], rel=0.02)


def test_what_cannot_be_is_a_sentence():
    model = testing.build(AAE, AAEConfig(**TINY))
    with pytest.raises(UsageError, match="clean images"):
        model.terms(dataclasses.replace(_batch(2), x=None), Rng(0))
    with pytest.raises(SpecError, match="height and width"):
        AAEConfig(size=(3,))
