"""Latents that are a tensor or, in a hierarchical model, a tuple of them, handled alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def parts(z: Any) -> tuple[Tensor, ...]:
    """Return the tensors of z, (B, ...) each."""
    return tuple(z) if isinstance(z, tuple | list) else (z,)


def like(z: Any, tensors: tuple[Tensor, ...]) -> Any:
    """Return tensors in the form of z."""
    return type(z)(tensors) if isinstance(z, tuple | list) else tensors[0]


def mapped(work: Callable[..., Tensor], z: Any, *others: Any) -> Any:
    """Apply a function to the tensors of z, and of others like it, level by level."""
    return like(z, tuple(work(*some) for some in zip(parts(z), *map(parts, others), strict=True)))


def wide(values: Tensor, t: Tensor) -> Tensor:
    """Return values, (B,), with as many dimensions as t."""
    return values.view(-1, *[1] * (t.dim() - 1))


def choose(condition: Tensor, one: Any, other: Any) -> Any:
    """Return `one` for the images where condition, (B,), holds, and `other` elsewhere."""
    return mapped(lambda a, b: torch.where(wide(condition, a), a, b), one, other)


def total(z: Any, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum what a function makes of z's tensors over everything but the batch, (B,)."""
    return torch.stack([work(t).flatten(1).sum(1) for t in parts(z)]).sum(0)
