"""Opening restorers by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from restorekit.core.contracts import Corruption, Detector, LatentModel, Model, Restorer, parts_of
from restorekit.core.devices import Compute, choose, compile_parts
from restorekit.core.errors import UsageError, unknown
from restorekit.core.plugins import registry
from restorekit.core.plugins.boundary import attribute_errors
from restorekit.corruptions.spec import parse, weighted
from restorekit.models import checkpoint
from restorekit.models.checkpoint import Card
from restorekit.restoration.assumptions import Sigma, resolve_degradation
from restorekit.restoration.model_restorer import MIN_DRAWS, ModelRestorer
from restorekit.restoration.repair import Repair
from restorekit.restoration.self_ensemble import SYMMETRIES
from restorekit.restoration.tiling import Limits
from restorekit.samplers.selection import pick_sampler
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.noise_level import IMAGE
from restorekit.uncertainty.touch import TouchTable


@dataclass(frozen=True, eq=False)
class Opened:
    """A restorer, ready to use.

    Attributes
    ----------
    name : str
        As the user gave it.
    restorer : Restorer
        Itself.
    card : Card or None
        The model file's card; None for classical methods.
    digest : str
        Of the model file; "" for classical methods.
    sampler : str or None
        The sampler as it was asked for, or its name, for unconditional models.
    device, precision : str
        Where and in what it computes.
    noise : str or None
        Spec of the noise in the images that the model has learnt from; None if they were clean.
    """

    name: str
    restorer: Restorer
    card: Card | None = None
    digest: str = ""
    sampler: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    noise: str | None = None

    @cached_property
    def table(self) -> Table | None:
        """The calibration in the model file, of this quality; None where there is none."""
        if self.card is None or self.card.calibration is None:
            return None
        table = Table.from_json(self.card.calibration)
        return table.best if self.best else table

    @property
    def best(self) -> bool:
        """Whether it is opened with the quality "best"."""
        return isinstance(self.restorer, ModelRestorer) and self.restorer.best

    @property
    def learnt_noise(self) -> Corruption | None:
        """The corruption that `noise` specifies."""
        return parse(self.noise, registry.corruptions()) if self.noise else None

    @property
    def _model(self) -> Model | None:
        return self.restorer.model if isinstance(self.restorer, ModelRestorer) else None

    @property
    def _answers(self) -> str:
        """Kind of the single answer of its sampler; "" for a sampler that draws."""
        sampler = self.restorer.sampler if isinstance(self.restorer, ModelRestorer) else None
        return "" if sampler is None else sampler.answers

    def check(self, label: int | None = None, samples: int = 0, keep: Sequence[str] = ()) -> None:
        """Raise a UsageError, before any work, for what this restorer cannot do."""
        if self._model is not None:
            check_label(label, self._model, self.name)
            if samples and self._answers:
                raise UsageError(
                    f"the sampler {self.sampler} gives one answer and no draws, got --samples {samples}; remove it "
                    "or choose another --sampler"
                )
            return
        asked = {"label": label is not None, "samples": samples > 0, **dict.fromkeys(keep, True)}
        wanted = [option for option, requested in asked.items() if requested]
        if wanted:
            raise UsageError(
                f"{self.name} is a classical method with one answer, without draws, spread or classes;"
                f" remove {' and '.join(wanted)} or choose a generative model"
            )

    def refusal(self, corruption: Corruption) -> str | None:
        """Return why this restorer cannot undo a corruption; None if it can.

        Noise and missing values are for every restorer. Anything else, such as blur, takes a model that has learnt it,
        an unconditional model with a sampler, or a classical method that is made for it.
        """
        parts = [part for part in parts_of(corruption) if not part.direct]
        names = ", ".join(dict.fromkeys(part.name for part in parts))
        if self._model is None:
            with attribute_errors(f"is_applicable of {self.name!r}", self.restorer):
                undoes = not parts or self.restorer.is_applicable(corruption)
            fix = "choose a method or model for it, or state the noise alone"
            return None if undoes else f"{self.name} is no method against {names}; {fix}"
        specs = self.card.corruptions if self.card is not None else ()
        known = registry.corruptions()
        learnt = {part.name for spec in specs for part in parts_of(parse(weighted(spec)[0], known))} if parts else set()
        if parts and self.best:
            return f"the quality best is for noise and missing values, got {names}; remove it"
        if isinstance(self._model, LatentModel) or all(part.name in learnt for part in parts):
            return None
        return (
            f"{self.name} has not learnt to undo {names}, and would only remove noise; choose a model that has, a "
            "classical method for it, or state the noise alone with --corruption gaussian"
        )

    def estimate(self, samples: int) -> str:
        """Return a description of the restored pixels for a number of draws."""
        if self._model is None:
            return "classical method, one answer"
        if self._answers:
            return f"{self._answers}, {self.sampler} sampler"
        if type(self._model).estimate is Model.estimate:
            return f"mean over {max(samples, MIN_DRAWS)} draws, {self.sampler} sampler"
        how = f"mean over {SYMMETRIES} flips and transposes" if self.best else "one-pass estimate"
        return f"{how} and {samples} draws" if samples else how


def open_restorer(
    name: str,
    corruption: Corruption | None = None,
    sampler: str | None = None,
    compute: Compute | None = None,
    limits: Limits | None = None,
    sigma: Sigma = None,
) -> Opened:
    """Open a model file, installed weights, or a classical method.

    Parameters
    ----------
    name : str
        Path of a model file, name of installed weights, or name of a restorer.
    corruption : Corruption or None
        Corruption to undo, by which a sampler is picked for unconditional models; None = not stated, as in
        `resolve_degradation`.
    sampler : str or None
        The sampler to use instead, such as ``langevin`` or ``langevin:steps=5000``.
    compute : Compute or None
        Where and how models compute.
    limits : Limits or None
        Amount of work done at once.
    sigma : float, "auto" or None
        Noise level on [0, 1] that the user states.

    Raises
    ------
    UsageError
        Nothing has that name, or the sampler and the model do not fit.
    """
    compute = compute or Compute()
    where, classical = choose(compute.device), registry.restorers()
    if name in classical and sampler is not None:
        raise UsageError(f"{name} is a classical method, which uses no sampler; remove --sampler {sampler}")
    if name in classical:
        if compute.quality == "best":
            raise UsageError(f"{name} is a classical method, which has no quality best; remove it or choose a model")
        with attribute_errors(f"making the restorer {name!r}", classical[name]):
            return Opened(name, classical[name]())
    if name not in registry.weights() and not (Path(name).suffix == ".safetensors" or Path(name).exists()):
        if (entry := registry.installed().unreadable.get(name)) is not None:
            raise UsageError(f"{entry.plugin} is incomplete, {entry.value}; install it again")
        raise UsageError(unknown("model, model file or classical method", name, [*classical, *registry.weights()]))
    path = checkpoint.resolve(name)
    model, card = checkpoint.load(path)
    with attribute_errors(f"noise_spec of the model {model.name!r}", model):
        spec = model.noise_spec()
    noise = parse(spec, registry.corruptions()) if spec else None
    found = resolve_degradation(corruption, sigma, model=noise)
    # a file may state noise even if the user states that there is none
    expected = IMAGE if found.source == "nobody" else found.corruption
    with attribute_errors(
        f"choosing the sampler {sampler!r}", registry.samplers().get((sampler or "").partition(":")[0])
    ):
        chosen = pick_sampler(model, expected, registry.samplers(), sampler)
    model = model.to(where).to(memory_format=torch.channels_last)
    if compute.compiled:
        compile_parts(model, where)
    best = compute.quality == "best"
    if best and (reason := _no_ensemble(model, card)):
        raise UsageError(f"the quality best {reason}; remove it, or choose another model than {name}")
    restorer = ModelRestorer(model, chosen, limits, compute.half, best)
    asked = sampler or (None if chosen is None else chosen.name)
    return Opened(name, restorer, card, checkpoint.model_digest(path), asked, where, compute.number, spec)


def _no_ensemble(model: Model, card: Card) -> str:
    """Return why a model's estimates under flips and transposes have no useful mean; empty if they have."""
    if type(model).estimate is Model.estimate:
        return "needs an estimate in one pass, and this model only makes draws"
    return "" if card.recipe.get("augment") else "needs a model that has learnt from flipped and transposed images"


@dataclass(frozen=True, eq=False)
class OpenedDetector:
    """A detector of defects, ready to use.

    Attributes
    ----------
    name : str
        As the user gave it.
    detector : Detector
        Itself.
    card : Card or None
        Card of its file; None for a detector without weights of its own.
    digest : str
        Of its file.
    """

    name: str
    detector: Detector
    card: Card | None = None
    digest: str = ""

    @property
    def table(self) -> TouchTable | None:
        """The thresholds in its file, or those of its class; None where there are none."""
        values = self.detector.calibration if self.card is None else self.card.calibration
        return None if values is None else TouchTable.from_json(values)

    def repair(self, share: float | None = None, grow: int | None = None, memory: int | None = None) -> Repair:
        """Return a repair with this detector that touches `share` of clean pixels.

        Parameters
        ----------
        share : float or None
            Share of the pixels of clean images, on average; None: the threshold is set later.
        grow : int or None
            Pixels by which marks are widened.
        memory : int or None
            Bytes of working memory.

        Raises
        ------
        UsageError
            The detector is not calibrated, or not for such a share.
        """
        limits = None if memory is None else Limits.for_memory(memory, self.detector.bytes_per_pixel)
        if share is None:
            return Repair(self.detector, 0.0, grow, limits)
        if (table := self.table) is None:
            fix = (
                f"use restorekit detect --detector {self.name} --clean IMAGES by itself, and pass its masks with --mask"
                if self.card is None
                else "use restorekit calibrate with clean images"
            )
            raise UsageError(f"{self.name} is not calibrated, so that no share of clean pixels can be promised; {fix}")
        moving = table.sequence if table.sequence is not None and table.sequence.covers(share) else None
        threshold = None if moving is None else moving.threshold(share)
        return Repair(self.detector, table.threshold(share), grow, limits=limits, sequence_threshold=threshold)


def open_detector(name: str, compute: Compute | None = None) -> OpenedDetector:
    """Open the file of a detector, installed weights of one, or a detector without weights of its own.

    Parameters
    ----------
    name : str
        Path of a file, name of installed weights, or name of a detector.
    compute : Compute or None
        Where and how it computes.

    Raises
    ------
    UsageError
        Nothing has that name, or it is a model, which detects nothing.
    """
    compute, known = compute or Compute(), registry.detectors()
    if name in known and name not in registry.networks():
        with attribute_errors(f"making the detector {name!r}", known[name]):
            return OpenedDetector(name, known[name]())
    if "," in name and not Path(name).is_file():
        raise UsageError(f"one detector at a time can be used here, such as with --clean, got {name}")
    named = [*detector_weights(), *(known.keys() - registry.networks())]
    if name not in registry.weights() and not (Path(name).suffix == ".safetensors" or Path(name).is_file()):
        raise UsageError(unknown("detector or file of one", name, named))
    path = checkpoint.resolve(name)
    network, card = checkpoint.load_network(path)
    if not isinstance(network, Detector):
        raise UsageError(f"{name} holds a model, which detects no defects; choose one of {', '.join(named)}")
    network.to(choose(compute.device)).to(memory_format=torch.channels_last)
    return OpenedDetector(name, network, card, checkpoint.model_digest(path))


def open_repair(
    names: str,
    share: float,
    grow: int | None = None,
    compute: Compute | None = None,
    memory: int | None = None,
) -> tuple[Repair, str]:
    """Open detectors as one repair that touches `share` of clean pixels, and return a digest of each of them.

    Each detector may touch an equal part of the share, so that the promise holds for the union of their marks.

    Parameters
    ----------
    names : str
        Names or files of detectors, as for `open_detector`, with commas between them.
    share : float
        Share of the pixels of clean images, on average.
    grow : int or None
        Pixels by which marks are widened.
    compute : Compute or None
        Where and how they compute.
    memory : int or None
        Bytes of working memory.

    Raises
    ------
    UsageError
        A name is unknown or occurs twice, or a detector is not calibrated for its part of the share.
    """
    parts = [names] if Path(names).is_file() else [part.strip() for part in names.split(",")]
    if not all(parts):
        raise UsageError(f"expected names of detectors with commas between them, got {names!r}")
    if len(set(parts)) < len(parts):
        raise UsageError(f"each detector counts once, got {names}; remove the repetition")
    opened, count = [open_detector(part, compute) for part in parts], len(parts)
    for one in opened:
        if (table := one.table) is not None and not table.covers(share / count):
            low, high = (count * end for end in (table.shares[0], table.shares[-1]))
            each = f", of which each of {count} detectors gets an equal part" if count > 1 else ""
            raise UsageError(
                f"{one.name} is calibrated for --touch from {low:g} to {high:g}{each}, got {share:g}; choose one of"
                " these, or calibrate it with more clean images (restorekit calibrate)"
            )
    first, *others = [one.repair(share / len(parts), grow, memory) for one in opened]
    return replace(first, others=tuple(others)), ",".join(one.digest or one.name for one in opened)


def detector_weights() -> list[str]:
    """Return the names of installed weights of detectors."""
    known = registry.detectors()
    return [name for name, path in registry.weights().items() if checkpoint.read_card(path).model in known]


def check_label(label: int | None, model: Model, name: str) -> None:
    """Raise a UsageError where a model does not know the class `label`."""
    classes = getattr(model.config, "classes", 0)
    if label is None or 0 <= label < classes:
        return
    if not classes:
        raise UsageError(f"{name} has no classes; remove the label")
    raise UsageError(f"the label is a class from 0 to {classes - 1} of {name}, got {label}")
