"""What every classical restorer keeps, whatever the image."""

import dataclasses

import pytest
import torch

from restorekit.core.contracts import Corruption
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Chain, Gaussian, Missing, Poisson, SaltPepper
from restorekit.restoration.classical import restorekit_register_restorers
from restorekit.restoration.classical.base import ClassicalRestorer, Denoiser, Inpainter

CLASSES = [c for c in restorekit_register_restorers() if issubclass(c, ClassicalRestorer)]
BY_NAME = {c.name: c for c in CLASSES}
# anscombe-bm3d is what anscombe-nlm and bm3d are, at seconds per image: test_anscombe.py runs it once
NAMES = sorted(set(BY_NAME) - {"anscombe-bm3d"})
DENOISERS = [c.name for c in CLASSES if issubclass(c, Denoiser)]
INPAINTERS = [c.name for c in CLASSES if issubclass(c, Inpainter)]
SIZES = [(1, 33, 27), (3, 21, 19), (1, 3, 5), (3, 3, 5), (3, 1, 1)]


@pytest.fixture(params=NAMES)
def restorer(request):
    if "bm3d" in request.param:
        pytest.importorskip("bm3d", reason="needs the extra [bm3d]")
    return BY_NAME[request.param]()


def smooth(channels, height, width, batch=1):
    """Waves with an edge, (B, C, H, W)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    phases = torch.arange(batch * channels).view(batch, channels, 1, 1)
    waves = 0.5 + 0.3 * torch.sin(rows / 5 + columns / 7 + phases)
    return waves + 0.1 * (columns > width // 2)


def run(restorer, corruption, x, keys=("a",)):
    observation = corruption(x, Rng(0, keys))
    return restorer(observation, corruption, 0, Rng(0)), observation


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
def test_any_size_comes_back_finite_in_its_shape(restorer, channels, height, width):
    x = smooth(channels, height, width)
    restoration, _ = run(restorer, Chain((Gaussian(0.1), Missing(0.5))), x)
    assert restoration.mmse.shape == x.shape
    assert restoration.mmse.dtype == torch.float32
    assert restoration.mmse.isfinite().all()
    assert restoration.std is None
    assert restoration.draws is None


def test_a_method_sees_every_field_of_an_observation():
    class Spy(ClassicalRestorer):
        name = "spy"

        def restore(self, scene):
            shown.append(scene.observation)
            return scene.filled()

    shown, x = [], smooth(1, 6, 7, batch=2)
    o = Chain((Poisson((5.0, 50.0)), Missing(0.5)))(x, Rng(0, ("a", "b")))
    level = torch.tensor([0.1, 0.2]).view(2, 1, 1, 1)
    o = dataclasses.replace(o, sigma=level, label=torch.tensor([3, 4]), initial=x, direct=False)
    Spy()(o, Poisson(), 0, Rng(0))
    for i, one in enumerate(shown):
        assert (one.direct, one.shape, one.label.tolist()) == (False, (1, 6, 7), [3 + i])
        for name in ("y", "observed", "sigma", "initial"):
            assert torch.equal(getattr(one, name), getattr(o, name)[i : i + 1]), name
        assert torch.equal(one.params["peak"], o.params["peak"][i : i + 1])


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_observed_gives_gray(restorer, channels):
    restoration, _ = run(restorer, Chain((Gaussian(0.1), Missing(1.0))), smooth(channels, 7, 9))
    assert (restoration.mmse == 0.5).all()


def test_a_channel_without_values_gives_gray(restorer):
    x = smooth(3, 12, 13)
    observed = torch.ones(1, 3, 12, 13, dtype=torch.bool)
    observed[:, 1] = False
    observation = Observation(x * observed, observed, (3, 12, 13), torch.zeros(1, 1, 1, 1))
    mmse = restorer(observation, Missing(0.5), 0, Rng(0)).mmse
    assert mmse.isfinite().all()
    assert torch.equal(mmse[:, ::2], x[:, ::2])


@pytest.mark.parametrize("per_channel", [False, True])
def test_noise_free_values_come_back_exactly(restorer, per_channel):
    x = smooth(3, 18, 15)
    restoration, observation = run(restorer, Missing(0.4, per_channel), x)
    observed = observation.observed.expand_as(x)
    assert torch.equal(restoration.mmse[observed], x[observed])


def test_a_noise_free_image_without_gaps_is_left_alone(restorer):
    x = smooth(1, 11, 13)
    assert torch.equal(run(restorer, Gaussian(0.0), x)[0].mmse, x)


def test_a_batch_is_its_images_one_by_one(restorer):
    x = smooth(1, 17, 20, batch=2)
    corruption = Chain((Gaussian((0.02, 0.2)), Missing((0.2, 0.7))))
    both, observation = run(restorer, corruption, x, ("a", "b"))
    assert observation.sigma[0] != observation.sigma[1]
    for i, key in enumerate("ab"):
        assert torch.equal(both.mmse[i : i + 1], run(restorer, corruption, x[i : i + 1], (key,))[0].mmse)


def test_inputs_are_left_as_they_were(restorer):
    corruption = Chain((Gaussian(0.1), Missing(0.5)))
    observation = corruption(smooth(3, 16, 16), Rng(0, ("a",)))
    before = dataclasses.replace(observation, y=observation.y.clone(), observed=observation.observed.clone())
    restorer(observation, corruption, 0, Rng(0))
    assert torch.equal(observation.y, before.y)
    assert torch.equal(observation.observed, before.observed)


def test_draws_are_refused(restorer):
    corruption = Gaussian(0.1)
    observation = corruption(smooth(1, 8, 8), Rng(0, ("a",)))
    with pytest.raises(UsageError, match=f"{restorer.name} is a classical method .* got samples = 4"):
        restorer(observation, corruption, 4, Rng(0))


@pytest.mark.parametrize("name", DENOISERS)
def test_denoisers_take_away_noise_and_fill_gaps(name):
    if name == "bm3d":
        pytest.importorskip("bm3d", reason="needs the extra [bm3d]")
    x = smooth(3, 40, 44)
    for corruption, limit in ((Gaussian(0.1), 0.055), (Chain((Gaussian(0.1), Missing(0.3))), 0.075)):
        mmse = run(BY_NAME[name](), corruption, x)[0].mmse
        assert (mmse - x).square().mean().sqrt() < limit


@pytest.mark.parametrize("name", DENOISERS)
def test_an_unknown_noise_level_is_estimated(name):
    if name == "bm3d":
        pytest.importorskip("bm3d", reason="needs the extra [bm3d]")
    x = smooth(1, 60, 64)
    observation = Gaussian(0.1)(x, Rng(0, ("a",)))
    told, blind = (
        BY_NAME[name]()(o, Gaussian(0.1), 0, Rng(0)).mmse
        for o in (observation, dataclasses.replace(observation, sigma=None))
    )
    assert (blind - told).square().mean().sqrt() < 0.02
    assert torch.equal(BY_NAME[name]()(observation.blind(), Gaussian(0.1), 0, Rng(0)).mmse, blind)
    flat = Observation(torch.full_like(x, 0.3), observation.observed, observation.shape)
    assert torch.allclose(BY_NAME[name]()(flat, Gaussian(0.1), 0, Rng(0)).mmse, flat.y, atol=0.5 / 2048)


@pytest.mark.parametrize("name", INPAINTERS)
def test_inpainters_do_not_denoise(name):
    x = smooth(1, 20, 20)
    restoration, observation = run(BY_NAME[name](), Chain((Gaussian(0.1), Missing(0.5))), x)
    assert torch.equal(restoration.mmse[observation.observed], observation.y[observation.observed])


@pytest.mark.parametrize("name", INPAINTERS)
def test_inpainters_continue_a_slope(name):
    x = torch.linspace(0.1, 0.9, 24).expand(1, 3, 20, 24).contiguous()
    observed = torch.ones(1, 1, 20, 24, dtype=torch.bool)
    observed[..., 8:12, 8:13] = False
    observation = Observation(x * observed, observed, (3, 20, 24), torch.zeros(1, 1, 1, 1))
    assert (BY_NAME[name]()(observation, Missing(0.1), 0, Rng(0)).mmse - x).abs().max() < 0.06


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("lanczos", "wiener")])
def test_another_shape_is_refused_with_a_way_out(name):
    if "bm3d" in name:
        pytest.importorskip("bm3d", reason="needs the extra [bm3d]")
    y = torch.zeros(1, 1, 4, 5)
    observation = Observation(y, torch.ones(1, 1, 4, 5, dtype=torch.bool), (1, 8, 10), torch.zeros(1, 1, 1, 1))
    with pytest.raises(UsageError, match="of 8 x 10 x 1, got 4 x 5 x 1; use lanczos or wiener"):
        BY_NAME[name]()(observation, Gaussian(0.1), 0, Rng(0))


def test_what_suits_what():
    def fitting(corruption: Corruption) -> set[str]:
        return {name for name, cls in BY_NAME.items() if cls().is_applicable(corruption)}

    assert fitting(Missing(0.5)) == set(INPAINTERS)
    assert fitting(SaltPepper(0.1)) == {"median"}
    assert fitting(Poisson(9.0)) == {*DENOISERS, "anscombe-nlm", "anscombe-bm3d"}
    assert fitting(Gaussian(0.1)) == {*DENOISERS, "wiener"}
    assert fitting(Chain((Gaussian(0.1), Missing(0.5)))) == {*DENOISERS, *INPAINTERS, "wiener"}
