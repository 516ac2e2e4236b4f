"""The interval of a mean difference holds what it promises; wins, losses and what is equal but for rounding."""

import math

import numpy as np
import pytest

from restorekit.evaluation.bootstrap import MIN_IMAGES, compare, indistinct, interval
from restorekit.evaluation.metric_values import MetricInfo

DB = MetricInfo("psnr", "dB", "higher")
PLAIN = MetricInfo("nrmse", "", "lower")
SHARE = MetricInfo("coverage90", "", "", 0.9)


def listed(values):
    return {f"{i:03d}.png": float(value) for i, value in enumerate(values)}


DRAWS = {
    "normal": (lambda g, n: g.normal(0.3, 1.0, n), 0.3),
    "skewed": (lambda g, n: g.exponential(1.0, n) - 0.7, 0.3),  # skewness 2
}


@pytest.mark.parametrize("n", [20, 68])
@pytest.mark.parametrize("kind", DRAWS)
def test_intervals_of_95_percent_enclose_the_true_mean_95_times_in_100(kind, n):
    draw, truth = DRAWS[kind]
    generator, tries, hits = np.random.default_rng(1), 1200, 0
    for i in range(tries):
        low, high = interval(draw(generator, n), seed=i, resamples=999)
        hits += low <= truth <= high
    assert hits / tries == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / tries))


def test_the_interval_of_many_normal_values_is_that_of_students_t():
    d = np.random.default_rng(0).normal(0.0, 2.0, 400)
    low, high = interval(d)
    half = 1.966 * d.std(ddof=1) / 20  # Student's t, 399 degrees of freedom
    assert (low, high) == pytest.approx((d.mean() - half, d.mean() + half), abs=0.1 * half)


def test_the_same_seed_gives_the_same_interval_and_another_scale_scales_it():
    d = np.random.default_rng(0).normal(1.0, 1.0, 30)
    assert interval(d, 3) == interval(d, 3) != interval(d, 4)
    assert interval(100 * d, 3) == pytest.approx([100 * end for end in interval(d, 3)])
    assert interval(-d, 3)[0] < -d.mean() < interval(-d, 3)[1]


def test_many_images_are_compared_in_portions_of_the_memory():
    d = np.random.default_rng(0).normal(1.0, 1.0, 3000)
    low, high = interval(d)
    assert low < 1.0 < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(3000), rel=0.1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1.0], "images or more, got 1"),
        ([1.0, 2.0, 3.0, 4.0], f"it takes {MIN_IMAGES}"),
        ([0.1] * 30, "the same on every image"),
        ([0.0] * 30, "the same on every image"),
        ([0.0] * 29 + [1.0], "the same on nearly every image"),
        ([], "images or more, got 0"),
    ],
)
def test_where_nothing_can_be_told_there_is_no_interval_but_a_sentence(values, why):
    found = interval(np.array(values, float))
    assert isinstance(found, str)
    assert found.startswith("no interval: ")
    assert why in found


def test_wins_losses_and_which_got_worse_by_how_much():
    found = compare(listed([30, 31, 32, 33, 30, 29]), listed([31, 31, 30, 33.001, 33, 28]), DB)
    assert (found.wins, found.losses, found.ties) == (2, 2, 2)
    assert found.worse == ("004.png", "000.png")
    assert found.differences[:2] == (("004.png", -3.0), ("000.png", -1.0))
    assert (found.mean, found.mean_against) == pytest.approx((185 / 6, 186.001 / 6))
    assert found.difference == pytest.approx(-1.001 / 6)
    assert found.low < found.difference < found.high


def test_less_is_better_where_the_figure_says_so_and_nearer_where_it_has_a_goal():
    less = compare(listed([0.1, 0.3]), listed([0.2, 0.2]), PLAIN)
    assert (less.wins, less.losses, less.worse) == (1, 1, ("001.png",))
    near = compare(listed([0.95, 0.7]), listed([0.8, 0.99]), SHARE)
    assert (near.wins, near.losses) == (1, 1)
    assert near.difference == pytest.approx((0.05 - 0.1 + 0.2 - 0.09) / 2)


def test_what_only_one_of_them_measured_is_passed_over():
    found = compare({"a": 1.0, "b": None, "c": 2.0}, {"a": 3.0, "b": 1.0, "d": 9.0}, DB)
    assert (found.images, found.difference, found.low) == (1, -2.0, None)
    assert "or more, got 1" in found.reason
    nothing = compare({"a": None}, {"a": 1.0}, DB)
    assert (nothing.images, nothing.mean, nothing.difference) == (0, None, None)


def test_an_infinite_figure_wins_and_stands_outside_of_the_means():
    found = compare(listed([math.inf, math.inf, 30, 31]), listed([math.inf, 40, math.inf, 31]), DB)
    assert (found.wins, found.losses, found.ties) == (1, 1, 2)
    assert (found.difference, found.differences) == (0.0, (("003.png", 0.0),))
    assert found.worse == ("002.png",)
    assert "images with an infinite value, here 3" in found.reason


@pytest.mark.parametrize("level", [20, 30, 40, 50])
def test_rounding_itself_is_a_tie_and_ten_times_as_much_is_none(level):
    """What is restored with an error of that PSNR, and the same rounded to 8 bits, differ by what is called a tie."""
    generator = np.random.default_rng(level)
    error = generator.normal(0, 10 ** (-level / 20), 10**6)
    x = generator.uniform(0.3, 0.7, 10**6)
    rounded = np.round((x + error) * 255) / 255 - x
    plain, stored = (-10 * math.log10(np.mean(e**2)) for e in (error, rounded))
    most = 10 * math.log10(1 + 10 ** (level / 10) / (12 * 255**2))
    assert plain - stored == pytest.approx(most, rel=0.35, abs=2e-4)
    for times, tied in ((0.9, True), (1.2, False), (-0.9, True)):
        assert bool(indistinct(np.array([level - times * most]), np.array([level]), "dB")[0]) is tied


def test_other_figures_tie_within_a_thousandth():
    a, b = np.array([0.9, 0.9, 0.0, 0.0]), np.array([0.9005, 0.902, 0.0, 1e-9])
    assert indistinct(a, b, "").tolist() == [True, False, True, False]
