"""The check that a corruption draws its ranges for each image."""

from __future__ import annotations

import dataclasses
import typing

from restorekit.contracts import Corruption
from restorekit.noise import Noise
from restorekit.testing.facts import difference, expect, name_of, names, only, pictures, promise, tensors
from restorekit.types import Ranged


@promise
def draws_its_ranges_per_image(corruption: Corruption) -> None:
    """Expect a range (low, high) to act on each image as the one value that `draw` gives for it."""
    x, noise = pictures(3, 3, 8, 8), Noise(0, names(3))
    for key in ranged_fields(corruption):
        ranged = _with(corruption, key, some_range(corruption, key))
        values = ranged.draw(key, x, noise).flatten().tolist()
        expect(len(set(values)) > 1, f"{name_of(ranged)} must draw {key} for each image, got {values}")
        many = ranged(x, noise)
        for i, value in enumerate(values):
            alone = _with(ranged, key, value)(x, noise)
            found = difference(tensors(only(many, i)), tensors(only(alone, i)), 1e-6)
            expect(
                found is None,
                f"{name_of(ranged)} must treat image {i} as {key}={value:.6g}, which is what draw({key!r}, x, noise) "
                f"gives, but {found}; use self.draw({key!r}, x, noise) wherever {key} is needed",
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
