"""Facts about planes: what a picture is split into, and what a restorer is shown of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from restorekit.core.errors import ImageError
from restorekit.core.rng import Rng
from restorekit.corruptions import Chain, Downsample, Gaussian, Grayscale, Holes, Lines, Missing
from restorekit.images.intensity import IntensityRange
from restorekit.images.picture import Picture
from restorekit.restoration.folder import planes as module
from restorekit.restoration.folder.planes import Plane, PlaneSource, planes

BYTE = IntensityRange(0.0, 255.0)
IMAGE = Chain((Gaussian(), Missing()))
RNG = np.random.default_rng(0)


def picture(*shape):
    return Picture(RNG.integers(0, 256, shape, dtype=np.uint8))


def plane(height=40, width=30, rate=0.5, **values):
    missing = RNG.random((height, width, 1)) < rate if rate else None
    return Plane("x", RNG.integers(0, 256, (height, width, 1), dtype=np.uint8), missing, BYTE, **values)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_rgb_stay_whole(channels):
    (only,) = planes("x.png", picture(1, 4, 5, channels), None, BYTE)
    assert (only.key, only.pixels.shape, only.channel) == ("x.png", (4, 5, channels), None)


def test_frames_and_bands_are_planes_with_keys_of_their_own():
    found = planes("x.tif", picture(2, 4, 5, 2), None, BYTE)
    assert [p.key for p in found] == ["x.tif#0#band0", "x.tif#0#band1", "x.tif#1#band0", "x.tif#1#band1"]
    assert [(p.frame, p.channels) for p in found] == [(f, slice(b, b + 1)) for f in (0, 1) for b in (0, 1)]


def test_rgb_goes_band_by_band_through_a_gray_model_and_gray_not_at_all_through_a_colour_model():
    assert len(planes("x", picture(1, 4, 5, 3), None, BYTE, channels=(1,))) == 3
    with pytest.raises(ImageError, match="takes 3"):
        planes("x", picture(1, 4, 5, 1), None, BYTE, channels=(3,))


def test_one_mask_serves_all_frames_and_a_mask_per_band_is_split():
    missing = np.zeros((1, 4, 5, 2), bool)
    missing[..., 1] = True
    found = planes("x", picture(3, 4, 5, 2), missing, BYTE)
    assert [bool(p.missing.all()) for p in found] == [False, True] * 3


def test_a_band_of_rows_is_the_cut_of_the_whole():
    source = PlaneSource([plane(), plane()], IMAGE)
    whole, band = source.rows(0, 40), source.rows(10, 25)
    assert torch.equal(band.y, whole.y[:, :, 10:25])
    assert torch.equal(band.observed, whole.observed[:, :, 10:25])
    assert torch.equal(band.initial, whole.initial[:, :, 10:25])
    assert band.shape == (1, 15, 30)


def test_missing_values_are_zero_and_not_observed():
    one = plane()
    observation = PlaneSource([one], IMAGE).rows(0, 40)
    assert torch.equal(observation.observed[0, 0], torch.from_numpy(~one.missing[..., 0]))
    assert not observation.y[~observation.observed].any()


HOLES = Holes(0.3, "strokes")


@pytest.mark.parametrize(
    ("corruption", "size"),
    [
        (HOLES, (1300, 1500)),
        (Holes(0.3, "boxes"), (1300, 1500)),
        (Missing(0.8), (1111, 1025)),
        (Missing(1.0), (1111, 1025)),
        (Lines(0.4, "both"), (1024, 1056)),
        (HOLES, (5000, 300)),
        (HOLES, (3, 400000)),
    ],
    ids=str,
)
def test_the_guess_of_a_large_image_is_that_of_the_whole(corruption, size):
    x = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    missing = ~corruption(x, Rng(0, ("x",))).observed[0, 0, ..., None].numpy()
    pixels = (x[0, 0, ..., None] * 255).byte().numpy()
    source = PlaneSource([Plane("x", pixels, missing, BYTE)], IMAGE)
    assert size[0] * size[1] > module.MAX_UNTILED_PX
    whole = source.observed(0, size[0]).initial_estimate(IMAGE)
    bands = torch.cat([source.rows(top, min(size[0], top + 700)).initial for top in range(0, size[0], 700)], 2)
    torch.testing.assert_close(bands, whole, atol=1e-5, rtol=0)


def test_a_window_is_filled_from_the_cells_of_the_whole_whatever_the_band(monkeypatch):
    one = plane(700, 300, 0.97)
    whole = PlaneSource([one], IMAGE).rows(0, 700).initial
    monkeypatch.setattr(module, "MAX_UNTILED_PX", 100)
    monkeypatch.setattr(module, "BLOCK", 128)
    source = PlaneSource([one, one], IMAGE)
    for top, bottom in ((0, 1), (31, 33), (100, 250), (699, 700), (0, 700)):
        found = source.rows(top, bottom).initial
        torch.testing.assert_close(found, whole[:, :, top:bottom].expand(2, -1, -1, -1), atol=1e-5, rtol=0)


def test_a_corruption_with_a_guess_of_its_own_is_asked_for_it_in_large_images_too(monkeypatch):
    class Inverted(Missing):
        def initial_estimate(self, observation):
            return 1 - super().initial_estimate(observation)

    one = plane(200, 100)
    whole = PlaneSource([one], Inverted()).rows(0, 200).initial
    monkeypatch.setattr(module, "MAX_UNTILED_PX", 100)
    torch.testing.assert_close(
        PlaneSource([one], Inverted()).rows(50, 90).initial, whole[:, :, 50:90], atol=1e-5, rtol=0
    )


def test_sigma_is_none_where_no_plane_knows_it_and_nan_where_one_does_not():
    assert PlaneSource([plane(), plane()], IMAGE).rows(0, 40).sigma is None
    sigma = PlaneSource([plane(sigma=0.1), plane()], IMAGE).rows(0, 40).sigma.flatten()
    assert sigma[0] == pytest.approx(0.1)
    assert sigma[1].isnan()


def test_a_label_is_given_to_every_plane():
    assert PlaneSource([plane(), plane()], IMAGE, label=3).rows(0, 40).label.tolist() == [3, 3]


SMALLER = Chain((Downsample(2), Gaussian(0.02)))


def test_a_plane_says_what_shape_it_is_restored_to_and_is_shown_whole():
    (only,) = planes("x", picture(1, 4, 5, 3), None, BYTE, corruption=SMALLER)
    assert (only.shape, only.resized) == ((3, 8, 10), True)
    source = PlaneSource([only, only], SMALLER)
    assert (source.shape, source.resized) == ((2, 3, 8, 10), True)
    observation = source.rows(0, 8)
    assert tuple(observation.y.shape) == (2, 3, 4, 5)
    assert (observation.shape, observation.direct, observation.initial) == ((3, 8, 10), False, None)


def test_bands_of_a_smaller_picture_are_restored_to_its_clean_size():
    found = planes("x", picture(1, 4, 5, 3), None, BYTE, (1,), SMALLER)
    assert [p.shape for p in found] == [(1, 8, 10)] * 3


def test_a_window_of_a_smaller_picture_is_of_a_window_of_the_clean_one():
    (only,) = planes("x", picture(1, 8, 8, 1), None, BYTE, corruption=SMALLER)
    assert PlaneSource([only], SMALLER).observed(2, 5, 1, 3).shape == (1, 6, 4)


def test_gray_behind_grayscale_goes_to_a_model_of_colour_row_by_row():
    (only,) = planes("x", picture(1, 4, 5, 1), None, BYTE, (3,), Grayscale())
    assert (only.shape, only.resized) == ((3, 4, 5), False)
    observation = PlaneSource([only], Grayscale()).rows(1, 3)
    assert tuple(observation.y.shape) == (1, 1, 2, 5)
    assert observation.shape == (3, 2, 5)


@pytest.mark.parametrize(
    ("channels", "takes", "told"),
    [(3, (1, 3), "x: grayscale leaves 1 channel, got 3"), (1, (1,), "x lost its colours to grayscale.* takes 1")],
)
def test_what_cannot_be_colourised_is_one_sentence(channels, takes, told):
    with pytest.raises(ImageError, match=told):
        planes("x", picture(1, 4, 5, channels), None, BYTE, takes, Grayscale())


def test_a_corruption_that_does_not_know_the_clean_shape_is_told_of():
    class Silent(Downsample):
        def clean_shape(self, shape, channels):
            return shape

    with pytest.raises(ImageError, match="fix its clean_shape"):
        planes("x", picture(1, 4, 5, 1), None, BYTE, (1,), Silent())
