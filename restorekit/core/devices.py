"""Which device a name means here, and how models compute on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from restorekit.core.errors import UsageError

Precision = Literal["auto", "32-true", "bf16-mixed"]


@dataclass(frozen=True)
class Compute:
    """Where and how models compute.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        "auto" takes the fastest that is there.
    precision : {"auto", "32-true", "bf16-mixed"}
        "bf16-mixed" convolves in bfloat16: faster on GPUs and on CPUs with units for it, results differ by a few
        tenths of an 8-bit step. "auto" does so on CUDA alone.
    compiled : bool
        Let PyTorch compile what makes the estimate first, which takes seconds and needs a C++ compiler.
    """

    device: str = "auto"
    precision: Precision = "auto"
    compiled: bool = False

    @property
    def half(self) -> bool:
        """Whether convolutions are in bfloat16."""
        return choose(self.device) == "cuda" if self.precision == "auto" else self.precision == "bf16-mixed"

    @property
    def number(self) -> str:
        """What convolutions compute in, for reports: "bfloat16" or "float32"."""
        return "bfloat16" if self.half else "float32"


def compile_parts(model: nn.Module, device: str) -> None:
    """Let PyTorch compile each part of a model when it is first called.

    Raises
    ------
    UsageError
        A trial shows that nothing can be compiled here.
    """
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except Exception as error:  # whatever a compiler may lack
        why = str(error).partition("\n")[0]
        raise UsageError(
            f"--compile needs a C++ compiler (g++), and on CUDA Triton, got: {why}; leave it out"
        ) from error
    for part in model.children():
        part.compile()


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


def versions() -> dict[str, str]:
    """Return the versions that may change the figures."""
    from importlib.metadata import version

    names = ("restorekit", "torch", "scikit-image", "numpy")
    return {name: version(name) for name in names} | {"threads": str(torch.get_num_threads())}
