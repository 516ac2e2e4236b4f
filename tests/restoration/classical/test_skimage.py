import numpy as np
import pytest
import torch

from restorekit.core.errors import ImageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation
from restorekit.corruptions import Missing
from restorekit.restoration.classical.skimage import TV, Biharmonic, Wavelet


def observation(x, observed):
    return Observation(x * observed, observed, tuple(x.shape[1:]), torch.zeros(1, 1, 1, 1))


def test_biharmonic_is_exact_where_the_second_laplacian_is_zero():
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 30), indexing="ij")
    x = (0.5 + 0.2 * rows * columns + 0.1 * (rows**2 - columns**2) + 0.1 * rows)[None, None]
    observed = torch.ones(1, 1, 24, 30, dtype=torch.bool)
    observed[..., 9:16, 10:19] = False
    mmse = Biharmonic()(observation(x, observed), Missing(0.1), 0, Rng(0)).mmse
    assert torch.allclose(mmse, x, atol=1e-5)


def test_biharmonic_refuses_too_large_a_hole_and_names_another_way(monkeypatch):
    monkeypatch.setattr(Biharmonic, "most", 24)
    x = torch.full((1, 1, 20, 20), 0.5)
    observed = torch.ones(1, 1, 20, 20, dtype=torch.bool)
    observed[..., 3:8, 3:8] = False
    message = "at most 24 missing pixels in one connected region, got 25; use navier-stokes or delaunay"
    with pytest.raises(ImageError, match=message):
        Biharmonic()(observation(x, observed), Missing(0.1), 0, Rng(0))


def test_biharmonic_takes_many_small_holes(monkeypatch):
    monkeypatch.setattr(Biharmonic, "most", 4)
    x = torch.full((1, 1, 24, 24), 0.5)
    observed = torch.ones(1, 1, 24, 24, dtype=torch.bool)
    for row in range(2, 20, 8):
        for column in range(2, 20, 8):
            observed[..., row : row + 2, column : column + 2] = False
    assert torch.allclose(Biharmonic()(observation(x, observed), Missing(0.1), 0, Rng(0)).mmse, x, atol=1e-6)


def test_wavelet_commutes_with_shifts_inside():
    image = np.random.default_rng(0).random((64, 64))
    shifted = np.roll(image, (1, 1), (0, 1))
    there, back = (Wavelet().plane(i, 0.1, False) for i in (shifted, image))
    moved = np.roll(there, (-1, -1), (0, 1))[16:-16, 16:-16]
    assert np.abs(moved - back[16:-16, 16:-16]).mean() < 0.25 * np.abs(back - image)[16:-16, 16:-16].mean()


def test_tv_keeps_an_edge_and_flattens_the_rest():
    edge = np.where(np.arange(40) < 20, 0.2, 0.8) * np.ones((40, 1))
    noisy = edge + 0.05 * np.random.default_rng(0).standard_normal(edge.shape)
    clean = TV().plane(noisy, 0.05, False)
    assert clean[:, 2:17].std() < 0.02
    assert (clean[:, 21] - clean[:, 18]).mean() > 0.5
