from dataclasses import dataclass

import pytest
import torch
from torch import distributions
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import (
    Blur,
    Chain,
    Clean,
    Downsample,
    Film,
    Gaussian,
    Grayscale,
    Holes,
    Lines,
    Missing,
    Poisson,
    Quantise,
    SaltPepper,
)

X = torch.linspace(0.1, 0.9, 96).view(2, 1, 6, 8)
NOISE = Rng(0, ("a", "b"))


@dataclass(frozen=True)
class Roll:
    """Shift by some pixels: its adjoint shifts back."""

    by: int
    halo: int = 8

    def apply(self, x):
        return x.roll(self.by, 3)

    def adjoint(self, u):
        return u.roll(-self.by, 3)


@dataclass(frozen=True)
class Shift(Corruption):
    """A linear corruption without noise."""

    name = "shift"
    by: int = 1

    def __call__(self, x, rng):
        seen = torch.ones_like(x[:, :1]).bool()
        return Observation(Roll(self.by).apply(x), seen, tuple(x.shape[1:]), x.new_zeros(len(x), 1, 1, 1))

    def operator(self, observation):
        return Roll(self.by)


def _normal(y, x, sigma, seen=None):
    values = distributions.Normal(x, sigma).log_prob(y)
    return (values if seen is None else values * seen).sum((1, 2, 3))


def test_gaussians_add_in_quadrature():
    chain = Chain((Gaussian(0.3), Gaussian(0.4)))
    observation = chain(X, NOISE)
    torch.testing.assert_close(observation.sigma.flatten(), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(chain.log_prob(observation, X), _normal(observation.y, X, 0.5))
    many = Chain((Gaussian(0.3), Gaussian(0.4)))(torch.zeros(1, 1, 200, 200), Rng(0, ("a",))).y
    assert abs(float(many.double().std()) - 0.5) < 5 * 0.5 / (2 * 40000) ** 0.5


@pytest.mark.parametrize("first", [0.0, 0.3])
def test_a_noise_of_zero_adds_nothing(first):
    chain = Chain((Gaussian(first), Gaussian(0.4)))
    observation = chain(X, NOISE)
    expected = (first**2 + 0.16) ** 0.5
    torch.testing.assert_close(chain.log_prob(observation, X), _normal(observation.y, X, expected))


def test_a_noise_range_adds_per_image():
    chain = Chain((Gaussian((0.1, 0.2)), Gaussian((0.3, 0.4))))
    observation = chain(X, NOISE)
    assert len(observation.sigma.unique()) == 2
    torch.testing.assert_close(chain.log_prob(observation, X), _normal(observation.y, X, observation.sigma))


@pytest.mark.parametrize("hider", [Missing(0.4), Holes(0.3), Lines(0.3)], ids=str)
def test_missing_values_are_taken_out_last_wherever_they_stand(hider):
    before, after = Chain((hider, Gaussian(0.2))), Chain((Gaussian(0.2), hider))
    assert before == after
    assert before.parts[-1] is hider
    observation = before(X, NOISE)
    assert (observation.y[~observation.observed] == 0).all()
    torch.testing.assert_close(
        before.log_prob(observation, X), _normal(observation.y, X, 0.2, observation.observed), rtol=1e-5, atol=1e-5
    )


def test_several_hiders_hide_what_any_of_them_hides():
    chain = Chain((Missing(0.4), Lines(0.4)))
    observation = chain(X, NOISE)
    first = Missing(0.4)(X, NOISE.fork("0")).observed
    second = Lines(0.4)(X, NOISE.fork("1")).observed
    assert torch.equal(observation.observed, first & second)
    assert chain.hides
    assert chain.log_prob(observation, X) is None
    assert (observation.sigma == 0).all()


@pytest.mark.parametrize(
    "parts",
    [
        (Gaussian(0.1), Poisson(30.0)),
        (Poisson(30.0), Gaussian(0.1)),
        (SaltPepper(0.1), Gaussian(0.1)),
        (Gaussian(0.1), SaltPepper(0.1)),
        (Gaussian(0.1), Quantise()),
        (Poisson(30.0), Poisson(60.0)),
        (Gaussian(0.1), Shift(1)),
    ],
    ids=lambda parts: "+".join(p.name for p in parts),
)
def test_other_orders_can_only_be_simulated(parts):
    chain = Chain((*parts, Missing(0.3)))
    observation = chain(X, NOISE)
    assert chain.log_prob(observation, X) is None
    assert chain.initial_estimate(observation).isfinite().all()


@pytest.mark.parametrize("law", [Poisson(30.0), SaltPepper(0.2)], ids=str)
def test_one_noise_law_then_missing_keeps_its_density(law):
    chain = Chain((law, Missing(0.3)))
    observation = chain(X, NOISE)
    alone = law.log_prob(Observation(observation.y, observation.observed, (1, 6, 8), params=observation.params), X)
    torch.testing.assert_close(chain.log_prob(observation, X), alone)


def test_a_clean_part_changes_nothing():
    chain = Chain((Clean(), Gaussian(0.2)))
    observation = chain(X, NOISE)
    torch.testing.assert_close(observation.sigma.flatten(), torch.tensor([0.2, 0.2]))
    torch.testing.assert_close(chain.log_prob(observation, X), _normal(observation.y, X, 0.2))


def test_linear_then_gaussian_has_the_density_of_the_blurred_image():
    chain = Chain((Shift(2), Gaussian(0.2)))
    observation = chain(X, NOISE)
    torch.testing.assert_close(chain.log_prob(observation, X), _normal(observation.y, X.roll(2, 3), 0.2))
    assert chain.operator(observation).by == 2


def test_linear_alone_is_an_exact_constraint_without_a_density():
    chain = Chain((Shift(2), Missing(0.3)))
    assert chain.log_prob(chain(X, NOISE), X) is None


def test_two_linear_parts_are_both_in_the_operator():
    chain = Chain((Shift(2), Shift(3)))
    observation = chain(X, NOISE)
    operator = chain.operator(observation)
    torch.testing.assert_close(operator.apply(X), observation.y)
    torch.testing.assert_close(operator.adjoint(observation.y), X)


def test_the_noise_of_one_part_is_not_that_of_the_next():
    once, twice = Gaussian(0.3)(X, NOISE).y - X, Chain((Gaussian(0.3), Gaussian(0.3)))(X, NOISE).y - X
    assert not torch.allclose(twice, 2 * once)
    assert not torch.allclose(twice.flatten()[0] / once.flatten()[0], twice.flatten()[1] / once.flatten()[1])


def test_sigma_is_unknown_where_any_part_does_not_know_its_own():
    assert Chain((Gaussian(0.1), Poisson(30.0)))(X, NOISE).sigma is None


def test_the_shape_of_x_is_kept_in_a_chain():
    @dataclass(frozen=True)
    class Halve(Corruption):
        name = "halve"

        def __call__(self, x, rng):
            y = F.avg_pool2d(x, 2)
            return Observation(y, torch.ones_like(y[:, :1]).bool(), tuple(x.shape[1:]), y.new_zeros(len(y), 1, 1, 1))

    observation = Chain((Halve(), Gaussian(0.1), Missing(0.2)))(X, NOISE)
    assert observation.shape == (1, 6, 8)
    assert observation.y.shape == (2, 1, 3, 4)


def test_smoothness_is_that_of_the_parts_that_alter():
    assert Chain((Gaussian(0.1), Missing(0.5))).smooth
    assert Chain((Clean(), Gaussian(0.1))).smooth
    assert not Chain((SaltPepper(0.1), Missing(0.5))).smooth
    assert not Chain((Gaussian(0.1), Missing(0.5))).hides


def test_the_shape_of_x_is_found_from_the_last_part_to_the_first():
    chain = Chain((Grayscale(), Downsample(3), Downsample(2), Gaussian(0.1)))
    assert chain.clean_shape((1, 4, 5), 3) == (3, 24, 30)
    assert tuple(chain(torch.zeros(1, 3, 24, 30), Rng(0)).y.shape) == (1, 1, 4, 5)
    assert Chain((Gaussian(0.1), Missing(0.5))).clean_shape((3, 4, 5), 1) == (3, 4, 5)


@pytest.mark.parametrize("first", [Gaussian(0.0), Blur(), Grayscale()])
def test_the_guess_undoes_every_change_of_the_shape(first):
    chain, flat = Chain((first, Downsample(2))), torch.full((1, 3, 9, 7), 0.4)
    assert not chain.interpolates
    torch.testing.assert_close(chain.initial_estimate(chain(flat, Rng(0))), flat)


def test_noise_that_a_linear_part_mixes_is_of_unknown_level():
    x = torch.full((1, 1, 8, 8), 0.5)
    assert Chain((Gaussian(0.1), Downsample(2)))(x, Rng(0)).sigma.isnan().all()
    assert float(Chain((Gaussian(0.0), Downsample(2), Gaussian(0.1)))(x, Rng(0)).sigma) == pytest.approx(0.1)


def test_a_square_was_seen_where_all_of_it_was():
    @dataclass(frozen=True)
    class Spoilt(Corruption):
        name = "spoilt"

        def __call__(self, x, rng):
            seen = torch.ones_like(x[:, :1]).bool()
            seen[..., 0, 0] = False
            return Observation(0.9 * x * seen, seen, tuple(x.shape[1:]), None)

    assert Chain((Spoilt(), Downsample(2)))(torch.ones(1, 1, 4, 4), Rng(0)).observed.flatten().tolist() == [
        False, True, True, True,
    ]  # fmt: skip


def test_marks_of_all_parts_are_those_of_the_chain_at_its_size():
    film, rng = Film(density=1500.0, size=8.0), Rng(0, ("a",))
    x = torch.full((1, 1, 96, 96), 0.5)
    alone = Chain((film, Gaussian(0.1)))(x, rng)
    assert alone.marks is not None
    assert int((alone.marks > 0.5).sum()) > 0
    shrunk = Chain((film, Downsample(2)))(x, rng).marks
    torch.testing.assert_close(shrunk, F.avg_pool2d(alone.marks, 2))
    twice = Chain((film, Film(density=1500.0, size=4.0)))(x, rng).marks
    assert bool((twice >= alone.marks - 1e-6).all())
    assert float(twice.sum()) > float(alone.marks.sum())
    assert Chain((Gaussian(0.1), Missing()))(x, rng).marks is None


def test_marks_follow_what_is_done_to_an_observation():
    o = Film(density=1500.0, size=8.0)(torch.full((3, 1, 64, 64), 0.5), Rng(0, ("a", "b", "c")))
    assert torch.equal(o.take(torch.tensor([2])).marks, o.marks[2:])
    rows, columns = torch.arange(8, 24), torch.arange(40, 60)
    assert torch.equal(o.cut(rows, columns).marks, o.marks[..., 8:24, 40:60])
