import math

import pytest

from restorekit.corruptions import Lines


@pytest.mark.parametrize(("axis", "expected"), [("columns", 0.3), ("rows", 0.3), ("both", 1 - 0.7**2)])
def test_lines_are_lost_whole_and_at_their_rate(axis, expected, lost):
    gone = lost(Lines(0.3, axis), count=200, side=20)
    rate = 0.3
    error = math.sqrt(rate * (1 - rate) / (200 * 20))
    assert abs(float(gone.double().mean()) - expected) < 5 * 2 * error
    if axis != "both":
        along = 2 if axis == "columns" else 3
        assert ((gone.float().mean(along) == 0) | (gone.float().mean(along) == 1)).all()
        across = 3 if axis == "columns" else 2
        assert ((gone.float().mean(across) > 0) & (gone.float().mean(across) < 1)).any()


@pytest.mark.parametrize("axis", ["columns", "rows", "both"])
def test_no_line_or_every_line_is_lost_at_the_ends_of_the_rate(axis, lost):
    assert not lost(Lines(0.0, axis)).any()
    assert lost(Lines(1.0, axis)).all()


def test_lines_are_lost_in_all_channels_and_in_each_image_on_their_own(lost):
    gone = lost(Lines(0.5), count=2, channels=3)
    assert gone.shape == (2, 1, 100, 100)
    assert not (gone[0] == gone[1]).all()
