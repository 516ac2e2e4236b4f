"""Reading and writing of settings: values in specs, after ``--set`` and in options, and dataclasses from JSON."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self, TypeVar

from restorekit.core.errors import RecordError, SpecError, UsageError, unknown
from restorekit.core.records import check_plain
from restorekit.core.types import Ranged

T = TypeVar("T")


def read(cls: type, texts: Mapping[str, str]) -> dict[str, object]:
    """Read texts by the types and limits of the fields that they name.

    Parameters
    ----------
    cls : type
        A dataclass; `parse_value` lists the types and metadata that its fields may have.
    texts : mapping of str to str
        ``{"width": "64", "widths": "32,64,128", "augment": "no"}``.

    Raises
    ------
    SpecError
        For an unknown key, or a text that does not fit its field.
    """
    _check_known(cls, texts)
    hints = typing.get_type_hints(cls)
    return {
        f.name: parse_value(f.name, texts[f.name], hints[f.name], ValueLimits.of(f))
        for f in dataclasses.fields(cls)
        if f.name in texts
    }


def from_json(cls: type[T], values: Mapping[str, object]) -> T:
    """Build `cls` from parsed JSON; lists become tuples. SpecError for an unknown key or a value of another type."""
    _check_known(cls, values)
    hints = typing.get_type_hints(cls)
    for key, value in values.items():
        try:
            check_plain(hints[key], value, f"{cls.__name__}.{key}")
        except RecordError as error:
            raise SpecError(f"{error}; change the setting") from error
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def _check_known(cls: type, names: Iterable[str]) -> None:
    """Raise a SpecError for a key that is no field of a dataclass."""
    known = [f.name for f in dataclasses.fields(cls)]
    for key in names:
        if key not in known:
            raise SpecError(unknown(f"setting of {cls.__name__}", key, known))


@dataclass(frozen=True)
class ValueLimits:
    """Accepted values of a setting, from the metadata of its field.

    Attributes
    ----------
    choices : tuple of str
        Accepted words; empty if it takes other values.
    low, high : float or None
        Limits of every number.
    unit : str
        For error messages.
    of_255 : bool
        Whether users often give the value in 8-bit units.
    share : bool
        Whether users often give the value in percent.
    """

    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unit: str = ""
    of_255: bool = False
    share: bool = False

    @classmethod
    def of(cls, field: dataclasses.Field[Any]) -> Self:
        """Return the limits of a field."""
        return cls(**{f.name: field.metadata[f.name] for f in dataclasses.fields(cls) if f.name in field.metadata})


def parse_value(key: str, text: str, hint: Any, limits: ValueLimits = ValueLimits()) -> Any:
    """Read the text of one setting, as specs, ``--set`` and options have it.

    Parameters
    ----------
    key : str
        Name of the setting, for error messages.
    text : str
        A number is a decimal or a fraction A/B; a truth value is yes, no, on, off, true, false, 1 or 0 in any case;
        the values of a tuple are separated by commas, and ``none`` is the empty tuple; a range is LOW..HIGH.
    hint : type
        int, float, bool, str, `Ranged`, or a tuple of int or float of any length.
    limits : ValueLimits, optional
        Choices of a word, limits of every number, and its unit.

    Raises
    ------
    SpecError
        For a text of another type, NaN, an infinity, a value outside the limits, or a range whose ends are swapped.
    """
    if limits.choices and text not in limits.choices:
        raise SpecError(f"{key} takes one of {', '.join(limits.choices)}, got {text!r}")
    several, kind, pieces = typing.get_origin(hint) is tuple, hint, [text]
    if several:
        kind, pieces = typing.get_args(hint)[0], [] if text == "none" else [p for p in text.split(",") if p]
    elif hint == Ranged:
        kind, pieces = float, text.split("..")
    if ".." in text and kind in (int, float) and (hint != Ranged or len(pieces) > 2):
        raise SpecError(f"{key} takes {'LOW..HIGH' if hint == Ranged else 'one value'}, got {text!r}")
    try:
        values = tuple(_READERS.get(kind, kind)(piece) for piece in pieces)
    except ValueError:
        expected = "a number or a fraction such as 25/255" if hint in (float, Ranged) else describe_type(hint)
        raise SpecError(f"{key} takes {expected}, got {text!r}") from None
    for piece, value in zip(pieces, values, strict=True):
        if kind in (int, float):
            _check_limits(key, value, text if several else piece, limits, several)
    if hint == Ranged and values[0] > values[-1]:
        raise SpecError(f"{key} takes LOW..HIGH with LOW first, got {text!r}; swap the ends")
    return values if several or len(values) > 1 else values[0]


def typed_number(text: str) -> float:
    """Return a number or a fraction A/B that a user typed as a noise level; raise a UsageError for other text."""
    try:
        return parse_number(text)
    except ValueError:
        raise UsageError(f"sigma is a number on the [0, 1] scale, such as 25 / 255, or 'auto', got {text!r}") from None


def parse_number(text: str) -> float:
    """Return a number, which may be infinite or NaN, from a decimal or a fraction A/B; ValueError for other text."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except ZeroDivisionError:
        raise ValueError(f"expected a number, got {text!r}") from None


def _integer(text: str) -> int:
    try:
        return int(text)  # exact for integers above 2^53
    except ValueError:
        value = parse_number(text)
    if not value.is_integer():  # nor are NaN and the infinities
        raise ValueError(f"expected an integer, got {text!r}")
    return int(value)


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(f"expected yes or no, got {text!r}")
    return _TRUTH[text.lower()]


_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
_READERS: Mapping[Any, Callable[[str], Any]] = {bool: _truth, int: _integer, float: parse_number}


def _check_limits(key: str, value: float, text: str, limits: ValueLimits, several: bool) -> None:
    """Raise a SpecError, with advice, for NaN, an infinity, and a number outside of ``low`` and ``high``."""
    low, high = limits.low, limits.high
    if math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high):
        return
    if limits.of_255:
        raise SpecError(f"{key} is on the [0, 1] scale, got {text}; {_on_unit_scale(value, text)}")
    if limits.share and 2 <= value <= 100:  # a smaller number is unlikely to be meant in percent
        raise SpecError(f"{key} is a share from 0 to 1, got {text}; did you mean {value / 100:g} ({value:g} %)?")
    ends = [f"{word} {end:g}" for word, end in (("from", low), ("to", high)) if end is not None]
    span = " ".join(ends) + (" upwards" if high is None else "") if ends else "that is finite"
    unit = f" ({limits.unit})" if limits.unit else ""
    raise SpecError(f"{key} takes {'numbers' if several else 'a number'} {span}{unit}, got {text!r}")


def _on_unit_scale(value: float, text: str) -> str:
    """Return the advice for a number that is outside of [0, 1]."""
    return f"did you mean {text}/255?" if 1 < value <= 255 else "give a number from 0 to 1, such as 25/255"


_KINDS: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    bool: "yes or no",
    str: "a word",
    Ranged: "a number or a range LOW..HIGH",
    tuple[int, ...]: "integers separated by commas, such as 32,64,128",
    tuple[float, ...]: "numbers with commas, such as 0.5,1",
}


def describe_type(hint: Any) -> str:
    """Return the words for what a field of this type takes, such as "an integer"."""
    return _KINDS.get(hint, str(hint))


def checked_sigma(value: float, text: str) -> float:
    """Return a noise level on [0, 1].

    Parameters
    ----------
    value : float
        The noise level.
    text : str
        Its spelling by the user, for the message.

    Raises
    ------
    UsageError
        For anything but a number from 0 to 1.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, RuntimeError):  # of a tensor of several numbers
        raise UsageError(f"sigma is a number on the [0, 1] scale, such as 25 / 255, got {value!r}") from None
    if 0 <= number <= 1:
        return number
    raise UsageError(f"sigma is on the [0, 1] scale, got {text}; {_on_unit_scale(number, text)}")


def check_integer(name: str, value: object, least: int | None = None) -> None:
    """Raise a UsageError for an option from Python that is neither None nor an integer, or is below its least one."""
    if value is None or (isinstance(value, Integral) and (least is None or int(value) >= least)):
        return
    raise UsageError(f"{name} is an integer{'' if least is None else f' from {least} on'}, got {value!r}")


def as_typed(value: object) -> str:
    """Return the text of a corruption's field in a spec."""
    if isinstance(value, tuple):
        return "..".join(as_typed(v) for v in value)
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(value) if isinstance(value, float) else str(value)


def setting_text(value: object, mark: str = ",") -> str:
    """Return the text of a setting after ``--set``; `mark` separates the values of a tuple."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return mark.join(setting_text(v, mark) for v in value) or "none"
    return number_text(value) if isinstance(value, float) else str(value)


def number_text(value: float) -> str:
    """Return a text that reads back as exactly this number: a fraction of 255 if that is shorter, as for sigma."""
    if value == round(value) and abs(value) < 1e15:
        return str(int(value))
    plain, fraction = repr(value).replace("e+", "e"), f"{round(value * 255)}/255"
    return fraction if round(value * 255) / 255 == value and len(fraction) < len(plain) else plain
