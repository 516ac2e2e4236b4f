"""What a training must remember to go on bit for bit: weights, averages, optimisers, step. Tensors only."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from restorekit.core.contracts import Model
from restorekit.core.errors import CheckpointError
from restorekit.core.files import atomic
from restorekit.models.checkpoint import Card
from restorekit.training.optimizers import Group

LONG = 100  # characters of two values that are too many to tell
_DATA = {"number of images": "images", "images": "fingerprint", "validation images": "held_out", "range": "range"}


@dataclass
class State:
    """A training at one moment.

    Attributes
    ----------
    model : Model
        The weights being trained.
    average : Model
        Their moving average, which is saved as the result; `model` itself where there is none.
    groups : list of Group
        Optimisers and gradient statistics.
    module : callable
        `model` behind the fabric's wrappers.
    step : int
        Updates done.
    seconds : float
        Time spent, earlier runs included.
    found : dict
        The last validation's figures.
    whole : bool
        Whether no update is underway.
    saved : int or None
        Updates that the last save holds.
    """

    model: Model
    average: Model
    groups: list[Group]
    module: Any = None
    step: int = 0
    seconds: float = 0.0
    found: dict[str, float] = field(default_factory=dict)
    whole: bool = True
    saved: int | None = None


def save_state(path: Path, state: State, card: Card) -> None:
    """Write the state whole or not at all. Random numbers need no state: they depend on seed and step alone."""
    moment = {"step": state.step, "seconds": state.seconds, "found": state.found}
    metadata = {"state": json.dumps(moment), "card": json.dumps(dataclasses.asdict(card))}
    with atomic(path) as temporary:
        temporary.write_bytes(
            serialise({k: v.detach().cpu().contiguous() for k, v in _tensors(state).items()}, metadata)
        )


def refuse_other(path: Path, card: Card) -> Card:
    """Compare a state with the training that is to go on from it; return the card to go on with.

    Its start stays what it was. How long to train may change, and nothing else.

    Raises
    ------
    CheckpointError
        There is no state, or it was written with other images, corruptions, classes, seed or settings.
    """
    told = _metadata(path).get("card")
    if told is None:
        raise CheckpointError(f"{path} is no state of a training but another safetensors file; start without --resume")
    known = {f.name for f in dataclasses.fields(Card)}
    old = Card(**{k: v for k, v in json.loads(told).items() if k in known})
    then, now = _essence(old), _essence(card)
    differing = [_change(k, then[k], now[k]) for k in then if k in now and then[k] != now[k]]
    if differing:
        raise CheckpointError(
            f"{path} was written by another training ({'; '.join(differing)}); "
            f"resume with the same command, or start in another folder"
        )
    return dataclasses.replace(card, start=old.start)


def _change(name: str, then: str, now: str) -> str:
    return f"{name} was {then} and is {now}" if len(then + now) < LONG else f"other {name}"


def _essence(card: Card) -> dict[str, str]:
    """Return what must stay the same from run to run, each as JSON; what an older card does not say is not there."""
    classes = {"class names": card.label_names} if card.label_names else {}
    data = {name: card.data[key] for name, key in _DATA.items() if key in card.data}
    found = {"model": card.model, "corruptions": card.corruptions, "seed": card.seed, **data, **card.config}
    return {k: json.dumps(v) for k, v in {**found, **card.recipe, **classes}.items()}


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a whole state file ({error}); start again without --resume") from error


def restore_state(path: Path, state: State) -> None:
    """Put a saved state into freshly made models and optimisers.

    Raises
    ------
    CheckpointError
        Where there is no state, or it belongs to other settings.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no {path} to resume from; start without --resume")
    for group in state.groups:
        _prime(group)
    targets = _tensors(state)
    try:
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get("state")
            stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, safe_open is no mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a whole state file ({error}); start again without --resume") from error
    if told is None:
        raise CheckpointError(f"{path} is no state of a training but another safetensors file; start without --resume")
    moment = json.loads(told)
    untrained = {key for key in targets.keys() - stored.keys() if key.startswith("optimiser/")}
    same = stored.keys() == targets.keys() - untrained
    if not same or any(stored[k].shape != targets[k].shape for k in stored):
        raise CheckpointError(f"{path} was written with other settings of the model; resume with the same command")
    with torch.no_grad():
        for key, tensor in stored.items():
            targets[key].copy_(tensor)
    _forget(state, untrained)
    state.step, state.seconds, state.found = moment["step"], moment["seconds"], moment["found"]


def rewind(run: Path, step: int) -> None:
    """Take out of a run's folder what a killed training logged and pictured after `step`: all of it comes again."""
    log = run / "log.jsonl"
    if log.is_file():
        lines = log.read_text(errors="replace").splitlines()
        with atomic(log) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines if _step(line) <= step))
    for picture in (p for name in ("previews", "samples") for p in (run / name).glob("*.png")):
        if picture.stem.isdecimal() and int(picture.stem) > step:
            picture.unlink()


def _step(line: str) -> float:
    """Return the step of a line of the log; one that was cut short is after all others."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _prime(group: Group) -> None:
    """Make the optimiser create its state, so that there is something to copy into."""
    for p in group.params:
        p.grad = torch.zeros_like(p)
    for optimiser in group.optimisers:
        optimiser.param_groups[0]["lr"] = 0.0
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def _forget(state: State, untrained: set[str]) -> None:
    """Take away what optimisers were primed with for parameters that have had no gradient yet."""
    for group in state.groups:
        for i, p in enumerate(group.params):
            if any(key.startswith(f"optimiser/{group.name}/{i}/") for key in untrained):
                for optimiser in group.optimisers:
                    optimiser.state.pop(p, None)


def _tensors(state: State) -> dict[str, Tensor]:
    """Return every tensor of the state by name; shared storage is listed once."""
    found = _prefixed("model", state.model)
    if state.average is not state.model:
        found.update(_prefixed("average", state.average))
    for group in state.groups:
        found[f"usual/{group.name}"], found[f"skipped/{group.name}"] = group.usual, group.skipped
        for i, p in enumerate(group.params):
            kept = [optimiser.state[p] for optimiser in group.optimisers if p in optimiser.state]
            for name, value in (pair for state_of in kept for pair in state_of.items()):
                found[f"optimiser/{group.name}/{i}/{name}"] = value
    return found


def _prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in module.state_dict().items()}
