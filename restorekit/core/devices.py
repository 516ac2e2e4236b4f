"""Devices and precision of computations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from restorekit.core.errors import UsageError

Precision = Literal["auto", "32-true", "bf16-mixed"]
Quality = Literal["standard", "best"]


@dataclass(frozen=True)
class Compute:
    """Device, precision and compilation of models.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        "auto" is the fastest available.
    precision : {"auto", "32-true", "bf16-mixed"}
        "bf16-mixed" convolves in bfloat16: faster on GPUs and on CPUs with units for it; results differ by a few
        tenths of an 8-bit step. "auto" uses it on CUDA alone.
    compiled : bool
        Compile the network first, which takes seconds and needs a C++ compiler.
    quality : {"standard", "best"}
        "best" is the mean over the image flipped and transposed in eight ways, at eight times the work.
    """

    device: str = "auto"
    precision: Precision = "auto"
    compiled: bool = False
    quality: Quality = "standard"

    @property
    def half(self) -> bool:
        """Whether convolutions are in bfloat16."""
        return choose(self.device) == "cuda" if self.precision == "auto" else self.precision == "bf16-mixed"

    @property
    def number(self) -> str:
        """Number format of convolutions for reports: "bfloat16" or "float32"."""
        return "bfloat16" if self.half else "float32"


def compile_parts(model: nn.Module, device: str) -> None:
    """Compile each part of a model when it is first called.

    Raises
    ------
    UsageError
        A trial shows that this machine cannot compile.
    """
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except Exception as error:  # compilers fail in many ways
        why = str(error).partition("\n")[0]
        raise UsageError(f"--compile needs a C++ compiler (g++), and on CUDA Triton, got: {why}; remove it") from error
    for part in model.children():
        part.compile()


def choose(name: str) -> str:
    """Return "cpu", "cuda" or "mps" for a ``--device`` text; "auto" is the fastest available.

    Raises
    ------
    UsageError
        The device is absent.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind, here in present.items() if here)
    if not present[name]:
        raise UsageError(f"--device {name} needs such a device, and PyTorch finds none; use --device auto or cpu")
    return name


def versions() -> dict[str, str]:
    """Return the versions of packages, and the number of threads, that may change results."""
    from importlib.metadata import version

    names = ("restorekit", "torch", "scikit-image", "numpy")
    return {name: version(name) for name in names} | {"threads": str(torch.get_num_threads())}
