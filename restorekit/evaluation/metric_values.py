"""Figures of restored images: what they are called and mean, their values, and why one has none."""

from __future__ import annotations

import inspect
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

from restorekit.core.contracts import Metric
from restorekit.core.errors import PluginError, UndefinedMetricError
from restorekit.core.types import Observation, Restoration

DIFFERENCE_SUFFIX = "_difference"  # ends the name of a figure that is a difference to another run
NO_REASON = "it does not apply here"
INFINITE = "it is infinite, which JSON has no number for"


@dataclass(frozen=True)
class MetricInfo:
    """What a figure is.

    Attributes
    ----------
    name : str
        Its key in rows.
    unit : str
        What it is in; empty for a plain number.
    better : {"higher", "lower", ""}
        Which values are good ones; empty where neither are.
    goal : float or None
        The value that is best, where neither the highest nor the lowest is.
    meaning : str
        One sentence of what it says.
    """

    name: str
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    goal: float | None = None
    meaning: str = ""


OF_A_RUN = (
    MetricInfo("seconds_per_megapixel", "s", "lower", meaning="Time that restoring took, per million pixels."),
    MetricInfo("seconds", "s", "lower", meaning="Time that restoring took, per image."),
    MetricInfo("nelbo", "nats", "lower", meaning="Minus the evidence lower bound of the clean image under the model."),
)


class Measured(NamedTuple):
    """The figures of one restored image.

    Attributes
    ----------
    values : dict of str to float or None
        By metric.
    reasons : dict of str to str
        Why a value is missing, or is no number that JSON has.
    faults : list of PluginError
        Metrics that broke.
    """

    values: dict[str, float | None]
    reasons: dict[str, str]
    faults: list[PluginError]


def metric_infos(metrics: Sequence[Metric]) -> list[MetricInfo]:
    """Return what metrics say of themselves; the meaning is the first sentence of their docstring."""
    return [
        MetricInfo(m.name, m.unit, "" if m.goal is not None else m.better, m.goal, _first_sentence(m)) for m in metrics
    ]


def measure(
    metrics: Sequence[Metric], restoration: Restoration, reference: Tensor, observation: Observation
) -> Measured:
    """Return every metric of one restored image, (1, C, H, W); what breaks or does not apply leaves a reason."""
    found = Measured({}, {}, [])
    for metric in metrics:
        value, why = None, NO_REASON
        try:
            value = metric(restoration, reference, observation)
        except UndefinedMetricError as none:
            why = str(none) or NO_REASON
        except PluginError as fault:
            found.faults.append(fault)
            why = str(fault)
        _note(found, metric.name, value, why)
    return found


def _note(found: Measured, name: str, value: float | None, why: str) -> None:
    """Put a value in its place, or the reason why there is none that JSON can hold."""
    if value is not None and math.isnan(value):
        value, why = None, "it came out as NaN, which is no number"
    found.values[name] = value
    if value is None or math.isinf(value):
        found.reasons[name] = why if value is None else INFINITE


def means(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the mean of each figure over the images that have one, and why where none has.

    Parameters
    ----------
    rows : sequence of mappings
        Of one method, a row per image, with its ``reasons``.
    names : iterable of str
        Which figures.
    """
    values, reasons = dict[str, float | None](), dict[str, str]()
    for name in names:
        found = [row[name] for row in rows if row.get(name) is not None]
        values[name] = statistics.fmean(found) if found else None
        if not found:
            reasons[name] = _most_common([row.get("reasons", {}).get(name) for row in rows])
        elif any(map(math.isinf, found)):
            reasons[name] = f"{INFINITE}: on {sum(map(math.isinf, found))} of {len(found)} image(s)"
    return values, reasons


def _most_common(reasons: Sequence[str | None]) -> str:
    """Return the reason that most images have, and that there are others."""
    told = Counter(reason for reason in reasons if reason)
    if not told:
        return NO_REASON if reasons else "no image was measured"
    first = told.most_common(1)[0][0]
    return f"{first}; and {len(told) - 1} other reason(s)" if len(told) > 1 else first


def _first_sentence(metric: Metric) -> str:
    """Return the first sentence of a metric's docstring, on one line."""
    paragraph = " ".join((inspect.getdoc(type(metric)) or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "." if paragraph else ""


_LATE = ("seconds_per_megapixel", "seconds", "nelbo")  # after what a plugin measures


def in_order(figures: Iterable[MetricInfo]) -> list[MetricInfo]:
    """Return figures in the order of their importance; how long it took and what a model says of itself come last."""
    return sorted(figures, key=lambda figure: _place(figure.name))


def _place(name: str) -> int:
    known = [key for key in TITLES if key not in _LATE]
    if name in known:
        return known.index(name)
    return len(known) + 1 + _LATE.index(name) if name in _LATE else len(known)


TITLES = {
    "psnr": "PSNR", "psnr_missing": "PSNR of missing values", "draw_psnr": "PSNR of a draw", "ssim": "SSIM",
    "nrmse": "NRMSE", "coverage90": "coverage", "width90": "interval width", "winkler90": "Winkler score",
    "spearman": "rank correlation", "ause": "AUSE", "nees": "surprise",
    "seconds_per_megapixel": "s/MP", "seconds": "s/image", "nelbo": "nelbo", "psnr_before": "PSNR before",
    "psnr_gain": "PSNR gained",
}  # fmt: skip


def title(name: str) -> str:
    """Return a word or two for a figure, or for a difference of it to another run; of a plugin's, its name."""
    own = name.removesuffix(DIFFERENCE_SUFFIX)
    words = TITLES.get(own, own.replace("_", " "))
    return words if own == name else f"{words} difference"


BEFORE = (
    MetricInfo("psnr_before", "dB", meaning="PSNR of what was given to be restored, as its file is."),
    MetricInfo("psnr_gain", "dB", "higher", meaning="PSNR of the restoration minus that of what was given."),
)
