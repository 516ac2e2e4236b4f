"""Results in sentences: missing values, differences between methods, and the protocol."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from restorekit.evaluation.bootstrap import LEVEL, TIES, Comparison, clear, describe_intervals
from restorekit.evaluation.head_to_head import PairedComparison, gain
from restorekit.evaluation.metric_values import DIFFERENCE_SUFFIX, NO_REASON, OF_A_RUN, MetricInfo, title
from restorekit.evaluation.protocol import Results
from restorekit.report.page import CHECK, Row

_NUMBER = re.compile(r"\d[\d.]*")


def count(number: int, noun: str, plural: str = "") -> str:
    """Return "1 image", "2 images"; `plural` is needed if it takes more than an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def number(value: float) -> str:
    """Format a metric value with two decimals, or three if it is below 2."""
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.3f}"


def signed(value: float) -> str:
    """Format a difference with its sign."""
    return f"{value:+.2f}" if abs(value) >= 2 else f"{value:+.3f}"


def quantity(value: float, metric: MetricInfo) -> str:
    """Format a metric value with its unit."""
    return f"{number(value)}{metric.unit and ' '}{metric.unit}"


def list_names(images: Sequence[str], most: int = 3) -> str:
    """Return the first `most` names, and dots if there are more."""
    return ", ".join(images[:most]) + (", ..." if len(images) > most else "")


def method_names(restorers: Iterable[str]) -> dict[str, str]:
    """Return short names by method; a name that two methods would share stays the path.

    A model file is named by its stem, or by its folder if it is ``model.safetensors``.
    """
    names = {}
    for restorer in restorers:
        path = Path(restorer)
        stem = path.stem if path.stem != "model" or not path.parent.name else path.parent.name
        names[restorer] = stem if path.suffix == ".safetensors" else restorer
    counts = Counter(names.values())
    return {restorer: name if counts[name] == 1 else restorer for restorer, name in names.items()}


def outcome(flagged: bool, filled: bool, unchanged: bool = False, repaired: bool = False) -> str:
    """Return in a word or two what became of a restored image; a flag matters more than the rest."""
    kinds = {CHECK: flagged, "repaired": repaired, "filled": filled, "unchanged": unchanged}
    return next((word for word, holds in kinds.items() if holds), "cleaned")


def pictured(rows: Sequence[Row]) -> str:
    """Return how many images have pictures, and the option for more; empty if all have some."""
    every = {row.image for row in rows if row.status == "done"}
    held = {row.image for row in rows if row.views is not None}
    return "" if every <= held else f"Pictures of {len(held)} of {count(len(every), 'image')}; --pictures N keeps more."


def absent(results: Results) -> list[str]:
    """Return a sentence for each reason for which some or all rows lack a value, regardless of numbers in it."""
    excluded = {info.name for info in OF_A_RUN}
    found = dict[tuple[str, tuple[int, ...]], tuple[str, list[str]]]()
    for metric in results.metrics:
        if metric.name in excluded or metric.name.endswith(DIFFERENCE_SUFFIX):
            continue
        lacking, reasons = defaultdict[str, list[int]](list), dict[str, str]()
        for i, row in enumerate(results.images):
            if row.metrics.get(metric.name) is None:
                reason = row.reasons.get(metric.name, NO_REASON)
                kind = _NUMBER.sub("#", reason)
                reasons.setdefault(kind, reason)
                lacking[kind].append(i)
        for kind, rows in lacking.items():
            found.setdefault((kind, tuple(rows)), (reasons[kind], []))[1].append(metric.name)
    return [f"no {', '.join(names)}{_lacking(rows, results)}: {reason}" for (_, rows), (reason, names) in found.items()]


def _lacking(rows: Sequence[int], results: Results) -> str:
    """Describe which rows lack a metric: nothing if all do, else the methods, or the images."""
    if len(rows) == len(results.images):
        return ""
    lacking = Counter(results.images[i].restorer for i in rows)
    every = Counter(row.restorer for row in results.images)
    if all(every[restorer] == number for restorer, number in lacking.items()):
        names = method_names(every)
        return f" of {', '.join(names[restorer] for restorer in lacking)}"
    images = list(dict.fromkeys(results.images[i].image for i in rows))
    return f" of {count(len(images), 'image')}, {list_names(images)}"


def lost(comparisons: Sequence[PairedComparison]) -> list[str]:
    """Return a sentence for each comparison that a model loses on average, the worst first."""
    names = method_names({name for pair in comparisons for name in (pair.restorer, pair.against)})
    worse = sorted((pair for pair in comparisons if gain(pair) < 0), key=gain)
    found = []
    for pair in worse:
        where = f" on {pair.corruption}" if pair.corruption else ""
        found.append(f"{names[pair.restorer]} loses to {names[pair.against]}{where}: {verdict(pair)}")
    return found


def verdict(pair: PairedComparison) -> str:
    """Return the difference of two methods, its certainty, and the number of images for and against."""
    result, name = pair.result, title(pair.metric.name)
    even = gain(pair) == 0
    if even and not (result.wins or result.losses):
        return f"{name} the same on every one of {count(result.images, 'image')}"
    chance = "" if even or clear(result, pair.metric) or result.low is None else ", which may be chance"
    return f"{name} {difference(result, pair.metric)}{chance}; {counted(result)}"


def difference(result: Comparison, metric: MetricInfo) -> str:
    """Return a mean difference and its interval: "0.42 dB lower (95 % interval: ...)"."""
    if result.difference is None:
        return "has no finite difference"
    if result.difference == 0:
        return "the same on average"
    way = "higher" if result.difference > 0 else "lower"
    if metric.goal is not None:
        way = f"{'nearer to' if result.difference < 0 else 'further from'} {metric.goal:g}"
    text = f"{quantity(abs(result.difference), metric)} {way}"
    if result.low is None or result.high is None:
        return f"{text} ({result.reason})"
    return f"{text} ({100 * LEVEL:g} % interval {signed(result.low)} to {signed(result.high)})"


def counted(result: Comparison) -> str:
    """Return on how many images the first of two methods was worse, better and equal."""
    return (
        f"worse on {result.losses} of {count(result.images, 'image')}, better on {result.wins}, equal on {result.ties}"
    )


def explained(results: Results) -> list[tuple[str, str]]:
    """Return the protocol as pairs of a word and its explanation."""
    p = results.protocol
    estimates = {run.restorer: run.estimate for run in results.runs if run.estimate}
    digests = {run.restorer: run.digest for run in results.runs if run.digest}
    compared = [("comparisons", f"image by image; {TIES}"), ("intervals of differences", describe_intervals(p.seed))]
    return [
        ("images", f"{p.images} of {p.source}"), ("noise", p.noise), ("result", p.result), ("PSNR", p.psnr),
        ("SSIM", p.ssim), ("intervals", p.interval), *(compared if results.comparisons else []),
        *((f"estimate of {name}", estimate) for name, estimate in estimates.items()),
        *((f"model {name}", f"file {digest}") for name, digest in digests.items()), ("seed", str(p.seed)),
        ("device", f"{p.device}, {p.precision}"), *((name, version) for name, version in p.versions.items()),
    ]  # fmt: skip
