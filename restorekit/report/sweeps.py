"""Damages that differ in the strength of one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

_SETTING = re.compile(r"(\w+)=([^,+]+)")


class Sweep(NamedTuple):
    """Specs that differ in one number alone.

    key : str, what the number is of; form : str, the spec with a star in its place; strengths : of each spec.
    """

    key: str
    form: str
    strengths: Mapping[str, float]


def sweeps(specs: Iterable[str]) -> list[Sweep]:
    """Return every set of two or more specs that differ in one number alone."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for spec in specs:
        for match in _SETTING.finditer(spec):
            strength = _number(match[2])
            if strength is not None:
                form = f"{spec[: match.start(2)]}*{spec[match.end(2) :]}"
                found.setdefault((match[1], form), {})[spec] = strength
    return [Sweep(key, form, own) for (key, form), own in found.items() if len(own) > 1]


def _number(text: str) -> float | None:
    """Read a number or a fraction; None for words and ranges."""
    try:
        return float(Fraction(text.strip()))
    except (ValueError, ZeroDivisionError):
        return None
