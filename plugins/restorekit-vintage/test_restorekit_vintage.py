"""Tests of the corruptions of old pictures: their amount and their kind."""

import dataclasses
import math

import pytest
import torch
from restorekit_vintage import (
    Cast,
    Creases,
    Dust,
    Fading,
    Grain,
    Hairs,
    Halftone,
    Scratches,
    Stains,
    Vintage,
    lattice,
    vintage,
)
from restorekit_vintage.grain import FLOOR
from torch.distributions import MultivariateNormal

from restorekit import Rng
from restorekit.corruptions import Chain, Missing
from restorekit.testing import CORRUPTION_CHECKS

MARKS = (Scratches(), Scratches(direction="vertical"), Dust(), Hairs())
CASES = (
    *MARKS,
    *(dataclasses.replace(marks, known=False) for marks in MARKS),
    Scratches(area=(0.0, 0.02), width=(0.3, 4.0)),
    Creases(),
    Creases(relief=0.0),
    Creases(known=False, spacing=(40.0, 90.0)),
    Stains(),
    Stains(area=(0.0, 0.9), size=8.0),
    Fading(),
    Cast(),
    Cast(sepia=(0.5, 1.0)),
    Halftone(),
    Halftone(period=(2.0, 9.0), softness=0.0),
    Grain(),
    Grain(size=0.0),
    Grain(size=0.0, colour=0.0),
    Grain(size=0.0, colour=1.0, strength=(0.05, 0.2)),
    Chain((Grain(size=0.0), Missing(0.5, per_channel=True))),
    Vintage(),
    Vintage(strength=1.0, known=False),
)


def flat(value, count=8, size=64, channels=1):
    return torch.full((count, channels, size, size), float(value))


def photos(count=4, size=64, channels=3):
    return Rng(5).uniform("photos", (count, channels, size, size), "cpu")


@pytest.mark.parametrize("check", CORRUPTION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("corruption", CASES, ids=str)
def test_contract(corruption, check):
    check(corruption)


@pytest.mark.parametrize("size", [32, 128])
@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: f"{marks.name}-{getattr(marks, 'direction', '')}")
def test_marks_cover_the_area_that_they_say_in_crops_of_any_size(marks, size):
    pixels = 1_000_000
    hidden = ~marks(torch.zeros(pixels // size**2, 1, size, size), Rng(1)).observed
    shares = hidden.float().mean((1, 2, 3))
    error = float(shares.std()) / math.sqrt(len(shares))
    assert float(shares.mean()) == pytest.approx(marks.area, abs=0.05 * marks.area + 3 * error)


@pytest.mark.parametrize("marks", [*MARKS, Creases(relief=0.0)], ids=lambda marks: marks.name)
def test_known_marks_are_missing_where_unknown_ones_are_visible(marks):
    x, rng = photos(), Rng(2, tuple("abcd"))
    known, blind = marks(x, rng), dataclasses.replace(marks, known=False)(x, rng)
    assert marks.hides
    assert bool(blind.observed.all())
    assert blind.sigma is None
    assert torch.equal(known.y, x * known.observed)
    assert torch.equal(torch.where(known.observed, blind.y, 0), known.y)
    assert bool((blind.y != x).any())


@pytest.mark.parametrize("bright", [0.0, 1.0])
@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.name)
def test_bright_marks_lighten_gray_and_dark_ones_darken_it(marks, bright):
    change = dataclasses.replace(marks, known=False, bright=bright, area=0.01)(flat(0.5), Rng(3)).y - 0.5
    assert float(change.abs().max()) > 0.2
    assert float((change if bright else -change).min()) >= 0


def test_creases_have_the_configured_spacing():
    hidden = ~Creases(spacing=100.0, width=0.5, relief=0.0)(flat(0, 60, 96), Rng(1)).observed
    crack = 3.0  # pixels across that it touches
    assert float(hidden.float().mean()) == pytest.approx(1 - (1 - crack / 100) ** 2, rel=0.1)


def test_relief_is_light_on_one_side_and_shade_on_the_other():
    found = Creases(spacing=400.0, width=0.5, relief=0.2)(flat(0.5, 40, 96), Rng(1))
    change = torch.where(found.observed, found.y - 0.5, 0.0)
    high, low = change.amax((1, 2, 3)), -change.amin((1, 2, 3))
    folded = torch.minimum(high, low) > 0.1
    assert int(folded.sum()) > 10
    for side in (high, low):
        assert float(side[folded].median()) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("area", [0.1, 0.5])
def test_stains_darken_the_area_that_they_say_blue_most(area):
    x = flat(1, 100, channels=3)
    taken = 1 - Stains(area=area, size=8.0, strength=0.5, rim=0.0)(x, Rng(1)).y
    assert float((taken[:, 2] > 0.25).float().mean()) == pytest.approx(area, abs=0.03)
    assert float(taken.min()) >= 0
    assert float(taken[:, 2].max()) == pytest.approx(0.5, abs=0.01)
    assert bool((taken[:, 2] >= taken[:, 1]).all() & (taken[:, 1] >= taken[:, 0]).all())


def test_a_rim_is_all_that_is_left_where_the_middle_is_said_to_be_clean():
    even, rim = (Stains(area=0.5, size=60.0, strength=0.5, rim=r)(flat(1, 100), Rng(1)).y for r in (0.0, 1.0))
    assert float((1 - rim).max()) == pytest.approx(float((1 - even).max()), abs=0.1)
    assert float((1 - rim).mean()) < 0.3 * float((1 - even).mean())


def test_fading_maps_black_and_white_to_the_configured_levels():
    even = Fading(strength=1.0, black=0.3, white=0.8, uneven=0.0)
    for value, level in ((0, 0.3), (1, 0.8), (0.5, 0.55)):
        assert torch.allclose(even(flat(value), Rng(0)).y, flat(level))
    half = dataclasses.replace(even, strength=0.5)
    assert torch.allclose(half(flat(0), Rng(0)).y, flat(0.15))
    assert torch.equal(dataclasses.replace(even, strength=0.0)(photos(), Rng(0)).y, photos())


def test_fading_is_as_uneven_as_it_says():
    share = Fading(strength=0.5, black=1.0, white=1.0, uneven=0.2)(flat(0, 400, 32), Rng(0)).y
    assert float(share.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(share.std()) == pytest.approx(0.2 * 0.5, rel=0.1)
    assert float((share[..., 1:] - share[..., :-1]).abs().max()) < 0.01


def test_dyes_fade_by_their_share_of_density_and_paper_yellows():
    x = photos()
    y = Cast(cyan=0.5, magenta=0.2, yellow=0.0, paper=0.2, sepia=0.0)(x, Rng(0)).y
    for channel, (exponent, white) in enumerate(((0.5, 0.99), (0.8, 0.95), (1.0, 0.8))):
        assert torch.allclose(y[:, channel], white * x[:, channel] ** exponent)


def test_a_gray_image_is_the_gray_scan_of_what_a_colour_image_becomes():
    x = photos(channels=1)
    cast = Cast(cyan=0.5, paper=0.3, sepia=0.5)
    colour = cast(x.expand(-1, 3, -1, -1), Rng(0)).y
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert torch.allclose(cast(x, Rng(0)).y, (colour * weights).sum(1, keepdim=True), atol=1e-6)


def test_sepia_forgets_colours_and_is_brown():
    x = photos()
    toned = Cast(cyan=0.0, magenta=0.0, yellow=0.0, paper=0.0, sepia=1.0)(x, Rng(0)).y
    red, green, blue = toned.unbind(1)
    assert torch.allclose(green, (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1))
    assert bool(((red >= green) & (green >= blue)).all())


@pytest.mark.parametrize("softness", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("value", [0.1, 0.3, 0.5, 0.9])
def test_halftone_keeps_the_local_mean(value, softness):
    y = Halftone(period=5.3, softness=softness, strength=1.0)(flat(value, 16), Rng(0)).y
    assert float(y.mean()) == pytest.approx(value, abs=0.005)
    assert float(torch.nn.functional.avg_pool2d(y, 32).sub(value).abs().max()) < 0.05
    assert float(y.std()) > 0.15


@pytest.mark.parametrize("period", [4.0, 8.0])
def test_halftone_has_its_period_at_its_angle(period):
    y = Halftone(period=period, strength=1.0)(flat(0.5, 16, 128), Rng(0)).y[:, 0]
    power = torch.fft.fft2(y - y.mean()).abs().square().mean(0)
    rows, columns = (torch.fft.fftfreq(128)[i] for i in divmod(int(power.argmax()), 128))
    assert float(torch.hypot(rows, columns)) == pytest.approx(1 / period, abs=1 / 128)
    assert math.degrees(math.atan2(abs(rows), abs(columns))) == pytest.approx(45, abs=3)


@pytest.mark.parametrize(("value", "share"), [(0.5, 1.0), (0.0, FLOOR), (1.0, FLOOR)])
def test_grain_is_as_strong_as_it_says_and_strongest_in_middle_tones(value, share):
    y = Grain(strength=0.1, size=0.8)(flat(value, 16), Rng(0)).y
    assert float(y.std()) == pytest.approx(0.1 * math.sqrt(share), rel=0.03)


@pytest.mark.parametrize("size", [0.0, 0.7, 1.5])
def test_grain_clumps_as_it_says(size):
    grains = Grain(strength=0.1, size=size)(flat(0.5, 32), Rng(0)).y - 0.5
    for lag in (1, 2, 3):
        found = (grains[..., lag:] * grains[..., :-lag]).mean() / grains.square().mean()
        wanted = math.exp(-(lag**2) / (4 * size**2)) if size else 0.0
        assert float(found) == pytest.approx(wanted, abs=0.03)


def test_channels_share_what_grain_they_do_not_have_for_themselves():
    red, green, _ = (Grain(strength=0.1, colour=0.3)(flat(0.5, 16, channels=3), Rng(0)).y - 0.5).unbind(1)
    assert float((red * green).mean() / 0.1**2) == pytest.approx(0.7, abs=0.03)


def test_white_grain_has_the_joint_density_of_the_observed_channels():
    x = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1)
    grain = Grain(strength=0.1, size=0.0, colour=0.4)
    o = grain(x, Rng(0))
    deviation = 0.1 * (FLOOR + (1 - FLOOR) * 4 * x * (1 - x)).sqrt().flatten()
    covariance = (0.4 * torch.eye(3) + 0.6) * deviation[:, None] * deviation
    for channels in ([True, True, True], [True, False, True], [False, True, False]):
        some = torch.tensor(channels)
        part = dataclasses.replace(o, y=o.y * some.view(1, 3, 1, 1), observed=some.view(1, 3, 1, 1))
        normal = MultivariateNormal(x.flatten()[some], covariance[some][:, some])
        assert float(grain.log_prob(part, x)) == pytest.approx(float(normal.log_prob(o.y.flatten()[some])), abs=1e-4)


def test_a_density_is_not_claimed_where_there_is_none():
    x = photos()
    for grain in (Grain(), Grain(size=0.0, strength=0.0), Grain(size=0.0, colour=0.0)):
        assert grain.log_prob(grain(x, Rng(0)), x) is None


def test_the_mixture_uses_each_kind_at_its_chance():
    mixture, count = Vintage(strength=1.0), 800
    params = mixture(flat(0.5, count, 4), Rng(0)).params
    assert set(params) == set(vintage.KINDS)
    for kind, amount in params.items():
        chance = getattr(mixture, kind)
        found = float(amount.mean())
        assert found == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / count)), kind


def _alone(kind, **settings):
    return Vintage(**{name: float(name == kind) for name in vintage.KINDS}, **settings)


@pytest.mark.parametrize("kind", vintage.KINDS)
def test_a_mixture_of_one_kind_is_that_kind(kind):
    x, rng = photos(), Rng(4, tuple("abcd"))
    found = _alone(kind, strength=1.0)(x, rng)
    only = vintage.KINDS[kind](x, rng.fork(kind))
    assert torch.equal(found.y, only.y)
    assert torch.equal(found.observed, only.observed)
    assert found.sigma is None


@pytest.mark.parametrize("kind", vintage.KINDS)
def test_less_strength_changes_the_image_less_and_strength_0_not_at_all(kind):
    x, rng = photos(16, channels=3), Rng(4)
    weak, strong = ((_alone(kind, strength=s, known=False)(x, rng).y - x).square().mean() for s in (0.3, 1.0))
    assert float(weak) < float(strong)
    assert torch.equal(_alone(kind, strength=0.0)(x, rng).y, x)


def test_a_mixture_may_leave_all_marks_in_the_picture():
    x, rng = flat(0.5, 32), Rng(1)
    assert not bool(Vintage(strength=1.0)(x, rng).observed.all())
    assert bool(Vintage(strength=1.0, known=False)(x, rng).observed.all())


@pytest.mark.parametrize("corruption", [*MARKS, Creases(known=False), Vintage(strength=1.0, known=False)], ids=str)
def test_where_a_device_would_wait_all_pixels_are_painted_to_the_same_effect(corruption, monkeypatch):
    x, rng = photos(), Rng(1, tuple("abcd"))
    some = corruption(x, rng)
    for module in (lattice, vintage):
        monkeypatch.setattr(module, "chosen", lambda which: torch.arange(len(which)))
    every = corruption(x, rng)
    assert torch.allclose(some.y, every.y, atol=1e-6)
    assert torch.equal(some.observed, every.observed)


@pytest.mark.parametrize(
    "corruption", [Fading(), Cast(), Creases(known=True), Dust(known=False), Vintage(strength=1.0)], ids=str
)
def test_changed_values_are_unknown_even_without_noise(corruption):
    x = Rng(1).uniform("x", (2, 3, 64, 64), "cpu")
    observation = corruption(x, Rng(0))
    noiseless = dataclasses.replace(observation, sigma=torch.zeros(2, 1, 1, 1))
    kept = ~noiseless.unknown().expand_as(x)
    assert torch.equal(observation.y[kept], x[kept])
    assert not kept.any()
