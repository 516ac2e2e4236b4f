"""Metric values of restored images: their names, descriptions and means, and the reasons for missing ones."""

from __future__ import annotations

import inspect
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from torch import Tensor

from restorekit.core.contracts import Metric
from restorekit.core.errors import PluginError, UndefinedMetricError
from restorekit.core.records import About
from restorekit.core.types import Observation, Restoration
from restorekit.evaluation.rows import ImageRow

DIFFERENCE_SUFFIX = "_difference"  # ends the name of a metric that is the difference to another run
NO_REASON = "it does not apply here"
INFINITE = "it is infinite, which JSON has no number for"


@dataclass(frozen=True)
class MetricInfo:
    """Description of a metric.

    Attributes
    ----------
    name : str
        Its key in rows.
    unit : str
        Unit; empty for a plain number.
    better : {"higher", "lower", ""}
        Direction of good values; empty without one.
    goal : float or None
        The best value, if neither the highest nor the lowest is.
    meaning : str
        One sentence of explanation.
    """

    name: Annotated[str, About("Its key in `runs` and `images`.", shortest=1)]
    unit: Annotated[str, About("Unit; empty for a plain number.")] = ""
    better: Annotated[Literal["higher", "lower", ""], About("Direction of good values; empty if there is none.")] = ""
    goal: Annotated[float | None, About("The best value, if neither the highest nor the lowest is.")] = None
    meaning: Annotated[str, About("One sentence of explanation.")] = ""


OF_A_RUN = (
    MetricInfo("seconds_per_megapixel", "s", "lower", meaning="Time of the restoration per million pixels."),
    MetricInfo("seconds", "s", "lower", meaning="Time of the restoration per image."),
    MetricInfo("nelbo", "nats", "lower", meaning="Negative evidence lower bound of the clean image under the model."),
)


class Measured(NamedTuple):
    """The metric values of one restored image.

    Attributes
    ----------
    values : dict of str to float or None
        Values by metric.
    reasons : dict of str to str
        Reasons for values that are missing or infinite.
    faults : list of PluginError
        Errors of metrics.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    faults: list[PluginError]


def metric_infos(metrics: Sequence[Metric]) -> list[MetricInfo]:
    """Return the descriptions of metrics; the meaning is the first sentence of their docstring."""
    found: list[MetricInfo] = []
    for metric in metrics:
        paragraph = " ".join((inspect.getdoc(type(metric)) or "").partition("\n\n")[0].split())
        meaning = paragraph.partition(". ")[0].rstrip(".") + "." if paragraph else ""
        better = "" if metric.goal is not None else metric.better
        found.append(MetricInfo(metric.name, metric.unit, better, metric.goal, meaning))
    return found


def measure(
    metrics: Sequence[Metric], restoration: Restoration, reference: Tensor, observation: Observation
) -> Measured:
    """Compute every metric of one restored image, (1, C, H, W).

    A metric that raises or does not apply leaves None and a reason.
    """
    found = Measured({}, {}, [])
    for metric in metrics:
        value, reason = None, NO_REASON
        try:
            value = metric(restoration, reference, observation)
        except UndefinedMetricError as error:
            reason = str(error) or NO_REASON
        except PluginError as fault:
            found.faults.append(fault)
            reason = str(fault)
        if value is not None and math.isnan(value):
            value, reason = None, "it came out as NaN, which is no number"
        found.values[metric.name] = value
        if value is None or math.isinf(value):
            found.reasons[metric.name] = reason if value is None else INFINITE
    return found


def means(rows: Sequence[ImageRow], names: Iterable[str]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the mean of each metric over the images that have a value, and the reason if none has.

    Parameters
    ----------
    rows : sequence of ImageRow
        Of one method, a row per image.
    names : iterable of str
        Names of metrics.
    """
    values, reasons = dict[str, float | None](), dict[str, str]()
    for name in names:
        found = [value for row in rows if (value := row.metrics.get(name)) is not None]
        values[name] = statistics.fmean(found) if found else None
        if not found:
            reasons[name] = _most_common([row.reasons.get(name) for row in rows])
        elif any(map(math.isinf, found)):
            reasons[name] = f"{INFINITE}: on {sum(map(math.isinf, found))} of {len(found)} image(s)"
    return values, reasons


def _most_common(reasons: Sequence[str | None]) -> str:
    """Return the reason of most images, and the number of other reasons."""
    counts = Counter(reason for reason in reasons if reason)
    if not counts:
        return NO_REASON if reasons else "no image was measured"
    first = counts.most_common(1)[0][0]
    return f"{first}; and {len(counts) - 1} other reason(s)" if len(counts) > 1 else first


_LATE = ("seconds_per_megapixel", "seconds", "nelbo")  # after the metrics of plugins


def in_order(metrics: Iterable[MetricInfo]) -> list[MetricInfo]:
    """Return metrics by importance: built-in ones, those of plugins, times, and the likelihood under the model."""
    early = [name for name in TITLES if name not in _LATE]
    place = {name: i for i, name in enumerate(early)} | {name: len(early) + 1 + i for i, name in enumerate(_LATE)}
    return sorted(metrics, key=lambda info: place.get(info.name, len(early)))


TITLES = {
    "psnr": "PSNR", "psnr_missing": "PSNR of missing values", "draw_psnr": "PSNR of a draw", "ssim": "SSIM",
    "nrmse": "NRMSE", "coverage90": "coverage", "width90": "interval width", "winkler90": "Winkler score",
    "spearman": "rank correlation", "ause": "AUSE", "nees": "surprise",
    "seconds_per_megapixel": "s/MP", "seconds": "s/image", "nelbo": "nelbo", "psnr_before": "PSNR before",
    "psnr_gain": "PSNR gained",
}  # fmt: skip


def title(name: str) -> str:
    """Return the column title of a metric, or of a difference of it to another run; for a plugin's metric, its name."""
    own = name.removesuffix(DIFFERENCE_SUFFIX)
    words = TITLES.get(own, own.replace("_", " "))
    return words if own == name else f"{words} difference"


BEFORE = (
    MetricInfo("psnr_before", "dB", meaning="PSNR of the observation, as its file has it."),
    MetricInfo("psnr_gain", "dB", "higher", meaning="PSNR of the restoration minus that of the observation."),
)
