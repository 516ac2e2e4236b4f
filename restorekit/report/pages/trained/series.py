"""What the figures of a log are: which belong together, what they are in, which of them a training is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from restorekit.report.tables import digits, written
from restorekit.training.log import HEALTH, Log, Points

NATS = "nats per image"
MEANINGS = {
    "nelbo": "Negative evidence lower bound, distortion + rate. Lower is better.",
    "distortion": "What the decoder misses: minus log p(x | z). Lower is better.",
    "rate": "What the latents tell of an image: KL(q || p).",
    "regression": "Objective of the one-pass estimate. Lower is better.",
    "spread": "Minus the log-density of the errors under the stated spread. Lower is better.",
    "accuracy": "Share of images whose class the model finds.",
    "told_apart": "Share of latents that the discriminator tells from draws of the prior; 0.5 is none.",
    "moments": "How far mean and variance of the latents are off those of the prior.",
}


def of_levels(names: Sequence[str]) -> list[str]:
    """Return the figures that say what each level of the latents tells."""
    return [name for name in names if name.startswith(("kl_", "rate_"))]


def of_units(names: Sequence[str]) -> list[str]:
    """Return the figures that count latents in use."""
    return [name for name in names if name.startswith("active_")]


def of_psnr(names: Sequence[str]) -> list[str]:
    """Return the figures in dB: of all, of each corruption, and of reconstructions."""
    return [name for name in names if name.split(" ")[0] in ("psnr", "reconstruction_psnr")]


def learnt(log: Log) -> tuple[str, list[str]]:
    """Return the event that tells of the training images, and the parts of the objective that it tells.

    A training of a few updates logs epochs alone.
    """
    event = "step" if log.of("step") else "epoch"
    return event, [name for name in log.names(event) if name not in (*HEALTH, "epoch")]


def judged(names: Sequence[str]) -> list[str]:
    """Return the figures that say whether a validation is better than another."""
    main = [name for name in ("psnr", "nelbo") if name in names]
    return main or [name for name in ("regression", "distortion") if name in names][:1]


def compared(names: Sequence[str]) -> list[str]:
    """Return the figures of which none should become worse: those judged by, and the PSNR of each corruption."""
    each = [name for name in names if name.startswith("psnr ")]
    return [*judged(names), *(each if len(each) > 1 else ())]


def better(name: str) -> Literal["higher", "lower"]:
    """Say which values of a figure that is judged by are the good ones."""
    return "higher" if name.split(" ")[0] == "psnr" else "lower"


def unit(name: str) -> str:
    """Return what a figure is in, where that is known."""
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
