"""Facts about which parts of an image are checked."""

import pytest

from restorekit.uncertainty.selfcheck.check import Window, windows


def test_a_small_image_is_checked_whole():
    assert windows(300, 200, 60000) == [Window(0, 0, 300, 200)]


@pytest.mark.parametrize("size", [(301, 200), (4000, 6000), (40, 100000), (100000, 40), (1, 10**6)])
def test_of_a_large_one_four_crops_that_lie_inside(size):
    found = windows(*size, 60000)
    assert len(set(found)) == 4
    assert all(w.top >= 0 and w.left >= 0 for w in found)
    assert all(w.top + w.height <= size[0] and w.left + w.width <= size[1] for w in found)
    assert 40000 < sum(w.height * w.width for w in found) <= 60000
