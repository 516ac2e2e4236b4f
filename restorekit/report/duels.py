"""Two methods on the same images: every model beside the best classical one, in counts and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from restorekit.figures import OF_A_RUN, Figure
from restorekit.report.columns import values
from restorekit.report.page import Column, Run
from restorekit.report.paired import LEVEL, Comparison, compare
from restorekit.report.wording import clear, count, difference, method_names, title
from restorekit.trials import Results

FIRST = "psnr"  # by which the best of several is told, where it was measured
TOLD = {"true": "told the true level of the noise", "blind": "told nothing of the noise", "auto": "its noise estimated"}


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


def lost(duels: Sequence[Duel]) -> list[str]:
    """Say where a model is worse on average than the classical method beside it: a sentence each, the worst first."""
    names = method_names({name for duel in duels for name in (duel.restorer, duel.against)})
    worse = sorted((duel for duel in duels if gain(duel) < 0), key=gain)
    return [f"{names[duel.restorer]} loses to {names[duel.against]}{_on(duel)}: {told(duel)}" for duel in worse]


def told(duel: Duel) -> str:
    """Say by how much the first of two is better or worse, how sure that is, and on how many images."""
    even = gain(duel) == 0
    if even and not (duel.found.wins or duel.found.losses):
        return f"{title(duel.figure.name)} the same on every one of {count(duel.found.images, 'image')}"
    chance = "" if even or clear(duel.found, duel.figure) or duel.found.low is None else ", which may be chance"
    what = f"{title(duel.figure.name)} {difference(duel.found, duel.figure)}{chance}"
    return f"{what}; {counted(duel.found)}"


def _on(duel: Duel) -> str:
    return f" on {duel.corruption}" if duel.corruption else ""


def counted(found: Comparison) -> str:
    """Say on how many images the first of two was better, worse and equal."""
    return f"worse on {found.losses} of {count(found.images, 'image')}, better on {found.wins}, equal on {found.ties}"


def gain(duel: Duel) -> float:
    """Return how much better the first of two is on average; where no mean can be told, by wins and losses."""
    if duel.found.difference is None:
        return float(duel.found.wins - duel.found.losses)
    return duel.found.difference if duel.figure.better == "higher" else -duel.found.difference


def page_runs(results: Results, duels: Sequence[Duel], shown: Sequence[Column]) -> list[Run]:
    """Return the means of every method as a page shows them, models with their wins and losses."""
    met = {(duel.corruption, duel.restorer): duel for duel in duels}
    same = {spec: same_images(results, spec) for spec in {run["corruption"] for run in results.runs}}
    pages = [_page_run(run, met.get((run["corruption"], run["restorer"])), shown) for run in results.runs]
    return [replace(page, alike=same[page.corruption]) for page in pages]


def same_images(results: Results, spec: str) -> bool:
    """Say whether all that were measured on a damage have figures of the same images."""
    images: dict[str, set[str]] = {}
    for row in results.images:
        if row["corruption"] == spec:
            images.setdefault(row["restorer"], set()).add(row["image"])
    return len({frozenset(own) for own in images.values()}) < 2


def _page_run(run: dict[str, Any], duel: Duel | None, shown: Sequence[Column]) -> Run:
    found, reasons = values(run, shown)
    note = "; ".join(filter(None, (TOLD.get(run["sigma"] or "", ""), run["estimate"])))
    own = Run(run["corruption"], run["restorer"], run["images"], run["learned"], found, reasons, note=note)
    if duel is None:
        return own
    return replace(own, wins=duel.found.wins, losses=duel.found.losses, ties=duel.found.ties, against=duel.against)
