"""Checks of corruptions: that densities, operators and sigma describe what the simulation does."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.testing._assertions import (
    CLOSE,
    ROUNDING,
    expect,
    name_of,
    names,
    observations,
    promise,
    random_images,
    unobserved,
)

SIGMAS = 5  # standard errors that a mean may lie off


@promise
def has_a_density_per_image(corruption: Corruption) -> None:
    """Expect log p(y | x) as (B,), finite at the truth, and 0 where nothing was observed; or None."""
    for x, o in observations(corruption):
        found = corruption.log_prob(o, x)
        if found is None:
            return
        who = f"{name_of(corruption)}.log_prob on x of shape {tuple(x.shape)}"
        expect(found.shape == (len(x),), f"{who} must be ({len(x)},), one number per image, got {tuple(found.shape)}")
        expect(bool(found.isfinite().all()), f"{who} must be finite at the x that y came from, got {found.tolist()}")
        nothing = corruption.log_prob(unobserved(o), x)
        empty = nothing is not None and bool((nothing == 0).all())
        expect(empty, f"{who} must count observed values only: 0 where there are none, got {nothing}")


@promise
def has_an_unbiased_score(corruption: Corruption) -> None:
    """Expect the mean over y of the gradient of log p(y | x) in x to be 0, where the corruption is `smooth`."""
    if not corruption.smooth:
        return
    x = random_images(1, 1, 8, 8).repeat(512, 1, 1, 1).requires_grad_()
    found = corruption.log_prob(corruption(x.detach(), Rng(0)), x)
    if found is None:
        return
    score = torch.autograd.grad(found.sum(), x)[0].double()
    mean, error = score.mean(0), score.std(0) / math.sqrt(len(score))
    worst = float((mean.abs() / error.clamp_min(1e-9)).max())
    expect(
        worst < SIGMAS,
        f"{name_of(corruption)}: the mean over draws of y of d log_prob / d x must be 0, but lies {worst:.1f} standard "
        "errors off; log_prob and __call__ do not describe the same distribution",
    )


@promise
def has_an_adjoint(corruption: Corruption) -> None:
    """Expect <A x, u> = <x, A' u> and A (2 x + v) = 2 A x + A v of the operator, where there is one."""
    for x, o in observations(corruption):
        operator = corruption.operator(o)
        if operator is None:
            return
        who = f"{name_of(corruption)}.operator on x of shape {tuple(x.shape)}"
        expect(
            isinstance(operator.halo, int) and operator.halo >= 0,
            f"{who}: halo must be an int >= 0, got {operator.halo}",
        )
        u, v = (Rng(0).normal(name, tuple(t.shape), "cpu") for name, t in (("u", o.y), ("v", x)))
        ax, back = operator.apply(x), operator.adjoint(u)
        expect(ax.shape == o.y.shape, f"{who}: apply must give y's shape {tuple(o.y.shape)}, got {tuple(ax.shape)}")
        expect(back.shape == x.shape, f"{who}: adjoint must give x's shape {tuple(x.shape)}, got {tuple(back.shape)}")
        left, right = float((ax * u).sum()), float((x * back).sum())
        scale = float(ax.norm() * u.norm()) + 1e-9
        expect(abs(left - right) < CLOSE * scale, f"{who}: <Ax, u> = {left:.6g} must equal <x, A'u> = {right:.6g}")
        distance = float((operator.apply(2 * x + v) - 2 * ax - operator.apply(v)).norm())
        expect(distance < CLOSE * scale, f"{who} must be linear, but A(2x + v) is {distance:.3g} away from 2Ax + Av")


@promise
def tells_its_noise(corruption: Corruption) -> None:
    """Expect y - Ax to have the standard deviation sigma if sigma is known: 0 means that y is x."""
    x = random_images(4, 3, 48, 48, 0.4, 0.6)  # far from the ends, which some corruptions clip at
    o = corruption(x, Rng(0, names(4)))
    operator = corruption.operator(o)
    clean = x if operator is None else operator.apply(x)
    if o.sigma is None or clean.shape != o.y.shape:
        return
    for i, sigma in enumerate(o.sigma.flatten().tolist()):
        left = (o.y - clean)[i][o.observed.expand_as(clean)[i]]
        if math.isnan(sigma) or not len(left):
            continue
        found = float(left.abs().max() if sigma == 0 else left.square().mean().sqrt())
        allowed = (0.05 + SIGMAS / math.sqrt(2 * len(left))) * sigma + ROUNDING + 1e-6
        expect(
            abs(found - sigma) <= allowed,
            f"{name_of(corruption)} says sigma = {sigma:.4g}, but observed values are {found:.4g} away from the clean "
            "ones; sigma = 0 promises that y is exact, None says that the noise is not Gaussian",
        )


DENSITY_CHECKS: tuple[Callable[[Corruption], None], ...] = (
    has_a_density_per_image,
    has_an_unbiased_score,
    has_an_adjoint,
    tells_its_noise,
)
