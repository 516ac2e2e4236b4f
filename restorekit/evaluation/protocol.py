"""Inputs and results of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from torch import Tensor

from restorekit.core.contracts import Corruption, Restorer
from restorekit.core.records import About, Json, encode
from restorekit.evaluation.metric_values import MetricInfo
from restorekit.evaluation.metrics.fidelity import WINDOW, WINDOW_SIGMA
from restorekit.evaluation.rows import ComparisonRow, Failure, ImageRow, NoisePolicy, RunRow
from restorekit.uncertainty.calibration_table import Table

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Method:
    """A restorer under the name and the settings of its row.

    Attributes
    ----------
    name : str
        Name of the row.
    restorer : Restorer
        The restorer.
    noise_policy : {"true", "blind", "auto"}
        Whether it gets the true sigma, none, or an estimate from the image.
    draws : int
        Number of draws; 0 = one pass.
    learned : bool
        Whether it is a model.
    estimate : str
        Name of the estimate: one pass, or the mean over a number of draws.
    table : Table or None
        Calibration table of its intervals; None: its standard deviation, as if Gaussian.
    digest : str
        Start of the model file's SHA-256; empty for classical methods.
    """

    name: str
    restorer: Restorer
    noise_policy: NoisePolicy
    draws: int = 0
    learned: bool = False
    estimate: str = ""
    table: Table | None = None
    digest: str = ""


@dataclass(frozen=True, eq=False)
class Scenario:
    """One corruption, by the spec as typed, and the methods that restore it."""

    spec: str
    corruption: Corruption
    methods: Sequence[Method]


@dataclass(frozen=True)
class Protocol:
    """Conditions under which the metric values were computed, the same for every row."""

    source: Annotated[str, About("Name of the folder, file or stack of clean images.")]
    seed: Annotated[int, About("Seed of the corruptions, of the draws, and of the resamples of comparisons.")]
    images: Annotated[int, About("Number of clean images.", minimum=0)]
    device: Annotated[str, About("Device of the computation: cpu, cuda, mps.")]
    versions: Annotated[Mapping[str, str], About("Versions that may change metric values, and the number of threads.")]
    precision: Annotated[str, About("Number format in which models computed: float32 or bfloat16.")] = "float32"
    quality: Annotated[str, About("Quality of the models: standard, or best, the mean over flips and transposes.")] = (
        "standard"
    )
    noise: Annotated[str, About("Origin of the noise in the images.")] = (
        "neither clipped nor quantised, drawn per image from seed and name"
    )
    result: Annotated[str, About("Treatment of a restoration before it was measured.")] = (
        "clamped to [0, 1] and rounded to 8 bits"
    )
    psnr: Annotated[str, About("Definition of PSNR.")] = (
        "data range 1, all pixels, mean over images of the per-image value"
    )
    ssim: Annotated[str, About("Definition of SSIM.")] = (
        f"Gaussian window of {WINDOW} x {WINDOW} pixels, sigma {WINDOW_SIGMA}, data range 1"
    )
    interval: Annotated[str, About("Definition of the 90 % intervals.")] = (
        "calibrated where the model is for such an image, else about the rounded result as if Gaussian"
    )


@dataclass(frozen=True)
class Results:
    """Metric values of restored images, by image and as means, and the conditions under which they were computed.

    Attributes
    ----------
    protocol : Protocol
        The conditions.
    runs : list of RunRow
        Means over images, a row for each corruption and method.
    images : list of ImageRow
        A row for each corruption, method and image.
    failures : list of Failure
        Images that could not be read, restored or measured.
    metrics : list of MetricInfo
        Descriptions of the metrics in the rows.
    comparisons : list of ComparisonRow
        Two methods on the same images, made by `restorekit.evaluation.head_to_head`.
    command : str
        Command line that repeats all this; empty without one.
    """

    protocol: Annotated[Protocol, About("Conditions of the computation, the same for every row.")]
    runs: Annotated[list[RunRow], About("Means over images: a row for each corruption and restorer.")]
    images: Annotated[list[ImageRow], About("A row for each corruption, restorer and image.")]
    failures: Annotated[list[Failure], About("Images that could not be read, restored or measured.")]
    metrics: Annotated[list[MetricInfo], About("Descriptions of the metrics in the rows.")] = field(
        default_factory=list
    )
    comparisons: Annotated[
        list[ComparisonRow],
        About(
            "Two methods on the same images: in `evaluate` every model and the classical method that is best for the "
            "corruption on average, in `report` the one run and each run that it is compared with."
        ),
    ] = field(default_factory=list)
    command: Annotated[str, About("Command line that repeats all this; empty without one.")] = ""

    def to_json(self) -> dict[str, Json]:
        """Return the content of results.json."""
        return {"schema": SCHEMA, **encode(self)}


@dataclass(frozen=True, eq=False)
class TestImage:
    """A clean image that is degraded and restored: its name, and a function that reads it, (1, C, H, W) on [0, 1]."""

    __test__: ClassVar[bool] = False  # or pytest would collect it as a test

    key: str
    read: Callable[[], Tensor]
    label: Tensor | None = None


def failed(failures: Sequence[Failure]) -> list[str]:
    """Return a line for each reason of failures, with the first image and the number of the others."""
    images: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        where = " on ".join(filter(None, (failure.restorer, failure.corruption)))
        images.setdefault((where, failure.error), []).append(failure.image)
    return [
        f"failed: {f'{where} of ' if where else ''}{names[0]}"
        f"{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {error}"
        for (where, error), names in images.items()
    ]
