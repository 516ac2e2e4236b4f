"""Two methods on the same images: every model beside the best classical one, in counts and in sentences.

Another run's figures of the same images, from its results.json, to compare with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from restorekit.core.errors import UsageError
from restorekit.evaluation.bootstrap import LEVEL, Comparison, better, compare
from restorekit.evaluation.metric_values import BEFORE, DIFFERENCE_SUFFIX, OF_A_RUN, MetricInfo, in_order
from restorekit.evaluation.protocol import SCHEMA, Results
from restorekit.images.pairing import stem

FIRST = "psnr"  # by which the best of several is told, where it was measured


@dataclass(frozen=True)
class Duel:
    """Two methods by one figure on the same images.

    Attributes
    ----------
    corruption, restorer, against : str
        The damage, the one whose wins are counted, and the other.
    figure : Figure
        By what.
    found : Comparison
        What came of it.
    """

    corruption: str
    restorer: str
    against: str
    figure: MetricInfo
    found: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return what results.json holds of it."""
        found = asdict(self.found)
        pairs = [{"image": image, "difference": value} for image, value in found.pop("differences")]
        names = {"corruption": self.corruption, "restorer": self.restorer, "against": self.against}
        return {**names, "metric": self.figure.name, **found, "level": LEVEL, "differences": pairs}


def deciding(figures: Sequence[MetricInfo]) -> MetricInfo | None:
    """Return the figure that tells the best of several: PSNR, else the first that has a better end; None without."""
    apart = {figure.name for figure in OF_A_RUN}
    fit = [figure for figure in figures if figure.better and figure.name not in apart]
    return next((figure for figure in fit if figure.name == FIRST), fit[0] if fit else None)


def against_baselines(results: Results) -> list[Duel]:
    """Return, for every model and corruption, how it did beside the classical method that is best there on average."""
    figure = deciding(results.metrics)
    specs = dict.fromkeys(run["corruption"] for run in results.runs)
    return [duel for spec in specs for duel in _on_damage(results, spec, figure)] if figure else []


def _on_damage(results: Results, spec: str, figure: MetricInfo) -> list[Duel]:
    runs = [run for run in results.runs if run["corruption"] == spec]
    best = _best([run for run in runs if not run["learned"]], figure)
    found = []
    for name in (run["restorer"] for run in runs if best and run["learned"]):
        ours, theirs = (_figures(results, spec, one, figure.name) for one in (name, str(best)))
        found.append(Duel(spec, name, str(best), figure, compare(ours, theirs, figure, results.protocol.seed)))
    return [duel for duel in found if duel.found.images]


def _best(runs: Sequence[dict[str, Any]], figure: MetricInfo) -> str | None:
    """Return the method of the best mean; the first of equals."""
    sign = 1 if figure.better == "higher" else -1
    measured = [run for run in runs if run[figure.name] is not None]
    return max(measured, key=lambda run: sign * run[figure.name])["restorer"] if measured else None


def _figures(results: Results, spec: str, restorer: str, name: str) -> dict[str, float | None]:
    rows = (row for row in results.images if (row["corruption"], row["restorer"]) == (spec, restorer))
    return {row["image"]: row[name] for row in rows}


def gain(duel: Duel) -> float:
    """Return how much better the first of two is on average; where no mean can be told, by wins and losses."""
    if duel.found.difference is None:
        return float(duel.found.wins - duel.found.losses)
    return duel.found.difference if duel.figure.better == "higher" else -duel.found.difference


def same_images(results: Results, spec: str) -> bool:
    """Say whether all that were measured on a damage have figures of the same images."""
    images: dict[str, set[str]] = {}
    for row in results.images:
        if row["corruption"] == spec:
            images.setdefault(row["restorer"], set()).add(row["image"])
    return len({frozenset(own) for own in images.values()}) < 2


_SAME = ("result", "psnr", "ssim")  # of the protocol: what must be the same for figures to be compared


@dataclass(frozen=True)
class Other:
    """A run to compare with.

    Attributes
    ----------
    name, corruption : str
        Its restorer, and the damage.
    rows : mapping of str to mapping
        Figures by the stem of the image.
    """

    name: str
    corruption: str
    rows: Mapping[str, Mapping[str, Any]]


def results_file(path: Path) -> Path | None:
    """Return the results.json that a path names, itself or in its folder; None for a folder of images."""
    if path.is_file() and path.suffix == ".json":
        return path
    return path / "results.json" if (path / "results.json").is_file() else None


def load(path: Path) -> dict[str, Any]:
    """Read what `restorekit report` or `restorekit evaluate` wrote; UsageError where it is not that."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({error}); give results.json of report or evaluate") from error
    known = isinstance(found, dict) and isinstance(found.get("images"), list) and isinstance(found.get("runs"), list)
    if not known or found.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} is no results.json of schema {SCHEMA}, which is expected; make one with restorekit report"
        )
    return found


def shares(found: Mapping[str, Any], keys: Sequence[str], path: Path) -> None:
    """Raise a UsageError where another run's results hold none of the images."""
    there = [row["image"] for row in found["images"]]
    if not {stem(key) for key in there} & {stem(key) for key in keys}:
        raise UsageError(
            f"{path} holds figures of none of these images: expected names such as {keys[0]}, "
            f"got {there[0] if there else 'no image at all'}; give the results of a run on the same images"
        )


def others(found: Mapping[str, Any]) -> list[Other]:
    """Return the runs in what results.json holds, but for those without an image."""
    runs = [(run["restorer"], run["corruption"]) for run in found["runs"]]
    return [other for name, spec in runs if (other := _other(name, spec, found["images"])).rows]


def _other(name: str, spec: str, rows: Sequence[Mapping[str, Any]]) -> Other:
    own = (row for row in rows if (row["restorer"], row["corruption"]) == (name, spec))
    return Other(name, spec, {stem(row["image"]): row for row in own})


def differs(found: Mapping[str, Any], results: Results) -> list[str]:
    """Say where another run's figures came about in another way: a sentence each."""
    protocol = found.get("protocol", {})
    pairs = [(key, protocol.get(key), getattr(results.protocol, key)) for key in _SAME]
    return [f"not measured alike: {key} was {was!r} there and is {now!r} here" for key, was, now in pairs if was != now]


def duels(results: Results, other: Other) -> list[Duel]:
    """Compare the one run of results with another, by every figure that both have, the deciding one first."""
    name = results.runs[0]["restorer"]
    found = []
    for figure in _shared(results):
        ours = {row["image"]: row[figure.name] for row in results.images}
        theirs = {key: other.rows.get(stem(key), {}).get(figure.name) for key in ours}
        duel = Duel(other.corruption, name, other.name, figure, compare(ours, theirs, figure, results.protocol.seed))
        found.extend([duel] if duel.found.images else [])
    return found


def _shared(results: Results) -> list[MetricInfo]:
    """Return what can be compared, the deciding one first: not how long it took, and not what was given."""
    apart, first = {figure.name for figure in (*OF_A_RUN, *BEFORE)}, deciding(results.metrics)
    fit = [f for f in results.metrics if (f.better or f.goal is not None) and f.name not in apart]
    return sorted(in_order(fit), key=lambda figure: figure != first)


def strongest(found: Sequence[Sequence[Duel]]) -> Sequence[Duel]:
    """Return the comparisons with the one that is best on average by the deciding figure; none where there are none."""

    def merit(duels: Sequence[Duel]) -> float:
        mean, figure = duels[0].found.mean_against, duels[0].figure
        return -float("inf") if mean is None else mean if better(figure) == "higher" else -mean

    return max((duels for duels in found if duels), key=merit, default=[])


def with_differences(results: Results, duels: Sequence[Duel]) -> Results:
    """Return results whose rows hold the difference of every figure to another run, and whose run the mean of it."""
    found = {duel.figure.name + DIFFERENCE_SUFFIX: dict(duel.found.differences) for duel in duels}
    run = {**results.runs[0], **{duel.figure.name + DIFFERENCE_SUFFIX: duel.found.difference for duel in duels}}
    figures = [
        MetricInfo(duel.figure.name + DIFFERENCE_SUFFIX, duel.figure.unit, better(duel.figure), meaning=_meaning(duel))
        for duel in duels
    ]
    rows = [_with(row, found) for row in results.images]
    return replace(results, runs=[run], images=rows, metrics=[*results.metrics, *figures])


def _meaning(duel: Duel) -> str:
    if duel.figure.goal is not None:
        return f"Distance of {duel.figure.name} from {duel.figure.goal:g}, minus that of {duel.against}."
    return f"{duel.figure.name} minus that of {duel.against}."


def _with(row: Mapping[str, Any], found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    more = {name: by_image.get(row["image"]) for name, by_image in found.items()}
    why = {name: "one of both figures is infinite, or not there" for name, value in more.items() if value is None}
    return {**row, **more, "reasons": {**row["reasons"], **why}}
