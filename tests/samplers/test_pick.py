import pytest
from linear_gaussian import PCA, PCAConfig

from restorekit import plugins, testing
from restorekit.corruptions import Gaussian, Poisson, SaltPepper
from restorekit.errors import UsageError
from restorekit.models import CVAE, VAE
from restorekit.samplers import Gibbs
from restorekit.samplers.pick import pick_sampler


def test_a_sampler_is_picked_where_one_accepts():
    latent, conditional = PCA(PCAConfig()), testing.build(CVAE, CVAE.Config(**CVAE.presets["small"]))
    assert isinstance(pick_sampler(latent, Gaussian(), {"gibbs": Gibbs}, None), Gibbs)
    assert isinstance(pick_sampler(latent, Gaussian(), {"gibbs": Gibbs}, "gibbs"), Gibbs)
    assert pick_sampler(conditional, Gaussian(), {"gibbs": Gibbs}, None) is None
    with pytest.raises(UsageError, match="leave --sampler gibbs out"):
        pick_sampler(conditional, Gaussian(), {"gibbs": Gibbs}, "gibbs")


def test_where_none_accepts_each_reason_is_given():
    with pytest.raises(UsageError, match="saltpepper"):
        pick_sampler(PCA(PCAConfig()), SaltPepper(), {"gibbs": Gibbs}, None)


def test_an_unknown_sampler_is_an_error_with_the_known_names():
    with pytest.raises(UsageError, match="gibbs"):
        pick_sampler(PCA(PCAConfig()), Gaussian(), {"gibbs": Gibbs}, "gips")


def test_the_best_sampler_for_a_model_is_picked():
    samplers, conv = plugins.samplers(), testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    assert pick_sampler(PCA(PCAConfig()), Gaussian(), samplers, None).name == "langevin"
    assert pick_sampler(conv, Gaussian(), samplers, None).name == "gibbs"
    assert pick_sampler(conv, Poisson(), samplers, None).name == "langevin"
