import pytest
import torch

from restorekit.core.contracts import Restorer
from restorekit.core.devices import Compute
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration, shape_of
from restorekit.restoration.anomaly import SETS, SUSPECT, Anomaly, dilate, squares
from restorekit.restoration.loading import open_restorer


@pytest.fixture(scope="module")
def detector():
    return Anomaly(open_restorer("default", compute=Compute("cpu")).restorer)


def observed(x):
    return Observation(x.nan_to_num(0), x.isfinite(), shape_of(x))


def test_squares_of_all_sets_cover_every_pixel_once():
    x = torch.zeros(1, 3, 20, 27)
    for shift in (0, 4):
        assert bool((sum(squares(x, 8, k, shift).int() for k in range(SETS)) == 1).all())
    assert squares(x, 8, 0)[0, 0, :8, :8].all()
    assert not squares(x, 8, 0)[0, 0, :8, 8:16].any()


def test_dead_pixels_of_a_smooth_picture_are_off_and_the_others_are_not(detector, images):
    x = images(1, 1, 64, 64, seed=3)
    dead = Rng(0).uniform("dead", (1, 1, 64, 64), "cpu") < 0.01
    found = detector.scores(observed(torch.where(dead, (x + 0.5) % 1, x)), Rng(0, ("a",)))
    assert float(found[dead].median()) > 1.5 * float(found[~dead].quantile(0.99))


def test_what_is_missing_is_not_damage(detector, images):
    x = images(1, 3, 32, 32).masked_fill(torch.arange(32) == 7, torch.nan)
    found = detector.scores(observed(x), Rng(0, ("a",)))
    assert found.isfinite().all()
    assert float(found[..., 7].abs().max()) == 0


class Half(Restorer):
    """Expects 0.5 everywhere, with a standard deviation of 0.1."""

    name = "half"

    def __call__(self, observation, corruption, n, rng):
        half = torch.full_like(observation.y, 0.5)
        return Restoration(half, half / 5)


def test_the_probability_grows_with_the_distance_from_what_is_expected():
    x = torch.full((1, 1, 16, 16), 0.5)
    for column, off in enumerate((0.0, 0.1, 0.1 * SUSPECT, 0.49)):
        x[..., 3, column] += off
    found = Anomaly(Half()).probability(observed(x), Rng(0, ("a",)))[0, 0, 3, :4]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0039, 0.5, 0.6925]), atol=0.01, rtol=0)


def test_a_restorer_without_standard_deviations_detects_nothing(images):
    with pytest.raises(UsageError, match="needs a model that gives standard deviations"):
        Anomaly(open_restorer("telea").restorer).probability(observed(images(1, 1, 16, 16)), Rng(0, ("a",)))


def test_a_mask_grows_by_so_many_pixels():
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    mask[..., 4, 4] = True
    assert [int(dilate(mask, pixels).sum()) for pixels in (0, 1, 2)] == [1, 9, 25]
