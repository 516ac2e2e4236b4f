"""Checks of corruptions: that declared traits describe what the simulation does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import AFFINE_LAWS, NoiseLaw, Observation
from restorekit.testing._assertions import (
    CLOSE,
    ROUNDING,
    difference,
    expect,
    name_of,
    names,
    observations,
    promise,
    random_images,
)

SIGMAS = 6  # standard errors that a statistic may lie off: some dozens are tested
LEVELS = (0.3, 0.5, 0.7)  # of flat images, far from the ends that some corruptions clip at
SIDE, COUNT = 32, 16  # of these images: pixels, images a level
WHITE_LAWS: tuple[NoiseLaw, ...] = ("gaussian", "poisson", "poisson-gaussian", "speckle", "other")


@promise
def declares_known_traits(corruption: Corruption) -> None:
    """Expect a `noise_law` of the list, and True or False for every other trait."""
    who, traits = name_of(corruption), corruption.traits
    known = (None, *get_args(NoiseLaw))
    expect(traits.noise_law in known, f"{who}.noise_law must be one of {known}, got {traits.noise_law!r}")
    strange = {k: v for k, v in traits._asdict().items() if k != "noise_law" and not isinstance(v, bool)}
    expect(not strange, f"{who} must declare these traits as True or False, got {strange}")


@promise
def has_the_noise_law_it_declares(corruption: Corruption) -> None:
    """Expect y to be x plus noise of the declared `noise_law`, everything observed and nothing else done."""
    fixed = corruption.settled(Rng(0, names(1)))
    law = fixed.noise_law
    if law is None:
        return
    who = f"{name_of(corruption)} declares noise_law = {law!r}, so"
    x = torch.tensor(LEVELS).repeat_interleave(COUNT).view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE).contiguous()
    o = fixed(x, Rng(0, names(len(x))))
    unchanged = o.y.shape == x.shape and bool(o.observed.all()) and o.direct
    expect(unchanged, f"{who} y must have x's shape, be observed everywhere, and be direct; use None otherwise")
    if law == "none":
        expect(torch.equal(o.y, x), f"{who} y must be x, but lies up to {float((o.y - x).abs().max()):.3g} away")
    elif law == "impulse":
        left = float(((o.y != x) & (o.y != 0) & (o.y != 1)).float().mean())
        expect(left == 0, f"{who} each y must be 0, 1 or x, but {left:.1%} are none of these")
    elif law == "rounding":
        twice = fixed(o.y, Rng(0, names(len(x)))).y
        expect(torch.allclose(twice, o.y, atol=CLOSE), f"{who} rounding y again must not change it, but it does")
    else:
        means = (o.y - x).double().mean((1, 2, 3)).view(len(LEVELS), COUNT)
        off = means.mean(1).abs() / (means.std(1) / math.sqrt(COUNT)).clamp_min(1e-9)
        for level, found in zip(LEVELS, off.tolist(), strict=True):
            expect(found < SIGMAS, f"{who} the mean of y - x must be 0, but at x = {level} lies {found:.1f} errors off")
    if law in WHITE_LAWS and not bool((o.y == x).all()):
        _is_white(who, o.y - x)
        _has_the_moments(who, law, o, x)


def _is_white(who: str, noise: Tensor) -> None:
    """Expect no correlation between a value and its neighbours, or other channels."""
    unit = noise.double() / noise.double().square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
    pairs = {
        "to the right": unit[..., 1:] * unit[..., :-1],
        "below": unit[..., 1:, :] * unit[..., :-1, :],
        "of the next channel": unit[:, 1:] * unit[:, :-1],
    }
    for where, products in pairs.items():
        found = float(products.mean())
        allowed = SIGMAS * float(products.std()) / math.sqrt(products.numel())
        expect(
            abs(found) < allowed,
            f"{who} its noise must be white, but a value and the one {where} have a correlation of {found:.3f}; "
            'declare "correlated"',
        )


def _has_the_moments(who: str, law: NoiseLaw, o: Observation, x: Tensor) -> None:
    """Expect the variance to depend on x as the law says, and Gaussian noise to be Gaussian, of the level sigma."""
    noise = (o.y - x).double().view(len(LEVELS), -1)
    squares = noise.square()
    variance, error = squares.mean(1), squares.std(1) / math.sqrt(squares.shape[1])
    low, middle, high = variance.tolist()
    if law == "gaussian":
        known = o.sigma is not None and bool((o.sigma > 0).all())
        expect(known, f"{who} sigma must be its level, got {None if o.sigma is None else o.sigma.flatten().tolist()}")
        assert o.sigma is not None
        unit = (noise / o.sigma.double().expand(x.shape).reshape(len(LEVELS), -1)).flatten()
        for power, wanted, spread in ((2, 1, 2), (4, 3, 96)):  # moments of a standard normal, and their variances
            found, allowed = float((unit**power).mean()), SIGMAS * math.sqrt(spread / len(unit))
            expect(
                abs(found - wanted) < allowed,
                f"{who} ((y - x) / sigma)^{power} must have the mean {wanted}, got {found:.3f}; return sigma, or "
                'declare "other"',
            )
    elif law in AFFINE_LAWS:
        bend = abs(middle - (low + high) / 2) / float((error.square() * error.new_tensor([0.25, 1, 0.25])).sum().sqrt())
        expect(
            bend < SIGMAS and high >= low - SIGMAS * float(error.norm()),
            f"{who} the variance of y - x must be a + b x, got {low:.3g}, {middle:.3g}, {high:.3g} at x = {LEVELS}",
        )
    elif law == "speckle":
        levels = error.new_tensor(LEVELS)
        relative, off = variance / levels**2, error / levels**2
        deviation = float((relative.max() - relative.min()) / off.norm())
        expect(deviation < SIGMAS, f"{who} the variance of y / x must not depend on x, got {relative.tolist()}")


@promise
def loses_scattered_values(corruption: Corruption) -> None:
    """Expect the values that a corruption with `scattered` takes out to lie singly, not in lines or areas."""
    fixed = corruption.settled(Rng(0, names(1)))
    if not fixed.scattered:
        return
    lost = (~fixed(random_images(8, 1, 64, 64), Rng(0, names(8))).observed).double()
    centred = lost - lost.mean((2, 3), keepdim=True)
    for products in (centred[..., 1:] * centred[..., :-1], centred[..., 1:, :] * centred[..., :-1, :]):
        error = float(products.std()) / math.sqrt(products.numel())
        expect(
            abs(float(products.mean())) <= SIGMAS * error,
            f"{name_of(corruption)} has scattered = True, so missing values must lie singly, but neighbours go missing "
            f"together, with a covariance of {float(products.mean()):.3g}; set scattered = False",
        )


@promise
def resizes_as_declared(corruption: Corruption) -> None:
    """Expect y to have another height or width than x if, and only if, `resizes` is declared."""
    changed = [tuple(x.shape[2:]) for x, o in observations(corruption) if o.y.shape[2:] != x.shape[2:]]
    who = f"{name_of(corruption)} has resizes = {corruption.resizes}, so"
    if corruption.resizes:
        expect(bool(changed), f"{who} y must have another size than x, but always has the same; set resizes = False")
    else:
        expect(not changed, f"{who} y must have the size of x, but differs for x of {changed}; set resizes = True")


@promise
def is_as_linear_as_declared(corruption: Corruption) -> None:
    """Expect a corruption that is `linear` to have an operator, and y to be what that makes of x, without noise."""
    if not corruption.linear:
        return
    who = f"{name_of(corruption)} has linear = True (it overrides operator), so"
    for x, o in observations(corruption):
        operator = corruption.operator(o)
        expect(operator is not None, f"{who} operator must return a map, got None; set linear = False")
        assert operator is not None
        distance = float(torch.where(o.observed, o.y - operator.apply(x), 0.0).abs().max())
        expect(
            distance <= ROUNDING,
            f"{who} y must be what its operator makes of x, but lies {distance:.3g} away; add noise in a chain",
        )


@promise
def states_its_noise_level(corruption: Corruption) -> None:
    """Expect `noise_level` to be the sigma of every observation, and to be known for Gaussian noise of one level."""
    for stated in (corruption, corruption.settled(Rng(0, names(1)))):
        level, who = stated.noise_level(2), f"{name_of(corruption)}.noise_level"
        if level is None:
            owed = stated is not corruption and (stated.hides or stated.noise_law in ("none", "gaussian"))
            expect(not owed, f"{who} must return the level of {stated}, got None; override it")
            continue
        expect(level.shape == (2, 1, 1, 1), f"{who}(2) must have the shape (2, 1, 1, 1), got {tuple(level.shape)}")
        for _, o in observations(stated):
            sigma = o.sigma if o.sigma is None else o.sigma.flatten().tolist()
            expect(
                o.sigma is not None and torch.allclose(o.sigma, level, atol=1e-6),
                f"{who} must be the sigma of every observation, got {level.flatten().tolist()} where a call gives "
                f"{sigma}; return None where it varies or is unknown",
            )


@promise
def states_its_params(corruption: Corruption) -> None:
    """Expect `fixed_params` to serve `log_prob`, `operator` and `initial_estimate` as the params of a call do."""
    fixed = corruption.settled(Rng(0, names(1)))
    for x, o in observations(fixed):
        stated = dataclasses.replace(o, params=fixed.fixed_params(len(x)))
        found = difference(_read(fixed, o, x), _read(fixed, stated, x), 1e-6)
        expect(
            found is None,
            f"{name_of(corruption)}.fixed_params must be what a call puts into params, got {sorted(stated.params)} for "
            f"{sorted(o.params)}, but with them {found}; override it",
        )


def _read(corruption: Corruption, o: Observation, x: Tensor) -> dict[str, Tensor]:
    """Return what depends on the params of an observation."""
    density, operator = corruption.log_prob(o, x), corruption.operator(o)
    found = {"initial_estimate": corruption.initial_estimate(o)}
    found |= {} if density is None else {"log_prob": density}
    return found | ({} if operator is None else {"operator": operator.apply(x)})


TRAIT_CHECKS: tuple[Callable[[Corruption], None], ...] = (
    declares_known_traits,
    has_the_noise_law_it_declares,
    loses_scattered_values,
    resizes_as_declared,
    is_as_linear_as_declared,
    states_its_noise_level,
    states_its_params,
)
