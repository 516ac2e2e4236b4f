import importlib.util
import sys

import numpy as np
import pytest
import torch

from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.corruptions import Gaussian
from restorekit.restoration.classical import bm3d
from restorekit.restoration.classical.bm3d import BM3D

installed = pytest.mark.skipif(importlib.util.find_spec("bm3d") is None, reason="needs the extra [bm3d]")


@pytest.fixture(autouse=True)
def fresh():
    bm3d._library.cache_clear()
    yield
    bm3d._library.cache_clear()


def noisy(channels):
    rows, columns = np.mgrid[:32, :36]
    waves = 0.5 + 0.3 * np.sin(rows / 5 + columns / 7)[..., None] * np.linspace(0.5, 1, channels)
    return waves, waves + 0.1 * np.random.default_rng(0).standard_normal(waves.shape)


def test_without_the_package_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    x = torch.full((1, 1, 16, 16), 0.5)
    observation = Gaussian(0.1)(x, Rng(0, ("a",)))
    with pytest.raises(UsageError, match=r'pip install "restorekit\[bm3d\]" \(non-commercial use only\)'):
        BM3D()(observation, Gaussian(0.1), 0, Rng(0))


@installed
def test_terms_are_printed_once_on_stderr(capsys):
    _, y = noisy(1)
    BM3D().denoise(y, 0.1)
    BM3D().denoise(y, 0.1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("non-commercial purposes only") == 1


@installed
def test_colour_is_what_the_library_makes_of_it():
    import bm3d as library

    x, y = noisy(3)
    profile = library.BM3DProfile()
    profile.num_threads = 1
    ours, theirs = BM3D().denoise(y, 0.1), library.bm3d_rgb(y, 0.1, profile)
    assert np.abs(ours - theirs).mean() < 0.1 * np.abs(y - x).mean()


@installed
def test_gray_stored_as_colour_stays_gray():
    _, y = noisy(1)
    found = BM3D().denoise(np.repeat(y, 3, -1), 0.1)
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=-1).max() < 1e-6
