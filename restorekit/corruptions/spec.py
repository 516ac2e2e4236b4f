"""The text form of corruptions: ``NAME[:KEY=VALUE[,KEY=VALUE]]`` joined with ``+``."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping

from restorekit.core.config import ValueLimits, parse_value
from restorekit.core.contracts import Corruption
from restorekit.core.errors import SpecError, unknown
from restorekit.corruptions.chain import Chain

_PLUS = re.compile(r"(?<![\d.][eE])\+|\+(?!\d)")  # between parts; not that of a number such as 1e+3


def parse(text: str, known: Mapping[str, type[Corruption]]) -> Corruption:
    """Build the corruption that a spec describes.

    Parameters
    ----------
    text : str
        ``gaussian:sigma=25/255`` or ``gaussian:sigma=0..50/255+missing:rate=0.5..0.9``. A value is a
        number, a fraction A/B, a word, or a range LOW..HIGH drawn per image.
    known : mapping of str to Corruption classes
        The registry.

    Returns
    -------
    Corruption
        A single one, or a `Chain`.

    Raises
    ------
    SpecError
        One sentence: what was expected, what was got, what to do.
    """
    parts = [_part(piece.strip(), known) for piece in _PLUS.split(text)]
    return parts[0] if len(parts) == 1 else Chain(tuple(parts))


def expand(text: str) -> list[str]:
    """Split a spec with several values of one key into one spec for each value.

    ``gaussian:sigma=15/255,25/255`` gives two specs: a comma piece without ``=`` is a further value
    of the key before it. Values of several keys or parts give every combination.
    """
    specs = [""]
    for piece in _PLUS.split(text):
        name, _, body = piece.strip().partition(":")
        combinations = [f"{name}:" if body else name]
        for i, values in enumerate(_values(body)):
            comma = "," if i else ""
            combinations = [c + comma + v for c in combinations for v in values]
        specs = [f"{s}+{c}" if s else c for s in specs for c in combinations]
    return specs


def weighted(text: str) -> tuple[str, float]:
    """Split ``SPEC[@WEIGHT]`` into the spec and its weight (1 if absent)."""
    spec, at, weight = text.partition("@")
    value = parse_value("the weight after @", weight, float) if at else 1.0
    if value <= 0:
        raise SpecError(f"the weight after @ must be a finite number above 0, got {weight} in {text!r}")
    return spec, value


def _values(body: str) -> list[list[str]]:
    """Group comma pieces by key: ``a=1,2,b=3`` gives [["a=1", "a=2"], ["b=3"]]."""
    groups: list[list[str]] = []
    for piece in filter(None, body.split(",")):
        if "=" in piece:
            key, _, value = piece.partition("=")
            groups.append([f"{key.strip()}={value.strip()}"])
        elif groups:
            key = groups[-1][0].partition("=")[0]
            groups[-1].append(f"{key}={piece.strip()}")
        else:
            raise SpecError(
                f"expected KEY=VALUE after the colon, got {piece!r}; write for example gaussian:sigma=25/255"
            )
    return groups


def _part(text: str, known: Mapping[str, type[Corruption]]) -> Corruption:
    name, _, body = text.partition(":")
    name = name.strip()
    if name not in known:
        raise SpecError(unknown("corruption", name, known))
    cls = known[name]
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints, settings = typing.get_type_hints(cls), dict[str, object]()
    for values in _values(body):
        if len(values) > 1:
            raise SpecError(
                f"{name} takes one value of each key here, got {len(values)} in {text!r}; write a range as LOW..HIGH"
            )
        key, _, value = values[0].partition("=")
        if key in settings:
            raise SpecError(f"{key} appears twice in {text!r}; remove one")
        if key not in fields:
            raise SpecError(f"{cls.name}: {unknown('key', key, fields)}")
        settings[key] = parse_value(key, value, hints[key], ValueLimits.of(fields[key]))
    return cls(**settings)
