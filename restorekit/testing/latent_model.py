"""Checks of what a `LatentModel` promises beyond a model: q(z | x), p(z) and p(x | z)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from restorekit.core.contracts import LatentModel
from restorekit.core.distributions import Levelled, Tempered
from restorekit.core.rng import Rng
from restorekit.testing._assertions import CLOSE, ROUNDING, expect, name_of, names, perturb, promise, random_images

COUNT = 3
MANY = 64  # draws of one image


@promise
@torch.no_grad()
def infers_a_posterior(model: LatentModel) -> None:
    """Expect q(z | x) to draw latents, a tensor or a tuple of them, and to have a density per image."""
    q = model.infer(_images(model))
    z = q.sample(Rng(0, names(COUNT)))
    shapes = [tuple(level.shape) for level in _levels(z)]
    expect(
        [tuple(level.shape) for level in _levels(q.mean)] == shapes,
        f"{name_of(model)}.infer: mean and draws must have one shape",
    )
    _per_image(model, "infer(x).log_prob(z)", q.log_prob(z))
    again = q.sample(Rng(0, names(COUNT)))
    same = all(torch.equal(a, b) for a, b in zip(_levels(z), _levels(again), strict=True))
    expect(same, f"{name_of(model)}.infer(x).sample must repeat under the same Rng")


@promise
@torch.no_grad()
def has_a_prior(model: LatentModel) -> None:
    """Expect p(z) to draw latents like those of q, that the decoder accepts, and to have a density per image."""
    x = _images(model)
    z = model.prior().sample(COUNT, tuple(x.shape[1:]), Rng(0, names(COUNT)))
    like = [tuple(level.shape) for level in _levels(model.infer(x).mean)]
    shapes = [tuple(level.shape) for level in _levels(z)]
    expect(shapes == like, f"{name_of(model)}.prior: draws must have the shapes of q's latents, {like}, got {shapes}")
    _per_image(model, "prior().log_prob(z)", model.prior().log_prob(z))
    cold = model.prior().sample(COUNT, tuple(x.shape[1:]), Rng(0, names(COUNT)), 0.0)
    warm = [float((level - mean).abs().max()) for level, mean in zip(_levels(z), _levels(cold), strict=True)]
    expect(all(w > 0 for w in warm), f"{name_of(model)}.prior: draws must differ from those at temperature 0")


@promise
@torch.no_grad()
def has_a_density_per_level(model: LatentModel) -> None:
    """Expect log_probs of q(z | x) and p(z), where they have it, to be of each level and to add up to log_prob."""
    q, prior = model.infer(_images(model)), model.prior()
    expect(
        isinstance(q, Levelled) == isinstance(prior, Levelled),
        f"{name_of(model)}: q(z | x) and p(z) must both have log_probs, or neither, but only one has",
    )
    if not isinstance(q, Levelled) or not isinstance(prior, Levelled):
        return
    z = q.sample(Rng(0, names(COUNT)))
    for what, law in (("infer(x)", q), ("prior()", prior)):
        found, total = law.log_probs(z), law.log_prob(z)
        wanted = (
            f"{name_of(model)}.{what}.log_probs(z) must be a tuple with (B,) nats of each of {len(_levels(z))} levels"
        )
        expect(isinstance(found, tuple) and len(found) == len(_levels(z)), f"{wanted}, got {type(found).__name__}")
        for i, level in enumerate(found):
            _per_image(model, f"{what}.log_probs(z)[{i}]", level)
        distance = float((sum(found) - total).abs().max())
        close = distance <= CLOSE * (1 + float(total.abs().max()))
        expect(close, f"{wanted} that add up to log_prob(z), but they differ by {distance:.3g}")
    shape = (model.geometry.channels[0], *_images(model).shape[2:])
    _cools_each_level(model, "infer(x)", lambda t: q.sample(Rng(0, names(COUNT)), t))
    _cools_each_level(model, "prior()", lambda t: prior.sample(COUNT, shape, Rng(0, names(COUNT)), t))


def _cools_each_level(model: LatentModel, what: str, draw: Callable[[Any], Any]) -> None:
    """Expect draws with the last level at temperature 0 to have the other levels as they are without."""
    warm = _levels(draw(1.0))
    try:
        mixed = _levels(draw((1.0,) * (len(warm) - 1) + (0.0,)))
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"{name_of(model)}.{what}.sample must take a temperature for each of its {len(warm)} levels, got "
            f"{type(error).__name__}: {error}; use restorekit.core.distributions.each"
        ) from error
    same = all(torch.equal(a, b) for a, b in zip(warm[:-1], mixed[:-1], strict=True))
    expect(
        same and not torch.equal(warm[-1], mixed[-1]),
        f"{name_of(model)}.{what}.sample with a temperature of 0 for the last level must change that level alone",
    )


@promise
@torch.no_grad()
def tempers_its_posterior(model: LatentModel) -> None:
    """Expect tempered(...) of q(z | x), where it has it, to be q's mean at temperature 1, and finite under it."""
    q = model.infer(_images(model))
    if not isinstance(q, Tempered):
        return
    mean = _levels(q.mean)
    same, cold = (_levels(q.tempered((t,) * len(mean))) for t in (1.0, 0.5))
    what = f"{name_of(model)}.infer(x).tempered(temperatures)"
    shapes = [tuple(level.shape) for level in mean]
    for found in (same, cold):
        got = [tuple(level.shape) for level in found]
        expect(got == shapes, f"{what} must have the shapes of q's mean, {shapes}, got {got}")
    distance = max(float((a - b).abs().max()) for a, b in zip(same, mean, strict=True))
    expect(distance <= CLOSE, f"{what} must be q's mean where all are 1, but it is {distance:.3g} off")
    expect(all(bool(level.isfinite().all()) for level in cold), f"{what} must be finite, got NaN or infinity")


@promise
@torch.no_grad()
def decodes_to_a_likelihood(model: LatentModel) -> None:
    """Expect p(x | z) with mean, variance and draws in x's shape, and a density per image of the observed values."""
    perturb(model)
    x = _images(model)
    likelihood = model.decode(model.infer(x).mean)
    drawn = likelihood.sample(Rng(0, names(COUNT)))
    for name, value in {"mean": likelihood.mean, "variance": likelihood.variance, "sample": drawn}.items():
        expect(
            value.shape == x.shape,
            f"{name_of(model)}.decode(z).{name} must be {tuple(x.shape)}, got {tuple(value.shape)}",
        )
        expect(bool(value.isfinite().all()), f"{name_of(model)}.decode(z).{name} must be finite, got NaN or infinity")
    expect(bool((likelihood.variance >= 0).all()), f"{name_of(model)}.decode(z).variance must not be negative")
    everything = torch.ones_like(x[:, :1], dtype=torch.bool)
    total = likelihood.log_prob(x, everything)
    _per_image(model, "decode(z).log_prob(x)", total)
    left, right = torch.arange(x.shape[3]) < x.shape[3] // 2, torch.arange(x.shape[3]) >= x.shape[3] // 2
    halves = likelihood.log_prob(x, everything & left) + likelihood.log_prob(x, everything & right)
    distance = float((halves - total).abs().max())
    expect(
        distance <= CLOSE * (1 + float(total.abs().max())) and torch.equal(total, likelihood.log_prob(x)),
        f"{name_of(model)}.decode(z).log_prob(x, observed) must sum over the observed values: the sum of "
        f"the left and the right half must be the total, but they differ by {distance:.3g}",
    )


@promise
@torch.no_grad()
def ignores_what_was_not_observed(model: LatentModel) -> None:
    """Expect q(z | x, observed) not to change with values that were not observed."""
    perturb(model)
    x = _images(model)
    observed = Rng(0).uniform("observed", (COUNT, 1, *x.shape[2:]), "cpu") < 0.5
    first, second = (model.infer(torch.where(observed, x, hidden), observed).mean for hidden in (0.0, 1.0))
    distance = max(float((a - b).abs().max()) for a, b in zip(_levels(first), _levels(second), strict=True))
    expect(
        distance < CLOSE,
        f"{name_of(model)}.infer(x, observed) must ignore values not observed, but q's mean moves by {distance:.3g}",
    )


@promise
@torch.no_grad()
def draws_as_its_moments_say(model: LatentModel) -> None:
    """Expect draws of p(x | z) to have the mean and the variance that it declares."""
    perturb(model)
    z = model.infer(_images(model)[:1]).mean
    many = tuple(level.expand(MANY, *level.shape[1:]) for level in _levels(z))
    likelihood = model.decode(many if isinstance(z, tuple) else many[0])
    drawn, mean, variance = likelihood.sample(Rng(0)), likelihood.mean[0], likelihood.variance[0]
    spread = float(variance.mean().sqrt())
    distance = float((drawn.mean(0) - mean).square().mean().sqrt())
    expect(
        distance <= 0.5 * spread + ROUNDING,
        f"{name_of(model)}.decode(z).mean must be that of draws, but that of {MANY} of them, of standard deviation "
        f"{spread:.3g}, lies {distance:.3g} away; look at mean and sample of the likelihood",
    )
    declared, found = float(variance.mean()), float(drawn.var(0).mean())
    expect(
        0.25 * declared - ROUNDING**2 <= found <= 2 * declared + ROUNDING**2,  # less where a law's tails are cut off
        f"{name_of(model)}.decode(z).variance must be that of draws, got {declared:.3g} on average, and {found:.3g} of "
        f"{MANY} draws; look at variance and sample of the likelihood",
    )


LATENT_CHECKS: tuple[Callable[[Any], None], ...] = (
    infers_a_posterior,
    has_a_prior,
    has_a_density_per_level,
    tempers_its_posterior,
    decodes_to_a_likelihood,
    draws_as_its_moments_say,
    ignores_what_was_not_observed,
)


def _images(model: LatentModel) -> Tensor:
    multiple = model.geometry.multiple
    height, width = model.geometry.size or (2 * multiple, 3 * multiple)
    return random_images(COUNT, model.geometry.channels[0], height, width)


def _levels(z: Any) -> tuple[Tensor, ...]:
    return z if isinstance(z, tuple) else (z,)


def _per_image(model: LatentModel, what: str, found: Tensor) -> None:
    sound = found.shape == (COUNT,) and bool(found.isfinite().all())
    expect(sound, f"{name_of(model)}.{what} must be ({COUNT},) finite nats, got {tuple(found.shape)}: {found.tolist()}")
