import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

from restorekit import testing
from restorekit.core.contracts import Model, Sampler
from restorekit.core.errors import ImageError, RestorekitError
from restorekit.core.plugins.boundary import BrokenError
from restorekit.core.rng import Rng
from restorekit.core.types import Draws, Estimate, Geometry, Observation, Problem
from restorekit.corruptions import Chain, Gaussian, Missing, SaltPepper
from restorekit.models import CVAE, VAE
from restorekit.restoration.model_restorer import MIN_DRAWS, HeldSource, ModelPass, ModelRestorer
from restorekit.restoration.tiling import Limits
from restorekit.samplers import Gibbs
from restorekit.testing import _assertions
from restorekit.testing._assertions import perturb

DAMAGE = Chain((Gaussian(0.1), Missing(0.5)))
DEEP = CVAE.Config(widths=(16, 32), encoder=(1, 8), decoder=(1,), levels=2, context=16, recogniser=16, filling=False)
SMALL = CVAE.Config(**CVAE.presets["small"])
TILE = 96  # the least that the small model's halo of 32 and the feather allow


@pytest.fixture(scope="module")
def small():
    model = testing.build(CVAE, SMALL)
    perturb(model)
    return model


class Local(Model):
    """The mean over 3 x 3 pixels of the first guess, with noise of its own as draws: its halo is exact."""

    name = "local"
    Config = dict

    def __init__(self, size=None, halo=1, multiple=1):
        super().__init__(None)
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.geometry = Geometry(size, multiple, halo, (1, 3))
        self.seen = []

    def terms(self, batch, rng, group="model"):
        raise AssertionError("nothing here asks for it")

    def estimate(self, observation, corruption):
        self.seen.append(tuple(observation.y.shape))
        initial = observation.initial_estimate(corruption)
        mean = F.avg_pool2d(F.pad(initial, (1, 1, 1, 1), mode="replicate"), 3, 1)
        return Estimate(self.scale * mean, 0.1 + 0.1 * initial)

    def sample(self, observation, corruption, n, rng):
        initial = observation.initial_estimate(corruption)
        eps = rng.expand(n).normal("x", (n * len(initial), *initial.shape[1:]), initial.device)
        return Draws(initial + 0.1 * eps.view(n, *initial.shape), torch.full((n, *initial.shape), 0.04))


class DrawsOnly(Local):
    """Has no one-pass estimate."""

    def estimate(self, observation, corruption):
        return None


def _observed(images, count=1, channels=1, height=100, width=150, corruption=DAMAGE):
    x = images(count, channels, height, width)
    rng = Rng(0, tuple(f"image {i}" for i in range(count)))
    return x, corruption(x, rng), rng


def _restored(model, observation, rng, n=0, limits=None, corruption=DAMAGE):
    return ModelRestorer(model, limits=limits)(observation, corruption, n, rng)


def _apart(a, b):
    """The largest difference of two restorations in anything they hold."""
    found = 0.0
    for name in ("mmse", "std", "draws"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None)
        if left is not None:
            assert left.shape == right.shape
            found = max(found, float((left - right).abs().max()))
    return found


# -------------------------------------------------------------------------------------------- tiles


@pytest.mark.parametrize(("channels", "count"), [(1, 2), (3, 1)])
def test_tiled_equals_whole_estimate_and_draws_alike(small, images, channels, count):
    _, o, noise = _observed(images, count, channels, 130, 210)
    whole = _restored(small, o, noise, 2)
    tiled = _restored(small, o, noise, 2, Limits(TILE, 4 * TILE * TILE))
    assert _apart(whole, tiled) < 1e-3
    assert whole.std.mean() > 0.01
    assert (whole.draws[0] - whole.draws[1]).abs().mean() > 0.01


def test_tiled_equals_whole_for_the_default_model(images):
    model = testing.build(CVAE)
    perturb(model)
    _, o, noise = _observed(images, 1, 1, 168, 240)
    tile = 2 * model.geometry.halo + 32
    whole, tiled = _restored(model, o, noise), _restored(model, o, noise, 0, Limits(tile, tile * tile))
    assert _apart(whole, tiled) < 1e-3


def test_tiles_of_a_model_with_an_exact_halo_leave_no_trace(images):
    _, o, noise = _observed(images, 2, 3, 100, 150)
    whole = _restored(Local(), o, noise, 2)
    for tile, pixels in ((34, 34 * 34), (40, 10**6), (64, 3000)):
        assert _apart(whole, _restored(Local(), o, noise, 2, Limits(tile, pixels))) < 1e-6


@pytest.mark.parametrize("config", [SMALL, CVAE.Config(), DEEP], ids=["small", "default", "deep"])
def test_what_lies_beyond_the_halo_does_not_matter(config):
    """Everything from `halo` pixels on is turned over; on this side nothing may move by 1e-3."""
    model = testing.build(CVAE, config)
    perturb(model)
    halo, multiple = model.geometry.halo, model.geometry.multiple
    x = _assertions.random_images(1, 1, multiple * 4, 3 * halo)
    rng = Rng(0, ("a",))
    first = Problem(DAMAGE(x, rng), DAMAGE).with_initial_estimate().observation
    far = torch.arange(3 * halo) >= 2 * halo
    turned = dataclasses.replace(
        first, y=torch.where(far, 1 - first.y, first.y), initial=torch.where(far, 1 - first.initial, first.initial)
    )
    with torch.no_grad():
        for method in (lambda o: model.estimate(o, DAMAGE), lambda o: model.sample(o, DAMAGE, 1, rng)):
            for a, b in zip(method(first)[:2], method(turned)[:2], strict=True):
                assert float((a - b)[..., :halo].abs().max()) < 1e-3
                assert float((a - b)[..., 2 * halo :].abs().max()) > 1e-4


def test_parameters_of_the_observation_go_with_their_image(images):
    class Reads(Local):
        def estimate(self, observation, corruption):
            return Estimate(observation.params["rate"].expand_as(observation.y) * self.scale, None)

    corruption = SaltPepper((0.1, 0.9))
    _, o, noise = _observed(images, 3, 1, 50, 90, corruption)
    found = _restored(Reads(), o, noise, 0, Limits(34, 3 * 34 * 34), corruption)
    assert len(o.params["rate"].unique()) == 3
    torch.testing.assert_close(found.mmse, o.params["rate"].expand(-1, 1, 50, 90))


def test_the_guess_is_made_over_the_whole_image(images):
    _, o, noise = _observed(images, 1, 1, 90, 90, Missing(0.995))
    whole = _restored(Local(), o, noise, corruption=Missing(0.995))
    tiled = _restored(Local(), o, noise, 0, Limits(34, 34 * 34), Missing(0.995))
    assert _apart(whole, tiled) < 1e-6


def test_where_everything_was_seen_the_guess_is_y_unless_the_corruption_makes_its_own(images):
    class Inverted(Gaussian):
        def initial_estimate(self, observation):
            return 1 - observation.y

    _, o, _ = _observed(images, 1, 1, 20, 20, Gaussian(0.1))
    assert Problem(o, Gaussian(0.1)).with_initial_estimate().observation.initial is o.y
    assert Problem(o, Chain((Gaussian(0.1), Missing(0.0)))).with_initial_estimate().observation.initial is o.y
    for own in (Inverted(0.1), Chain((Inverted(0.1), Missing(0.0)))):
        assert torch.equal(Problem(o, own).with_initial_estimate().observation.initial, 1 - o.y)


# ------------------------------------------------------------------------------------------ any size


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (1, 40), (7, 130), (33, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_are_restored(small, images, height, width, channels):
    x, o, noise = _observed(images, 2, channels, height, width)
    found = _restored(small, o, noise, 2, Limits(TILE, TILE * TILE))
    assert found.mmse.shape == found.std.shape == x.shape
    assert found.draws.shape == (2, *x.shape)
    assert all(t.isfinite().all() for t in (found.mmse, found.std, found.draws))


@pytest.mark.parametrize(("height", "width"), [(12, 12), (20, 31), (12, 40), (9, 12), (5, 7), (30, 6)])
def test_a_model_of_one_size_restores_larger_and_smaller_images(images, height, width):
    x, o, noise = _observed(images, 2, 1, height, width)
    found = _restored(Local(size=(12, 12), halo=0), o, noise, 1)
    assert found.mmse.shape == x.shape
    assert found.draws.shape == (1, *x.shape)
    assert found.mmse.isfinite().all()


def test_an_mlp_restores_an_image_larger_than_itself(images):
    model = testing.build(VAE, VAE.Config(network="mlp", size=(12, 12), hidden=(8,), latent=2))
    x, o, noise = _observed(images, 1, 1, 20, 27)
    found = ModelRestorer(model, Gibbs(sweeps=2))(o, DAMAGE, 2, noise)
    assert found.draws.shape == (2, *x.shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_other_channels_than_the_models_is_refused_in_a_sentence(images, channels):
    model = testing.build(VAE, VAE.Config(channels=4 - channels, hidden=(8, 8), latent=2))
    _, o, noise = _observed(images, 1, channels, 16, 16)
    with pytest.raises(RestorekitError, match="channel"):
        ModelRestorer(model, Gibbs(sweeps=1))(o, DAMAGE, 1, noise)


# --------------------------------------------------------------------------------- batches and draws


def test_draws_made_in_portions_are_those_made_at_once(small, images):
    _, o, noise = _observed(images, 2, 1, 40, 50)
    at_once = _restored(small, o, noise, 5, Limits(512, 10**7))
    assert _apart(at_once, _restored(small, o, noise, 5, Limits(512, 1))) < 1e-5
    assert _apart(at_once, _restored(small, o, noise, 5, Limits(512, 2 * 2 * 40 * 52))) < 1e-5


def test_an_image_is_restored_alone_as_in_a_batch(small, images):
    _, o, noise = _observed(images, 3, 1, 40, 50)
    together = _restored(small, o, noise, 2)
    for i, key in enumerate(noise.keys):
        alone = _restored(small, _assertions.only(o, i), Rng(0, (key,)), 2)
        own = dataclasses.replace(
            together, mmse=together.mmse[i : i + 1], std=together.std[i : i + 1], draws=together.draws[:, i : i + 1]
        )
        assert _apart(own, alone) < 1e-5


def test_without_an_estimate_the_mean_and_spread_of_draws_stand_in(images):
    _, o, noise = _observed(images, 1, 1, 20, 20, Gaussian(0.1))
    found = _restored(DrawsOnly(), o, noise, 0, corruption=Gaussian(0.1))
    with torch.no_grad():
        draws = DrawsOnly().sample(
            Problem(o, Gaussian(0.1)).with_initial_estimate().observation, Gaussian(0.1), MIN_DRAWS, noise
        )
    torch.testing.assert_close(found.mmse, draws.mean.mean(0))
    torch.testing.assert_close(found.std**2, draws.mean.var(0) + 0.04, rtol=1e-3, atol=1e-4)
    assert found.draws is None
    six = _restored(DrawsOnly(), o, noise, 6, Limits(512, 800), Gaussian(0.1))
    torch.testing.assert_close(six.draws, draws.mean[:6])
    torch.testing.assert_close(six.mmse, found.mmse)  # few that are asked for make the estimate no worse
    many = _restored(DrawsOnly(), o, noise, MIN_DRAWS + 4, Limits(512, 800), Gaussian(0.1))
    torch.testing.assert_close(many.mmse, many.draws.mean(0))


@pytest.mark.parametrize("model", [Local(), DrawsOnly()], ids=["estimate", "draws"])
def test_what_was_seen_without_noise_comes_back(images, model):
    x, o, noise = _observed(images, 2, 3, 60, 70, Missing(0.5))
    found = _restored(model, o, noise, 3, Limits(34, 34 * 34), Missing(0.5))
    seen = o.observed.expand_as(x)
    for draw in (found.mmse, *found.draws):
        assert torch.equal(draw[seen], x[seen])  # bit for bit, though several tiles say it
    assert float(found.std[seen].max()) == 0
    assert float(found.std[~seen].min()) > 0


@pytest.mark.parametrize("kind", [Local, DrawsOnly])
def test_tiles_in_which_everything_is_known_need_no_pass_but_the_first(images, kind):
    model, x, limits = kind(), images(1, 3, 60, 200), Limits(34, 34 * 34)
    observed = torch.ones(1, 1, 60, 200, dtype=torch.bool)
    observed[..., 20:24, 150:153] = False
    o = Observation(torch.where(observed, x, 0.0), observed, (3, 60, 200), sigma=torch.zeros(1, 1, 1, 1))
    passes, estimate = [], model.estimate
    model.estimate = lambda *arguments: passes.append(1) or estimate(*arguments)
    noise, missing = Rng(0, ("image",)), Missing(0.1)
    found = _restored(model, o, noise, 2, limits, missing)
    assert 2 <= len(passes) <= 7  # one, and those around the gap, of some forty
    everywhere = Observation(o.y, torch.zeros_like(observed), o.shape, initial=o.initial_estimate(missing))
    expected = _restored(model, everywhere, noise, 2, limits, missing)  # nothing is known: each tile needs a pass
    assert len(passes) > 30
    gap = ~observed.expand_as(x)
    for one, other, known in ((found.mmse, expected.mmse, x), (found.std, expected.std, 0 * x)):
        assert torch.equal(one, torch.where(gap, other, known))
    assert torch.equal(found.draws, torch.where(gap, expected.draws, x))


def test_a_result_does_not_depend_on_how_it_is_asked_for(images):
    """Bands from the top down, each row once, the same as the whole."""
    _, o, noise = _observed(images, 1, 1, 120, 60)
    restorer = ModelRestorer(Local(), limits=Limits(34, 34 * 34))
    bands = list(restorer.rows(HeldSource(Problem(o, DAMAGE).with_initial_estimate().observation), DAMAGE, 1, noise))
    assert len(bands) > 3
    row = 0
    for top, band in bands:
        assert top == row
        row += band.mmse.shape[2]
    assert row == 120
    whole = restorer(o, DAMAGE, 1, noise)
    assert torch.equal(torch.cat([band.mmse for _, band in bands], 2), whole.mmse)
    assert torch.equal(torch.cat([band.draws for _, band in bands], 3), whole.draws)


def test_the_limits_hold(images):
    model = Local()
    _, o, noise = _observed(images, 1, 1, 200, 300)
    _restored(model, o, noise, 0, Limits(40, 5000))
    assert max(math.prod(shape) for shape in model.seen) <= 5000
    assert max(shape[2] for shape in model.seen) <= 40
    assert Limits.for_memory(2**30).pixels == 2**30 // 2048
    assert Limits.for_memory(1).pixels == 2**16


# ----------------------------------------------------------------------------------- samplers


class Constant(Sampler):
    """Draws one value."""

    name = "constant"

    def __init__(self, value):
        self.value = value

    def __call__(self, model, corruption, observation, n, rng):
        shape = (n, len(observation), *observation.shape)
        return Draws(torch.full(shape, self.value), None, {"value": torch.full((len(observation),), self.value)})

    def refuse(self, model, corruption):
        return None


def test_restorers_that_share_a_model_keep_their_own_samplers(images):
    model = testing.build(VAE, VAE.Config(hidden=(8,), latent=2, channels=1, size=(16, 16)))
    own = model.sampler = Constant(0.25)
    _, o, rng = _observed(images, 2, 1, 16, 16, Gaussian(0.1))
    low, high, plain = ModelRestorer(model, Constant(0.125)), ModelRestorer(model, Constant(0.5)), ModelRestorer(model)
    for restorer, value in ((low, 0.125), (high, 0.5), (low, 0.125), (plain, 0.25)):
        found = restorer(o, Gaussian(0.1), 2, rng)
        assert found.draws.unique().tolist() == [value]
        assert found.diagnostics["value"].tolist() == [value] * 2
    assert model.sampler is own


def test_a_latent_model_that_draws_by_itself_is_not_overruled(images):
    class Own(VAE):
        name = "own"

        def sample(self, observation, corruption, n, rng):
            return Draws(torch.full((n, len(observation), *observation.shape), 0.75), None)

    model = testing.build(Own, VAE.Config(hidden=(8,), latent=2, channels=1, size=(16, 16)))
    _, o, rng = _observed(images, 1, 1, 16, 16, Gaussian(0.1))
    assert ModelRestorer(model, Constant(0.5))(o, Gaussian(0.1), 1, rng).draws.unique().tolist() == [0.75]


def test_what_a_sampler_returns_is_checked(images):
    class Broken(Constant):
        name = "broken"

        def __call__(self, model, corruption, observation, n, rng):
            return Draws(torch.zeros(1), None)

    model = testing.build(VAE, VAE.Config(hidden=(8,), latent=2, channels=1, size=(16, 16)))
    _, o, rng = _observed(images, 1, 1, 16, 16, Gaussian(0.1))
    with pytest.raises(BrokenError, match=r"expected a tensor of shape \(16, 1, 1, 16, 16\) in mean"):
        ModelRestorer(model, Broken(0.5))(o, Gaussian(0.1), 1, rng)


# ------------------------------------------------------------------------------------- what goes wrong


def test_another_runtime_error_is_not_taken_for_lack_of_memory(images, monkeypatch):
    def broken(self, observation, *rest):
        raise RuntimeError("size mismatch")

    monkeypatch.setattr(ModelPass, "__call__", broken)
    _, o, noise = _observed(images, 1, 1, 32, 32)
    with pytest.raises(RuntimeError, match="size mismatch"):
        _restored(Local(), o, noise, 0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
    ids=["torch", "python", "cpu"],
)
@pytest.mark.parametrize("at", [1, 4])
def test_out_of_memory_halves_the_tiles_and_goes_on(images, monkeypatch, error, at):
    model = Local()
    _, o, noise = _observed(images, 1, 1, 300, 200)
    expected = _restored(Local(), o, noise, 1)
    solve, calls = ModelPass.__call__, []

    def tight(self, observation, *rest):
        calls.append(tuple(observation.y.shape))
        if len(calls) == at:
            raise error
        return solve(self, observation, *rest)

    monkeypatch.setattr(ModelPass, "__call__", tight)
    restorer = ModelRestorer(model, limits=Limits(80, 80 * 80))
    bands = list(restorer.rows(HeldSource(Problem(o, DAMAGE).with_initial_estimate().observation), DAMAGE, 1, noise))
    assert [top for top, _ in bands] == [sum(b.mmse.shape[2] for _, b in bands[:i]) for i in range(len(bands))]
    torch.testing.assert_close(torch.cat([b.mmse for _, b in bands], 2), expected.mmse)
    torch.testing.assert_close(torch.cat([b.draws for _, b in bands], 3), expected.draws)
    assert {shape[2] for shape in calls[at:]} == {40}


def test_after_out_of_memory_fewer_draws_are_made_at_once(images, monkeypatch):
    class Counts(Local):
        def sample(self, observation, corruption, n, rng):
            self.seen.append((n, *observation.y.shape[2:]))
            return super().sample(observation, corruption, n, rng)

        def estimate(self, observation, corruption):
            return None

    def tight(self, observation, *rest):
        if observation.y.shape[2] > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return solve(self, observation, *rest)

    solve, model = ModelPass.__call__, Counts()
    monkeypatch.setattr(ModelPass, "__call__", tight)
    _, o, noise = _observed(images, 1, 1, 120, 130)
    _restored(model, o, noise, 8, Limits(80, 2 * 80 * 80))
    assert {shape[0] for shape in model.seen} == {2}  # draws at once
    assert all(2 * 34 * 34 <= math.prod(shape) <= 2 * 40 * 40 for shape in model.seen)


@pytest.mark.parametrize("limits", [Limits(34, 10**5), Limits(60, 10**5)], ids=["smallest", "not half"])
def test_out_of_memory_makes_batches_smaller_where_tiles_cannot_be_halved(images, monkeypatch, limits):
    _, o, noise = _observed(images, 1, 1, 120, 130)
    expected, solve, calls = _restored(Local(), o, noise), ModelPass.__call__, []

    def tight(self, observation, *rest):
        calls.append(observation.y[:, 0].numel())
        if calls[-1] > 34 * 34:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return solve(self, observation, *rest)

    monkeypatch.setattr(ModelPass, "__call__", tight)
    torch.testing.assert_close(_restored(Local(), o, noise, 0, limits).mmse, expected.mmse)


def test_out_of_memory_with_the_smallest_tiles_is_an_error_in_a_sentence(images, monkeypatch):
    def never(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ModelPass, "__call__", never)
    _, o, noise = _observed(images, 1, 1, 50, 50)
    with pytest.raises(ImageError, match="out of memory") as error:
        _restored(Local(), o, noise)
    assert "\n" not in str(error.value)


def test_a_tile_that_is_not_finite_in_half_precision_is_redone_in_full(images):
    class Hot(Local):
        def estimate(self, observation, corruption):
            half.append(torch.is_autocast_enabled("cpu"))
            found = super().estimate(observation, corruption)
            return Estimate(found.mean * torch.nan, found.std) if half[-1] else found

    half = []
    _, o, noise = _observed(images, 1, 1, 20, 20)
    found = ModelRestorer(Hot(), half=True)(o, DAMAGE, 0, noise)
    assert half == [True, False]
    assert _apart(found, _restored(Local(), o, noise)) == 0


def test_half_precision_is_within_half_a_gray_level(small, images):
    _, o, noise = _observed(images)
    one, other = (ModelRestorer(small, half=half)(o, DAMAGE, 0, noise) for half in (False, True))
    assert 0 < float((one.mmse - other.mmse).square().mean().sqrt()) < 0.5 / 255


@pytest.mark.parametrize("part", ["mean", "std"])
def test_a_tile_that_stays_so_is_an_error_in_a_sentence(images, part):
    class Broken(Local):
        def estimate(self, observation, corruption):
            found = super().estimate(observation, corruption)
            return found._replace(**{part: getattr(found, part) / 0})

    _, o, noise = _observed(images, 1, 1, 20, 20)
    with pytest.raises(ImageError, match="not finite") as error:
        _restored(Broken(), o, noise)
    assert "'local'" in str(error.value)
    assert "\n" not in str(error.value)


def test_restoring_leaves_global_generators_the_input_and_gradients_alone(small, images):
    _, o, noise = _observed(images, 1, 1, 40, 40)
    before = o.y.clone()
    with _assertions.global_randomness_untouched("restoring"):
        found = _restored(small, o, noise, 1)
    assert torch.equal(before, o.y)
    assert not found.mmse.requires_grad
