import pytest
import torch

from restorekit.core.devices import Compute
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.restoration.loading import open_restorer
from restorekit.uncertainty.anomaly import SETS, Detector, Quantiles, calibrated, dilate, squares


@pytest.fixture(scope="module")
def detector():
    return Detector(open_restorer("default", compute=Compute("cpu")).restorer)


def test_squares_of_all_sets_cover_every_pixel_once():
    x = torch.zeros(1, 3, 20, 27)
    for shift in (0, 4):
        assert bool((sum(squares(x, 8, k, shift).int() for k in range(SETS)) == 1).all())
    assert squares(x, 8, 0)[0, 0, :8, :8].all()
    assert not squares(x, 8, 0)[0, 0, :8, 8:16].any()


def test_dead_pixels_of_a_smooth_picture_are_off_and_the_others_are_not(detector, images):
    x = images(1, 1, 64, 64, seed=3)
    dead = Rng(0).uniform("dead", (1, 1, 64, 64), "cpu") < 0.01
    found = detector.scores(torch.where(dead, (x + 0.5) % 1, x), Rng(0, ("a",)))
    assert float(found[dead].median()) > 1.5 * float(found[~dead].quantile(0.99))


def test_what_is_missing_is_not_damage(detector, images):
    x = images(1, 3, 32, 32).masked_fill(torch.arange(32) == 7, torch.nan)
    found = detector.scores(x, Rng(0, ("a",)))
    assert found.isfinite().all()
    assert float(found[..., 7].abs().max()) == 0


def test_a_threshold_leaves_the_share_asked_for_above():
    quantiles, scores = Quantiles(), torch.randn(100_000, generator=torch.Generator().manual_seed(0)).exp()
    for some in scores.split(1000):
        quantiles.add(some)
    for rate in (0.5, 0.01, 0.001):
        above = float((scores > quantiles.threshold(rate)).float().mean())
        assert rate * 0.8 < above <= rate + 1e-6


def test_half_of_the_clean_images_set_the_threshold_and_half_check_it(detector, images):
    clean = [(str(i), x[None]) for i, x in enumerate(images(8, 1, 48, 48))]
    threshold, measured = calibrated(detector, clean, 0.02, 0)
    assert threshold > 0
    assert 0.002 < measured < 0.1
    with pytest.raises(UsageError, match="at least two clean images"):
        calibrated(detector, clean[:1], 0.02, 0)


def test_a_mask_grows_by_so_many_pixels():
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    mask[..., 4, 4] = True
    assert [int(dilate(mask, pixels).sum()) for pixels in (0, 1, 2)] == [1, 9, 25]
