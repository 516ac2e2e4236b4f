"""Checks of samplers: draws of p(x | y) from an untrained model, and refusals in a sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from restorekit.core.contracts import Corruption, LatentModel, Sampler
from restorekit.core.errors import UsageError
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.corruptions import Gaussian
from restorekit.models import CVAE, VAE
from restorekit.testing._assertions import (
    CLOSE,
    copied,
    described,
    difference,
    expect,
    global_randomness_untouched,
    name_of,
    names,
    only,
    perturb,
    promise,
    random_images,
    same_as_before,
    tensors,
)
from restorekit.testing._cases import OFFERED, TwoLevels, accepted, build, drawn, latent_model, observed


def check_sampler(sampler: type[Sampler] | Sampler) -> None:
    """Check everything that a sampler promises.

    Parameters
    ----------
    sampler : Sampler, or a class of them
        A class is made with its defaults.

    Raises
    ------
    AssertionError
        One sentence: what was expected, what was got, where to look.
    """
    for check in SAMPLER_CHECKS:
        check(sampler() if isinstance(sampler, type) else sampler)


@promise
def declares_itself(sampler: Sampler) -> None:
    """Expect a name and a docstring, and a number from `merit`."""
    described(sampler)
    merit = sampler.merit(latent_model())
    expect(isinstance(merit, int | float), f"{name_of(sampler)}.merit must give a number, got {merit!r}")


@promise
def refuses_in_a_sentence(sampler: Sampler) -> None:
    """Expect None or one sentence for every corruption, a sentence for a conditional model, and UsageError then."""
    pairs = [(latent_model(), cls()) for cls in registry.corruptions().values()]
    for latent, corruption in pairs:
        said = sampler.refuse(latent, corruption)
        expect(
            said is None or _sentence(said), f"{name_of(sampler)}.refuse must say None or one sentence, got {said!r}"
        )
        if said is not None:
            _raises(sampler, latent, corruption)
    said = sampler.refuse(build(CVAE, CVAE.Config(**CVAE.presets["small"])), Gaussian())
    expect(
        said is not None and _sentence(said), f"{name_of(sampler)}.refuse must refuse a conditional model, got {said!r}"
    )


def _raises(sampler: Sampler, model: LatentModel, corruption: Corruption) -> None:
    x = random_images(1, 1, 8, 8)
    try:
        sampler(model, corruption, corruption(x, Rng(0, names(1))), 1, Rng(0, names(1)))
    except UsageError:
        return
    raise AssertionError(
        f"{name_of(sampler)} refuses {corruption.name} and must raise UsageError when called with it all the same"
    )


@promise
def accepts_something(sampler: Sampler) -> None:
    """Expect noise or missing values to be accepted, or the other checks would have nothing to look at."""
    said = sampler.refuse(latent_model(), OFFERED[0])
    expect(
        bool(accepted(sampler)),
        f"{name_of(sampler)} must accept gaussian noise, missing values, or both, but says: {said}",
    )


@promise
def draws_in_the_shape_of_x(sampler: Sampler) -> None:
    """Expect finite draws, (S, B, C, H, W), and variances that are not negative."""
    for corruption in accepted(sampler):
        draws = drawn(sampler, corruption, observed(corruption), 3)
        for name, value in tensors(draws).items():
            who = f"{name_of(sampler)} with {corruption}: {name}"
            expect(value.shape == (3, 2, 1, 8, 12), f"{who} must be (3, 2, 1, 8, 12), got {tuple(value.shape)}")
            expect(value.dtype == torch.float32, f"{who} must be float32, got {value.dtype}")
            expect(bool(value.isfinite().all()), f"{who} must be finite, got NaN or infinity")
        for name, value in draws.diagnostics.items():
            sound = value.shape == (2,) and bool(value.isfinite().all())
            expect(
                sound,
                f"{name_of(sampler)}: diagnostics[{name!r}] must be (2,) finite numbers, got {value}",
            )
        positive = draws.variance is None or bool((draws.variance >= 0).all())
        expect(positive, f"{name_of(sampler)} with {corruption}: variance must not be negative")


@promise
def repeats_itself(sampler: Sampler) -> None:
    """Expect the same draws from the same noise, in one go or in portions, and global generators untouched."""
    for corruption in accepted(sampler):
        o = observed(corruption)
        before = copied(o)
        with global_randomness_untouched(name_of(sampler)):
            draws = drawn(sampler, corruption, o, 3)
        same_as_before(sampler, before, copied(o), "a call")
        found = difference(tensors(draws), tensors(drawn(sampler, corruption, o, 3)))
        expect(found is None, f"{name_of(sampler)} with {corruption} must repeat under the same Rng, but {found}")
        later = {k: v[1:] for k, v in tensors(draws).items()}
        found = difference(later, tensors(drawn(sampler, corruption, o, 2, first=1)), CLOSE)
        expect(
            found is None,
            f"{name_of(sampler)} with {corruption} must give the same draws in portions, but {found} under "
            "rng.after(1); draw from rng.expand(n)",
        )


@promise
def ignores_the_batch(sampler: Sampler) -> None:
    """Expect image i of a batch to get the draws that it gets alone."""
    for corruption in accepted(sampler):
        o = observed(corruption)
        second = {k: v[:, 1:] for k, v in tensors(drawn(sampler, corruption, o, 2)).items()}
        with torch.no_grad():
            alone = sampler(latent_model(), corruption, only(o, 1), 2, Rng(0, names(2)[1:]))
        found = difference(second, tensors(alone), CLOSE)
        expect(
            found is None, f"{name_of(sampler)} with {corruption} must treat an image alone as in a batch, but {found}"
        )


@promise
def keeps_what_is_exact(sampler: Sampler) -> None:
    """Expect values that were observed without noise to come back, with no variance."""
    for corruption in accepted(sampler):
        o = observed(corruption)
        known = ~o.unknown().expand_as(o.y)
        for draw in drawn(sampler, corruption, o, 2).mean:
            moved = float(torch.where(known, draw - o.y, 0.0).abs().max())
            expect(
                moved < CLOSE,
                f"{name_of(sampler)} with {corruption} must keep exact values, but moves them by {moved:.3g}",
            )


@promise
def listens_to_what_was_observed(sampler: Sampler) -> None:
    """Expect draws of p(x | y): another y must give others, where values are unknown too."""
    for corruption in accepted(sampler)[:1]:
        o = observed(corruption)
        other = dataclasses.replace(o, y=torch.where(o.observed, 1 - o.y, 0.0))
        first, second = (drawn(sampler, corruption, observation, 2).mean for observation in (o, other))
        change = float(torch.where(o.unknown(), first - second, 0.0).abs().max())
        expect(
            change > 0,
            f"{name_of(sampler)} with {corruption} must make draws of p(x | y), but where values are unknown they are "
            "the same for 1 - y as for y; use observation.y, or corruption.log_prob",
        )


@promise
def passes_labels_on(sampler: Sampler) -> None:
    """Expect the class of an image to reach the model's infer, prior or decode."""
    model = build(VAE, VAE.Config(hidden=(8, 8), latent=2, classes=2))
    perturb(model)
    for corruption in accepted(sampler)[:1]:
        o = observed(corruption)
        labelled = (dataclasses.replace(o, label=torch.full((2,), label)) for label in (0, 1))
        first, second = (drawn(sampler, corruption, one, 2, model=model).mean for one in labelled)
        expect(
            not torch.equal(first, second),
            f"{name_of(sampler)} with {corruption} must pass observation.label on to the model, but classes 0 and 1 "
            "get the same draws; give it to infer, prior and decode",
        )


@promise
def accepts_models_of_every_kind(sampler: Sampler) -> None:
    """Expect draws of colour, and of a model whose z is a tuple of levels; or a sentence that refuses them."""
    colour = VAE(VAE.Config(hidden=(8, 8), latent=2, channels=3))
    for model, channels in ((colour.eval(), 3), (TwoLevels(TwoLevels.Config()).eval(), 1)):
        perturb(model)
        said = {corruption: sampler.refuse(model, corruption) for corruption in OFFERED}
        expect(
            all(text is None or _sentence(text) for text in said.values()),
            f"{name_of(sampler)}.refuse must say None or one sentence of {name_of(model)}, got {list(said.values())!r}",
        )
        for corruption in [one for one, text in said.items() if text is None][:1]:
            found = drawn(sampler, corruption, observed(corruption, channels), 2, model=model).mean
            wanted = (2, 2, channels, 8, 12)
            expect(
                found.shape == wanted and bool(found.isfinite().all()),
                f"{name_of(sampler)} with {corruption} and {name_of(model)} must give finite draws of shape {wanted}, "
                f"got {tuple(found.shape)}; z may be a tuple, and images may have three channels",
            )


SAMPLER_CHECKS: tuple[Callable[[Sampler], None], ...] = (
    declares_itself,
    refuses_in_a_sentence,
    accepts_something,
    draws_in_the_shape_of_x,
    repeats_itself,
    ignores_the_batch,
    keeps_what_is_exact,
    listens_to_what_was_observed,
    passes_labels_on,
    accepts_models_of_every_kind,
)


def _sentence(text: str) -> bool:
    return isinstance(text, str) and len(text.split()) > 2 and "\n" not in text
