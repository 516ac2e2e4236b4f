"""Rounding to 8 bits, as the protocol scores it."""

from __future__ import annotations

from torch import Tensor


def quantise_8bit(x: Tensor) -> Tensor:
    """Clamp x to [0, 1] and round it to 8 bits: what the protocol scores."""
    return (x.clamp(0, 1) * 255).round() / 255
