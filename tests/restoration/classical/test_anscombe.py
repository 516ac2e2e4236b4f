import dataclasses
import importlib.util

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from restorekit.core.rng import Rng
from restorekit.corruptions import Chain, Gaussian, Missing, Poisson
from restorekit.restoration.classical.anscombe import AnscombeBM3D, AnscombeNLM, estimate_peak, invert, stabilise
from restorekit.restoration.classical.skimage import NLM


def waves(channels=1, size=96):
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (0.5 + 0.4 * torch.sin(rows / 9 + columns / 13)).expand(1, channels, size, size).contiguous()


def expected_transform(mean):
    counts = np.arange(0, 400)
    return float((poisson.pmf(counts, mean) * stabilise(counts.astype(float))).sum())


@pytest.mark.parametrize("mean", [0.5, 1.0, 3.0, 10.0, 50.0, 200.0])
def test_inverse_of_the_expected_transform_is_the_mean(mean):
    found = invert(np.array([expected_transform(mean)]))[0]
    # the closed form is within a few hundredths of the exact inverse: figure 4 of the paper
    assert found == pytest.approx(mean, abs=0.05)


def test_no_photons_are_no_light():
    assert invert(stabilise(np.zeros(3))) == pytest.approx(0)
    assert np.isfinite(invert(np.array([-5.0, 0.0]))).all()


@pytest.mark.parametrize("mean", [5.0, 20.0, 100.0])
def test_variance_becomes_one(mean):
    counts = np.arange(0, 400)
    chance, values = poisson.pmf(counts, mean), stabilise(counts.astype(float))
    variance = (chance * values**2).sum() - (chance * values).sum() ** 2
    assert variance == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("peak", [2.0, 10.0, 100.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_peak_is_estimated_from_the_picture(peak, channels):
    y = Poisson(peak)(waves(channels), Rng(0, ("a",))).y[0].permute(1, 2, 0).double().numpy()
    assert estimate_peak(y) == pytest.approx(peak, rel=0.2)


def test_a_peak_comes_out_of_any_picture():
    assert estimate_peak(np.full((1, 5, 1), 0.5)) == 1e6
    assert estimate_peak(np.zeros((8, 8, 1))) == 1e6


@pytest.mark.parametrize("channels", [1, 3])
def test_dark_noise_is_denoised_better_than_without_the_transform(channels):
    x = waves(channels)
    observation = Poisson(5.0)(x, Rng(0, ("a",)))
    blind = dataclasses.replace(observation, params={})
    plain, told, guessed = (
        float((r(o, Poisson(5.0), 0, Rng(0)).mmse - x).square().mean())
        for r, o in ((NLM(), observation), (AnscombeNLM(), observation), (AnscombeNLM(), blind))
    )
    assert max(told, guessed) < 0.5 * plain  # the peak is guessed to a tenth: which of the two wins depends on the draw


def test_light_is_kept_on_average():
    x = torch.full((1, 1, 64, 64), 0.5)
    mmse = AnscombeNLM()(Poisson(2.0)(x, Rng(0, ("a",))), Poisson(2.0), 0, Rng(0)).mmse
    assert float(mmse.mean()) == pytest.approx(0.5, abs=0.02)


def test_gaps_and_further_noise_are_taken():
    x = waves()
    corruption = Chain((Poisson(50.0), Gaussian(0.1), Missing(0.3)))
    observation = corruption(x, Rng(0, ("a",)))
    mmse = AnscombeNLM()(observation, corruption, 0, Rng(0)).mmse
    assert float((mmse - x).square().mean().sqrt()) < 0.07


@pytest.mark.skipif(importlib.util.find_spec("bm3d") is None, reason="needs the extra [bm3d]")
def test_bm3d_inside_is_no_worse_than_nlm():
    x = waves(size=48)
    observation = Poisson(10.0)(x, Rng(0, ("a",)))
    nlm, bm3d = (
        float((r(observation, Poisson(10.0), 0, Rng(0)).mmse - x).square().mean())
        for r in (AnscombeNLM(), AnscombeBM3D())
    )
    assert bm3d < nlm
