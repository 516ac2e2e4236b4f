"""The model that a training starts from: given weights, installed ones, or random ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from restorekit import checkpoint, plugins
from restorekit.blame import blamed
from restorekit.contracts import Model
from restorekit.errors import CheckpointError, SpecError, UsageError
from restorekit.settings import from_json


@dataclass(frozen=True, eq=False)
class Start:
    """What a training starts from.

    Attributes
    ----------
    model : Model
        With its weights.
    told : str
        Name and digest of those weights; "" where they are random.
    label_names : tuple of str
        What the model calls class 0, 1, ...
    """

    model: Model
    told: str = ""
    label_names: tuple[str, ...] = ()


def start(
    cls: type[Model], values: Mapping[str, Any], init: str, seed: int, shape: tuple[int, int, int],
    names: tuple[str, ...],
) -> Start:  # fmt: skip
    """Build the model of a training.

    Parameters
    ----------
    cls : type
        Class of the model.
    values : mapping
        Its settings, where they are not the defaults.
    init : str
        A model file, installed weights, "none" for a random start, or "auto": the first installed weights of this
        very model, configuration and classes, else at random.
    seed : int
        Of the random weights.
    shape : (C, H, W)
        Of the training images.
    names : tuple of str
        Classes of the training images; empty where they have none.

    Raises
    ------
    UsageError
        The weights are of another model, know other classes, or settings and weights do not go together.
    """
    given = init not in ("auto", "none")
    found = _given(cls, values, init, names) if given else _own(cls, values, init == "auto", seed, shape, names)
    classes = getattr(found.model.config, "classes", 0)
    if len(names) > classes:
        what, more = (f"--init {init}", "use --init none or ") if given else (f"the model {cls.name!r}", "")
        raise UsageError(
            f"{what} knows {classes or 'no'} classes and --labels finds {len(names)}; {more}leave --labels out"
        )
    return found


def _own(
    cls: type[Model], values: Mapping[str, Any], installed: bool, seed: int, shape: tuple[int, int, int],
    names: tuple[str, ...],
) -> Start:  # fmt: skip
    """Return installed weights of the same model, configuration and classes, or random ones under a seeded fork."""
    with blamed(f"fit_config of the model {cls.name!r}", cls):
        config = cls.fit_config(from_json(cls.Config, values), shape, len(names))
    model = _built(cls, config, values, seed)
    for name, path in plugins.weights().items() if installed else ():
        if _fits(path, cls, config, names):
            model.load_state_dict(checkpoint.load(path)[0].state_dict())
            return Start(model, f"{name} {checkpoint.digest(path)}", names)
    return Start(model, "", names)


def _fits(path: Path, cls: type[Model], config: Any, names: tuple[str, ...]) -> bool:
    """Say whether a file holds this very network, whatever it was trained for; one that cannot be read does not."""
    try:
        card = checkpoint.read_card(path)
        if card.model != cls.name or card.label_names != names:
            return False
        return _network(from_json(cls.Config, card.config)) == _network(config)
    except (CheckpointError, SpecError):
        return False


def _network(config: Any) -> dict[str, Any]:
    """Return the settings but those marked as of the `objective` alone."""
    fields = dataclasses.fields(config)
    return {f.name: getattr(config, f.name) for f in fields if not f.metadata.get("objective")}


def _built(cls: type[Model], config: Any, values: Mapping[str, Any], seed: int = 0) -> Model:
    """Build a model at random, under a seeded fork; settings that no network can be made of are the user's."""
    with torch.random.fork_rng(devices=[]), blamed(f"making the model {cls.name!r}", cls):
        torch.manual_seed(seed)
        try:
            return cls(config)
        except (ValueError, RuntimeError) as error:
            made = ", ".join(f"{k}={v}" for k, v in values.items()) or "these images"
            why = str(error).partition("\n")[0]
            raise UsageError(
                f"no {cls.name} can be built with {made} ({why}); see restorekit show {cls.name}"
            ) from error


def _given(cls: type[Model], values: Mapping[str, Any], init: str, names: tuple[str, ...]) -> Start:
    """Load the weights of ``--init``, whose settings hold where ``--set`` says nothing else."""
    path = checkpoint.resolve(init)
    model, card = checkpoint.load(path)
    if card.model != cls.name:
        raise UsageError(f"--init {init} holds a {card.model!r}, not a {cls.name!r}; use --model {card.model}")
    differing = {k: v for k, v in values.items() if getattr(model.config, k) != v}
    if differing:
        fresh = _built(cls, dataclasses.replace(model.config, **differing), differing)
        _carry(fresh, model, init, list(differing))
        model = fresh
    return Start(model, f"{init} {checkpoint.digest(path)}", card.label_names or names)


def _carry(fresh: Model, old: Model, name: str, differing: list[str]) -> None:
    """Load the weights of one model into another that differs only in settings without weights."""
    try:
        fresh.load_state_dict(old.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"--init {name} cannot take --set {', '.join(differing)}: they change the network's shape"
        ) from error
