"""Which device a name means here."""

from __future__ import annotations

import torch

from restorekit.errors import UsageError


def choose(name: str) -> str:
    """Return "cpu", "cuda" or "mps" for a ``--device`` text; "auto" takes the fastest that is there.

    Raises
    ------
    UsageError
        The device asked for is absent.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind, here in present.items() if here)
    if not present[name]:
        raise UsageError(
            f"--device {name} was asked for, but PyTorch sees no such device here; use --device auto or cpu"
        )
    return name
