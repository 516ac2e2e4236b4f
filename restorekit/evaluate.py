"""restorers x corruptions x images -> results, under one protocol that every report prints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from restorekit.contracts import Metric
from restorekit.engines import Engine
from restorekit.errors import ImageError, PluginError, UsageError
from restorekit.figures import OF_A_RUN, figures_of, means
from restorekit.images.labelled import LabelledImages
from restorekit.jury import Judged, Jury, Row
from restorekit.trials import Protocol, Results, Subject, Trial


def evaluate(
    subjects: Iterable[Subject],
    trials: Sequence[Trial],
    metrics: Sequence[Metric],
    engine: Engine,
    protocol: Protocol,
    watch: Callable[[str, str | None], None] = lambda key, error: None,
    log: Path | None = None,
    views: Path | None = None,
    pictured: Collection[str] = (),
) -> Results:
    """Damage every image, restore it with every contender, and measure.

    Parameters
    ----------
    subjects : iterable of Subject
        Clean images.
    trials : sequence of Trial
        Corruptions and contenders; all contenders of a trial see the same observation.
    metrics : sequence of Metric
        What is measured.
    engine : Engine
        Who runs it.
    protocol : Protocol
        Kept in the results; its seed seeds the noise.
    watch : callable
        Called after each image with its name and what went wrong, if anything; the same again is not told.
    log : Path or None
        Folder that gets the tracebacks of plugins that broke.
    views : Path or None
        Folder that gets pictures for the report.
    pictured : collection of str
        Names of the images of which there are to be some.

    Returns
    -------
    Results
    """
    rows, failures, said = list[Row](), list[dict[str, str]](), set[str]()
    jury = Jury(trials, metrics, protocol.seed, log, views, pictured)

    @of_one_image()
    def read(subject: Subject) -> Tensor:
        return subject.read()

    @of_one_image()
    def compute(subject: Subject, x: Tensor) -> Judged:
        return jury.judge(subject, x)

    for outcome in engine.run(subjects, read, compute, lambda _, found: found):
        found = outcome.result or Judged([], [{"image": outcome.task.key, "error": outcome.error or ""}])
        rows.extend(found.rows)
        failures.extend(found.failures)
        watch(outcome.task.key, unsaid(found.failures, said))
    measured = [*figures_of(metrics), *OF_A_RUN]
    return Results(protocol, _runs(rows, trials, [f.name for f in measured]), rows, failures, measured)


def unsaid(failures: Sequence[dict[str, str]], said: set[str]) -> str | None:
    """Return what is new in failures, and add it to what was said; None where nothing is."""
    fresh = dict.fromkeys(failure["error"] for failure in failures if failure["error"] not in said)
    said.update(fresh)
    return "; ".join(fresh) or None


@contextmanager
def of_one_image() -> Iterator[None]:
    """Let what does not fit one image, such as the number of its channels, be that image's failure alone."""
    try:
        yield
    except (UsageError, PluginError) as error:
        raise ImageError(str(error)) from error


def _runs(rows: list[dict[str, Any]], trials: Sequence[Trial], names: Sequence[str]) -> list[dict[str, Any]]:
    runs = []
    for trial in trials:
        for contender in trial.contenders:
            own = [r for r in rows if (r["corruption"], r["restorer"]) == (trial.spec, contender.name)]
            kept = ("draws", "learned", "estimate", "digest")
            c = {"sigma": contender.told, **{k: getattr(contender, k) for k in kept}}
            values, reasons = means(own, names)
            run = {"corruption": trial.spec, "restorer": contender.name, "images": len(own), **c, **values}
            runs.append({**run, **_coverage(own), "reasons": reasons})
    return runs


def _coverage(rows: list[dict[str, Any]]) -> dict[str, list[float] | int | None]:
    """Return how coverage is distributed: over images (5, 50, 95 %), and over tenths of predicted width (means).

    And how many images the model's calibration covers, None where it has none; others count with Gaussian intervals.
    """
    images = [r["coverage90"] for r in rows if r.get("coverage90") is not None]
    covered = [r["calibrated"] for r in rows if r.get("calibrated") is not None]
    tenths = [r["coverage_by_width"] for r in rows if r.get("coverage_by_width") is not None]
    return {
        "coverage90_images": np.quantile(images, (0.05, 0.5, 0.95)).tolist() if images else None,
        "coverage_by_width": np.mean(tenths, 0).tolist() if tenths else None,
        "calibrated": sum(covered) if covered else None,
    }


def subjects(images: LabelledImages) -> list[Subject]:
    """Return every image of a data set as a subject; files are read when their turn comes."""

    def reader(i: int) -> Callable[[], Tensor]:
        return lambda: truth(images, i)

    labels = images.labels
    return [Subject(key, reader(i), None if labels is None else labels[i : i + 1]) for i, key in enumerate(images.keys)]


def truth(images: LabelledImages, i: int) -> Tensor:
    """Read clean image i, (1, C, H, W); ImageError where parts of it are missing, as nothing can be measured there."""
    lost = images.missing(i)
    if lost is not None:
        raise ImageError(
            f"{float(lost.float().mean()):.2%} of its pixels are missing (NaN, or marked in a file NAME.missing.png),"
            " so that there is no truth to measure against; give a whole image or take it out of the folder"
        )
    return images[i][None]
