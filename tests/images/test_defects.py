import numpy as np

from restorekit.images.defects import count_marks, find_marks, touched, without_marks


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
    shares = touched(found, thresholds)
    assert (np.diff(shares) <= 1e-12).all()
    assert shares[0] > 0.5
    assert shares[-1] == 0
    judged = touched(found, thresholds, penalty=0.3)
    assert (judged <= shares).all()
    assert (judged < shares).any()
