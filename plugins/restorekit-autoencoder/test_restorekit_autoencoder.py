"""The denoising autoencoder keeps the contract, has the core's network, and has nothing random in it."""

import dataclasses

import pytest
import torch
from restorekit_autoencoder import Autoencoder, AutoencoderConfig

from restorekit import Batch, Rng, SpecError, UsageError
from restorekit.corruptions import Gaussian, Missing
from restorekit.models import VAE
from restorekit.testing import build, channel_counts, checks_of

SMALL = {"network": "mlp", "size": (12, 12), "hidden": (16,), "latent": 3}
CONFIGS = {
    "conv": AutoencoderConfig(hidden=(8, 8), latent=3),
    "mlp": AutoencoderConfig(**SMALL, likelihood="gaussian-pixel", dropout=0.1, classes=3),
    "bernoulli": AutoencoderConfig(**SMALL, likelihood="bernoulli"),
    "logistic": AutoencoderConfig(channels=3, hidden=(8,), latent=3, likelihood="logistic", classes=2),
}


def _cases():
    for title, config in CONFIGS.items():
        for channels in channel_counts(Autoencoder, config):
            for check in checks_of(Autoencoder):
                yield pytest.param(config, channels, check, id=f"{title}-{channels}-{check.__name__}")


@pytest.mark.parametrize(("config", "channels", "check"), list(_cases()))
def test_it_keeps_the_contract(config, channels, check):
    check(build(Autoencoder, config, channels))


@pytest.fixture
def model():
    return build(Autoencoder, CONFIGS["mlp"])


def _images(count):
    """Pictures of two degrees of freedom, so that three code values describe them."""
    slope = Rng(0).uniform("slope", (count, 2, 1, 1), "cpu") - 0.5
    ramp = torch.linspace(-0.5, 0.5, 12)
    return 0.5 + 0.4 * (slope[:, :1] * ramp[:, None] + slope[:, 1:] * ramp)


def _parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_its_network_is_that_of_the_vae_but_for_the_log_variances_of_the_latents(network):
    values = {"network": network, "size": (28, 28) if network == "mlp" else (), "channels": 1, "hidden": (32, 48)}
    own, core = (cls(cls.Config(**values, latent=5)) for cls in (Autoencoder, VAE))
    per_latent = 48 + 1 if network == "mlp" else 9 * 48 + 1
    assert _parameters(core) - _parameters(own) == 5 * per_latent
    assert own.geometry == core.geometry


def test_the_preset_has_as_many_parameters_as_such_a_vae():
    names = {f.name for f in dataclasses.fields(AutoencoderConfig)}
    values = {k: v for k, v in Autoencoder.presets["fashion"].items() if k in names} | {"size": (28, 28), "channels": 1}
    own, core = (_parameters(cls(cls.Config(**values))) for cls in (Autoencoder, VAE))
    assert abs(own / core - 1) < 0.02


def test_nothing_in_it_is_random(model):
    x = _images(4)
    batch = Batch(x, Missing(0.5)(x, Rng(0)), Missing(0.5))
    first, second = (model.terms(batch, Rng(seed)) for seed in (1, 2))
    assert torch.equal(first.loss, second.loss)
    draws = model.sample(batch.observation, Missing(0.5), 3, Rng(1))
    estimate = model.estimate(batch.observation, Missing(0.5))
    assert all(torch.equal(mean, estimate.mean) for mean in draws.mean)
    torch.testing.assert_close(draws.variance[2].sqrt(), estimate.std)


def test_its_objective_is_the_decoders_likelihood_of_the_clean_image_and_has_no_rate(model):
    x = _images(4)
    batch = Batch(x, Gaussian(0.1)(x, Rng(0)), Gaussian(0.1))
    terms = model.terms(batch, Rng(0))
    assert set(terms.parts) == {"distortion"}
    found = model.estimate(batch.observation, Gaussian(0.1))
    law = torch.distributions.Normal(found.mean, found.std)
    torch.testing.assert_close(terms.loss, -law.log_prob(x).flatten(1).sum(1).mean())


def test_what_was_observed_without_noise_comes_back_and_what_was_noisy_does_not(model):
    x = _images(3)
    exact = Missing(0.5)(x, Rng(0))
    found = model.estimate(exact, Missing(0.5))
    known = exact.observed.expand_as(x)
    assert torch.equal(found.mean[known], x[known])
    assert float(found.std[known].detach().max()) == 0
    assert float(found.std[~known].detach().min()) > 0
    noisy = Gaussian(0.1)(x, Rng(0))
    assert not bool((model.estimate(noisy, Gaussian(0.1)).mean == noisy.y).any())


def test_it_learns_to_take_noise_out():
    model = build(Autoencoder, AutoencoderConfig(**SMALL, likelihood="gaussian-pixel"))
    adam, x, corruption = torch.optim.Adam(model.parameters(), 0.01), _images(64), Gaussian(0.2)
    for step in range(300):
        adam.zero_grad()
        torch.autograd.backward(model.terms(Batch(x, corruption(x, Rng(step)), corruption), Rng(step)).loss)
        adam.step()
    o = corruption(x, Rng(1000))
    found = model.estimate(o, corruption)
    error = (found.mean - x).square().mean().sqrt()
    assert error < 0.25 * (o.y - x).square().mean().sqrt()
    assert 0.7 < found.std.square().mean().sqrt() / error < 1.4  # and knows how far it is off


def test_it_says_what_it_cannot_do():
    x = _images(2)
    with pytest.raises(UsageError, match="clean images"):
        build(Autoencoder).terms(Batch(None, Gaussian(0.1)(x, Rng(0)), Gaussian(0.1)), Rng(0))
    with pytest.raises(SpecError, match="height and width"):
        AutoencoderConfig(size=(28,))
    with pytest.raises(SpecError, match="at least one width"):
        AutoencoderConfig(hidden=())
