"""Noise that is learnt together with the images."""

import pytest
import torch

from restorekit.core.errors import SpecError
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.corruptions.spec import parse
from restorekit.models import VAE
from restorekit.models.cvae.blindspot import noise_loss
from restorekit.models.noise_model import NOISE_DISCOUNT, NoiseModel, make_noise_model


@pytest.mark.parametrize("gain", [False, True])
def test_it_starts_with_the_variance_that_was_told_in_the_middle(gain):
    found = NoiseModel(0.1, gain).variance(torch.tensor([0.0, 0.5, 1.0]))
    expected = [0.005, 0.01, 0.015] if gain else [0.01] * 3
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("gain", [False, True])
def test_its_spec_is_a_corruption_of_that_variance(gain):
    grain = NoiseModel(0.1, gain)
    corruption = parse(grain.spec(), registry.corruptions())
    x = torch.full((1, 1, 400, 400), 0.7)
    found = (corruption(x, Rng(0)).y - x).square().mean()
    torch.testing.assert_close(found, grain.variance(torch.tensor(0.7)), rtol=0.02, atol=0)


def test_known_noise_is_not_learnt():
    assert make_noise_model("known", 0.1) is None
    with pytest.raises(SpecError, match="likelihood=gaussian"):
        VAE.Config(grain="sigma", likelihood="bernoulli")


def test_errors_beside_a_spread_give_the_noise_that_is_left():
    """At the minimum the variances add up to the errors' own, but for what makes noise a little cheaper."""
    spread, level = 0.2, 0.3
    error = (spread**2 + level**2) ** 0.5 * Rng(0).normal("e", (1, 1, 300, 300), "cpu")
    grain, scored = NoiseModel(0.05, False), torch.ones(1, 1, 300, 300, dtype=torch.bool)
    adam = torch.optim.Adam(grain.parameters(), lr=0.01)
    logvar = torch.full_like(error, spread**2).log()
    for _ in range(300):
        adam.zero_grad()
        noise_loss(error, logvar, grain.variance(error * 0), scored).backward()
        adam.step()
    total = spread**2 + level**2
    shift = (
        NOISE_DISCOUNT * total**2 / level
    )  # of the minimum, to first order: half of d/dv of the likelihood is 1 / total^2
    assert float(grain.variance(torch.zeros(()))) == pytest.approx(level**2 + shift, abs=0.003)


def test_a_vae_tells_its_noise():
    assert VAE(VAE.Config(hidden=(8,), latent=2, channels=1)).noise_spec() is None
    assert VAE(VAE.Config(hidden=(8,), latent=2, channels=1, noise=0.1)).noise_spec() == "gaussian:sigma=0.1"
    learns = VAE(VAE.Config(hidden=(8,), latent=2, channels=1, noise=0.1, grain="gain"))
    assert learns.noise_spec().startswith("sensor:gain=")
    assert "grain.logs" in dict(learns.named_parameters())
