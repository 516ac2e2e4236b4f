import math
import warnings

import pytest
import torch
from scipy.ndimage import gaussian_filter

from restorekit.core import psnr
from restorekit.core.errors import UndefinedMetricError
from restorekit.core.types import Restoration
from restorekit.evaluation.metric_values import measure
from restorekit.evaluation.metrics import fidelity
from tests._helpers.observations import draw, seen


def test_finish_clamps_and_rounds_to_8_bits():
    x = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 1.7])
    assert torch.equal(psnr.quantise_8bit(x), torch.tensor([0.0, 0.0, 0.0, 1 / 255, 1.0, 1.0]))


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_of_a_constant_error(channels):
    x = draw(1, channels, 9, 7)
    assert fidelity.PSNR()(Restoration(x + 0.1), x, seen(x)) == pytest.approx(20.0, abs=1e-4)


def test_psnr_of_identical_images_is_infinite_and_silent():
    x = draw(1, 1, 9, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fidelity.PSNR()(Restoration(x), x, seen(x)) == math.inf


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.9])
def test_whole_and_missing_psnr_differ_by_the_rate(rate):
    x = draw(1, 3, 10, 10)
    missing = torch.arange(100).view(1, 1, 10, 10) < 100 * rate
    restoration = Restoration(x + 0.1 * missing)
    observation = seen(x, ~missing, sigma=0.0)
    whole, lost = (m(restoration, x, observation) for m in (fidelity.PSNR(), fidelity.PSNRMissing()))
    assert whole - lost == pytest.approx(10 * math.log10(1 / rate), abs=1e-4)


def test_psnr_missing_takes_masks_per_channel():
    x = draw(1, 3, 6, 5)
    observed = torch.ones(1, 3, 6, 5, dtype=torch.bool)
    observed[:, 1] = False
    error = torch.zeros_like(x)
    error[:, 1], error[:, 2] = 0.01, 0.5
    value = fidelity.PSNRMissing()(Restoration(x + error), x, seen(x, observed))
    assert value == pytest.approx(40.0, abs=1e-3)


def test_psnr_missing_does_not_apply():
    x = draw(1, 1, 6, 4)
    half = seen(x[..., ::2, ::2], torch.zeros(1, 1, 3, 2, dtype=torch.bool))
    with pytest.raises(UndefinedMetricError, match="no value is marked as missing"):
        fidelity.PSNRMissing()(Restoration(x), x, seen(x))
    with pytest.raises(UndefinedMetricError, match="another shape"):
        fidelity.PSNRMissing()(Restoration(x), x, half)


def test_ssim_is_the_formula_of_the_paper():
    x = draw(1, 1, 40, 31)
    y = (x + 0.1 * draw(1, 1, 40, 31)).clamp(0, 1)
    a, b = x[0, 0].double().numpy(), y[0, 0].double().numpy()

    def mean(v):
        return gaussian_filter(v, 1.5, truncate=3.5)[5:-5, 5:-5]

    c1, c2 = 0.01**2, 0.03**2
    va, vb, cov = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2, mean(a * b) - mean(a) * mean(b)
    ssim = (2 * mean(a) * mean(b) + c1) * (2 * cov + c2) / ((mean(a) ** 2 + mean(b) ** 2 + c1) * (va + vb + c2))
    assert fidelity.SSIM()(Restoration(y), x, seen(x)) == pytest.approx(ssim.mean(), abs=1e-6)


def test_ssim_is_the_mean_over_channels():
    x, y = draw(1, 3, 20, 20), draw(1, 3, 20, 20).flip(2)
    each = [fidelity.SSIM()(Restoration(y[:, c : c + 1]), x[:, c : c + 1], seen(x[:, c : c + 1])) for c in range(3)]
    assert fidelity.SSIM()(Restoration(y), x, seen(x)) == pytest.approx(sum(each) / 3, abs=1e-6)


def test_ssim_says_why_a_small_image_has_none():
    x = draw(1, 1, 11, 10)
    with pytest.raises(UndefinedMetricError, match="at least 11 x 11 pixels, got 10 x 11"):
        fidelity.SSIM()(Restoration(x), x, seen(x))
    assert fidelity.SSIM()(Restoration(draw(1, 1, 11, 11)), draw(1, 1, 11, 11), seen(x)) == pytest.approx(1.0)


def test_nrmse_is_relative_to_the_clean_image():
    x = draw(1, 3, 8, 8)
    assert fidelity.NRMSE()(Restoration(0.9 * x), x, seen(x)) == pytest.approx(0.1, abs=1e-6)
    with pytest.raises(UndefinedMetricError, match="black"):
        fidelity.NRMSE()(Restoration(x), torch.zeros_like(x), seen(x))


def test_ideal_draws_lie_3_db_under_their_mean():
    x = draw(1, 1, 64, 64)
    generator = torch.Generator().manual_seed(3)
    mean = x + 0.05 * torch.randn(x.shape, generator=generator)
    draws = mean + 0.05 * torch.randn(8, *x.shape, generator=generator)
    restoration = Restoration(mean, draws=draws)
    gap = fidelity.PSNR()(restoration, x, seen(x)) - fidelity.DrawPSNR()(restoration, x, seen(x))
    assert gap == pytest.approx(3.01, abs=0.1)
    with pytest.raises(UndefinedMetricError, match="no draws"):
        fidelity.DrawPSNR()(Restoration(mean), x, seen(x))


def test_a_metric_has_no_figure_where_it_does_not_apply():
    x = draw(1, 1, 16, 16)
    every = [cls() for cls in fidelity.restorekit_register_metrics()]
    assert [m.name for m in every] == ["psnr", "psnr_missing", "ssim", "nrmse", "draw_psnr"]
    found = measure(every, Restoration(x + 0.1), x, seen(x, sigma=0.1))
    assert [k for k, v in found.values.items() if v is None] == ["psnr_missing", "draw_psnr"] == [*found.reasons]
    assert {m.better for m in every} == {"higher", "lower"}


def test_metrics_change_nothing_they_are_given():
    x = draw(1, 3, 16, 16)
    restoration = Restoration(x * 0.9, std=x * 0.1, draws=torch.stack([x, x * 0.8]))
    before = [t.clone() for t in (x, restoration.mmse, restoration.std, restoration.draws)]
    assert not measure([cls() for cls in fidelity.restorekit_register_metrics()], restoration, x, seen(x)).faults
    assert all(
        torch.equal(a, b)
        for a, b in zip(before, (x, restoration.mmse, restoration.std, restoration.draws), strict=True)
    )
