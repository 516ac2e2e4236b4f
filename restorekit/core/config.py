"""Frozen dataclasses made from ``--set key=value`` texts and from JSON.

Values as people type them in specs and after ``--set``.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from restorekit.core.errors import SpecError, UsageError, unknown
from restorekit.core.types import Ranged

T = TypeVar("T")


def read(cls: type, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read texts by the types of the fields that they name.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are int, float, bool, str, or tuples of int or float. A field's metadata may hold
        ``choices``, or ``low`` and ``high``: limits of the number, or of each number of a tuple.
    texts : mapping of str to str
        ``{"width": "64", "widths": "32,64,128", "augment": "no"}``.

    Raises
    ------
    SpecError
        For an unknown key, or a text that does not fit its field.
    """
    hints = _hints(cls, texts)
    values = {key: _read(text, hints[key], key) for key, text in texts.items()}
    for f in dataclasses.fields(cls):
        if f.name in texts:
            _check(f, values[f.name], texts[f.name])
    return values


def _check(field: dataclasses.Field[Any], value: Any, text: str) -> None:
    """Hold a value, and each number of a tuple, to the choices or limits in its field's metadata."""
    choices, low, high = (field.metadata.get(k) for k in ("choices", "low", "high"))
    if choices is not None and value not in choices:
        raise SpecError(f"{field.name} takes one of {', '.join(choices)}, got {text!r}")
    for number in value if isinstance(value, tuple) else (value,):
        if (low is not None and number < low) or (high is not None and number > high):
            least, most = (f"{end:g}" if end is not None else "any" for end in (low, high))
            kind = "numbers" if isinstance(value, tuple) else "a number"
            raise SpecError(f"{field.name} takes {kind} from {least} to {most}, got {text!r}")


def from_json(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build `cls` from parsed JSON, lists becoming tuples; an unknown key is an error."""
    _hints(cls, values)
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def _hints(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    known = [f.name for f in dataclasses.fields(cls)]
    for key in given:
        if key not in known:
            raise SpecError(unknown(f"setting of {cls.__name__}", key, known))
    return typing.get_type_hints(cls)


def _read(text: str, hint: Any, key: str) -> Any:
    try:
        return parse_value(text, hint)
    except (ValueError, ZeroDivisionError):
        raise SpecError(f"{key} takes {taken(hint)}, got {text!r}") from None


_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "yes or no",
    str: "a word",
    Ranged: "a number or a range LOW..HIGH",
    tuple[int, ...]: "whole numbers with commas, such as 32,64,128",
    tuple[float, ...]: "numbers with commas, such as 0.5,1",
}


def taken(hint: Any) -> str:
    """Say in a user's words what a field of this type takes."""
    return _KINDS.get(hint, str(hint))


_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def parse_value(text: str, hint: Any) -> Any:
    """Parse the text of a value of type int, float, bool, str, or a tuple of these; a float may be a fraction A/B.

    Raises
    ------
    ValueError, ZeroDivisionError
        The text is no such value, or no finite number.
    """
    if typing.get_origin(hint) is tuple:
        return tuple(parse_value(piece, typing.get_args(hint)[0]) for piece in text.split(",") if piece)
    if hint is bool:
        if text.lower() not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text.lower()]
    if hint is float:
        above, slash, below = text.partition("/")
        value = float(above) / float(below) if slash else float(above)
        if not math.isfinite(value):
            raise ValueError(text)
        return value
    return hint(text)


def checked_sigma(value: float, told: str) -> float:
    """Return a noise level on [0, 1]; UsageError for any other number, which is shown as it was `told`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"sigma is a number on the [0, 1] scale, such as 25 / 255, got {value!r}") from None
    if 0 <= number <= 1:
        return number
    hint = f"did you mean {told}/255?" if 1 < number <= 255 else "give a number from 0 to 1, such as 25/255"
    raise UsageError(f"sigma is on the [0, 1] scale, got {told}; {hint}")


def as_typed(value: object) -> str:
    """Return the value of a corruption's field as its spec has it."""
    if isinstance(value, tuple):
        return "..".join(as_typed(v) for v in value)
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(value) if isinstance(value, float) else str(value)


def setting_text(value: object, mark: str = ",") -> str:
    """Return the value of a setting as ``--set`` takes it; those of several stand between marks."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return mark.join(setting_text(v, mark) for v in value) or "none"
    return number_text(value) if isinstance(value, float) else str(value)


def number_text(value: float) -> str:
    """Write a number so that it is read back exactly: as a fraction of 255 where that is shorter, as for sigma."""
    if value == round(value) and abs(value) < 1e15:
        return str(int(value))
    plain, fraction = repr(value).replace("e+", "e"), f"{round(value * 255)}/255"
    return fraction if round(value * 255) / 255 == value and len(fraction) < len(plain) else plain
