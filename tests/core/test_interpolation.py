import pytest
import torch
from skimage.restoration import inpaint_biharmonic

from restorekit.core.interpolation import CELL, MARGIN, MOMENTUM, STEP, bend, fill, pull, push
from restorekit.core.rng import Rng

SIZES = [(1, 1), (1, 7), (9, 1), (5, 3), (16, 16), (33, 20)]


def _some(height, width, rate=0.5, count=2, channels=1):
    return Rng(0).uniform("seen", (count, channels, height, width), "cpu") >= rate


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_observed_values_come_back_exactly(height, width, images):
    x, seen = images(2, 3, height, width), _some(height, width)
    found = fill(x * seen, seen)
    assert torch.equal(torch.where(seen, found, 0.0), x * seen)
    assert found.isfinite().all()


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_a_constant_image_comes_back_exactly(height, width, rate):
    seen = _some(height, width, rate)
    seen[..., 0, 0] = True
    found = fill(torch.where(seen, 0.7, 0.0).expand(-1, 3, -1, -1), seen)
    torch.testing.assert_close(found, torch.full_like(found, 0.7))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_where_nothing_was_observed_it_is_half(height, width):
    found = fill(torch.zeros(2, 3, height, width), torch.zeros(2, 1, height, width, dtype=torch.bool))
    torch.testing.assert_close(found, torch.full_like(found, 0.5))


def test_it_is_linear_in_y(images):
    seen = _some(24, 20, 0.8)
    a, b = images(2, 1, 24, 20, seed=1), images(2, 1, 24, 20, seed=2)
    torch.testing.assert_close(fill(2 * a + b, seen), 2 * fill(a, seen) + fill(b, seen), atol=1e-5, rtol=0)


def test_what_stands_at_missing_places_does_not_matter(images):
    x, seen = images(1, 1, 20, 20), _some(20, 20, count=1)
    hidden = torch.where(seen, x, torch.nan)
    assert torch.equal(fill(hidden, seen), fill(x * seen, seen))


def test_values_stay_between_the_least_and_the_largest_observed(images):
    x, seen = images(2, 1, 31, 17), _some(31, 17, 0.95)
    found = fill(x * seen, seen)
    for image, mask, values in zip(x, seen, found, strict=True):
        assert image[mask].min() - 1e-5 <= values.min()
        assert values.max() <= image[mask].max() + 1e-5


def test_channels_may_be_missing_on_their_own(images):
    x, seen = images(1, 3, 16, 16), _some(16, 16, count=1, channels=3)
    found = fill(x * seen, seen)
    alone = torch.cat([fill((x * seen)[:, c : c + 1], seen[:, c : c + 1]) for c in range(3)], 1)
    torch.testing.assert_close(found, alone)


def test_a_smooth_image_is_interpolated_well(images):
    x, seen = images(1, 1, 64, 64), _some(64, 64, count=1)
    found = fill(x * seen, seen)
    error = (found - x)[~seen].square().mean().sqrt()
    zero = x[~seen].square().mean().sqrt()
    assert error < 0.1 * zero


def test_gradients_reach_the_observed_values_only(images):
    y, seen = images(1, 1, 12, 12).requires_grad_(), _some(12, 12, count=1)
    fill(y, seen).sum().backward()
    assert (y.grad[~seen] == 0).all()
    assert (y.grad[seen] >= 1).all()


@pytest.mark.parametrize("rate", [0.5, 0.999, 1.0])
def test_a_window_with_the_cells_of_the_whole_is_filled_as_in_the_whole(rate, images):
    x, seen = images(2, 3, 301, 410), _some(301, 410, rate)
    whole, cells = fill(x, seen), push(*pull(x, seen))
    assert cells.shape == (2, 3, 10, 13)
    rows, columns = slice(2 * CELL, 8 * CELL), slice(3 * CELL, 410)
    found = fill(x[..., rows, columns], seen[..., rows, columns], cells[..., 2:8, 3:])
    inner = (slice(None), slice(None), slice(MARGIN, -MARGIN), slice(MARGIN, None))
    torch.testing.assert_close(found[inner], whole[..., rows, columns][inner], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_bending_keeps_observed_values_and_constant_images(height, width, images):
    x, seen = images(2, 3, height, width), _some(height, width)
    initial = fill(x * seen, seen)
    found = bend(initial, seen)
    assert torch.equal(found[seen.expand_as(x)], x[seen.expand_as(x)])
    flat = torch.full_like(initial, 0.7)
    torch.testing.assert_close(bend(flat, seen), flat)


def test_bending_comes_nearer_to_the_biharmonic_interpolation(images):
    x, seen = images(1, 1, 40, 40), _some(40, 40, 0.8, count=1)
    initial = fill(x * seen, seen)
    found, goal = initial, torch.from_numpy(inpaint_biharmonic(x[0, 0].numpy(), ~seen[0, 0].numpy()))
    inner = (0, 0, slice(4, -4), slice(4, -4))  # the border is continued in another way
    errors = []
    for _ in range(8):
        errors.append(float((found[inner] - goal[4:-4, 4:-4]).abs().mean()))
        found = bend(found, seen)
    assert errors[1] < 0.35 * errors[0]
    assert errors[-1] < 0.1 * errors[0]


def test_bending_is_stable_where_next_to_nothing_was_observed():
    assert STEP < 2 * (1 + MOMENTUM) / 64
    rough = Rng(0).uniform("rough", (1, 1, 32, 32), "cpu")
    seen = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    found = rough
    for _ in range(20):
        found = bend(found, seen)
    assert found.std() < 0.2 * rough.std()  # only what is smooth already stays


def test_bending_moves_channels_that_are_missing_on_their_own(images):
    x, seen = images(1, 3, 16, 16), _some(16, 16, count=1, channels=3)
    initial = fill(x * seen, seen)
    alone = torch.cat([bend(initial[:, c : c + 1], seen[:, c : c + 1]) for c in range(3)], 1)
    torch.testing.assert_close(bend(initial, seen), alone)
