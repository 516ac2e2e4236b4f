"""Corruptions of a third party get what ours of the same traits get, whatever they are called."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorekit import Corruption, Ranged, testing
from restorekit.core.devices import Compute
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import NoiseLaw, Observation, Problem, Traits, shape_of
from restorekit.corruptions import Chain, Downsample, Gaussian, Holes, Missing, Poisson, SaltPepper
from restorekit.corruptions.missing import hide
from restorekit.images.dataset import load_images
from restorekit.models import VAE
from restorekit.restoration.api import PythonRestorer
from restorekit.restoration.classical import best_baselines
from restorekit.restoration.loading import open_restorer
from restorekit.samplers.selection import pick_sampler
from restorekit.training.self_supervised import assumed_noise
from restorekit.uncertainty.selfcheck import self_check
from tests._helpers.builtin_registry import built_in
from tests._helpers.known_restorers import Shrinking, picture


@dataclass(frozen=True)
class Hiss(Corruption):
    """Gaussian noise under a name, and with a field, of its own."""

    name: ClassVar[str] = "hiss"
    noise_law: ClassVar[str] = "gaussian"
    smooth: ClassVar[bool] = True
    loudness: Ranged = 0.1

    def __call__(self, x, rng):
        sigma = self.draw("loudness", x, rng)
        return replace(whole(x + sigma * rng.normal("gaussian", tuple(x.shape), x.device)), sigma=sigma)

    def noise_level(self, count=1):
        return self.fixed("loudness", count)

    def log_prob(self, observation, x):
        return Gaussian().log_prob(observation, x)


@dataclass(frozen=True)
class Sundown(Corruption):
    """A darkened image: "down" is in its name, but its size stays."""

    name: ClassVar[str] = "sundown"

    def __call__(self, x, rng):
        return replace(whole(x**2), direct=False)


@dataclass(frozen=True)
class Thumb(Corruption):
    """A quarter of the pixels: nothing in its name says so."""

    name: ClassVar[str] = "thumb"
    resizes: ClassVar[bool] = True

    def __call__(self, x, rng):
        return replace(whole(F.avg_pool2d(x, 2, ceil_mode=True)), shape=shape_of(x), direct=False)

    def clean_shape(self, shape, channels):
        return shape[0], 2 * shape[1], 2 * shape[2]

    def initial_estimate(self, observation):
        return F.interpolate(observation.y, size=observation.shape[1:])


@dataclass(frozen=True)
class Sparks(Corruption):
    """Values of 1 here and there."""

    name: ClassVar[str] = "sparks"
    noise_law: ClassVar[str] = "impulse"

    def __call__(self, x, rng):
        return whole(torch.where(rng.uniform("sparks", tuple(x.shape), x.device) < 0.1, 1.0, x))


@dataclass(frozen=True)
class Photons(Corruption):
    """Shot noise under a name of its own."""

    name: ClassVar[str] = "photons"
    noise_law: ClassVar[str] = "poisson"
    smooth: ClassVar[bool] = True

    def __call__(self, x, rng):
        return whole(rng.poisson("photons", 20 * x.clamp_min(0)) / 20)

    def log_prob(self, observation, x):
        return Poisson(20.0).log_prob(replace(observation, params={"peak": x.new_full((len(x), 1, 1, 1), 20.0)}), x)


@dataclass(frozen=True)
class Moths(Corruption):
    """Pixels lost one by one."""

    name: ClassVar[str] = "moths"
    hides: ClassVar[bool] = True
    scattered: ClassVar[bool] = True

    def __call__(self, x, rng):
        return hide(x, rng.uniform("moths", (len(x), 1, *x.shape[2:]), x.device) >= 0.3)


@dataclass(frozen=True)
class Tear(Corruption):
    """A third of the rows lost, as a plugin declared it before there was `scattered`."""

    name, hides = "tear", True

    def __call__(self, x, rng):
        return hide(
            x,
            torch.arange(x.shape[2], device=x.device).view(1, 1, -1, 1).expand(len(x), 1, -1, x.shape[3])
            >= x.shape[2] // 3,
        )


def whole(y):
    return Observation(y, torch.ones_like(y[:, :1], dtype=torch.bool), shape_of(y))


def names(x):
    return Rng(0, tuple(str(i) for i in range(len(x))))


X = picture(side=96)
TWINS = [(Hiss(0.1), Gaussian(0.1)), (Thumb(), Downsample()), (Sparks(), SaltPepper()), (Photons(), Poisson()),
         (Moths(), Missing()), (Tear(), Holes())]  # fmt: skip


@pytest.mark.parametrize("corruption", [*(pair[0] for pair in TWINS), Sundown(), Hiss((0.05, 0.2))], ids=str)
def test_they_keep_the_promises_of_a_corruption(corruption):
    testing.check_corruption(corruption)


@pytest.mark.parametrize(("theirs", "ours"), TWINS, ids=lambda c: c.name)
def test_the_same_classical_methods_are_offered(theirs, ours):
    methods = built_in("restorers")
    takes, wanted = ([n for n, cls in methods.items() if cls().is_applicable(c)] for c in (theirs, ours))
    known = ["wiener"] if ours.linear else []  # thumb has no operator
    assert takes == [name for name in wanted if name not in known]
    assert best_baselines(theirs) == [name for name in best_baselines(ours) if name not in known]


def test_what_only_sounds_like_downsampling_is_not_offered_lanczos():
    assert "lanczos" not in best_baselines(Sundown())
    assert not built_in("restorers")["lanczos"]().is_applicable(Sundown())
    assert best_baselines(Thumb()) == ["lanczos"]


def test_the_median_takes_out_impulses_and_leaves_the_rest():
    o = Sparks()(X, names(X))
    found = built_in("restorers")["median"]()(o, Sparks(), 0, Rng(0)).mmse
    assert torch.equal(found[o.y != 1], X[o.y != 1])
    assert float((found - X).abs().max()) < 0.5 * float((o.y - X).abs().max())


def test_gaussian_noise_gets_the_conjugate_sampler_and_its_draws():
    model = testing.build(VAE, VAE.Config(hidden=(8, 8), latent=2))
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    o = Chain((Hiss(0.1), Missing(0.5)))(x, names(x))
    draws = []
    for noise in (Hiss(0.1), Gaussian(0.1)):
        corruption = Chain((noise, Missing(0.5)))
        sampler = pick_sampler(model, corruption, built_in("samplers"), None)
        assert sampler.name == "gibbs"
        with torch.no_grad():
            draws.append(sampler(model, corruption, o, 2, names(x)).mean)
    assert torch.equal(*draws)


def test_it_adds_up_with_ours_in_the_density_of_a_chain():
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    theirs, ours = (Chain((noise, Gaussian(0.2))) for noise in (Hiss(0.1), Gaussian(0.1)))
    o = theirs(x, names(x))
    assert torch.equal(theirs.log_prob(o, x), ours.log_prob(o, x))
    assert torch.equal(theirs.noise_level(2), o.sigma)
    assert theirs.noise_law == "gaussian"


@pytest.fixture
def images(tmp_path):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 255, (8, 32, 32, 1), np.uint8))
    return load_images(tmp_path / "images.npy")


def test_self_supervised_training_knows_its_level(images):
    assert assumed_noise(images, range(8), Hiss(0.1), None) == assumed_noise(images, range(8), Gaussian(0.1), None)
    assert assumed_noise(images, range(8), Chain((Hiss(0.3), Gaussian(0.4))), None).sigma == pytest.approx(0.5)


def test_self_supervised_training_learns_a_gain_of_noise_that_grows(images):
    assert assumed_noise(images, range(8), Photons(), "learned-gain") == assumed_noise(
        images, range(8), Poisson(), "learned-gain"
    )


def test_it_gets_the_same_self_check():
    o = Hiss(0.1)(X, names(X))
    theirs, ours = (
        self_check(Problem(o, noise), Shrinking(0.9), names(X), clip=False) for noise in (Hiss(0.1), Gaussian(0.1))
    )
    assert theirs.method == "sure"
    assert theirs == ours


def test_images_in_memory_are_restored_with_the_level_that_it_states():
    y = np.clip((X + 0.1 * torch.randn(X.shape, generator=torch.Generator().manual_seed(1)))[0, 0].numpy(), 0, 1)
    theirs, ours = (
        PythonRestorer(open_restorer("nlm", c, None, Compute("cpu")), c)(y).mmse for c in (Hiss(0.1), Gaussian(0.1))
    )
    assert np.array_equal(theirs, ours)
    assert not np.array_equal(theirs, y)


@pytest.mark.parametrize("name", list(built_in("corruptions")))
def test_what_ours_state_is_what_a_call_gives(name):
    corruption = registry.corruptions()[name]().settled(Rng(0, ("a",)))
    x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    o, stated, level = corruption(x, names(x)), corruption.fixed_params(2), corruption.noise_level(2)
    assert level is None if o.sigma is None else torch.equal(level, o.sigma)
    assert all(torch.equal(stated[key], value) for key, value in o.params.items())
    assert corruption.direct is (o.direct and name != "jpeg")  # whose error is no noise


def test_a_chain_states_a_level_unless_it_varies_or_is_smeared():
    stated = {
        (Gaussian(0.3), Gaussian(0.4), Missing()): 0.5,
        (Missing(), Holes()): 0.0,
        (Downsample(), Gaussian(0.1)): 0.1,
        (Gaussian(0.1), Downsample()): None,
        (Gaussian((0.0, 0.1)), Missing()): None,
        (Gaussian(0.1), Poisson()): None,
    }
    for parts, wanted in stated.items():
        found = Chain(parts).noise_level()
        assert found is None if wanted is None else float(found) == pytest.approx(wanted), parts


ROOT = Path(__file__).parents[2]


def test_the_table_of_traits_of_ours_is_true():
    page = (ROOT / "docs/reference/corruption_specs.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\w-]+) \| ([\w, ]*)\|$", page.partition("## Traits")[2], re.MULTILINE)
    said = {name: (law, {word.strip() for word in also.split(",") if word.strip()}) for name, law, also in rows}
    found = {name: cls().traits for name, cls in built_in("corruptions").items()}
    true = {n: (t.noise_law or "-", {k for k, v in t._asdict().items() if v is True}) for n, t in found.items()}
    assert said == true


@pytest.mark.parametrize("page", ["docs/reference/plugin_api.md", "plugins/README.md"])
def test_the_pages_for_authors_name_every_law_and_what_can_be_declared(page):
    text = (ROOT / page).read_text("utf-8")
    missing = [word for word in (*get_args(NoiseLaw), "noise_level", "fixed_params") if f"`{word}" not in text]
    traits = Traits._fields if "plugin_api" in page else ("noise_law", "smooth", "hides", "scattered", "resizes")
    assert not missing + [trait for trait in traits if f"`{trait}`" not in text]
