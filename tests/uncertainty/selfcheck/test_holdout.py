"""Facts about hiding observed values."""

import math

import pytest
import torch

from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Gaussian, Holes, Lines, Missing
from restorekit.uncertainty.conditions import distances
from restorekit.uncertainty.selfcheck.case import Case
from restorekit.uncertainty.selfcheck.holdout import MAX_HIDDEN_SHARE, PASSES, SHARE, connected, hide, measure
from tests._helpers.known_restorers import Interpolating, Knowing, noisy, picture

NOISE = Rng(0, ("a",))
BLANK = torch.zeros(1, 1, 256, 256)


def gaps(corruption, channels=1, seed=0):
    return corruption(BLANK.expand(1, channels, -1, -1), Rng(seed, ("a",))).observed.expand(1, channels, -1, -1)


def measured(o, restorer, seed=0):
    case = Case(Problem(o, Missing()), restorer, Rng(seed, ("a",)), clip=False)
    return measure(case, case.restored(o))


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.5, 0.8, 0.95])
def test_pixels_lost_on_their_own_are_not_connected(rate):
    assert not connected(gaps(Missing(rate)))


@pytest.mark.parametrize(
    "corruption",
    [*(Holes(a, s) for a in (0.05, 0.25, 0.6) for s in ("strokes", "boxes")), Lines(0.05), Lines(0.3, "both")],
    ids=str,
)
def test_holes_and_lines_are(corruption):
    assert connected(gaps(corruption))


def shares(observed):
    """What share of the observed pixels each pass hides."""
    for number in range(PASSES):
        hidden = hide(observed, NOISE, number)
        assert not bool((hidden & ~observed).any())
        assert bool((hidden == hidden[:, :1]).all())
        yield float(hidden.sum() / observed.sum())


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_a_fiftieth_of_what_was_observed_is_hidden(rate):
    assert list(shares(gaps(Missing(rate), 3))) == pytest.approx([SHARE] * PASSES, rel=0.3)


@pytest.mark.parametrize("corruption", [Holes(0.05, "boxes"), Holes(0.25), Holes(0.7), Lines(0.1)], ids=str)
def test_of_gaps_that_take_more_a_whole_copy_if_enough_is_left(corruption):
    observed = gaps(corruption, 3)
    whole = 1 - float(observed.float().mean())
    for share in shares(observed):
        assert share <= MAX_HIDDEN_SHARE
        assert share > min(0.5 * whole, 0.8 * MAX_HIDDEN_SHARE)


def test_of_small_gaps_as_many_copies_as_make_up_the_share():
    observed = torch.ones_like(BLANK, dtype=torch.bool)
    observed[..., 100:120, 50:70] = False
    copies = [hide(observed, NOISE, number) for number in range(PASSES)]
    assert all(SHARE <= float(c.sum() / observed.sum()) < SHARE + 400 / 256**2 for c in copies)
    depths = [float(distances(observed & ~c)[c].mean()) for c in copies]
    assert sum(depths) / PASSES == pytest.approx(float(distances(observed)[~observed].mean()), rel=0.15)


def test_single_pixels_are_hidden_once():
    observed = gaps(Missing(0.5))
    together = sum(hide(observed, NOISE, number).int() for number in range(PASSES))
    assert int(together.max()) == 1


def test_channels_that_are_missing_apart_are_hidden_apart():
    hidden = hide(gaps(Missing(0.5, per_channel=True), 3), NOISE, 0)
    assert not bool((hidden == hidden[:, :1]).all())
    assert int(hidden.all(1).sum()) < 10


@pytest.mark.parametrize("corruption", [Missing(0.5), Missing(0.9), Lines(0.1), Holes(0.1, "boxes")], ids=str)
def test_hidden_pixels_lie_as_far_from_the_rest_as_missing_ones(corruption):
    observed = gaps(corruption)
    hidden = torch.stack([hide(observed, NOISE, number) for number in range(PASSES)])
    found = [float(distances(observed & ~h)[h].mean()) for h in hidden]
    assert sum(found) / PASSES == pytest.approx(float(distances(observed)[~observed].mean()), rel=0.2)


@pytest.mark.parametrize("corruption", [Missing(0.5), Holes(0.25)], ids=str)
def test_of_a_flat_picture_the_error_is_nothing(corruption):
    o = noisy(torch.full_like(BLANK, 0.5), 0.0, gaps(corruption))
    found = measured(o, Interpolating())
    assert found.mse.value == pytest.approx(0, abs=1e-12)
    assert found.filled.value == pytest.approx(0, abs=1e-12)


def test_of_errors_that_go_with_what_is_told_of_them_the_estimate_is_exact():
    x = picture(side=256)
    std = 0.01 + 0.2 * Rng(8).uniform("std", tuple(x.shape), "cpu") ** 3
    o = noisy(x, 0.0, gaps(Holes(0.25)))
    found = measured(o, Knowing(x, 0.5, std))
    truth = float((0.5 * std[~o.observed]).double().square().mean())
    assert found.mse.value == pytest.approx(truth, rel=1e-4)
    assert found.mse.error < 1e-4 * truth


def test_without_a_spread_it_is_unbiased_and_its_standard_error_is_right():
    """The error is the same everywhere but for chance, so that hidden values stand for missing ones."""
    x, off, errors = picture(side=64), [], []
    for seed in range(40):
        o = noisy(x, 0.0, gaps(Missing(0.5), seed=seed)[..., :64, :64])
        wrong = 0.1 * Rng(seed, ("a",)).normal("wrong", tuple(x.shape), "cpu")
        found = measured(o, Knowing(x + wrong), seed)
        off.append(found.mse.value - 0.01)
        errors.append(found.mse.error)
    assert abs(sum(off) / 40) < 4 * torch.tensor(off).std() / 40**0.5
    assert sum(errors) / 40 == pytest.approx(float(torch.tensor(off).std()), rel=0.35)


def test_noise_of_the_hidden_values_is_taken_off():
    x = picture(side=256)
    o = noisy(x, 0.1, gaps(Missing(0.5)))
    case = Case(Problem(o, Gaussian(0.1)), Knowing(x + 0.05), NOISE, clip=False)
    found = measure(case, case.restored(o))
    assert found.mse.value == pytest.approx(0.05**2, abs=4 * found.mse.error)
    assert found.mse.error < 0.05**2
    assert found.coverage is None


@pytest.mark.parametrize(("std", "share"), [(1e-4, 0.0), (1.0, 1.0)])
def test_coverage_counts_hidden_values_inside_the_interval(std, share):
    x = picture(side=256)
    o = noisy(x, 0.0, gaps(Missing(0.5)))
    found = measured(o, Knowing(x + 0.05, 0.0, torch.full_like(x, std)))
    assert found.coverage == (share, 0)


def test_gaussian_errors_of_the_spread_that_is_told_are_covered_in_nine_of_ten_cases():
    x = picture(side=256)
    std = torch.full_like(x, 0.05)
    wrong = std * Rng(9).normal("wrong", tuple(x.shape), "cpu")
    found = measured(noisy(x, 0.0, gaps(Missing(0.5))), Knowing(x + wrong, 0.0, std))
    assert found.coverage.value == pytest.approx(0.9, abs=4 * found.coverage.error)
    assert 0 < found.coverage.error < 0.03


def test_where_too_little_was_observed_nothing_is_told():
    observed = torch.zeros_like(BLANK, dtype=torch.bool)
    observed[..., :20, :20] = True
    assert "lie 62 pixels from" in measured(noisy(picture(side=256), 0.0, observed), Interpolating())
    observed[..., 2:, :] = observed[..., 8:] = False
    assert "too few" in measured(noisy(picture(side=256), 0.0, observed), Interpolating())


def test_the_interpolation_is_told_beside_the_restoration():
    x = picture(side=256)
    o = noisy(x, 0.0, gaps(Missing(0.8)))
    found = measured(o, Knowing(x))
    assert found.mse == (0, 0)
    assert found.filled.value == pytest.approx(-found.worse.value)
    truth = float((Interpolating()(o, Missing(), 0, None).mmse - x)[~o.observed].square().mean())
    assert 10 * abs(math.log10(found.filled.value / truth)) < 3
