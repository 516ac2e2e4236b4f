import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Geometry, Observation
from restorekit.restoration.model_restorer import HeldSource
from restorekit.restoration.tiling import Limits, mirrored, process_tiles


def test_an_image_is_mirrored_to_a_size_the_model_takes():
    assert mirrored(0, 8, 3).tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    assert mirrored(2, 5, 4).tolist() == [2, 3, 3]
    assert mirrored(0, 4, 1).tolist() == [0, 0, 0, 0]


def test_limits_follow_from_the_memory():
    small, large = Limits.for_memory(2**20), Limits.for_memory(2**34)
    assert (small.tile, small.pixels) == (256, 2**16)
    assert (large.tile, large.pixels) == (1024, 2**20)


def _passes(draws, limits, height=400, width=300):
    """Return the shapes, (B, C, h, w), of the tiles that are solved together."""
    y, seen = torch.rand(1, 1, height, width), []

    def solve(tiles, rng):
        seen.append(tuple(tiles.y.shape))
        return {"mmse": tiles.y, "draws": tiles.y.expand(draws, *tiles.y.shape)}

    source = HeldSource(Observation(y, torch.ones_like(y).bool(), (1, height, width)))
    found = torch.zeros_like(y)
    for top, band in process_tiles(source, solve, Geometry(halo=1), Rng(0), limits, draws):
        found[:, :, top : top + band.mmse.shape[2]] = band.draws[-1]
    torch.testing.assert_close(found, y)
    return seen


def test_fewer_tiles_go_together_where_draws_are_returned():
    limits = Limits(50, 8 * 50 * 50)
    assert max(shape[0] for shape in _passes(1, limits)) == 8
    assert max(shape[0] for shape in _passes(4, limits)) == 2
    assert max(shape[0] for shape in _passes(16, limits)) == 1


@pytest.mark.parametrize(("draws", "rows"), [(1, 100), (64, 66), (500, 35)], ids=["few", "many", "as low as the halo"])
def test_a_row_of_tiles_is_lower_where_many_draws_are_returned(draws, rows):
    seen = _passes(draws, Limits(100, 10**4))
    assert all(0.8 * rows < shape[2] <= rows for shape in seen)  # no higher than as many tiles must be
    assert all(80 < shape[3] <= 100 for shape in seen)
