"""What one image goes through in an evaluation: every damage, every contender, every metric."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from restorekit import asking, bands
from restorekit.blame import blamed, told
from restorekit.certainty import LEVELS, coverage_by_width, share_inside, sparsification
from restorekit.contracts import Corruption, Metric
from restorekit.enclose import enclose
from restorekit.errors import NoFigureError, PluginError
from restorekit.figures import measure
from restorekit.glance import glance
from restorekit.likelihood import nelbo
from restorekit.likelihoods import LEVEL
from restorekit.metrics import finish
from restorekit.noise import Noise
from restorekit.restore import ModelRestorer
from restorekit.sigma import estimate_sigma
from restorekit.trials import Contender, Subject, Told, Trial
from restorekit.types import Observation, Restoration

Row = dict[str, Any]


class Judged(NamedTuple):
    """One image's rows, one per corruption and contender, and what of them a broken plugin kept from being made."""

    rows: list[Row]
    failures: list[dict[str, str]]


@dataclass(frozen=True, eq=False)
class Jury:
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

    trials: Sequence[Trial]
    metrics: Sequence[Metric]
    seed: int
    log: Path | None
    views: Path | None = None
    pictured: Collection[str] = ()

    def judge(self, subject: Subject, x: Tensor) -> Judged:
        """Return what is found of one image, (1, C, H, W)."""
        judged, noise = Judged([], []), Noise(self.seed, (subject.key,))
        for trial in self.trials:
            with self._noted(judged, subject, trial):
                observation = asking.damage(trial.corruption, x, noise)
                observation = observation if subject.label is None else replace(observation, label=subject.label)
                for contender in trial.contenders:
                    with self._noted(judged, subject, trial, contender):
                        judged.rows.append(self._row(subject, x, trial, contender, observation, judged))
        self._explain(judged, subject, x, noise.fork("draws"))
        return judged

    def _explain(self, judged: Judged, subject: Subject, x: Tensor, noise: Noise) -> None:
        """Say in each row how well its contender explains the clean image, which no damage changes."""
        made = {row["restorer"] for row in judged.rows}
        asked = {c.name: (trial, c) for trial in reversed(self.trials) for c in trial.contenders if c.name in made}
        for name, (trial, contender) in asked.items():
            value, reasons = self._explained(judged, subject, x, trial, contender, noise)
            for row in judged.rows:
                if row["restorer"] == name:
                    row["nelbo"] = value
                    row["reasons"] |= reasons

    def _explained(
        self, judged: Judged, subject: Subject, x: Tensor, trial: Trial, contender: Contender, noise: Noise
    ) -> tuple[float | None, dict[str, str]]:
        try:
            return _nelbo(contender, x, subject.label, noise), {}
        except NoFigureError as none:
            return None, {"nelbo": str(none)}
        except PluginError as error:
            judged.failures.append(self._failure(error, subject, trial, contender))
            return None, {"nelbo": str(error)}

    @contextmanager
    def _noted(
        self, judged: Judged, subject: Subject, trial: Trial, contender: Contender | None = None
    ) -> Iterator[None]:
        try:
            yield
        except PluginError as error:
            judged.failures.append(self._failure(error, subject, trial, contender))

    def _failure(
        self, error: PluginError, subject: Subject, trial: Trial, contender: Contender | None
    ) -> dict[str, str]:
        whom = {} if contender is None else {"restorer": contender.name}
        return {"image": subject.key, "corruption": trial.spec, **whom, "error": str(told(error, self.log))}

    def _row(
        self, subject: Subject, x: Tensor, trial: Trial, contender: Contender, observation: Observation, judged: Judged
    ) -> Row:
        noise, started = Noise(self.seed, (subject.key,)).fork("draws"), time.perf_counter()
        shown = as_told(observation, trial.corruption, contender.told)
        with blamed(f"the restorer {contender.restorer.name!r}", contender.restorer, trial.corruption):
            answer = bands.restore(contender.restorer, shown, trial.corruption, contender.draws, noise)
        seconds = time.perf_counter() - started
        answer = asking.restored(contender.restorer, answer, shown, contender.draws)
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
            seen = glance(finished, observation, x, taken=trial.corruption.name != "clean")
            row["views"] = seen.write(self.views, _stem(*name.values()), _stem(trial.spec, subject.key))
        return row


def _stem(*names: str) -> str:
    """Return a file's name for what these name."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _nelbo(contender: Contender, x: Tensor, label: Tensor | None, noise: Noise) -> float:
    """Return how well a model explains the clean image, whatever the damage; NoFigureError for what is no model."""
    if not isinstance(contender.restorer, ModelRestorer):
        raise NoFigureError("it is no model of images")
    with blamed(f"the model {contender.restorer.model.name!r}", contender.restorer.model):
        return nelbo(contender.restorer.model, x, label, noise)


def _enclosed(
    restoration: Restoration, shown: Observation, corruption: Corruption, contender: Contender, level: float = LEVEL
) -> tuple[Restoration, bool | None]:
    """Add the calibrated interval of one image, and say whether there is one; None where the model has none at all."""
    if contender.table is None or restoration.std is None:
        return restoration, None
    together = bands.together(contender.restorer, shown.shape[0])
    enclosed, (refusal,) = enclose(restoration, shown, corruption, together, contender.table, level)
    return (restoration, False) if refusal else (enclosed, True)


def _calibration(
    answer: Restoration,
    shown: Observation,
    corruption: Corruption,
    contender: Contender,
    truth: tuple[Tensor, Observation],
) -> list[float | None] | None:
    """Return the share of the truth inside the interval of each of LEVELS; None without a spread."""
    if answer.std is None:
        return None
    intervals = (_enclosed(answer, shown, corruption, contender, level)[0] for level in LEVELS)
    return [share_inside(_finished(i), *truth, level) for i, level in zip(intervals, LEVELS, strict=True)]


def as_told(observation: Observation, corruption: Corruption, told: Told) -> Observation:
    """Return what a restorer is shown, told of the noise what `told` says; without noise that is always known."""
    if told == "true" or observation.sigma is None:
        return observation
    if told == "auto":
        return replace(observation, sigma=estimate_sigma(observation, corruption))
    return observation.blind()


def _finished(r: Restoration) -> Restoration:
    return replace(r, mmse=finish(r.mmse), draws=None if r.draws is None else finish(r.draws))
