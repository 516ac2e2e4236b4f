import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Gaussian, Missing
from restorekit.restoration.classical.opencv import Lanczos, NavierStokes, OpenCVNLM, Telea


def seen(y, shape, observed=None):
    everywhere = torch.ones(1, 1, *y.shape[2:], dtype=torch.bool)
    return Observation(y, everywhere if observed is None else observed, shape, torch.zeros(1, 1, 1, 1))


def waves(channels=1, height=48, width=40):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.5 + 0.3 * torch.sin(rows / 6 + columns / 9)).expand(1, channels, height, width).contiguous()


@pytest.mark.parametrize("restorer", [Telea(), NavierStokes()], ids=lambda r: r.name)
def test_inpainting_does_not_round_to_8_bits(restorer):
    x = torch.linspace(0.400, 0.404, 32).expand(1, 1, 32, 32).contiguous()
    observed = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    observed[..., 14:17, 14:17] = False
    mmse = restorer(seen(x * observed, (1, 32, 32), observed), Missing(0.1), 0, Rng(0)).mmse
    assert (mmse - x).abs().max() < 0.2 / 255


def test_nlm_neither_clips_nor_rounds_noisy_values():
    noisy = 0.3 * np.random.default_rng(0).standard_normal((64, 64))
    assert abs(OpenCVNLM().plane(noisy, 0.3, False).mean() - noisy.mean()) < 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_lanczos_enlarges_what_was_averaged(channels):
    x = waves(channels)
    y = F.avg_pool2d(x, 2)
    mmse = Lanczos()(seen(y, (channels, 48, 40)), Gaussian(0.0), 0, Rng(0)).mmse
    assert mmse.shape == x.shape
    assert (mmse - x)[..., 4:-4, 4:-4].abs().max() < 0.01


def test_lanczos_fills_gaps_before_it_enlarges():
    x = waves()
    y = F.avg_pool2d(x, 2)
    observed = torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(0)) > 0.2
    mmse = Lanczos()(seen(y * observed, (1, 48, 40), observed), Gaussian(0.0), 0, Rng(0)).mmse
    assert (mmse - x)[..., 6:-6, 6:-6].abs().max() < 0.05


def test_lanczos_repeats_gray_for_colour_and_refuses_the_reverse():
    x = waves()
    assert torch.equal(Lanczos()(seen(x, (3, 48, 40)), Gaussian(0.0), 0, Rng(0)).mmse, x.expand(1, 3, 48, 40))
    with pytest.raises(UsageError, match="expected 1 or 1 channels, got 3"):
        Lanczos()(seen(x.expand(1, 3, 48, 40), (1, 48, 40)), Gaussian(0.0), 0, Rng(0))
