"""The mean over flips and transposes: undone exactly, with the spread that the errors around the mean have."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Estimate, Observation
from restorekit.corruptions import Gaussian, Missing
from restorekit.restoration.self_ensemble import MIN_SHARE, SYMMETRIES, restored, self_ensemble, transformed


def _observation(y):
    return Observation(y, torch.ones_like(y[:, :1], dtype=torch.bool), tuple(y.shape[1:]))


def test_the_symmetries_are_those_of_a_square_and_are_undone():
    t = torch.arange(12.0).view(1, 1, 3, 4)
    assert len({(tuple(one.shape), *one.flatten().tolist()) for one in (transformed(t, k) for k in range(8))}) == 8
    for k in range(SYMMETRIES):
        assert torch.equal(restored(transformed(t, k), k), t)
        assert torch.equal(transformed(restored(t, k), k), t)


def test_an_estimate_that_commutes_with_them_stays_what_it_is(images):
    y = images(2, 3, 20, 28)

    def blurred(o):
        assert o.shape == tuple(o.y.shape[1:])
        return Estimate(F.avg_pool2d(F.pad(o.y, (1, 1, 1, 1), mode="replicate"), 3, 1), 0.1 + o.y)

    found, expected = self_ensemble(blurred, _observation(y)), blurred(_observation(y))
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.std, expected.std)


def test_the_spread_is_that_of_the_error_of_the_mean():
    """Estimates with independent errors beside a common one: their mean has an eighth of the variance of the former."""
    rng, x, calls = Rng(0), torch.full((1, 1, 200, 200), 0.5), []
    common = 0.03 * rng.normal("common", tuple(x.shape), "cpu")

    def estimate(o):
        own = 0.02 * rng.normal(f"own {len(calls)}", tuple(x.shape), "cpu")
        calls.append(own)
        return Estimate(
            o.y + transformed(common + own, len(calls) - 1), torch.full_like(o.y, (0.03**2 + 0.02**2) ** 0.5)
        )

    found = self_ensemble(estimate, _observation(x))
    error = found.mean - x
    assert error.std() == pytest.approx((0.03**2 + 0.02**2 / 8) ** 0.5, rel=0.02)
    assert found.std.square().mean() == pytest.approx(float(error.square().mean()), rel=0.02)


def test_estimates_that_differ_by_more_than_their_spread_leave_some_of_it():
    calls = []

    def estimate(o):
        calls.append(o)
        return Estimate(torch.full_like(o.y, len(calls) % 2), torch.full_like(o.y, 0.1))

    found = self_ensemble(estimate, _observation(torch.zeros(1, 1, 4, 4)))
    torch.testing.assert_close(found.std, torch.full((1, 1, 4, 4), 0.1 * MIN_SHARE**0.5))


@pytest.mark.parametrize("std", [True, False])
def test_half_of_them_are_flips_and_a_spread_is_not_made_up(std):
    shapes = set()

    def estimate(o):
        shapes.add(tuple(o.y.shape))
        return Estimate(o.y, 0 * o.y if std else None)

    found = self_ensemble(estimate, _observation(torch.zeros(1, 1, 4, 6)), SYMMETRIES // 2)
    assert shapes == {(1, 1, 4, 6)}
    assert (found.std is None) is not std
    assert self_ensemble(lambda o: None, _observation(torch.zeros(1, 1, 4, 6))) is None


@pytest.mark.parametrize("corruption", [Gaussian(25 / 255), Missing(0.5)], ids=str)
def test_the_shipped_model_restores_better_and_its_spread_and_draws_follow(corruption):
    import restorekit
    from restorekit.core.psnr import psnr

    x = torch.from_numpy(_photograph()).movedim(-1, 0)[None].float() / 255
    o = corruption(x, Rng(3, ("photograph",))).blind()
    found = {}
    for quality in ("standard", "best"):
        restorer = restorekit.load("default", device="cpu", quality=quality).opened.restorer
        found[quality] = restorer(o, corruption, 4, Rng(0, ("photograph",)))
    one, eight = found["standard"], found["best"]
    assert float(psnr(eight.mmse, x)) > float(psnr(one.mmse, x)) + 0.03
    unknown = o.unknown().expand_as(x)
    assert 0.8 < float(eight.std[unknown].square().mean() / one.std[unknown].square().mean()) < 1.02
    moved = (eight.draws - one.draws - (eight.mmse - one.mmse)).abs().max()
    assert float(moved) < 1e-5
    assert torch.equal(eight.mmse[~unknown], x[~unknown])


def _photograph():
    image = cv2.imread(str(Path(__file__).parents[2] / "samples" / "clean" / "noise" / "astronaut.png"))
    return np.ascontiguousarray(image[:160, :160, ::-1])


@pytest.mark.parametrize(
    ("name", "problem"),
    [("bm3d", "is a classical method"), ("TINY", "flipped and transposed images")],
)
def test_what_has_no_such_mean_is_refused(name, problem, model_file):
    import restorekit

    with pytest.raises(UsageError, match=problem):
        restorekit.load(str(model_file) if name == "TINY" else name, device="cpu", quality="best")


def test_other_corruptions_than_noise_and_missing_values_are_refused():
    from restorekit.core.devices import Compute
    from restorekit.corruptions import Blur
    from restorekit.restoration.loading import open_restorer

    opened = open_restorer("default", compute=Compute("cpu", quality="best"))
    assert "for noise and missing values, got blur" in opened.refusal(Blur(1.0))
    assert opened.refusal(Missing(0.5)) is None
