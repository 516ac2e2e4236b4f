"""What is asked of every sampler that needs the closed form."""

import math

import pytest
import torch

from restorekit import testing
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Chain, Clean, Gaussian, Missing, Poisson, SaltPepper
from restorekit.models import CVAE
from restorekit.samplers import Gibbs
from tests._helpers.builtin_registry import built_in
from tests._helpers.linear_gaussian import PCA, PCAConfig
from tests._helpers.toy_models import SEEN, observed


@pytest.mark.parametrize("sigma", [None, torch.full((2, 1, 1, 1), math.nan)], ids=["None", "NaN"])
def test_an_unknown_noise_level_is_an_error_that_says_what_to_do(sigma):
    model, observation = observed(0.1, SEEN)
    unknown = Observation(observation.y, observation.observed, observation.shape, sigma)
    for sampler in built_in("samplers").values():
        with pytest.raises(UsageError, match="--sigma auto"):
            sampler()(model, Gaussian(0.1), unknown, 1, Rng(0))


def test_refusals_name_what_would_work():
    latent, conditional = PCA(PCAConfig()), testing.build(CVAE, CVAE.Config(**CVAE.presets["small"]))
    for fine in (Clean(), Gaussian(), Missing(), Chain((Gaussian(), Missing()))):
        assert Gibbs().refuse(latent, fine) is None
    assert "poisson" in Gibbs().refuse(latent, Chain((Poisson(), Missing())))
    assert "conditional" in Gibbs().refuse(conditional, Gaussian())
    assert "saltpepper" in Gibbs().refuse(latent, SaltPepper())


def test_a_latent_model_without_a_sampler_says_so():
    model, observation = observed(0.1, SEEN)
    with pytest.raises(UsageError, match="sampler"):
        model.sample(observation, Gaussian(0.1), 1, Rng(0))
