from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.contracts import Detector
from restorekit.core.errors import UsageError
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry
from restorekit.images.dataset import load_images
from restorekit.restoration.loading import open_detector, open_repair
from restorekit.restoration.repair import ArraySource, Repair
from restorekit.restoration.tiling import Limits


class Bright(Detector):
    """Takes bright pixels for damage, by how bright they are."""

    name = "bright"
    geometry = Geometry(None, 8, 8, (1, 3))

    def probability(self, observation, rng):
        y = observation.y if observation.initial is None else observation.initial
        return (20 * (y.amax(1, keepdim=True) - 0.8)).sigmoid()


KEY = Rng(0, ("a",))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (100, 61), (61, 300)])
def test_probabilities_of_tiles_are_those_of_the_full_image(height, width, images):
    x = images(1, 3, height, width)[0]
    full = Repair(Bright(), 0.0).probability(ArraySource(x), KEY)
    assert full.shape == (height, width)
    np.testing.assert_allclose(full, (20 * (x.amax(0) - 0.8)).sigmoid().numpy(), atol=1e-5)
    tiled = Repair(Bright(), 0.0, limits=Limits(48, 48**2)).probability(ArraySource(x), KEY)
    np.testing.assert_allclose(tiled, full, atol=1e-5)


def test_marks_are_what_is_found_widened_by_its_edge():
    x = torch.full((1, 40, 40), 0.3)
    x[:, 10:12, 10:20] = 1.0
    marks = Repair(Bright(), 2.0, grow=1).marks(ArraySource(x), KEY)
    assert marks[10:12, 10:20].all()
    assert marks[9, 10:20].all()
    assert int(marks.sum()) == 4 * 12 - 4


def test_channels_that_a_detector_does_not_accept_together_are_searched_one_by_one():
    x = torch.full((5, 24, 24), 0.3)
    x[3, 5, 5] = 1.0
    found = Repair(Bright(), 0.0).probability(ArraySource(x), KEY)
    assert np.argwhere(found > 0.5).tolist() == [[5, 5]]


def test_missing_values_are_interpolated_before_the_search():
    x = torch.full((1, 24, 24), 0.3)
    x[:, 5] = torch.nan
    assert float(Repair(Bright(), 0.0).probability(ArraySource(x), KEY).max()) < 0.01


class Full(Bright):
    """Searches an image at once."""

    name = "full"

    def search(self, source, rng):
        y = source.rows(0, source.shape[2]).y
        return (y.amax(1, keepdim=True) == y.max()).float()


def test_a_detector_that_searches_at_once_gets_the_full_image():
    x = torch.rand(3, 50, 60, generator=torch.Generator().manual_seed(0))
    found = Repair(Full(), 0.0, limits=Limits(48, 48**2)).probability(ArraySource(x), KEY)
    np.testing.assert_array_equal(found, (x.amax(0) == x.max()).numpy())


def test_marks_of_several_detectors_are_united():
    x = torch.full((1, 24, 24), 0.3)
    x[:, 5, 5], x[:, 10, 10] = 0.9, 1.0
    both = Repair(Full(), 2.0, 0, others=(Repair(Bright(), 1.0, 0),)).marks(ArraySource(x), KEY)
    assert np.argwhere(both).tolist() == [[5, 5], [10, 10]]


def test_each_of_several_detectors_touches_its_part_of_the_share():
    repair, digest = open_repair("lines, pixels", 2e-3)
    assert digest == "lines,pixels"
    assert [repair.threshold, repair.others[0].threshold] == [
        open_detector(name).table.threshold(1e-3) for name in ("lines", "pixels")
    ]
    with pytest.raises(UsageError, match="each detector counts once"):
        open_repair("lines,lines", 1e-3)
    with pytest.raises(UsageError, match="dust"):
        open_repair("lines,dust", 1e-3)


@pytest.fixture
def clean(tmp_path, images):
    """Images of a folder, and a file among them that cannot be read."""
    for i, x in enumerate((images(8, 1, 48, 48)[:, 0] * 255).round().byte().numpy()):
        Image.fromarray(x).save(tmp_path / f"{i}.png")
    (tmp_path / "x.png").write_bytes(b"no picture")
    return load_images(tmp_path, None, None)


def shares(repair, clean):
    return [repair.marks(ArraySource(clean[i]), Rng(0, (key,))).mean() for i, key in enumerate(clean.keys)]


def test_half_of_the_clean_images_set_the_threshold_and_half_check_it(clean):
    notes = {}
    repair, measured = Repair(Bright(), 0.0).fitted(clean, 0.02, 0, notes.__setitem__)
    found, lower = shares(repair, clean), shares(replace(repair, threshold=repair.threshold - 0.125), clean)
    assert np.mean(found[::2]) <= 0.02 < np.mean(lower[::2])
    assert measured == pytest.approx(np.mean(found[1::2]))
    assert [key for key, error in notes.items() if error] == ["x.png"]


def test_a_table_of_shares_is_measured_on_the_images_and_names_them(clean):
    table = Repair(Bright(), 0.0).calibrated(clean, "some", lambda key, error: None)
    assert table.images == 8
    assert table.source.startswith("8 images of some, fingerprint ")
    for share, threshold, measured in zip(table.shares, table.log_odds, table.measured, strict=True):
        found = np.mean(shares(Repair(Bright(), threshold), clean))
        assert measured == pytest.approx(found, abs=1e-5)
        assert found <= share


def test_too_few_images_and_images_that_look_defective_all_over_set_no_threshold(tmp_path):
    class Everything(Bright):
        """Takes all for defects."""

        name = "everything"

        def probability(self, observation, rng):
            return torch.ones_like(observation.y[:, :1])

    for i in range(2):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / f"{i}.png")
        if i == 0:
            with pytest.raises(UsageError, match="at least two clean images"):
                Repair(Bright(), 0.0).fitted(load_images(tmp_path, None, None), 0.02, 0, lambda key, error: None)
    with pytest.raises(UsageError, match="no threshold keeps"):
        Repair(Everything(), 0.0).fitted(load_images(tmp_path, None, None), 0.001, 0, lambda key, error: None)
