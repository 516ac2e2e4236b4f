"""Facts about the whole check of one image."""

import json
import math
from dataclasses import replace

import pytest
import torch

from restorekit.core.plugins.registry import corruptions
from restorekit.core.records import decode, encode
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.corruptions.spec import parse
from restorekit.uncertainty.selfcheck import Part, self_check
from restorekit.uncertainty.selfcheck.result import SelfCheckRecord
from tests._helpers.known_restorers import Filtering, Interpolating, Knowing, Shrinking, noisy, picture

NOISE, SIGMA = Rng(0, ("a",)), 0.1
NOISY, BOTH = Gaussian(SIGMA), Chain((Gaussian(SIGMA), Missing(0.5)))
X = picture(side=128)
HALF = Missing(0.5)(X, NOISE).observed


def psnr(mse):
    return -10 * math.log10(mse)


def test_noise_is_checked_by_sure():
    found = self_check(Problem(noisy(X, SIGMA), NOISY), Shrinking(1.0), NOISE, clip=False)
    assert found.method == "sure"
    assert found.psnr == pytest.approx(20, abs=1e-3)
    assert found.psnr_left == pytest.approx(20)
    assert 0 < found.psnr_se < 0.1
    assert (found.psnr_missing, found.coverage90, found.reason) == (None, None, "")
    assert not found.harms
    assert found.residual.std == pytest.approx(0)


def test_gaps_are_checked_by_hiding_and_known_values_count_as_right():
    found = self_check(Problem(noisy(X, 0.0, HALF), Missing(0.5)), Knowing(X + 0.1), NOISE, clip=False)
    assert found.method == "hiding"
    assert found.psnr_missing == pytest.approx(20, abs=1e-3)
    assert found.psnr == pytest.approx(20 + 10 * math.log10(2), abs=0.1)  # half of the values are missing
    assert found.residual is None


def test_noise_and_gaps_are_checked_by_both():
    found = self_check(Problem(noisy(X, SIGMA, HALF), BOTH), Knowing(X + 0.05), NOISE, clip=False)
    assert found.method == "sure and hiding"
    assert abs(found.psnr - psnr(0.05**2)) < 4 * found.psnr_se
    assert found.residual.std == pytest.approx(SIGMA, rel=0.05)
    assert not found.harms


@pytest.mark.parametrize("told", [None, math.nan])
def test_of_blind_noise_there_is_no_estimate_but_the_residual(told):
    level = None if told is None else torch.full((1, 1, 1, 1), told)
    found = self_check(Problem(replace(noisy(X, SIGMA), sigma=level), Gaussian()), Knowing(X), NOISE)
    assert (found.method, found.psnr, found.psnr_se, found.harms) == ("none", None, None, False)
    assert "--sigma" in found.reason
    assert found.residual.std == pytest.approx(SIGMA, rel=0.05)
    assert found.sentences[0] == f"no estimate of the PSNR: {found.reason}"


@pytest.mark.parametrize(
    "spec",
    ["poisson", "speckle", "saltpepper", "jpeg", "sensor", "camera", "quantise", "blur", "downsample", "grayscale",
     "blur+gaussian:sigma=0.1", "jpeg+missing", "gaussian:sigma=0.1+jpeg"],
)  # fmt: skip
def test_of_other_damage_there_is_none_and_it_is_said_why(spec):
    corruption = parse(spec, corruptions())
    found = self_check(Problem(corruption(picture(3), NOISE), corruption), Interpolating(), NOISE)
    assert (found.method, found.psnr, found.harms) == ("none", None, False)
    assert spec.split("+")[0] in found.reason or "jpeg" in found.reason


def test_of_noise_that_is_not_white_there_is_none():
    rng = Rng(4).normal("n", tuple(X.shape), "cpu")
    coarse = SIGMA * sum(rng.roll((v, h), (2, 3)) for v in range(3) for h in range(3)) / 3
    found = self_check(Problem(replace(noisy(X, SIGMA), y=X + coarse), NOISY), Knowing(X), NOISE)
    assert found.psnr is None
    assert "coarse" in found.reason


def test_without_a_level_it_is_estimated_for_the_check_alone():
    x = picture(side=256)
    observed = noisy(x, SIGMA)
    blind = self_check(Problem(replace(observed, sigma=None), NOISY), Shrinking(1.0), NOISE, clip=False)
    known = self_check(Problem(observed, NOISY), Shrinking(1.0), NOISE, clip=False)
    assert blind.method == known.method == "sure"
    assert blind.psnr == pytest.approx(known.psnr, abs=0.5)


@pytest.mark.parametrize("told", [0.04, 0.25])
def test_a_level_that_is_not_the_picture_s_is_told_of_and_nothing_is_called_harmed(told):
    x = picture(side=256)
    observation = replace(noisy(x, SIGMA), sigma=torch.full((1, 1, 1, 1), told))
    found = self_check(Problem(observation, Gaussian(told)), Shrinking(1.0), NOISE, clip=False)
    assert found.psnr is None
    assert not found.harms
    assert f"{255 * told:.1f}/255 was passed" in found.reason
    seen = float(found.reason.partition("looks like ")[2].partition("/")[0])
    assert seen == pytest.approx(255 * SIGMA, rel=0.1)
    assert self_check(Problem(noisy(x, SIGMA), NOISY), Shrinking(1.0), NOISE, clip=False).psnr == pytest.approx(
        20, abs=1e-3
    )


def test_an_error_that_is_no_larger_than_its_own_is_no_estimate():
    found = self_check(Problem(noisy(X, SIGMA), NOISY), Knowing(X + 0.001), NOISE, clip=False)
    assert (found.psnr, found.surprise, found.harms) == (None, None, False)
    assert "no larger than its own standard error" in found.reason


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (9, 9)])
def test_the_smallest_images_are_checked_or_refused(size):
    x = X[..., : size[0], : size[1]]
    assert self_check(Problem(noisy(x, SIGMA), NOISY), Shrinking(0.9), NOISE).residual is not None


def test_of_noise_that_grows_with_brightness_there_is_none():
    x = torch.linspace(0.1, 0.9, 256).expand(1, 1, 256, 256)
    y = x + x * SIGMA * Rng(4).normal("n", (1, 1, 256, 256), "cpu")
    found = self_check(Problem(replace(noisy(x, SIGMA), y=y), NOISY), Knowing(x), NOISE)
    assert found.psnr is None
    assert "in bright parts its variance" in found.reason


def test_errors_are_compared_with_what_the_restorer_expects():
    told = torch.full_like(X, 0.05)
    for observation, corruption in ((noisy(X, 0.0, HALF), Missing(0.5)), (noisy(X, SIGMA), NOISY)):
        found = self_check(Problem(observation, corruption), Knowing(X, off=2.0, std=told), NOISE, clip=False)
        assert found.surprise == pytest.approx(4, rel=0.1)
        assert self_check(Problem(observation, corruption), Knowing(X + 0.1), NOISE, clip=False).surprise is None


def test_the_best_classical_method_stands_beside():
    mine, worse, better = (
        self_check(Problem(noisy(X, SIGMA), NOISY), Knowing(X + error), NOISE, clip=False)
        for error in (0.03, 0.04, 0.02)
    )
    found = mine.with_baseline({"worse": worse, "better": better, "silent": replace(worse, psnr=None)})
    assert (found.baseline, found.psnr_baseline) == ("better", better.psnr)
    assert found.gain == mine.psnr - better.psnr < 0
    assert any("the classical method better has" in sentence and "more" in sentence for sentence in found.sentences)
    assert found.record().gain == pytest.approx(found.gain, abs=1e-3)
    assert mine.with_baseline({}).gain is None


def test_of_what_is_all_known_or_all_lost_there_is_none():
    everything = self_check(Problem(noisy(X, 0.0), Missing()), Knowing(X), NOISE)
    nothing = self_check(Problem(noisy(X, 0.0, HALF & ~HALF), Missing()), Knowing(X), NOISE)
    assert "known" in everything.reason
    assert "no value was observed" in nothing.reason


def test_too_few_observed_values_are_said_to_be_too_few():
    observed = torch.zeros_like(HALF)
    observed[..., :10, :4] = True
    assert "too few" in self_check(Problem(noisy(X, 0.0, observed), Missing()), Interpolating(), NOISE).reason


@pytest.mark.parametrize("level", [0.0, SIGMA])
def test_what_destroys_is_flagged(level):
    o = noisy(X, level, HALF)
    corruption = BOTH if level else Missing(0.5)
    found = self_check(Problem(o, corruption), Knowing(torch.zeros_like(X)), NOISE)
    assert found.harms
    assert found.psnr < found.psnr_left
    assert found.sentences[0] == found.flag
    assert "harms" in found.flag


@pytest.mark.parametrize("restorer", [Shrinking(1.0), Filtering(0.4), Knowing(X)], ids=lambda r: r.name)
def test_what_leaves_or_improves_the_image_is_not(restorer):
    found = self_check(Problem(noisy(X, SIGMA), NOISY), restorer, NOISE)
    assert not found.harms
    assert found.flag == ""


def test_an_error_that_chance_hides_is_no_estimate():
    found = [self_check(Problem(noisy(X, SIGMA, seed=s), NOISY), Knowing(X), NOISE, clip=False) for s in range(8)]
    silent = [one for one in found if one.psnr is None]
    assert 0 < len(silent) < 8
    assert all("chance" in one.reason and not one.harms for one in silent)


def test_the_same_seed_gives_the_same_result():
    o = noisy(X, SIGMA, HALF)
    first, again, other = (self_check(Problem(o, BOTH), Filtering(0.4), Rng(seed, ("a",))) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_integers_are_checked_as_they_are_cut_and_floats_as_they_are():
    x = torch.ones_like(X)
    cut, whole = (
        self_check(Problem(noisy(x, 0.0, HALF), Missing()), Knowing(x + 0.1), NOISE, clip=clip)
        for clip in (True, False)
    )
    assert cut.psnr is None  # nothing is wrong once it is cut
    assert whole.psnr_missing == pytest.approx(20, abs=1e-3)


def test_crops_stand_for_the_whole_image():
    o = noisy(X, SIGMA, HALF)
    crops = replace(
        o, y=torch.cat([o.y[..., :64, :64], o.y[..., 64:, 64:]]), sigma=o.sigma.repeat(2, 1, 1, 1), shape=(1, 64, 64),
        observed=torch.cat([o.observed[..., :64, :64], o.observed[..., 64:, 64:]]),
    )  # fmt: skip
    rng = Rng(0, ("a@0,0", "a@64,64"))
    half, all_of_it = (
        self_check(Problem(crops, BOTH), Shrinking(0.5), rng, part=Part(share, 0.25), clip=False)
        for share in (0.5, 1.0)
    )
    assert half.psnr == all_of_it.psnr
    assert half.psnr_se > all_of_it.psnr_se
    assert half.sentences[-1] == "the check looked at 50% of the pixels, in crops"


def test_a_level_that_is_an_estimate_makes_the_result_less_sure():
    observation = noisy(picture(side=192), SIGMA)
    told, guessed = (
        self_check(Problem(observation, NOISY), Filtering(0.4), NOISE, estimated=estimated)
        for estimated in (False, True)
    )
    assert abs(told.psnr - guessed.psnr) < 3 * guessed.psnr_se
    assert guessed.psnr_se > told.psnr_se


def test_a_small_image_does_not_tell_its_level():
    found = self_check(Problem(noisy(picture(), SIGMA), NOISY), Filtering(0.4), NOISE, estimated=True)
    assert "level of its noise" in found.reason
    assert found.residual is not None


@pytest.mark.parametrize("sigma", [15 / 255, 50 / 255])
def test_noise_that_was_cut_off_at_the_ends_is_reckoned_with(sigma):
    """Half of the picture is nearly black, half nearly white; without that the error would be taken for less than 0."""
    x = torch.full((1, 1, 256, 256), 0.05)
    x[..., 128:] = 0.95
    o = noisy(x, sigma)
    o = replace(o, y=(o.y.clamp(0, 1) * 255).round() / 255)
    left = psnr(float((o.y - x).square().mean()))
    for restorer, truth in ((Knowing(x + 0.04), psnr(0.04**2)), (Shrinking(1.0), left)):
        found = self_check(Problem(o, Gaussian(sigma)), restorer, NOISE)
        assert found.psnr == pytest.approx(truth, abs=0.8)
        assert found.psnr_left == pytest.approx(left, abs=0.7)


def test_it_goes_through_json():
    found = self_check(Problem(noisy(X, SIGMA, HALF), BOTH), Filtering(0.4), NOISE)
    told = json.loads(json.dumps(encode(found.record()), allow_nan=False))
    assert told["psnr"] == pytest.approx(found.psnr, rel=1e-4)
    assert told["residual"]["std"] == pytest.approx(found.residual.std, rel=1e-4)
    assert told["sentences"] == list(found.sentences)
    assert encode(decode(SelfCheckRecord, told)) == told
    assert all(text[0].islower() or text.startswith("PSNR") for text in told["sentences"])


def test_colours_are_checked_together():
    x = picture(3, 128)
    found = self_check(Problem(noisy(x, SIGMA), NOISY), Filtering(0.4), NOISE)
    truth = float((Filtering(0.4)(noisy(x, SIGMA), None, 0, None).mmse.clamp(0, 1) - x).square().mean())
    assert abs(found.psnr - psnr(truth)) < 4 * found.psnr_se
