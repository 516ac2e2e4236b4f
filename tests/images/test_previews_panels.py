import numpy as np
import pytest
import torch
from PIL import Image

from restorekit.core.records import decode, encode
from restorekit.core.rng import Rng
from restorekit.core.types import Restoration
from restorekit.corruptions import Gaussian, Missing
from restorekit.images.previews import DRAWS, SIDE, PreviewCollector, make_preview, nice
from restorekit.images.views import Views
from restorekit.testing._assertions import random_images


@pytest.mark.parametrize(
    ("levels", "end"), [(0, 1), (0.3, 1), (1, 1), (1.2, 2), (3, 5), (5, 5), (7, 10), (11, 20), (140, 200)]
)
def test_the_end_of_a_scale_is_a_round_number_of_levels(levels, end):
    assert 255 * nice(levels / 255) == pytest.approx(end)


def _restored(x, draws=3):
    rng = Rng(0)
    spread = 0.1 * rng.uniform("std", tuple(x.shape), "cpu")
    means = rng.uniform("draws", (draws, *x.shape), "cpu")
    return Restoration(0.9 * x, spread, means, 0.9 * x - spread, 0.9 * x + 2 * spread)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_glance_shows_what_was_given_what_came_out_and_how_sure(channels):
    x = random_images(1, channels, 6, 7)
    o = Missing(0.5)(x, Rng(3, ("a",)))
    found = make_preview(_restored(x), o, x, taken=True)
    lost = ~o.observed[0, 0].numpy()
    assert found.size == (6, 7)
    assert np.array_equal(found.missing, lost)
    assert np.array_equal(found.before[..., 3] == 0, lost)
    assert np.array_equal(found.truth[..., 0], (255 * x[0, 0]).round().numpy().astype(np.uint8))
    torch.testing.assert_close(torch.from_numpy(found.layers["error"]), 0.1 * x[0].mean(0))
    torch.testing.assert_close(torch.from_numpy(found.layers["std"]), _restored(x).std[0].mean(0))
    torch.testing.assert_close(torch.from_numpy(found.layers["interval"]), 3 * _restored(x).std[0].mean(0))
    assert not found.layers["residual"][lost].any()
    assert len(found.draws) == 3


def test_without_spread_draws_gaps_or_truth_there_are_no_pictures_of_them():
    x = random_images(1, 1, 4, 4)
    found = make_preview(Restoration(x), Gaussian(0.1)(x, Rng(0)))
    assert (found.truth, found.missing, found.layers, list(found.draws)) == (None, None, {}, [])


def test_bands_of_rows_and_of_channels_make_up_the_whole():
    height, width = 5, 2 * SIDE + 3  # of every three pixels one is looked at
    whole = _restored(random_images(1, 2, height, width), DRAWS + 2)
    together, apart = PreviewCollector(height, width, 2), PreviewCollector(height, width, 2)
    together.put(0, slice(None), 0, whole, 0)
    for c in range(2):
        for top, bottom in ((0, 1), (1, 4), (4, 5)):
            cut = (..., slice(c, c + 1), slice(top, bottom), slice(None))
            band = Restoration(*(t[cut] for t in (whole.mmse, whole.std, whole.draws, whole.low, whole.high)))
            apart.put(0, slice(c, c + 1), top, band, 0)
    assert together.layers["std"].shape == (2, -(-width // 3))
    for name in ("std", "interval"):
        assert np.allclose(together.layers[name], apart.layers[name], atol=1e-6)
    assert len(apart.pictures()) == DRAWS
    assert np.array_equal(together.draws, apart.draws)


def test_frames_but_the_first_are_passed_over():
    peek = PreviewCollector(4, 4, 1)
    peek.put(1, slice(None), 0, _restored(random_images(1, 1, 4, 4)), 0)
    assert not peek.layers and peek.draws is None


def test_what_is_written_is_what_a_page_reads(tmp_path):
    x = random_images(1, 3, 6, 7)
    o = Missing(0.5)(x, Rng(3, ("a",)))
    written = make_preview(_restored(x), o, x).write(tmp_path / "views", "one", "shared")
    views = decode(Views, encode(written))
    assert views == written
    assert isinstance(views, Views)
    assert (views.before, views.after) == ("views/shared-before.png", "views/one-after.png")
    assert list(views.overlays) == ["std", "interval", "error", "missing"]
    paths = [
        views.thumb,
        views.before,
        views.after,
        views.truth,
        *views.draws,
        *(v.path for v in views.overlays.values()),
    ]
    assert sorted(path.name for path in (tmp_path / "views").iterdir()) == sorted(path[6:] for path in paths)
    for path in paths:
        with Image.open(tmp_path / path) as picture:
            assert picture.size == (7, 6)
