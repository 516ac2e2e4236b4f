import pytest

from restorekit import testing
from restorekit.core.errors import UsageError
from restorekit.corruptions import JPEG, Chain, Gaussian, Poisson, SaltPepper
from restorekit.models import CVAE, VAE
from restorekit.samplers import Gibbs, Langevin, PlugAndPlay
from restorekit.samplers.selection import pick_sampler
from tests._helpers.builtin_registry import built_in
from tests._helpers.linear_gaussian import PCA, PCAConfig

OWN = built_in("samplers")


def test_a_sampler_is_picked_where_one_accepts():
    latent, conditional = PCA(PCAConfig()), testing.build(CVAE, CVAE.Config(**CVAE.presets["small"]))
    assert isinstance(pick_sampler(latent, Gaussian(), {"gibbs": Gibbs}, None), Gibbs)
    assert isinstance(pick_sampler(latent, Gaussian(), {"gibbs": Gibbs}, "gibbs"), Gibbs)
    assert pick_sampler(conditional, Gaussian(), {"gibbs": Gibbs}, None) is None
    with pytest.raises(UsageError, match="remove --sampler gibbs"):
        pick_sampler(conditional, Gaussian(), {"gibbs": Gibbs}, "gibbs")


def test_where_none_accepts_each_reason_is_given():
    with pytest.raises(UsageError, match="saltpepper"):
        pick_sampler(PCA(PCAConfig()), SaltPepper(), {"gibbs": Gibbs}, None)


def test_an_unknown_sampler_is_an_error_with_the_known_names():
    with pytest.raises(UsageError, match="gibbs"):
        pick_sampler(PCA(PCAConfig()), Gaussian(), {"gibbs": Gibbs}, "gips")


def test_the_best_sampler_for_a_model_is_picked():
    samplers, conv = OWN, testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    assert pick_sampler(PCA(PCAConfig()), Gaussian(), samplers, None).name == "langevin"
    assert pick_sampler(conv, Gaussian(), samplers, None).name == "gibbs"
    assert pick_sampler(conv, Poisson(), samplers, None).name == "langevin"


def test_a_sampler_takes_settings_behind_its_name():
    samplers, model = OWN, PCA(PCAConfig())
    assert pick_sampler(model, Gaussian(), samplers, "langevin:steps=50,step=0.2") == Langevin(50, 0.2)
    assert pick_sampler(model, Gaussian(), samplers, "pnp:temperature=0.5,1,sweeps=7") == PlugAndPlay(7, (0.5, 1.0))
    for text, told in (
        ("gibbs:sweep=3", "did you mean sweeps"),
        ("gibbs:3", "KEY=VALUE"),
        ("gibbs:sweeps=0", "from 1"),
    ):
        with pytest.raises(UsageError, match=told):
            pick_sampler(model, Gaussian(), samplers, text)


@pytest.mark.parametrize("name", [None, *OWN])
def test_damage_that_can_only_be_simulated_is_refused_in_one_sentence(name):
    with pytest.raises(UsageError) as caught:
        pick_sampler(PCA(PCAConfig()), Chain((Gaussian(), JPEG())), OWN, name)
    assert str(caught.value) == ("no sampler undoes jpeg, which has no smooth log p(y | x); train a cvae for it")
