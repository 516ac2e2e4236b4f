"""What one image goes through in an evaluation: every damage, every contender, every metric.

restorers x corruptions x images -> results, under one protocol that every report prints.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Corruption, Metric
from restorekit.core.distributions import LEVEL
from restorekit.core.errors import ImageError, PluginError, UndefinedMetricError, UsageError
from restorekit.core.execution import Engine
from restorekit.core.plugins.boundary import attribute_errors, error_message
from restorekit.core.psnr import quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration
from restorekit.evaluation.likelihood import nelbo
from restorekit.evaluation.metric_values import OF_A_RUN, means, measure, metric_infos
from restorekit.evaluation.metrics.uncertainty import LEVELS, coverage_by_width, share_inside, sparsification
from restorekit.evaluation.protocol import Method, NoisePolicy, Protocol, Results, Scenario, TestImage
from restorekit.images.dataset import LabelledImages
from restorekit.images.previews import make_preview
from restorekit.restoration.model_restorer import ModelRestorer
from restorekit.uncertainty.intervals import enclose
from restorekit.uncertainty.noise_level import estimate_sigma

Row = dict[str, Any]


class Judged(NamedTuple):
    """One image's rows, one per corruption and contender, and what of them a broken plugin kept from being made."""

    rows: list[Row]
    failures: list[dict[str, str]]


@dataclass(frozen=True, eq=False)
class ImageEvaluator:
    """What an image goes through; a plugin that breaks takes down what it was asked for, and nothing beside it.

    Attributes
    ----------
    trials, metrics, seed, log
        As `evaluate` has them.
    views : Path or None
        Folder of the pictures for the report.
    pictured : collection of str
        Names of the images of which there are some.
    """

    trials: Sequence[Scenario]
    metrics: Sequence[Metric]
    seed: int
    log: Path | None
    views: Path | None = None
    pictured: Collection[str] = ()

    def judge(self, subject: TestImage, x: Tensor) -> Judged:
        """Return what is found of one image, (1, C, H, W)."""
        judged, rng = Judged([], []), Rng(self.seed, (subject.key,))
        for trial in self.trials:
            with self._noted(judged, subject, trial):
                observation = trial.corruption(x, rng)
                observation = observation if subject.label is None else replace(observation, label=subject.label)
                for contender in trial.contenders:
                    with self._noted(judged, subject, trial, contender):
                        judged.rows.append(self._row(subject, x, trial, contender, observation, judged))
        self._explain(judged, subject, x, rng.fork("draws"))
        return judged

    def _explain(self, judged: Judged, subject: TestImage, x: Tensor, rng: Rng) -> None:
        """Say in each row how well its contender explains the clean image, which no damage changes."""
        made = {row["restorer"] for row in judged.rows}
        asked = {c.name: (trial, c) for trial in reversed(self.trials) for c in trial.contenders if c.name in made}
        for name, (trial, contender) in asked.items():
            value, reasons = self._explained(judged, subject, x, trial, contender, rng)
            for row in judged.rows:
                if row["restorer"] == name:
                    row["nelbo"] = value
                    row["reasons"] |= reasons

    def _explained(
        self, judged: Judged, subject: TestImage, x: Tensor, trial: Scenario, contender: Method, rng: Rng
    ) -> tuple[float | None, dict[str, str]]:
        try:
            return _nelbo(contender, x, subject.label, rng), {}
        except UndefinedMetricError as none:
            return None, {"nelbo": str(none)}
        except PluginError as error:
            judged.failures.append(self._failure(error, subject, trial, contender))
            return None, {"nelbo": str(error)}

    @contextmanager
    def _noted(
        self, judged: Judged, subject: TestImage, trial: Scenario, contender: Method | None = None
    ) -> Iterator[None]:
        try:
            yield
        except PluginError as error:
            judged.failures.append(self._failure(error, subject, trial, contender))

    def _failure(
        self, error: PluginError, subject: TestImage, trial: Scenario, contender: Method | None
    ) -> dict[str, str]:
        whom = {} if contender is None else {"restorer": contender.name}
        return {"image": subject.key, "corruption": trial.spec, **whom, "error": str(error_message(error, self.log))}

    def _row(
        self,
        subject: TestImage,
        x: Tensor,
        trial: Scenario,
        contender: Method,
        observation: Observation,
        judged: Judged,
    ) -> Row:
        rng, started = Rng(self.seed, (subject.key,)).fork("draws"), time.perf_counter()
        shown = with_noise_policy(observation, trial.corruption, contender.told)
        answer = per_channel.restore(contender.restorer, shown, trial.corruption, contender.draws, rng)
        seconds = time.perf_counter() - started
        restoration, calibrated = _enclosed(answer, shown, trial.corruption, contender)
        finished = _finished(restoration)
        found, reasons, faults = measure(self.metrics, finished, x, observation)
        judged.failures.extend(self._failure(fault, subject, trial, contender) for fault in faults)
        name = {"corruption": trial.spec, "restorer": contender.name, "image": subject.key}
        times = {"seconds_per_megapixel": seconds / (x[0, 0].numel() / 1e6), "seconds": seconds}
        row: Row = {**name, **found, **times, "reasons": reasons}
        if "coverage90" in found:
            row |= {"coverage_by_width": coverage_by_width(finished, x, observation), "calibrated": calibrated}
            row["calibration"] = _calibration(answer, shown, trial.corruption, contender, (x, observation))
            row["sparsification"] = sparsification(finished, x, observation)
        if self.views is not None and subject.key in self.pictured:
            seen = make_preview(finished, observation, x, taken=trial.corruption.noise_law != "none")
            row["views"] = seen.write(self.views, _stem(*name.values()), _stem(trial.spec, subject.key))
        return row


def _stem(*names: str) -> str:
    """Return a file's name for what these name."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _nelbo(contender: Method, x: Tensor, label: Tensor | None, rng: Rng) -> float:
    """Return how well a model explains the clean image, for any corruption; UndefinedMetricError if it is no model."""
    if not isinstance(contender.restorer, ModelRestorer):
        raise UndefinedMetricError("it is no model of images")
    with attribute_errors(f"the model {contender.restorer.model.name!r}", contender.restorer.model):
        return nelbo(contender.restorer.model, x, label, rng)


def _enclosed(
    restoration: Restoration, shown: Observation, corruption: Corruption, contender: Method, level: float = LEVEL
) -> tuple[Restoration, bool | None]:
    """Add the calibrated interval of one image, and say whether there is one; None where the model has none at all."""
    if contender.table is None or restoration.std is None:
        return restoration, None
    together = per_channel.together(contender.restorer, shown.shape[0])
    enclosed, (refusal,) = enclose(restoration, shown, corruption, together, contender.table, level)
    return (restoration, False) if refusal else (enclosed, True)


def _calibration(
    answer: Restoration,
    shown: Observation,
    corruption: Corruption,
    contender: Method,
    truth: tuple[Tensor, Observation],
) -> list[float | None] | None:
    """Return the share of the truth inside the interval of each of LEVELS; None without a spread."""
    if answer.std is None:
        return None
    intervals = (_enclosed(answer, shown, corruption, contender, level)[0] for level in LEVELS)
    return [share_inside(_finished(i), *truth, level) for i, level in zip(intervals, LEVELS, strict=True)]


def with_noise_policy(observation: Observation, corruption: Corruption, told: NoisePolicy) -> Observation:
    """Return what a restorer is shown, told of the noise what `told` says; without noise that is always known."""
    if told == "true" or observation.sigma is None:
        return observation
    if told == "auto":
        return replace(observation, sigma=estimate_sigma(observation, corruption))
    return observation.blind()


def _finished(r: Restoration) -> Restoration:
    return replace(r, mmse=quantise_8bit(r.mmse), draws=None if r.draws is None else quantise_8bit(r.draws))


def evaluate(
    subjects: Iterable[TestImage],
    trials: Sequence[Scenario],
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
    jury = ImageEvaluator(trials, metrics, protocol.seed, log, views, pictured)

    @of_one_image()
    def read(subject: TestImage) -> Tensor:
        return subject.read()

    @of_one_image()
    def compute(subject: TestImage, x: Tensor) -> Judged:
        return jury.judge(subject, x)

    for outcome in engine.run(subjects, read, compute, lambda _, found: found):
        found = outcome.result or Judged([], [{"image": outcome.task.key, "error": outcome.error or ""}])
        rows.extend(found.rows)
        failures.extend(found.failures)
        watch(outcome.task.key, unsaid(found.failures, said))
    measured = [*metric_infos(metrics), *OF_A_RUN]
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


def _runs(rows: list[dict[str, Any]], trials: Sequence[Scenario], names: Sequence[str]) -> list[dict[str, Any]]:
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


def test_images(images: LabelledImages) -> list[TestImage]:
    """Return every image of a data set as a subject; files are read when their turn comes."""

    def reader(i: int) -> Callable[[], Tensor]:
        return lambda: truth(images, i)

    labels = images.labels
    return [
        TestImage(key, reader(i), None if labels is None else labels[i : i + 1]) for i, key in enumerate(images.keys)
    ]


def truth(images: LabelledImages, i: int) -> Tensor:
    """Read clean image i, (1, C, H, W); ImageError where parts of it are missing, as nothing can be measured there."""
    lost = images.missing(i)
    if lost is not None:
        raise ImageError(
            f"{float(lost.float().mean()):.2%} of its pixels are missing (NaN, or marked in a file NAME.missing.png),"
            " so that there is no truth to measure against; give a whole image or take it out of the folder"
        )
    return images[i][None]
