"""Values as people type them in specs and after ``--set``."""

from __future__ import annotations


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
