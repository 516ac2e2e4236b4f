"""Values as people type them in specs."""

from __future__ import annotations


def as_typed(value: object) -> str:
    """Return the value of a corruption's field as its spec has it."""
    if isinstance(value, tuple):
        return "..".join(as_typed(v) for v in value)
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(value) if isinstance(value, float) else str(value)


def number_text(value: float) -> str:
    """Write a number so that it is read back exactly: as a fraction of 255 where that is shorter, as for sigma."""
    if value == round(value) and abs(value) < 1e15:
        return str(int(value))
    plain, fraction = repr(value).replace("e+", "e"), f"{round(value * 255)}/255"
    return fraction if round(value * 255) / 255 == value and len(fraction) < len(plain) else plain
