import math

import pytest
import torch

from restorekit.core.rng import AHEAD, BLOCK, Rng

SHAPE = (1, 2, 200, 180)


def _windows():
    return [
        (0, 0, 200, 180),
        (1, 2, 5, 7),
        (BLOCK - 1, BLOCK, 2, 1),
        (60, 3, 70, 130),
        (199, 150, 1, 30),
        (10, 0, 1, 64),
    ]


@pytest.mark.parametrize("draw", ["normal", "uniform"])
@pytest.mark.parametrize(("top", "left", "height", "width"), _windows())
def test_a_tile_gets_its_window_of_one_field(draw, top, left, height, width):
    rng = Rng(1, ("image",))
    field = getattr(rng, draw)("z", SHAPE, "cpu")
    tile = getattr(rng.at(("image",), ((top, left),)), draw)("z", (1, 2, height, width), "cpu")
    assert torch.equal(tile, field[..., top : top + height, left : left + width])


def test_windows_agree_at_negative_origins():
    large = Rng(1).at(("image",), ((-100, -70),)).normal("z", (1, 1, 150, 150), "cpu")
    small = Rng(1).at(("image",), ((-10, -66),)).normal("z", (1, 1, 20, 30), "cpu")
    assert torch.equal(small, large[..., 90:110, 4:34])


def test_windows_of_a_strided_field_agree_with_the_pixels_they_cover():
    field = Rng(1, ("image",)).normal("z", (1, 3, 40, 50), "cpu", stride=8)
    tile = Rng(1).at(("image",), ((16, 80),)).normal("z", (1, 3, 5, 6), "cpu", stride=8)
    assert torch.equal(tile, field[..., 2:7, 10:16])


@pytest.mark.parametrize("shape", [(3, 2, 9, 5), (3, 7), (3, 1, 1, 1)])
def test_an_image_draws_by_its_key_alone(shape):
    a, b, c = Rng(1, ("a", "b", "c")).normal("z", shape, "cpu")
    again = Rng(1, ("c", "a")).normal("z", (2, *shape[1:]), "cpu")
    assert torch.equal(again, torch.stack([c, a]))
    assert not torch.equal(a, b)


def test_poisson_counts_depend_on_the_key_alone():
    rate = torch.full((3, 1, 4, 4), 7.0)
    together = Rng(1, ("a", "b", "c")).poisson("k", rate)
    assert torch.equal(Rng(1, ("b",)).poisson("k", rate[:1]), together[1:2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(Rng(1).poisson("k", rate), Rng(1).poisson("k", rate))


def test_seed_fork_and_name_each_give_other_numbers():
    rng = Rng(1, ("a",))
    sources = [rng, Rng(2, ("a",)), Rng(1, ("b",)), rng.fork("x"), rng.fork("y"), rng.fork("x").fork("x")]
    found = [s.normal("z", (1, 4), "cpu") for s in sources] + [rng.normal("w", (1, 4), "cpu")]
    assert len({tuple(f.flatten().tolist()) for f in found}) == len(found)


def test_draws_made_in_portions_are_the_same_draws():
    rng = Rng(1, ("a", "b"))
    at_once = rng.expand(5).normal("z", (10, 3), "cpu").view(5, 2, 3)
    first = rng.expand(2).normal("z", (4, 3), "cpu").view(2, 2, 3)
    rest = rng.after(2).expand(3).normal("z", (6, 3), "cpu").view(3, 2, 3)
    assert torch.equal(at_once, torch.cat([first, rest]))
    assert len(at_once.flatten(0, 1).unique(dim=0)) == 10


def test_expanded_tiles_keep_their_place():
    tiles = Rng(1).at(("a", "a"), ((0, 0), (64, 8)))
    drawn = tiles.expand(3).normal("z", (6, 1, 10, 10), "cpu").view(3, 2, 1, 10, 10)
    whole = Rng(1, ("a",)).expand(3).normal("z", (3, 1, 80, 20), "cpu")
    assert torch.equal(drawn[:, 0], whole[..., :10, :10])
    assert torch.equal(drawn[:, 1], whole[..., 64:74, 8:18])


def test_without_keys_portions_differ_and_repeat():
    rng = Rng(1)
    assert torch.equal(rng.expand(2).normal("z", (4,), "cpu"), rng.expand(2).normal("z", (4,), "cpu"))
    assert not torch.equal(rng.expand(2).normal("z", (4,), "cpu"), rng.after(2).expand(2).normal("z", (4,), "cpu"))


def test_normal_numbers_have_the_moments_of_a_normal():
    x = Rng(1, ("a",)).normal("z", (1, 4, 300, 300), "cpu").double().flatten()
    error = 1 / math.sqrt(x.numel())
    assert abs(float(x.mean())) < 5 * error
    assert abs(float((x**2).mean()) - 1) < 5 * error * math.sqrt(2)
    assert abs(float((x**4).mean()) - 3) < 5 * error * math.sqrt(96)


def test_uniform_numbers_are_uniform_on_the_half_open_interval():
    u = Rng(1, ("a",)).uniform("z", (1, 4, 300, 300), "cpu").double().flatten()
    assert 0 <= float(u.min()) < float(u.max()) < 1
    counts = torch.histc(u, 20, 0, 1)
    expected = u.numel() / 20
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert chi2 < 19 + 5 * math.sqrt(2 * 19)


def test_neighbouring_cells_and_blocks_are_uncorrelated():
    x = Rng(1, ("a",)).normal("z", (1, 1, 256, 256), "cpu")[0, 0].double()
    for shift in ((0, 1), (1, 0), (0, BLOCK), (BLOCK, 0)):
        product = x * x.roll(shift, (0, 1))
        assert abs(float(product.mean())) < 5 / 256


def test_poisson_counts_have_the_moments_of_a_poisson():
    k = Rng(1).poisson("k", torch.full((1, 1, 300, 300), 3.5)).double().flatten()
    assert abs(float(k.mean()) - 3.5) < 5 * math.sqrt(3.5 / k.numel())
    assert abs(float(k.var()) - 3.5) < 5 * math.sqrt((3.5 + 2 * 3.5**2) / k.numel())


def test_a_batch_of_another_size_than_the_keys_is_an_error():
    with pytest.raises(ValueError, match="expected 2 images"):
        Rng(1, ("a", "b")).normal("z", (3, 4), "cpu")


def test_the_global_generator_is_not_touched():
    before = torch.get_rng_state()
    rng = Rng(1, ("a",))
    rng.normal("z", (1, 1, 9, 9), "cpu")
    rng.uniform("z", (1, 3), "cpu")
    rng.poisson("z", torch.ones(1, 3))
    rng.generator("z")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("flat", [False, True])
def test_the_steps_of_a_chain_are_numbers_of_their_own_by_key_and_step(flat):
    keys = ("a", "b", "c")
    steps, again = Rng(1, keys).steps(flat), Rng(1, ("c", "a")).steps(flat)
    drawn = torch.stack([steps(i).normal("x", (3, 2, 5, 4), "cpu") for i in range(2 * AHEAD)])
    late = again(AHEAD + 3).normal("x", (2, 2, 5, 4), "cpu")
    assert torch.equal(late, drawn[AHEAD + 3][[2, 0]])
    assert len(drawn.flatten(2).movedim(2, 0).flatten(1).unique()) == drawn.numel()
    assert float(drawn.mean()) == pytest.approx(0, abs=5 / drawn.numel() ** 0.5)
    assert float(drawn.std()) == pytest.approx(1, abs=5 / drawn.numel() ** 0.5)
    assert not torch.equal(steps(0).fork("q").normal("x", (3, 7), "cpu"), steps(0).normal("x", (3, 7), "cpu"))


def test_steps_that_are_not_flat_agree_over_tiles():
    field = Rng(1, ("a",)).steps(False)(7).normal("x", (1, 2, 90, 80), "cpu")
    tile = Rng(1).at(("a",), ((60, 50),)).steps(False)(7).normal("x", (1, 2, 20, 30), "cpu")
    assert torch.equal(tile, field[..., 60:80, 50:80])


def test_tiles_apart_have_nothing_in_common():
    tiles = Rng(1).at(("a", "a"), ((0, 0), (0, 14))).independent_tiles().normal("z", (2, 50), "cpu")
    assert not torch.equal(*tiles)
    assert torch.equal(
        Rng(1, ("a",)).independent_tiles().normal("z", (1, 5), "cpu"), Rng(1, ("a",)).normal("z", (1, 5), "cpu")
    )


def test_some_of_a_batch_draw_as_they_did():
    rng = Rng(1, ("a", "b", "c"), ((0, 0), (3, 4), (0, 9)))
    field = rng.normal("x", (3, 1, 6, 6), "cpu")
    assert torch.equal(rng.take([2, 1]).normal("x", (2, 1, 6, 6), "cpu"), field[[2, 1]])
