"""What an evaluation is made of, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from restorekit.core.contracts import Corruption, Restorer
from restorekit.evaluation.metric_values import MetricInfo
from restorekit.evaluation.metrics.fidelity import WINDOW, WINDOW_SIGMA
from restorekit.uncertainty.calibration_table import Table

NoisePolicy = Literal["true", "blind", "auto"]
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Method:
    """A restorer as it stands in the table.

    Attributes
    ----------
    name : str
        Name of its row.
    restorer : Restorer
        What restores.
    told : {"true", "blind", "auto"}
        Whether it is told the true sigma, nothing, or an estimate from the image.
    draws : int
        Draws asked for; 0 = one pass.
    learned : bool
        Whether it is a model.
    estimate : str
        What its estimate is: one pass, or the mean over how many draws.
    table : Table or None
        What its intervals come from; None: its standard deviation, as if Gaussian.
    digest : str
        Of its model file; empty for classical methods.
    """

    name: str
    restorer: Restorer
    told: NoisePolicy
    draws: int = 0
    learned: bool = False
    estimate: str = ""
    table: Table | None = None
    digest: str = ""


@dataclass(frozen=True, eq=False)
class Scenario:
    """One corruption, by the spec as typed, and who restores it."""

    spec: str
    corruption: Corruption
    contenders: Sequence[Method]


@dataclass(frozen=True)
class Protocol:
    """How the figures came about; the same for every row."""

    source: str
    seed: int
    images: int
    device: str
    versions: Mapping[str, str]
    precision: str = "float32"  # of models
    noise: str = "neither clipped nor quantised, drawn per image from seed and name"
    result: str = "clamped to [0, 1] and rounded to 8 bits"
    psnr: str = "data range 1, whole image, mean over images of the per-image value"
    ssim: str = f"Gaussian window of {WINDOW} x {WINDOW} pixels, sigma {WINDOW_SIGMA}, data range 1"
    interval: str = "calibrated where the model is for such an image, else about the rounded result as if Gaussian"


@dataclass(frozen=True)
class Results:
    """Everything an evaluation found.

    Attributes
    ----------
    protocol : Protocol
        How.
    runs : list of dict
        A row per corruption and restorer: means over images, and `reasons` where there is none.
    images : list of dict
        A row per corruption, restorer and image, with `reasons` for the figures that it has not.
    failures : list of dict
        A row per image that could not be read or restored, with the sentence why.
    metrics : list of Figure
        What the figures in the rows are.
    comparisons : list of dict
        Two methods on the same images, image by image; `restorekit.evaluation.head_to_head` makes them.
    command : str
        What to type to get all this again; empty where it was no command.
    """

    protocol: Protocol
    runs: list[dict[str, Any]]
    images: list[dict[str, Any]]
    failures: list[dict[str, str]]
    metrics: list[MetricInfo] = field(default_factory=list)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what results.json holds."""
        return {"schema": SCHEMA, **asdict(self)}


@dataclass(frozen=True, eq=False)
class TestImage:
    """An image to be damaged and restored: its name, and how to get it, (1, C, H, W) on [0, 1]."""

    key: str
    read: Callable[[], Tensor]
    label: Tensor | None = None


def failed(failures: Sequence[Mapping[str, str]]) -> list[str]:
    """Say what failed: an image for one reason a line; what failed of many for the same reason once."""
    found: dict[tuple[str, ...], list[str]] = {}
    for failure in failures:
        what = " on ".join(failure[key] for key in ("restorer", "corruption") if failure.get(key))
        found.setdefault((what, failure["error"]), []).append(failure["image"])
    return [
        f"failed: {' '.join(filter(None, (what, 'of' * bool(what), images[0])))}"
        f"{f' and {len(images) - 1} more' if len(images) > 1 else ''}: {error}"
        for (what, error), images in found.items()
    ]
