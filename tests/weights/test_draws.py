"""The draws and intervals of the shipped weights, on crops of BSD68, which they were not trained or calibrated on."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from restorekit.api import open_restorer
from restorekit.certainty import Coverage90
from restorekit.corruptions import Chain, Gaussian, Holes, Missing
from restorekit.intervals import enclose
from restorekit.noise import Noise
from restorekit.restore import with_guess

pytestmark = pytest.mark.skipif("RESTOREKIT_DATA" not in os.environ, reason="RESTOREKIT_DATA names no data folder")
SIDE = 160
OCTAVES = 5  # down to waves of 32 to 64 pixels


@pytest.fixture(scope="module")
def pictures():
    """The middles of every other picture, (34, 1, SIDE, SIDE)."""
    found = []
    for path in sorted(Path(os.environ["RESTOREKIT_DATA"], "gray", "bsd68").glob("*.png"))[::2]:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        top, left = ((side - SIDE) // 2 for side in image.shape)
        found.append(image[top : top + SIDE, left : left + SIDE])
    return torch.from_numpy(np.stack(found)).float()[:, None] / 255


@pytest.fixture(scope="module")
def opened():
    return open_restorer("default", device="cpu")


@pytest.fixture(scope="module")
def drawn(opened, pictures):
    """A function: corruption -> error, latent part of one draw, and the decoder's own, over the unknown values."""

    def draw(corruption):
        model, noise = opened.restorer.model, Noise(5, tuple(f"p{i}" for i in range(len(pictures))))
        seen = with_guess(corruption(pictures, noise).blind(), corruption)
        with torch.inference_mode():
            mean = model.estimate(seen, corruption).mean
            draws = model.sample(seen, corruption, 1, noise.fork("draws"))
        unknown = seen.unknown().expand_as(mean)
        own = draws.variance[0].sqrt() * noise.fork("own").normal("own", tuple(mean.shape), "cpu")
        return tuple(torch.where(unknown, t, 0.0) for t in (pictures - mean, draws.mean[0] - mean, own))

    return draw


def _power(error):
    """Mean power of each octave of radial frequency, finest first."""
    power = torch.fft.fft2(error).abs().square().mean((0, 1))
    rows, columns = torch.fft.fftfreq(SIDE)[:, None], torch.fft.fftfreq(SIDE)[None]
    radius = torch.hypot(rows, columns)
    return torch.stack([power[(radius <= 0.5 / 2**k) & (radius > 0.25 / 2**k)].mean() for k in range(OCTAVES)])


def _decibels(part, whole):
    return 10 * torch.log10(part / whole)


@pytest.mark.parametrize("corruption", [Missing(0.8), Holes(area=0.15)], ids=str)
def test_a_draw_lies_3_db_under_the_estimate_and_half_of_it_is_structure(corruption, drawn):
    """3.01 dB is ideal: as far from the estimate as the truth is, and independent of it."""
    error, latent, own = drawn(corruption)
    square = [t.square().flatten(1).mean(1) for t in (error, error - latent - own, error - latent)]
    assert 2.7 < float(_decibels(square[1], square[0]).mean()) < 3.3
    assert float(_decibels(square[2], square[0]).mean()) > 1.5


@pytest.mark.parametrize(("corruption", "most"), [(Missing(0.8), 2), (Holes(area=0.15), 5)], ids=str)
def test_a_draw_differs_from_the_estimate_at_every_scale_as_the_truth_does(corruption, most, drawn):
    """Within 2 dB in every octave is the aim; in holes the longest waves are still short of it (RECIPE.md)."""
    error, latent, own = drawn(corruption)
    assert float(_decibels(_power(latent + own), _power(error)).abs().max()) < most


@pytest.mark.parametrize(
    "corruption",
    [
        *(Gaussian(level / 255) for level in (15, 25, 50)),
        *(Missing(rate) for rate in (0.5, 0.8, 0.9)),
        Holes(area=0.15),
        Chain((Gaussian(25 / 255), Missing(0.5))),
    ],
    ids=str,
)
def test_nine_tenths_of_the_truth_lie_within_the_calibrated_interval(corruption, opened, pictures):
    found = []
    for i, x in enumerate(pictures.split(1)):
        noise = Noise(7, (f"p{i}",))
        seen = corruption(x, noise).blind()
        restored = enclose(opened.restorer(seen, corruption, 0, noise), seen, corruption, 1, opened.table, 0.9)
        found.append(Coverage90()(restored, x, seen))
    assert 0.88 <= np.mean(found) <= 0.92
    assert 0.80 <= np.median(found) <= 0.97
