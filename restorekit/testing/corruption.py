"""The check that a corruption draws its ranges for each image.

Checks of corruptions: that an observation is what it says it is.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable

import torch

from restorekit.core.contracts import Corruption, parts_of
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import Ranged, shape_of
from restorekit.corruptions.spec import parse
from restorekit.testing._assertions import (
    described,
    difference,
    expect,
    global_randomness_untouched,
    name_of,
    names,
    observations,
    only,
    promise,
    random_images,
    tensors,
    unobserved,
)
from restorekit.testing._fake_device import works_on_a_gpu
from restorekit.testing.density import DENSITY_CHECKS
from restorekit.testing.traits import TRAIT_CHECKS


@promise
def draws_its_ranges_per_image(corruption: Corruption) -> None:
    """Expect a range (low, high) to act on each image as the one value that `draw` gives for it."""
    x, rng = random_images(3, 3, 8, 8), Rng(0, names(3))
    for key in ranged_fields(corruption):
        ranged = _with(corruption, key, some_range(corruption, key))
        values = ranged.draw(key, x, rng).flatten().tolist()
        expect(len(set(values)) > 1, f"{name_of(ranged)} must draw {key} for each image, got {values}")
        many = ranged(x, rng)
        for i, value in enumerate(values):
            alone = _with(ranged, key, value)(x, rng)
            found = difference(tensors(only(many, i)), tensors(only(alone, i)), 1e-6)
            expect(
                found is None,
                f"{name_of(ranged)} must treat image {i} as {key}={value:.6g}, which is what draw({key!r}, x, rng) "
                f"gives, but {found}; use self.draw({key!r}, x, rng) wherever {key} is needed",
            )


def ranged_fields(corruption: Corruption) -> list[str]:
    """Return the names of the fields that are a value or a range."""
    hints = typing.get_type_hints(type(corruption))
    return [f.name for f in dataclasses.fields(corruption) if hints[f.name] == Ranged]  # type: ignore[arg-type]


def some_range(corruption: Corruption, key: str) -> tuple[float, float]:
    """Return the field's own range, or one that reaches from half its value to it."""
    value = getattr(corruption, key)
    if isinstance(value, tuple):
        return value[0], value[1]
    meta = next(f.metadata for f in dataclasses.fields(corruption) if f.name == key)  # type: ignore[arg-type]
    low, high = sorted((value / 2, value)) if value else (0.0, min(1.0, meta.get("high", 1.0)))
    return max(low, meta.get("low", low)), high


def _with(corruption: Corruption, key: str, value: object) -> Corruption:
    changed: Corruption = dataclasses.replace(corruption, **{key: value})  # type: ignore[type-var]
    return changed


FARTHEST = 3.0  # of the scale [0, 1]: half of what is observed lies nearer, however noisy


def check_corruption(corruption: Corruption) -> None:
    """Check everything that a corruption promises.

    Parameters
    ----------
    corruption : Corruption
        An instance; check one with ranges and one without.

    Raises
    ------
    AssertionError
        One sentence: what was expected, what was got, where to look.
    """
    for check in CORRUPTION_CHECKS:
        check(corruption)


@promise
def is_a_frozen_dataclass(corruption: Corruption) -> None:
    """Expect a frozen dataclass with a name and a docstring, so that it can be compared, listed and read again."""
    params = getattr(corruption, "__dataclass_params__", None)
    expect(
        params is not None and params.frozen, f"{name_of(corruption)} must be decorated with @dataclass(frozen=True)"
    )
    described(corruption)
    try:
        hash(corruption)
    except TypeError as error:
        raise AssertionError(
            f"{name_of(corruption)} must have fields that can be hashed, got {error}; make lists tuples"
        ) from error


@promise
def has_shapes_and_types(corruption: Corruption) -> None:
    """Expect the shapes, types and device that `Observation` promises, for odd sizes, gray and colour."""
    for x, o in observations(corruption):
        who, b = f"{name_of(corruption)} on x of shape {tuple(x.shape)}", len(x)
        expect(o.y.dim() == 4 and len(o.y) == b, f"{who}: y must be ({b}, C, H, W), got {tuple(o.y.shape)}")
        expect(o.y.dtype == torch.float32, f"{who}: y must be float32, got {o.y.dtype}")
        fits = o.observed.dim() == 4 and o.observed.shape[1] in (1, o.y.shape[1])
        fits = fits and (len(o.observed), *o.observed.shape[2:]) == (b, *o.y.shape[2:])
        expect(
            fits, f"{who}: observed must be (B, 1 or C, H, W) of y {tuple(o.y.shape)}, got {tuple(o.observed.shape)}"
        )
        expect(o.observed.dtype == torch.bool, f"{who}: observed must be bool, got {o.observed.dtype}")
        sigma = None if o.sigma is None else tuple(o.sigma.shape)
        expect(sigma in (None, (b, 1, 1, 1)), f"{who}: sigma must be ({b}, 1, 1, 1) or None, got shape {sigma}")
        expect(
            o.shape == tuple(x.shape[1:]), f"{who}: shape must be that of one x, {tuple(x.shape[1:])}, got {o.shape}"
        )
        short = [k for k, v in o.params.items() if v.dim() == 0 or len(v) != b]
        expect(not short, f"{who}: params must have a value per image, (B, ...), but {short} have not")
        away = [k for k, v in tensors(o).items() if v.device != x.device]
        expect(not away, f"{who}: everything must stay on x's device {x.device}, but {away} do not")


@promise
def is_finite(corruption: Corruption) -> None:
    """Expect finite values, and sigma at or above 0, or NaN for unknown."""
    for x, o in observations(corruption):
        who = f"{name_of(corruption)} on x of shape {tuple(x.shape)}"
        expect(bool(o.y.isfinite().all()), f"{who}: y must be finite, got NaN or infinity")
        sound = o.sigma is None or not bool((o.sigma < 0).any() | o.sigma.isinf().any())
        expect(sound, f"{who}: sigma must be 0 or more, got {None if o.sigma is None else o.sigma.flatten().tolist()}")


@promise
def stays_on_the_scale_of_x(corruption: Corruption) -> None:
    """Expect y on the scale of x, [0, 1] but for noise: neither 0 to 255 nor anything else."""
    for x, o in observations(corruption):
        usual = float(torch.where(o.observed, o.y, 0.0).abs().median())
        expect(
            usual <= FARTHEST,
            f"{name_of(corruption)} on x of shape {tuple(x.shape)}: y must be on the scale of x, [0, 1] but for noise, "
            f"but half of it is over {usual:.3g}; divide by what files' numbers span",
        )


@promise
def is_zero_where_missing(corruption: Corruption) -> None:
    """Expect y to be 0 wherever no value was observed."""
    for x, o in observations(corruption):
        left = torch.where(o.observed, 0.0, o.y).abs().max()
        expect(
            float(left) == 0,
            f"{name_of(corruption)} on x of shape {tuple(x.shape)}: y must be 0 where observed is False, "
            f"got {float(left):.3g}; multiply y by observed",
        )


@promise
def leaves_its_input_alone(corruption: Corruption) -> None:
    """Expect x to be afterwards what it was."""
    x = random_images(2, 3, 7, 5)
    before = x.clone()
    corruption(x, Rng(0, names(2)))
    expect(torch.equal(x, before), f"{name_of(corruption)} must not change x in place; look for methods that end in _")


@promise
def leaves_global_randomness_alone(corruption: Corruption) -> None:
    """Expect randomness to come from the Rng that is passed."""
    with global_randomness_untouched(name_of(corruption)):
        corruption(random_images(2, 3, 7, 5), Rng(0, names(2)))


@promise
def repeats_itself(corruption: Corruption) -> None:
    """Expect the same observation from the same image and noise, with keys and without."""
    x = random_images(2, 3, 7, 5)
    for noise in (Rng(0, names(2)), Rng(0)):
        found = difference(tensors(corruption(x, noise)), tensors(corruption(x, noise)))
        expect(
            found is None, f"{name_of(corruption)} must give the same from the same Rng, but {found} on a second call"
        )


@promise
def ignores_the_batch(corruption: Corruption) -> None:
    """Expect image i of a batch to be what it is alone: each key has a stream of its own."""
    for x, together in observations(corruption):
        alone = corruption(x[1:], Rng(0, names(2)[1:]))
        found = difference(tensors(only(together, 1)), tensors(alone), 1e-6)
        expect(
            found is None,
            f"{name_of(corruption)} must give an image the same alone and in a batch, but {found} for x of shape "
            f"{tuple(x.shape)}; draw with the batch as first axis and reduce over the others only",
        )


@promise
def comes_back_from_its_spec(corruption: Corruption) -> None:
    """Expect `parse(str(corruption))` to be equal to the corruption."""
    own = {type(part).name: type(part) for part in parts_of(corruption)}
    back = parse(str(corruption), {**registry.corruptions(), **own})
    expect(
        back == corruption,
        f"{name_of(corruption)} must be equal to what its spec {str(corruption)!r} gives, got {back!r} for "
        f"{corruption!r}; look at __str__ and the types of its fields",
    )


@promise
def estimates_in_the_shape_of_x(corruption: Corruption) -> None:
    """Expect a finite initial estimate in x's shape, even if nothing was observed."""
    for x, o in observations(corruption):
        for observation, what in ((o, "some"), (unobserved(o), "no")):
            initial = corruption.initial_estimate(observation)
            who = f"{name_of(corruption)}.initial_estimate with {what} values observed"
            expect(initial.shape == x.shape, f"{who} must have x's shape {tuple(x.shape)}, got {tuple(initial.shape)}")
            expect(bool(initial.isfinite().all()), f"{who} must be finite, got NaN or infinity")


@promise
def knows_the_shape_of_x(corruption: Corruption) -> None:
    """Expect an image of `clean_shape` to be observed in the shape that was asked about, so that files are restored."""
    for x, o in observations(corruption):
        shape, channels = shape_of(o.y), x.shape[1]
        clean = corruption.clean_shape(shape, channels)
        made = shape_of(corruption(random_images(2, *clean), Rng(0, names(2))).y)
        expect(
            clean[0] == channels and made == shape,
            f"{name_of(corruption)}.clean_shape says that {shape} was observed of an image of {clean}, but one of "
            f"{channels} channels is wanted, and such an image gives {made}; look at clean_shape",
        )


@promise
def only_hides(corruption: Corruption) -> None:
    """Expect a corruption with `hides` to leave observed values as they are, and to say so by sigma = 0."""
    if not corruption.hides:
        return
    for x, o in observations(corruption):
        same = o.y.shape == x.shape and torch.equal(o.y, torch.where(o.observed, x, 0.0))
        expect(same, f"{name_of(corruption)} has hides = True, so y must be x where observed; set hides = False")
        exact = o.sigma is not None and bool((o.sigma == 0).all())
        expect(exact, f"{name_of(corruption)} has hides = True, so sigma must be 0, got {o.sigma}")


CORRUPTION_CHECKS: tuple[Callable[[Corruption], None], ...] = (
    is_a_frozen_dataclass,
    has_shapes_and_types,
    is_finite,
    stays_on_the_scale_of_x,
    works_on_a_gpu,
    is_zero_where_missing,
    leaves_its_input_alone,
    leaves_global_randomness_alone,
    repeats_itself,
    ignores_the_batch,
    draws_its_ranges_per_image,
    comes_back_from_its_spec,
    estimates_in_the_shape_of_x,
    knows_the_shape_of_x,
    only_hides,
    *DENSITY_CHECKS,
    *TRAIT_CHECKS,
)
