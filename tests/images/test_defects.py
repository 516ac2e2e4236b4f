from functools import partial

import cv2
import numpy as np
import pytest

from restorekit.images.defects import BLOCK, REACH_PX, count_marks, extend_marks, find_marks, touched, without_marks


def probability(log_odds):
    return (1 / (1 + np.exp(-np.asarray(log_odds, np.float32)))).astype(np.float32)


def test_marks_are_the_pixels_above_the_threshold_widened():
    values = np.full((12, 12), -6.0)
    values[2, 2:6] = (3.0, 2.5, 2.1, 1.9)
    found = find_marks(probability(values), 2.0, grow=0)
    assert np.argwhere(found).tolist() == [[2, 2], [2, 3], [2, 4]]
    grown = find_marks(probability(values), 2.0, grow=1)
    assert int(grown.sum()) == 3 + 8  # a cross around each
    assert count_marks(grown) == 1


def test_with_a_penalty_a_larger_mark_must_be_surer():
    values = np.full((40, 40), -6.0)
    values[2:7, 2:7] = 2.2  # 25 pixels: 0.3 * log(25) = 0.97 are asked
    values[20, 20:22] = 2.4  # two pixels: 0.21 are asked
    values[30:35, 30:35] = 3.1
    found = find_marks(probability(values), 2.0, grow=0, penalty=0.3)
    assert int(found.sum()) == 25 + 2
    assert found[20, 20]
    assert found[32, 32]
    assert not found[4, 4]


def test_what_connects_two_marks_does_not_lose_the_surer_one():
    values = np.full((40, 40), -6.0)
    values[10:14, 2:38] = 2.1  # unsure, long, connected to
    values[12, 20] = 9.0  # a sure pixel
    values[10:13, 30:33] = 9.0  # and a sure mark
    found = find_marks(probability(values), 2.0, grow=0, penalty=0.3)
    assert int(found.sum()) == 10
    assert found[12, 20]
    assert found[11, 31]


def test_certain_pixels_have_finite_log_odds():
    certain = np.zeros((8, 8), np.float32)
    certain[2:4, 2:4] = 1
    assert int(find_marks(certain, 4.0, grow=0, penalty=0.3).sum()) == 4


def test_marks_touched_by_a_stroke_are_taken_back_each_as_a_whole():
    mask = np.zeros((10, 10), np.bool_)
    mask[1, 1:5] = mask[6, 2:4] = True
    stroke = np.zeros_like(mask)
    stroke[1, 4] = stroke[9, 9] = True
    left = without_marks(mask, stroke)
    assert np.argwhere(left).tolist() == [[6, 2], [6, 3]]
    assert np.array_equal(without_marks(mask, np.zeros_like(mask)), mask)


def test_the_share_touched_falls_with_the_threshold_and_ends_at_zero():
    generator = np.random.default_rng(0)
    found, thresholds = probability(generator.normal(-6, 2, (64, 64))), np.linspace(-8, 12, 41)
    shares = touched(found, thresholds, partial(find_marks, found))
    assert (np.diff(shares) <= 1e-12).all()
    assert shares[0] > 0.5
    assert shares[-1] == 0
    judged = touched(found, thresholds, partial(find_marks, found, penalty=0.3))
    assert (judged <= shares).all()
    assert (judged < shares).any()


def blob(height, width, channels, at, radius, tone, soft=0.0):
    """Return an even image with noise of 2 of 255, and a mark of a tone, and where it is."""
    image = np.random.default_rng(0).normal(120, 2, (height, width, channels))
    place = np.zeros((height, width), np.float32)
    cv2.circle(place, at, radius, 1.0, -1)
    opacity = cv2.GaussianBlur(place, (0, 0), soft) if soft else place
    image += opacity[..., None] * np.asarray(tone)
    return image.round().clip(0, 255).astype(np.uint8), opacity


@pytest.mark.parametrize("tone", [[90], [-90], [90, -20, -20]])
def test_a_mark_found_in_its_middle_is_extended_to_its_rim_and_no_farther(tone):
    image, opacity = blob(80, 90, len(tone), (40, 40), 6, tone)
    middle = np.zeros(opacity.shape, np.bool_)
    middle[36:45, 36:45] = True
    found = extend_marks(middle, lambda top, bottom: image[top:bottom])
    assert found[opacity > 0].all()
    assert not found[opacity == 0].any()


def test_a_soft_mark_is_extended_by_the_reach_at_most():
    image, opacity = blob(80, 80, 1, (40, 40), 8, [100], soft=4.0)
    middle = opacity > 0.7
    found = extend_marks(middle, lambda top, bottom: image[top:bottom])
    square = np.ones((2 * REACH_PX + 1,) * 2, np.uint8)
    assert found.sum() > 1.3 * middle.sum()
    assert not (found & (cv2.dilate(middle.astype(np.uint8), square) == 0)).any()


def test_texture_as_strong_as_the_mark_does_not_extend_it():
    image = np.random.default_rng(1).integers(60, 200, (80, 80, 1), dtype=np.uint8)
    mark = np.zeros((80, 80), np.bool_)
    mark[40:44, 40:44] = True
    found = extend_marks(mark, lambda top, bottom: image[top:bottom])
    assert found.sum() - mark.sum() < 0.05 * (10 * 10 - mark.sum())


def test_marks_across_the_windows_of_a_large_image_are_extended_as_any_other():
    image, opacity = blob(BLOCK + 100, BLOCK + 100, 1, (BLOCK, BLOCK), 6, [80])
    middle = np.zeros(opacity.shape, np.bool_)
    middle[BLOCK - 4 : BLOCK + 5, BLOCK - 4 : BLOCK + 5] = True
    read = []

    def rows(top, bottom):
        read.append((top, bottom))
        return image[top:bottom]

    assert np.array_equal(extend_marks(middle, rows), opacity > 0)
    assert all(bottom - top <= BLOCK + 128 for top, bottom in read)
    assert np.array_equal(extend_marks(np.zeros_like(middle), rows), np.zeros_like(middle))
