from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Chain, Gaussian, Missing, Quantise, SaltPepper
from restorekit.restoration.classical.scipy import Delaunay, DelaunayCubic, Median, Wiener


class Box:
    """The mean over 5 x 5 pixels, black outside."""

    halo = 2

    def apply(self, x):
        return F.avg_pool2d(x, 5, 1, 2)

    adjoint = apply


class Halves:
    """The mean over 2 x 2 pixels."""

    halo = 0

    def apply(self, x):
        return F.avg_pool2d(x, 2)

    def adjoint(self, u):
        return F.interpolate(u, scale_factor=2) / 4


@dataclass(frozen=True)
class Through(Corruption):
    name: ClassVar[str] = "through"
    map: object = None

    def __call__(self, x, rng):
        y = self.map.apply(x)
        return Observation(
            y, torch.ones_like(y[:, :1], dtype=torch.bool), tuple(x.shape[1:]), x.new_zeros(len(x), 1, 1, 1)
        )

    def operator(self, observation):
        return self.map


def picture(channels=1, height=48, width=40):
    """Waves and a bright box."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = (0.5 + 0.3 * torch.sin(rows / 6 + columns / 9)).expand(1, channels, height, width).clone()
    x[..., 10:20, 12:25] = 0.9
    return x


def restore(restorer, corruption, x):
    observation = corruption(x, Rng(0, ("a",)))
    return restorer(observation, corruption, 0, Rng(0)).mmse, observation


def rmse(a, b):
    return float((a - b).square().mean().sqrt())


def test_cubic_triangles_follow_a_curve_better_than_linear_ones():
    x = picture()
    x[..., 10:20, 12:25] = x[..., 10:20, 1:14]
    linear, cubic = (rmse(restore(r, Missing(0.5), x)[0], x) for r in (Delaunay(), DelaunayCubic()))
    assert cubic < linear


def test_delaunay_interpolates_linearly():
    x = torch.linspace(0, 1, 20).expand(1, 1, 20, 20).contiguous()
    observation = Missing(0.5)(x, Rng(0, ("a",)))
    observed = observation.observed.clone()
    observed[..., [0, -1], :] = observed[..., :, [0, -1]] = True  # no pixel outside the triangles
    whole = Observation(x * observed, observed, (1, 20, 20), torch.zeros(1, 1, 1, 1))
    assert torch.allclose(Delaunay()(whole, Missing(0.5), 0, Rng(0)).mmse, x, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_median_replaces_only_black_and_white(rate, channels):
    x = picture(channels)
    mmse, observation = restore(Median(), SaltPepper(rate), x)
    intact = (observation.y > 0) & (observation.y < 1)
    assert torch.equal(mmse[intact], x[intact])
    assert rmse(mmse, x) < 0.2 * rmse(observation.y, x)


def test_median_keeps_areas_that_are_black_or_white():
    x = torch.zeros(1, 1, 30, 30)
    x[..., 15:] = 1.0
    mmse, _ = restore(Median(), SaltPepper(0.1), x)
    assert torch.equal(mmse[..., :11], x[..., :11])
    assert torch.equal(mmse[..., 19:], x[..., 19:])


def test_median_fills_gaps_from_intact_values():
    x = picture()
    mmse, observation = restore(Median(), Chain((SaltPepper(0.2), Missing(0.3))), x)
    assert rmse(mmse, x) < 0.05
    assert not observation.observed.all()


def test_median_of_another_noise_is_the_plain_filter():
    x = torch.full((1, 1, 40, 40), 0.5)
    mmse, observation = restore(Median(), Gaussian(0.1), x)
    assert rmse(mmse, x) < 0.5 * rmse(observation.y, x)


def test_median_takes_impulses_that_were_stored_or_blurred_by_further_noise():
    x = picture()
    mmse, observation = restore(Median(), Chain((SaltPepper(0.1), Quantise())), x)
    assert rmse(mmse, x) < 0.2 * rmse(observation.y, x)
    mmse, observation = restore(Median(), Chain((SaltPepper(0.1), Gaussian(0.02))), x)
    assert rmse(mmse, x) < 0.4 * rmse(observation.y, x)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [0.0, 5 / 255])
def test_wiener_undoes_a_blur(sigma, channels):
    x = picture(channels)
    blurred = Box().apply(x)
    mmse, _ = restore(Wiener(), Chain((Through(Box()), Gaussian(sigma))), x)
    assert rmse(mmse, x) < (0.2 if sigma == 0 else 0.5) * rmse(blurred, x)


def test_wiener_takes_gaps_and_another_size():
    x = picture()
    assert rmse(restore(Wiener(), Chain((Through(Box()), Missing(0.3))), x)[0], x) < 0.35 * rmse(Box().apply(x), x)
    enlarged, observation = restore(Wiener(), Through(Halves()), x)
    assert enlarged.shape == x.shape
    assert torch.allclose(Halves().apply(enlarged), observation.y, atol=0.01)


def test_wiener_solves_its_equation():
    """Against the dense matrix of the docstring's equation."""
    x = picture(1, 9, 8)[..., :9, :8]
    sigma = 0.05
    mmse, observation = restore(Wiener(), Chain((Through(Box()), Gaussian(sigma))), x)
    basis = torch.eye(72).view(72, 1, 9, 8)
    a = Box().apply(basis).view(72, 72).double().numpy().T
    steps = np.concatenate(
        [np.diff(basis.numpy(), axis=2).reshape(72, -1), np.diff(basis.numpy(), axis=3).reshape(72, -1)], 1
    ).T
    system = a.T @ a + (sigma / Wiener.slope) ** 2 * steps.T @ steps
    expected = np.linalg.solve(system, a.T @ observation.y.double().numpy().ravel())
    assert np.allclose(mmse.numpy().ravel(), expected, atol=1e-3)
