from itertools import pairwise

import pytest
import torch

from restorekit.restoration.tiling import FEATHER, Limits, ramp, smallest_tile, starts

CASES = [
    (length, tile, halo, multiple)
    for length in (8, 64, 96, 200, 1000)
    for tile in (64, 96, 128)
    for halo, multiple in ((0, 1), (8, 4), (16, 8))
]


@pytest.mark.parametrize(("length", "tile", "halo", "multiple"), CASES)
def test_tiles_cover_the_side_and_overlap_as_asked(length, tile, halo, multiple):
    overlap = 2 * halo + FEATHER
    found = starts(length, tile, overlap, multiple)
    assert found[0] == 0
    assert found == sorted(set(found))
    assert all(start % multiple == 0 for start in found)
    if tile >= length:
        assert found == [0]
    else:
        assert found[-1] == length - tile, "the last tile ends with the side"
        assert all(b - a <= tile - overlap for a, b in pairwise(found))


@pytest.mark.parametrize(("length", "tile", "halo", "multiple"), CASES)
def test_every_place_is_weighed_by_a_tile_that_saw_its_surroundings(length, tile, halo, multiple):
    tile = min(tile, length)
    total = torch.zeros(length)
    for start in starts(length, tile, 2 * halo + FEATHER, multiple):
        weight = ramp(start, tile, length, halo)
        assert weight.shape == (tile,)
        assert weight.min() >= 0
        assert weight.max() <= 1
        if start > 0:
            assert (weight[:halo] == 0).all()
        if start + tile < length:
            assert (weight[tile - halo :] == 0).all()
        total[start : start + tile] += weight
    assert (total > 0.4).all()


def test_a_weight_is_one_up_to_the_image_border_and_grows_over_the_feather():
    assert (ramp(0, 64, 64, 8) == 1).all()
    weight = ramp(32, 96, 128, 8)
    assert (weight[8 + FEATHER :] == 1).all()
    assert (weight[8 : 8 + FEATHER].diff() > 0).all()


@pytest.mark.parametrize(("length", "tile", "halo", "multiple"), CASES)
def test_a_tile_is_as_small_as_its_number_allows(length, tile, halo, multiple):
    overlap = 2 * halo + FEATHER
    count, side = len(starts(length, tile, overlap, multiple)), smallest_tile(length, tile, overlap, multiple)
    assert side <= tile
    assert side % multiple == 0
    assert len(starts(length, side, overlap, multiple)) == count
    if multiple < side < tile:
        assert len(starts(length, side - multiple, overlap, multiple)) > count


def test_limits_follow_the_memory_of_a_pixel():
    assert Limits.for_memory(4 * 10**9) == Limits(1024, 2**20)
    assert Limits.for_memory(4 * 10**9, 512) == Limits(1024, 2**20)
    assert Limits.for_memory(10**9) == Limits(698, 10**9 // 2048)


def test_no_more_tiles_than_needed():
    assert len(starts(1000, 128, 32, 4)) == -(-(1000 - 128) // 96) + 1
    assert starts(128, 128, 32, 4) == [0]
