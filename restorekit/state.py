"""What a training must remember to go on bit for bit: weights, averages, optimisers, step. Tensors only."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from restorekit.checkpoint import Card
from restorekit.contracts import Model
from restorekit.errors import CheckpointError
from restorekit.images.atomic import atomic
from restorekit.optimise import Group


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
    """

    model: Model
    average: Model
    groups: list[Group]
    module: Any = None
    step: int = 0
    seconds: float = 0.0
    found: dict[str, float] = field(default_factory=dict)


def save_state(path: Path, state: State, card: Card) -> None:
    """Write the state whole or not at all. Random numbers need no state: they depend on seed and step alone."""
    moment = {"step": state.step, "seconds": state.seconds, "found": state.found}
    metadata = {"state": json.dumps(moment), "card": json.dumps(dataclasses.asdict(card))}
    with atomic(path) as temporary:
        temporary.write_bytes(
            serialise({k: v.detach().cpu().contiguous() for k, v in _tensors(state).items()}, metadata)
        )


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
    if stored.keys() != targets.keys() or any(stored[k].shape != targets[k].shape for k in stored):
        raise CheckpointError(f"{path} was written with other settings of the model; resume with the same command")
    with torch.no_grad():
        for key, tensor in stored.items():
            targets[key].copy_(tensor)
    state.step, state.seconds, state.found = moment["step"], moment["seconds"], moment["found"]


def _prime(group: Group) -> None:
    """Make the optimiser create its state, so that there is something to copy into."""
    for p in group.params:
        p.grad = torch.zeros_like(p)
    for optimiser in group.optimisers:
        optimiser.param_groups[0]["lr"] = 0.0
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


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
