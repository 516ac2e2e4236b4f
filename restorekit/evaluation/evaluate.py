"""Corruptions x methods x images -> results, under one protocol that every report prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from restorekit.core import channels as per_channel
from restorekit.core.contracts import Metric
from restorekit.core.distributions import LEVEL
from restorekit.core.errors import ImageError, PluginError, UndefinedMetricError, UsageError
from restorekit.core.execution import Engine
from restorekit.core.files import digest
from restorekit.core.plugins.boundary import attribute_errors, error_message
from restorekit.core.psnr import quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem, Restoration
from restorekit.evaluation.likelihood import nelbo
from restorekit.evaluation.metric_values import OF_A_RUN, means, measure, metric_infos
from restorekit.evaluation.metrics.uncertainty import LEVELS, coverage_by_width, share_inside, sparsification
from restorekit.evaluation.protocol import Method, Protocol, Results, Scenario, TestImage
from restorekit.evaluation.rows import Failure, ImageCoverage, ImageRow, NoisePolicy, RunCoverage, RunRow
from restorekit.images.dataset import LabelledImages
from restorekit.images.previews import make_preview
from restorekit.restoration.model_restorer import ModelRestorer
from restorekit.uncertainty.intervals import enclose
from restorekit.uncertainty.noise_level import estimate_sigma


def evaluate(
    images: Iterable[TestImage],
    scenarios: Sequence[Scenario],
    metrics: Sequence[Metric],
    engine: Engine,
    protocol: Protocol,
    watch: Callable[[str, str | None], None] = lambda key, error: None,
    log: Path | None = None,
    views: Path | None = None,
    pictured: Collection[str] = (),
) -> Results:
    """Corrupt every image, restore it with every method, and measure.

    Parameters
    ----------
    images : iterable of TestImage
        Clean images.
    scenarios : sequence of Scenario
        Corruptions and methods; all methods of a scenario restore the same observation.
    metrics : sequence of Metric
        Metrics to compute.
    engine : Engine
        Runs the work.
    protocol : Protocol
        Kept in the results; its seed seeds the corruptions.
    watch : callable
        Called after each image with its name and the errors that no earlier image had, or None.
    log : Path or None
        Folder for the tracebacks of plugins that raised.
    views : Path or None
        Folder for the pictures of the report.
    pictured : collection of str
        Names of the images to make pictures of.

    Returns
    -------
    Results
    """
    rows, failures, reported = list[ImageRow](), list[Failure](), set[str]()
    evaluator = ImageEvaluator(scenarios, metrics, protocol.seed, log, views, pictured)

    for outcome in engine.run(images, _EvaluationJob(evaluator)):
        found = outcome.result or ImageResult([], [Failure(outcome.task.key, outcome.error or "")])
        rows.extend(found.rows)
        failures.extend(found.failures)
        watch(outcome.task.key, new_errors(found.failures, reported))
    infos = [*metric_infos(metrics), *OF_A_RUN]
    names = [info.name for info in infos]
    runs = [_run(scenario, method, rows, names) for scenario in scenarios for method in scenario.methods]
    return Results(protocol, runs, rows, failures, infos)


class ImageResult(NamedTuple):
    """Rows of one image, one per corruption and method, and the failures of plugins on it."""

    rows: list[ImageRow]
    failures: list[Failure]


@dataclass(frozen=True, eq=False)
class ImageEvaluator:
    """Evaluate one image under every scenario. An error in a plugin fails only the results that depend on it.

    Attributes
    ----------
    scenarios, metrics, seed, log, views, pictured
        As in `evaluate`.
    """

    scenarios: Sequence[Scenario]
    metrics: Sequence[Metric]
    seed: int
    log: Path | None
    views: Path | None = None
    pictured: Collection[str] = ()

    def evaluate(self, image: TestImage, x: Tensor) -> ImageResult:
        """Return the results of one image x, (1, C, H, W)."""
        found, rng = ImageResult([], []), Rng(self.seed, (image.key,))
        for scenario in self.scenarios:
            with self._recording(found, image, scenario):
                observation = scenario.corruption(x, rng)
                observation = observation if image.label is None else replace(observation, label=image.label)
                for method in scenario.methods:
                    with self._recording(found, image, scenario, method):
                        row, faults = self._restore_and_measure(image, x, scenario, method, observation)
                        found.rows.append(row)
                        found.failures.extend(self._failure(fault, image, scenario, method) for fault in faults)
        self._add_likelihoods(found, image, x, rng.fork("draws"))
        return found

    def _restore_and_measure(
        self, image: TestImage, x: Tensor, scenario: Scenario, method: Method, observation: Observation
    ) -> tuple[ImageRow, list[PluginError]]:
        """Return the row of one method, and the errors of metrics."""
        rng, started = Rng(self.seed, (image.key,)).fork("draws"), time.perf_counter()
        shown = with_noise_policy(Problem(observation, scenario.corruption), method.noise_policy)
        answer = per_channel.restore(method.restorer, shown, method.draws, rng)
        seconds = time.perf_counter() - started
        restoration, calibrated = _with_interval(answer, shown, method)
        scored = _quantised(restoration)
        values, reasons, faults = measure(self.metrics, scored, x, observation)
        coverage = None
        if "coverage90" in values:
            coverage = ImageCoverage(
                coverage_by_width=coverage_by_width(scored, x, observation),
                calibrated=calibrated,
                calibration=_calibration(answer, shown, method, (x, observation)),
                sparsification=sparsification(scored, x, observation),
            )
        times = {"seconds_per_megapixel": seconds / (x[0, 0].numel() / 1e6), "seconds": seconds}
        row = ImageRow(scenario.spec, method.name, image.key, {**values, **times}, reasons, coverage)
        if self.views is not None and row.image in self.pictured:
            preview = make_preview(scored, observation, x, taken=scenario.corruption.noise_law != "none")
            own, shared = (row.corruption, row.restorer, row.image), (row.corruption, row.image)
            stems = (digest("\n".join(names).encode())[:16] for names in (own, shared))
            row = replace(row, views=preview.write(self.views, *stems))
        return row, faults

    def _add_likelihoods(self, found: ImageResult, image: TestImage, x: Tensor, rng: Rng) -> None:
        """Add the NELBO of the clean image, which no corruption changes, to the rows of each method."""
        measured = {row.restorer for row in found.rows}
        first = {m.name: (s, m) for s in reversed(self.scenarios) for m in s.methods if m.name in measured}
        for name, (scenario, method) in first.items():
            value, reason = None, ""
            try:
                value = _nelbo(method, x, image.label, rng)
            except UndefinedMetricError as error:
                reason = str(error)
            except PluginError as error:
                found.failures.append(self._failure(error, image, scenario, method))
                reason = str(error)
            for row in (row for row in found.rows if row.restorer == name):
                row.metrics["nelbo"] = value
                row.reasons.update({"nelbo": reason} if value is None else {})

    @contextmanager
    def _recording(
        self, found: ImageResult, image: TestImage, scenario: Scenario, method: Method | None = None
    ) -> Iterator[None]:
        """Turn an error of a plugin into a failure."""
        try:
            yield
        except PluginError as error:
            found.failures.append(self._failure(error, image, scenario, method))

    def _failure(self, error: PluginError, image: TestImage, scenario: Scenario, method: Method | None) -> Failure:
        return Failure(
            image.key, str(error_message(error, self.log)), scenario.spec, "" if method is None else method.name
        )


def _nelbo(method: Method, x: Tensor, label: Tensor | None, rng: Rng) -> float:
    """Return the NELBO of the clean image under a model; UndefinedMetricError for other restorers."""
    if not isinstance(method.restorer, ModelRestorer):
        raise UndefinedMetricError("it is no model of images")
    with attribute_errors(f"the model {method.restorer.model.name!r}", method.restorer.model):
        return nelbo(method.restorer.model, x, label, rng)


def _with_interval(
    restoration: Restoration, shown: Problem, method: Method, level: float = LEVEL
) -> tuple[Restoration, bool | None]:
    """Add the calibrated interval of one image, and return whether there is one; None if the model has no table."""
    if method.table is None or restoration.std is None:
        return restoration, None
    together = per_channel.channels_per_pass(method.restorer, shown.observation.shape[0])
    enclosed, (refusal,) = enclose(restoration, shown, together, method.table, level)
    return (restoration, False) if refusal else (enclosed, True)


def _calibration(
    answer: Restoration, shown: Problem, method: Method, truth: tuple[Tensor, Observation]
) -> list[float | None] | None:
    """Return the share of the truth inside the interval of each of LEVELS; None without a spread."""
    if answer.std is None:
        return None
    intervals = (_with_interval(answer, shown, method, level)[0] for level in LEVELS)
    return [share_inside(_quantised(i), *truth, level) for i, level in zip(intervals, LEVELS, strict=True)]


def _quantised(r: Restoration) -> Restoration:
    return replace(r, mmse=quantise_8bit(r.mmse), draws=None if r.draws is None else quantise_8bit(r.draws))


def with_noise_policy(problem: Problem, policy: NoisePolicy) -> Problem:
    """Return the problem with the noise level that a method gets; without noise it is always known."""
    observation = problem.observation
    if policy == "true" or observation.sigma is None:
        return problem
    if policy == "auto":
        return replace(problem, observation=replace(observation, sigma=estimate_sigma(problem)))
    return replace(problem, observation=observation.blind())


def new_errors(failures: Sequence[Failure], reported: set[str]) -> str | None:
    """Return the errors that are not in `reported`, and add them to it; None if there are none."""
    fresh = dict.fromkeys(failure.error for failure in failures if failure.error not in reported)
    reported.update(fresh)
    return "; ".join(fresh) or None


@contextmanager
def of_one_image() -> Iterator[None]:
    """Turn errors that concern one image, such as an unsupported number of channels, into an ImageError."""
    try:
        yield
    except (UsageError, PluginError) as error:
        raise ImageError(str(error)) from error


def _run(scenario: Scenario, method: Method, rows: Sequence[ImageRow], names: Sequence[str]) -> RunRow:
    """Return the means of one method under one corruption.

    Its coverage is the distribution over images (5, 50, 95 %), and means over tenths of predicted width. Images beyond
    the calibration, which `calibrated` does not count, have Gaussian intervals.
    """
    own = [row for row in rows if (row.corruption, row.restorer) == (scenario.spec, method.name)]
    values, reasons = means(own, names)
    shares = [value for row in own if (value := row.metrics.get("coverage90")) is not None]
    details = [row.coverage for row in own if row.coverage is not None]
    tenths = [one.coverage_by_width for one in details if one.coverage_by_width is not None]
    calibrated = [one.calibrated for one in details if one.calibrated is not None]
    coverage = RunCoverage(
        coverage90_images=np.quantile(shares, (0.05, 0.5, 0.95)).tolist() if shares else None,
        coverage_by_width=np.mean(tenths, 0).tolist() if tenths else None,
        calibrated=sum(calibrated) if calibrated else None,
    )
    return RunRow(
        corruption=scenario.spec,
        restorer=method.name,
        images=len(own),
        sigma=method.noise_policy,
        draws=method.draws,
        learned=method.learned,
        estimate=method.estimate,
        digest=method.digest,
        metrics=values,
        coverage=coverage,
        reasons=reasons,
    )


def test_images(images: LabelledImages) -> list[TestImage]:
    """Return every image of a data set as a test image, whose file is read on demand."""

    def reader(i: int) -> Callable[[], Tensor]:
        return lambda: truth(images, i)

    labels = images.labels
    return [
        TestImage(key, reader(i), None if labels is None else labels[i : i + 1]) for i, key in enumerate(images.keys)
    ]


def truth(images: LabelledImages, i: int) -> Tensor:
    """Read clean image i, (1, C, H, W); ImageError if pixels are missing, since nothing can be measured there."""
    lost = images.missing(i)
    if lost is not None:
        raise ImageError(
            f"{float(lost.float().mean()):.2%} of its pixels are missing (NaN, or marked in a file NAME.missing.png),"
            " so that there is no truth to measure against; replace it by a complete image or remove it"
        )
    return images[i][None]


@dataclass(frozen=True)
class _EvaluationJob:
    """Read, restore and measure one image; the caller keeps the results."""

    evaluator: ImageEvaluator

    @of_one_image()
    def read(self, image: TestImage) -> Tensor:
        """Read the clean image."""
        return image.read()

    @of_one_image()
    def compute(self, image: TestImage, x: Tensor) -> ImageResult:
        """Restore and measure it."""
        return self.evaluator.evaluate(image, x)

    def write(self, image: TestImage, result: ImageResult) -> ImageResult:
        """Return the result unchanged."""
        return result
