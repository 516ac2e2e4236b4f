import numpy as np

from restorekit.images.defects import count_marks, find_marks, touched, without_marks


def probability(log_odds):
    return (1 / (1 + np.exp(-np.asarray(log_odds, np.float32)))).astype(np.float32)


def test_a_mark_has_a_pixel_above_the_threshold_and_the_softer_ones_connected_to_it():
    values = np.full((12, 12), -6.0)
    values[2, 2:6] = (3.0, 1.5, 1.2, 0.5)  # a peak, its soft edge, and what is softer than that
    values[8, 8] = 1.9  # connected to no peak
    found = find_marks(probability(values), 2.0, grow=0, softer=1.0)
    assert np.argwhere(found).tolist() == [[2, 2], [2, 3], [2, 4]]
    grown = find_marks(probability(values), 2.0, grow=1, softer=1.0)
    assert int(grown.sum()) == 3 + 8  # a cross around each
    assert count_marks(grown) == 1


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
    shares = touched(probability(generator.normal(-6, 2, (64, 64))), np.linspace(-8, 12, 41))
    assert (np.diff(shares) <= 1e-12).all()
    assert shares[0] > 0.5
    assert shares[-1] == 0
