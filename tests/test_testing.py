"""Each public check passes what is sound, and fails on a plugin with that one fault, in a sentence."""

import random
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from linear_gaussian import PCA, FullGaussian, StandardNormal
from torch import nn
from torch.nn import functional as F

from restorekit import Batch, Corruption, Draws, Estimate, Geometry, Model, Noise, Observation, Ranged, Terms, testing
from restorekit.contracts import LatentModel
from restorekit.corruptions import Gaussian, Missing, Poisson
from restorekit.likelihoods import DiagonalGaussian
from restorekit.samplers import Gibbs
from restorekit.testing import corruption as corruptions
from restorekit.testing import density, latent, model, restoring, sampler


def _keeps(x, sigma=0.0):
    everything = torch.ones_like(x[:, :1], dtype=torch.bool)
    return Observation(x, everything, tuple(x.shape[1:]), x.new_full((len(x), 1, 1, 1), sigma))


# ---------------------------------------------------------------------------------- sound plugins


@dataclass(frozen=True)
class Shear:
    """y = x + x shifted right by one, half each, with nothing beyond the border: not its own adjoint."""

    halo: int = 1

    def apply(self, x):
        return 0.5 * x + 0.5 * F.pad(x, (1, 0))[..., :-1]

    def adjoint(self, u):
        return 0.5 * u + 0.5 * F.pad(u, (0, 1))[..., 1:]


@dataclass(frozen=True)
class Motion(Corruption):
    """A blur without noise."""

    name = "motion"

    def __call__(self, x, noise):
        return _keeps(Shear().apply(x))

    def operator(self, observation):
        return Shear()


@dataclass(frozen=True)
class Halve(Corruption):
    """Half the height and width: y is smaller than x."""

    name = "halve"

    def __call__(self, x, noise):
        return replace(_keeps(F.avg_pool2d(x, 2, ceil_mode=True)), shape=tuple(x.shape[1:]))

    def first_guess(self, observation):
        return F.interpolate(observation.y, size=observation.shape[1:])


@dataclass(frozen=True)
class TinyConfig:
    width: int = 4


class Tiny(Model):
    """A conditional model as small as can be: a mean, a spread, and one latent per pixel pair."""

    name = "tiny"
    Config: ClassVar[type] = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.net = nn.Conv2d(2, config.width, 3, padding=1)
        self.head = nn.Conv2d(config.width, 2, 1)
        self.geometry = Geometry(None, 2, 2, (1,))

    def look(self, observation, corruption):
        guess = observation.first_guess(corruption)
        h = self.net(torch.cat([guess, observation.observed.expand_as(guess).float()], 1)).relu()
        mean, logvar = self.head(h).chunk(2, 1)
        return DiagonalGaussian(mean, logvar.clamp(-10, 2))

    def terms(self, batch, noise, group="model"):
        score = -self.look(batch.observation, batch.corruption).log_prob(batch.x).mean()
        return Terms(score, {"distortion": score.detach()})

    def estimate(self, observation, corruption):
        found = self.look(observation, corruption)
        return Estimate(found.mean, found.variance.sqrt())

    def sample(self, observation, corruption, n, noise):
        found = self.look(observation, corruption)
        many = DiagonalGaussian(found.mu.repeat(n, 1, 1, 1), found.logvar.repeat(n, 1, 1, 1))
        return Draws(many.sample(noise.expand(n)).view(n, *found.mu.shape), None)


class Two(Tiny):
    """Two parameter groups, each with an objective of its own."""

    name = "two"

    def param_groups(self):
        return {"net": list(self.net.parameters()), "head": list(self.head.parameters())}


@pytest.mark.parametrize("corruption", [Motion(), Halve(), Gaussian(0.1), Gaussian((0.0, 0.3))], ids=str)
def test_sound_corruptions_pass(corruption):
    testing.check_corruption(corruption)


@pytest.mark.parametrize("cls", [Tiny, Two, PCA])
def test_sound_models_pass_without_being_registered(cls):
    testing.check_model(cls)


def test_a_sound_sampler_passes_as_class_and_as_instance():
    testing.check_sampler(Gibbs(sweeps=1))


def test_a_config_can_be_given():
    testing.check_model(Tiny, TinyConfig(width=2))


# ------------------------------------------------------------------------------ broken corruptions


@dataclass
class Melts(Corruption):
    name = "melts"

    def __call__(self, x, noise):
        return _keeps(x)


def _broken(base, **members):
    """A frozen dataclass like `base` with other members."""
    return dataclass(frozen=True)(type("Broken", (base,), {"name": "broken", "__annotations__": {}, **members}))()


def _noisy(self, x, noise):
    return _keeps(x + 0.2 * noise.normal("n", tuple(x.shape), x.device))


def _changed(base, **fields):
    """Make a call that changes fields of the observation that `base` gives."""

    def call(self, x, noise):
        o = base.__call__(self, x, noise)
        return replace(o, **{k: f(o) for k, f in fields.items()})

    return call


@dataclass(frozen=True)
class OneDraw(Corruption):
    """Draws its range once for the whole batch."""

    name = "onedraw"
    sigma: Ranged = 0.1

    def __call__(self, x, noise):
        sigma = self.draw("sigma", x, noise)[:1].expand(len(x), 1, 1, 1)
        return replace(_keeps(x), y=x + sigma * noise.normal("n", tuple(x.shape), x.device), sigma=sigma)


@dataclass(frozen=True)
class Crooked(Shear):
    """Takes the map itself for its adjoint."""

    def adjoint(self, u):
        return self.apply(u)


@dataclass(frozen=True)
class Bent(Shear):
    def apply(self, x):
        return super().apply(x) ** 2


def _numpy_global(x):
    return _keeps(x + float(np.random.rand()))  # noqa: NPY002, this is the fault


def _global(x):
    return _keeps(x + 0.1 * torch.rand(x.shape))


BROKEN_CORRUPTIONS = [
    (corruptions.is_a_frozen_dataclass, Melts()),
    (corruptions.is_a_frozen_dataclass, _broken(Gaussian, name="")),
    (corruptions.has_shapes_and_types, _broken(Gaussian, __call__=_changed(Gaussian, y=lambda o: o.y.double()))),
    (corruptions.has_shapes_and_types, _broken(Gaussian, __call__=_changed(Gaussian, y=lambda o: o.y[0]))),
    (
        corruptions.has_shapes_and_types,
        _broken(Gaussian, __call__=_changed(Gaussian, observed=lambda o: o.observed.float())),
    ),
    (
        corruptions.has_shapes_and_types,
        _broken(Gaussian, __call__=_changed(Gaussian, observed=lambda o: o.observed[..., :1])),
    ),
    (
        corruptions.has_shapes_and_types,
        _broken(Gaussian, __call__=_changed(Gaussian, sigma=lambda o: o.sigma.flatten())),
    ),
    (corruptions.has_shapes_and_types, _broken(Gaussian, __call__=_changed(Gaussian, shape=lambda o: o.y.shape))),
    (
        corruptions.has_shapes_and_types,
        _broken(Gaussian, __call__=_changed(Gaussian, params=lambda o: {"a": torch.tensor(1.0)})),
    ),
    (corruptions.is_finite, _broken(Gaussian, __call__=_changed(Gaussian, y=lambda o: o.y / 0))),
    (corruptions.is_finite, _broken(Gaussian, __call__=_changed(Gaussian, sigma=lambda o: -o.sigma))),
    (corruptions.is_zero_where_missing, _broken(Missing, __call__=_changed(Missing, y=lambda o: o.y + 0.5))),
    (corruptions.leaves_its_input_alone, _broken(Gaussian, __call__=lambda self, x, noise: _keeps(x.add_(0.1)))),
    (corruptions.leaves_global_randomness_alone, _broken(Gaussian, __call__=lambda self, x, noise: _global(x))),
    (
        corruptions.leaves_global_randomness_alone,
        _broken(Gaussian, __call__=lambda s, x, n: _keeps(x + random.random())),
    ),
    (
        corruptions.leaves_global_randomness_alone,
        _broken(Gaussian, __call__=lambda s, x, n: _numpy_global(x)),
    ),
    (corruptions.repeats_itself, _broken(Gaussian, __call__=lambda self, x, noise: _global(x))),
    (corruptions.ignores_the_batch, _broken(Gaussian, __call__=lambda self, x, noise: _keeps(x - x.mean()))),
    (
        corruptions.ignores_the_batch,
        _broken(Gaussian, __call__=lambda s, x, noise: _keeps(x + torch.rand(x.shape, generator=noise.generator("n")))),
    ),
    (corruptions.draws_its_ranges_per_image, OneDraw()),
    (corruptions.comes_back_from_its_spec, _broken(Gaussian, __str__=lambda self: "broken:sigma=0.5")),
    (
        corruptions.guesses_in_the_shape_of_x,
        _broken(Missing, first_guess=lambda self, o: o.y / o.observed.float().mean()),
    ),
    (corruptions.guesses_in_the_shape_of_x, _broken(Missing, first_guess=lambda self, o: o.y[:, :1])),
    (corruptions.only_hides, _broken(Gaussian, hides=True)),
    (corruptions.only_hides, _broken(Missing, __call__=_changed(Missing, sigma=lambda o: None))),
    (
        density.has_a_density_per_image,
        _broken(Gaussian, log_prob=lambda self, o, x: Gaussian.log_prob(self, o, x).sum()),
    ),
    (
        density.has_a_density_per_image,
        _broken(Gaussian, log_prob=lambda self, o, x: -(o.y - x).square().flatten(1).sum(1)),
    ),
    (
        density.has_a_density_per_image,
        _broken(Gaussian, log_prob=lambda s, o, x: Gaussian.log_prob(s, o, x) - torch.inf),
    ),
    (density.has_an_unbiased_score, _broken(Gaussian, log_prob=lambda self, o, x: Gaussian.log_prob(self, o, 0.9 * x))),
    (
        density.has_an_unbiased_score,
        _broken(Poisson, log_prob=lambda s, o, x: torch.xlogy(30 * o.y, x).flatten(1).sum(1)),
    ),
    (density.has_an_adjoint, _broken(Motion, operator=lambda self, o: Crooked())),
    (density.has_an_adjoint, _broken(Motion, operator=lambda self, o: Bent())),
    (density.has_an_adjoint, _broken(Motion, operator=lambda self, o: Shear(-1))),
    (density.tells_its_noise, _broken(Corruption, __call__=_noisy)),
    (density.tells_its_noise, _broken(Gaussian, __call__=_changed(Gaussian, sigma=lambda o: 2 * o.sigma))),
]


@pytest.mark.parametrize(("check", "broken"), BROKEN_CORRUPTIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_broken_corruption_is_caught(check, broken):
    _caught(check, broken)


# ----------------------------------------------------------------------------------- broken models


class Thaws(Tiny):
    Config = dataclass(type("Config", (), {"__annotations__": {"width": int}, "width": 4}))


class Forgets(Tiny):
    def param_groups(self):
        return {"model": list(self.net.parameters())}


class PerImage(Tiny):
    def terms(self, batch, noise, group="model"):
        score = -self.look(batch.observation, batch.corruption).log_prob(batch.x)
        return Terms(score, {"distortion": score.detach().mean()})


class Attached(Tiny):
    def terms(self, batch, noise, group="model"):
        terms = super().terms(batch, noise, group)
        return Terms(terms.loss, {"distortion": terms.loss})


class Explodes(Tiny):
    def terms(self, batch, noise, group="model"):
        return super().terms(batch, noise, group)._replace(loss=self.net.weight.sum() / 0)


class Dreams(Tiny):
    def terms(self, batch, noise, group="model"):
        terms = super().terms(batch, noise, group)
        return terms._replace(loss=terms.loss * torch.rand(()))


class Waits(Tiny):
    def terms(self, batch, noise, group="model"):
        terms = super().terms(batch, noise, group)
        return terms._replace(loss=terms.loss / max(1.0, float(batch.observation.observed.sum())))


class Picks(Tiny):
    def terms(self, batch, noise, group="model"):
        error = self.look(batch.observation, batch.corruption).mean - batch.x
        loss = (error[~batch.observation.observed] ** 2).mean()
        return Terms(loss, {"distortion": loss.detach()})


class Idle(Tiny):
    def __init__(self, config):
        super().__init__(config)
        self.unused = nn.Parameter(torch.zeros(3))


class RootOfZero(Tiny):
    def terms(self, batch, noise, group="model"):
        mean = self.look(batch.observation, batch.corruption).mean
        loss = ((mean - mean.detach()) ** 2).sum().sqrt()
        return Terms(loss, {"distortion": loss.detach()})


class Crops(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(found.mean[..., :-1], None)


class Halves(Tiny):
    def estimate(self, observation, corruption):
        return Estimate(super().estimate(observation, corruption).mean.double(), None)


class Divides(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(found.mean / observation.observed.float().mean(), found.std)


class Negative(Tiny):
    def estimate(self, observation, corruption):
        found = super().estimate(observation, corruption)
        return Estimate(found.mean, -found.std)


class NeedsSigma(Tiny):
    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        return (
            found if observation.sigma is None else DiagonalGaussian(found.mu * (1 + observation.sigma), found.logvar)
        )


class Wanders(Tiny):
    def sample(self, observation, corruption, n, noise):
        draws = super().sample(observation, corruption, n, noise)
        return Draws(draws.mean + torch.rand(()), None)


class Numbers(Tiny):
    """Draws all n at once from one stream, so that portions are other draws."""

    def sample(self, observation, corruption, n, noise):
        found = self.look(observation, corruption)
        eps = torch.randn((n, *found.mu.shape), generator=noise.generator("all"))
        return Draws(found.mu + eps, None)


class Averages(Tiny):
    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        return DiagonalGaussian(found.mu - found.mu.mean(), found.logvar)


class SharesNoise(Tiny):
    def sample(self, observation, corruption, n, noise):
        found = self.look(observation, corruption)
        return Draws(found.mu + torch.randn(n, *found.mu.shape, generator=noise.generator("all")), None)


class Hides(Tiny):
    """Keeps something that matters outside its state."""

    made = 0

    def __init__(self, config):
        super().__init__(config)
        Hides.made += 1
        self.offset = Hides.made

    def look(self, observation, corruption):
        found = super().look(observation, corruption)
        return DiagonalGaussian(found.mu + self.offset, found.logvar)


class Diagnoses(Tiny):
    def diagnose(self, batch: Batch, noise: Noise):
        return {"kl": torch.zeros(3)}


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
            def sample(self, n, shape, noise, temperature=1.0):
                return torch.zeros(n, self.latent)

        return Cold(self.config.latent)


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


BROKEN_MODELS = [
    (model.declares_itself, Thaws),
    (model.groups_its_parameters, Forgets),
    (model.has_a_scalar_objective, PerImage),
    (model.has_a_scalar_objective, Attached),
    (model.has_a_scalar_objective, Explodes),
    (model.repeats_its_objective, Dreams),
    (model.never_waits_for_the_device, Waits),
    (model.never_waits_for_the_device, Picks),
    (model.trains_every_parameter, Idle),
    (model.trains_every_parameter, RootOfZero),
    (restoring.restores_in_the_shape_of_x, Crops),
    (restoring.restores_in_the_shape_of_x, Halves),
    (restoring.restores_in_the_shape_of_x, Divides),
    (restoring.restores_in_the_shape_of_x, Negative),
    (restoring.restores_without_knowing_sigma, NeedsSigma),
    (restoring.repeats_its_draws, Wanders),
    (restoring.repeats_its_draws, Numbers),
    (restoring.ignores_the_batch, Averages),
    (restoring.ignores_the_batch, SharesNoise),
    (restoring.comes_back_from_its_file, Hides),
    (model.diagnoses_in_scalars, Diagnoses),
    (latent.infers_a_posterior, BatchDensity),
    (latent.has_a_prior, WidePrior),
    (latent.has_a_prior, ColdPrior),
    (latent.decodes_to_a_likelihood, SeesAll),
    (latent.ignores_what_was_not_observed, Peeks),
]


@pytest.mark.parametrize(("check", "cls"), BROKEN_MODELS, ids=lambda v: v.__name__)
def test_a_broken_model_is_caught(check, cls):
    _caught(check, testing.build(cls))


# --------------------------------------------------------------------------------- broken samplers


class Mumbles(Gibbs):
    def refuse(self, model, corruption):
        return "no"


class TakesAll(Gibbs):
    def refuse(self, model, corruption):
        return None if not isinstance(model, LatentModel) else super().refuse(model, corruption)


class GoesOn(Gibbs):
    def __call__(self, model, corruption, observation, n, noise):
        return Draws(observation.y[None], None)


class Declines(Gibbs):
    def refuse(self, model, corruption):
        return "this sampler works with nothing at all; choose another one"


class Flat(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(draws.mean.flatten(0, 1), None)


class Drifts(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(draws.mean + 0.1 * torch.rand(()), draws.variance)


class Leans(Gibbs):
    def __call__(self, model, corruption, observation, n, noise):
        draws = super().__call__(model, corruption, observation, n, noise)
        return Draws(draws.mean - draws.mean.mean(), draws.variance)


class Overwrites(Gibbs):
    def __call__(self, *args):
        draws = super().__call__(*args)
        return Draws(0.9 * draws.mean, draws.variance)


BROKEN_SAMPLERS = [
    (sampler.refuses_in_a_sentence, Mumbles),
    (sampler.refuses_in_a_sentence, TakesAll),
    (sampler.refuses_in_a_sentence, GoesOn),
    (sampler.accepts_something, Declines),
    (sampler.draws_in_the_shape_of_x, Flat),
    (sampler.repeats_itself, Drifts),
    (sampler.repeats_itself, Leans),
    (sampler.ignores_the_batch, Leans),
    (sampler.keeps_what_is_exact, Overwrites),
]


@pytest.mark.parametrize(("check", "cls"), BROKEN_SAMPLERS, ids=lambda v: v.__name__)
def test_a_broken_sampler_is_caught(check, cls):
    _caught(check, cls(sweeps=1))


# ------------------------------------------------------------------------------------------- all


def test_every_check_has_been_seen_to_fail():
    everything = {*testing.CORRUPTION_CHECKS, *testing.MODEL_CHECKS, *testing.LATENT_CHECKS, *testing.SAMPLER_CHECKS}
    assert everything == {check for check, _ in (*BROKEN_CORRUPTIONS, *BROKEN_MODELS, *BROKEN_SAMPLERS)}


def test_the_whole_check_fails_where_one_does():
    with pytest.raises(AssertionError):
        testing.check_corruption(OneDraw())
    with pytest.raises(AssertionError):
        testing.check_model(Idle)
    with pytest.raises(AssertionError):
        testing.check_sampler(Mumbles)


def _caught(check, broken):
    before = torch.get_rng_state()
    with pytest.raises(AssertionError) as caught:
        check(broken)
    torch.set_rng_state(before)
    message = str(caught.value)
    assert "\n" not in message
    assert type(broken).__name__ in message
    assert any(word in message for word in ("must", "says", "within")), message
