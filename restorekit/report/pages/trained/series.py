"""Groups, units and directions of the values of a log, and those that a training is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from restorekit.report.tables import digits, written
from restorekit.training.log import HEALTH, Log, Points

NATS = "nats per image"
LEGACY_DISCRIMINATED = "told_apart"  # name in the logs of adversarial models
MEANINGS = {
    "nelbo": "Negative evidence lower bound, distortion + rate. Lower is better.",
    "distortion": "Error of the decoder: minus log p(x | z). Lower is better.",
    "rate": "Information in the latents about an image: KL(q || p).",
    "regression": "Objective of the one-pass estimate. Lower is better.",
    "spread": "Minus the log-density of the errors under the stated spread. Lower is better.",
    "accuracy": "Share of images whose class the model finds.",
    LEGACY_DISCRIMINATED: "Share of latents that the discriminator recognises among draws of the prior; 0.5 is chance.",
    "moments": "How far mean and variance of the latents are off those of the prior.",
}


def of_levels(names: Sequence[str]) -> list[str]:
    """Return the names of the rates of each level of the latents."""
    return [name for name in names if name.startswith(("kl_", "rate_"))]


def of_units(names: Sequence[str]) -> list[str]:
    """Return the names of the counts of latents in use."""
    return [name for name in names if name.startswith("active_")]


def of_psnr(names: Sequence[str]) -> list[str]:
    """Return the names of values in dB: overall, for each corruption, and of reconstructions."""
    return [name for name in names if name.split(" ")[0] in ("psnr", "reconstruction_psnr")]


def learnt(log: Log) -> tuple[str, list[str]]:
    """Return the event of the training images, and the names of its parts of the objective.

    A training of a few updates logs epochs alone.
    """
    event = "step" if log.of("step") else "epoch"
    return event, [name for name in log.names(event) if name not in (*HEALTH, "epoch")]


def judged(names: Sequence[str]) -> list[str]:
    """Return the names of the values by which validations are compared."""
    main = [name for name in ("psnr", "nelbo") if name in names]
    return main or [name for name in ("regression", "distortion") if name in names][:1]


def compared(names: Sequence[str]) -> list[str]:
    """Return the names of the values that should not become worse: those judged by, and each corruption's PSNR."""
    each = [name for name in names if name.startswith("psnr ")]
    return [*judged(names), *(each if len(each) > 1 else ())]


def better(name: str) -> Literal["higher", "lower"]:
    """Return the direction of good values of a name that is judged by."""
    return "higher" if name.split(" ")[0] == "psnr" else "lower"


def unit(name: str) -> str:
    """Return the unit of a value; empty if it is not known."""
    if of_psnr([name]):
        return "dB"
    words = ("nelbo", "distortion", "rate", "regression", "spread", "nll")
    return NATS if of_levels([name]) or name.split(" ")[0] in words else ""


def formatted(value: float, unit: str = "") -> str:
    """Format a value with four digits, and its unit."""
    return f"{written(value, digits([value], unit))} {unit}".strip()


def best_of(points: Points, which: str) -> tuple[float, float]:
    """Return step and value of the best point; `which` is as `better` says."""
    return (max if which == "higher" else min)(points, key=lambda point: point[1])
