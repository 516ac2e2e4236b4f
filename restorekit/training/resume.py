"""Training state for bit-exact resume: weights, averages, optimisers and step, as tensors only."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from restorekit.core.contracts import Network
from restorekit.core.errors import CheckpointError, RecordError
from restorekit.core.files import atomic, remove
from restorekit.core.records import MAX_LINE_BYTES, encode, parse
from restorekit.models.checkpoint import MAX_CARD_BYTES, Card
from restorekit.training.log import LogEntry
from restorekit.training.optimizers import ParameterGroup

STATE_FILE = "state.safetensors"  # in the folder of a run
STEADY_FILE = "state_steady.safetensors"  # the state before the learning rate fell
MAX_SHOWN_CHARACTERS = 100  # two differing values longer than this together are not shown
_DATA = {"number of images": "images", "images": "fingerprint", "validation images": "held_out", "range": "range"}


@dataclass
class State:
    """State of a training between or during updates.

    Attributes
    ----------
    model : Network
        The weights being trained.
    average : Network
        Their moving average, which is saved as the result; `model` itself without averaging.
    groups : list of ParameterGroup
        Optimisers and gradient statistics.
    module : callable
        `model` behind the fabric's wrappers.
    step : int
        Updates done.
    seconds : float
        Time spent, earlier runs included.
    found : dict
        Metrics of the last validation.
    complete : bool
        True except during an update.
    saved : int or None
        Updates done at the last save.
    """

    model: Network
    average: Network
    groups: list[ParameterGroup]
    module: Any = None
    step: int = 0
    seconds: float = 0.0
    found: dict[str, float] = field(default_factory=dict)
    complete: bool = True
    saved: int | None = None


@dataclass(frozen=True)
class Progress:
    """Updates done, time spent, and the metrics of the last validation, in the file of a state."""

    step: int
    seconds: float
    found: Mapping[str, float]


def save_state(path: Path, state: State, card: Card) -> None:
    """Write the state atomically. Random numbers need no state: they depend on seed and step alone."""
    progress = Progress(state.step, state.seconds, state.found)
    metadata = {"state": json.dumps(encode(progress)), "card": json.dumps(encode(card))}
    tensors = {k: v.detach().cpu().contiguous() for k, v in _tensors(state).items()}
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(tensors, metadata))


def refuse_other(path: Path, card: Card) -> Card:
    """Compare a state with the training that is to resume from it; return the card to go on with.

    The card keeps the start of the first run. The length of the training may change, and nothing else.

    Raises
    ------
    CheckpointError
        There is no state, or it was written with other images, corruptions, classes, seed or settings.
    """
    with _open(path) as file:
        metadata = file.metadata() or {}
    if "card" not in metadata:
        raise CheckpointError(f"expected a training state, got another safetensors file {path}; start without --resume")
    try:
        old = parse(Card, metadata["card"], "the card", MAX_CARD_BYTES)
    except RecordError as error:
        raise CheckpointError(f"{path} cannot be resumed from ({error}); start again without --resume") from error
    then, now = _identity(old), _identity(card)
    differing = [
        f"{k} was {then[k]} and is {now[k]}" if len(then[k] + now[k]) < MAX_SHOWN_CHARACTERS else f"other {k}"
        for k in then
        if k in now and then[k] != now[k]
    ]
    if differing:
        raise CheckpointError(
            f"{path} was written by another training ({'; '.join(differing)}); "
            f"resume with the same command, or start in another folder"
        )
    return dataclasses.replace(card, start=old.start)


def _identity(card: Card) -> dict[str, str]:
    """Return the entries that must not change from run to run, each as JSON, without those that an older card lacks."""
    classes = {"class names": card.label_names} if card.label_names else {}
    entries = encode(card.data)
    data = {name: entries[key] for name, key in _DATA.items() if key in entries}
    found = {"model": card.model, "corruptions": card.corruptions, "seed": card.seed, **data, **card.config}
    return {k: json.dumps(v) for k, v in {**found, **card.recipe, **classes}.items()}


def saved_progress(path: Path) -> Progress:
    """Read how far a saved training was; raise a CheckpointError if the file is not a state."""
    with _open(path) as file:
        progress = (file.metadata() or {}).get("state")
    if progress is None:
        raise CheckpointError(f"expected a training state, got another safetensors file {path}; start without --resume")
    try:
        return parse(Progress, progress, "the state", MAX_LINE_BYTES)
    except RecordError as error:
        raise CheckpointError(f"{path} cannot be resumed from ({error}); start again without --resume") from error


def before_decay(run: Path) -> Path:
    """Return the state of a run before its learning rate fell: the last one if it has not fallen."""
    steady = run / STEADY_FILE
    return steady if steady.is_file() else run / STATE_FILE


def go_back(run: Path) -> None:
    """Go back to the state before the learning rate fell; the model that the fall gave is kept as model-STEP."""
    if before_decay(run) == run / STATE_FILE:
        return
    model, done = run / "model.safetensors", saved_progress(run / STATE_FILE).step
    if model.is_file():
        model.replace(run / f"model-{done}.safetensors")
    (run / STEADY_FILE).replace(run / STATE_FILE)


def restore_state(path: Path, state: State) -> None:
    """Copy a saved state into freshly made models and optimisers.

    Raises
    ------
    CheckpointError
        There is no state, or it was written with other settings.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no {path} to resume from; start without --resume")
    for group in state.groups:  # a step with gradients of 0 makes optimisers create the state to copy into
        for p in group.params:
            p.grad = torch.zeros_like(p)
        for optimiser in group.optimisers:
            optimiser.param_groups[0]["lr"] = 0.0
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    targets = _tensors(state)
    values = saved_progress(path)
    with _open(path) as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, safe_open is no mapping
    untrained = {key for key in targets.keys() - stored.keys() if key.startswith("optimiser/")}
    same = stored.keys() == targets.keys() - untrained
    if not same or any(stored[k].shape != targets[k].shape for k in stored):
        raise CheckpointError(f"{path} was written with other settings of the model; resume with the same command")
    with torch.no_grad():
        for key, tensor in stored.items():
            targets[key].copy_(tensor)
    for group in state.groups:  # optimisers had no state for parameters that have had no gradient yet
        for i, p in enumerate(group.params):
            if any(key.startswith(f"optimiser/{group.name}/{i}/") for key in untrained):
                for optimiser in group.optimisers:
                    optimiser.state.pop(p, None)
    state.step, state.seconds, state.found = values.step, values.seconds, dict(values.found)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a state file; raise a CheckpointError if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a complete state file ({error}); start again without --resume") from error


def rewind(run: Path, step: int) -> None:
    """Remove log lines and pictures that a killed training wrote after `step`: the resumed one writes them again."""
    log = run / "log.jsonl"
    if log.is_file():
        lines = log.read_text(errors="replace").splitlines()
        with atomic(log) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines if _step(line) <= step))
    for picture in (p for name in ("previews", "samples") for p in (run / name).glob("*.png")):
        if picture.stem.isdecimal() and int(picture.stem) > step:
            remove(picture)


def _step(line: str) -> float:
    """Return the step of a line of the log; infinity if the line is truncated."""
    try:
        return parse(LogEntry, line, limit=MAX_LINE_BYTES).step
    except RecordError:
        return math.inf


def _tensors(state: State) -> dict[str, Tensor]:
    """Return every tensor of the state by name; shared storage is listed once."""
    modules = {"model": state.model, **({"average": state.average} if state.average is not state.model else {})}
    found = {f"{prefix}/{name}": t for prefix, module in modules.items() for name, t in module.state_dict().items()}
    for group in state.groups:
        found[f"usual/{group.name}"], found[f"skipped/{group.name}"] = group.usual, group.skipped
        for i, p in enumerate(group.params):
            kept = [optimiser.state[p] for optimiser in group.optimisers if p in optimiser.state]
            for name, value in (pair for state_of in kept for pair in state_of.items()):
                found[f"optimiser/{group.name}/{i}/{name}"] = value
    return found
