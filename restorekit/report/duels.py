"""Two methods on the same images: every model beside the best classical one, in counts and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from restorekit.figures import OF_A_RUN, Figure
from restorekit.report.paired import LEVEL, Comparison, compare
from restorekit.trials import Results

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
    figure: Figure
    found: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return what results.json holds of it."""
        found = asdict(self.found)
        pairs = [{"image": image, "difference": value} for image, value in found.pop("differences")]
        names = {"corruption": self.corruption, "restorer": self.restorer, "against": self.against}
        return {**names, "metric": self.figure.name, **found, "level": LEVEL, "differences": pairs}


def deciding(figures: Sequence[Figure]) -> Figure | None:
    """Return the figure that tells the best of several: PSNR, else the first that has a better end; None without."""
    apart = {figure.name for figure in OF_A_RUN}
    fit = [figure for figure in figures if figure.better and figure.name not in apart]
    return next((figure for figure in fit if figure.name == FIRST), fit[0] if fit else None)


def against_baselines(results: Results) -> list[Duel]:
    """Return, for every model and corruption, how it did beside the classical method that is best there on average."""
    figure = deciding(results.metrics)
    specs = dict.fromkeys(run["corruption"] for run in results.runs)
    return [duel for spec in specs for duel in _on_damage(results, spec, figure)] if figure else []


def _on_damage(results: Results, spec: str, figure: Figure) -> list[Duel]:
    runs = [run for run in results.runs if run["corruption"] == spec]
    best = _best([run for run in runs if not run["learned"]], figure)
    found = []
    for name in (run["restorer"] for run in runs if best and run["learned"]):
        ours, theirs = (_figures(results, spec, one, figure.name) for one in (name, str(best)))
        found.append(Duel(spec, name, str(best), figure, compare(ours, theirs, figure, results.protocol.seed)))
    return [duel for duel in found if duel.found.images]


def _best(runs: Sequence[dict[str, Any]], figure: Figure) -> str | None:
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
