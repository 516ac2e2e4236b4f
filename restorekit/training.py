"""Preparing a training from what a user asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from restorekit import checkpoint, plugins, trainset
from restorekit.contracts import Corruption, LatentModel, Model
from restorekit.corruptions import Clean
from restorekit.corruptions.spec import parse, weighted
from restorekit.devices import choose
from restorekit.errors import SpecError, UsageError, unknown
from restorekit.images.dataset import LabelledImages, Labels, load_images, official_test
from restorekit.images.scale import parse_range
from restorekit.recipe import Recipe
from restorekit.settings import from_json, from_texts
from restorekit.train import Job, train
from restorekit.validate import centres

__all__ = ["Hardware", "Images", "Plan", "prepare", "train"]


@dataclass(frozen=True)
class Hardware:
    """Where a training runs: device name, devices per node, nodes, precision, CPU threads."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class Images:
    """What it learns from: source, validation source or count, kind of labels, intensity range."""

    source: str
    validation: str | None = None
    labels: Labels = None
    range: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is trained: model, corruption specs with weights, settings, initial weights, seed, licence, command.

    `init` is a model file, installed weights, "none" for a random start, or "auto": the first installed weights of
    this very model and configuration, else at random.
    """

    model: str
    corruptions: tuple[str, ...] = ()
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    init: str = "auto"
    seed: int = 0
    licence: str = ""
    command: str = ""


def prepare(
    run: Path, images: Images, plan: Plan, hardware: Hardware, resume: bool,
    steps: int | None, epochs: int | None, minutes: float | None,
) -> tuple[Job, Model, Fabric]:  # fmt: skip
    """Open the images, build the model, and set up the devices.

    Returns
    -------
    (Job, Model, Fabric)
        What `train` takes.

    Raises
    ------
    UsageError
        One sentence for whatever does not fit together.
    """
    _check_run(run, resume)
    cls = plugins.lookup("models", plan.model)
    texts, recipe = _split_settings(cls, plan)
    fabric = _fabric(hardware)
    opened = load_images(images.source, None, images.labels, parse_range(images.range))
    train_index, held_source, held_index = _held(opened, images)
    pool = trainset.pool(opened, train_index, fabric.device, recipe.scales)
    classes = len(opened.label_names) if images.labels else 0
    shape = (pool.channels, *(int(s) for s in pool.sizes[0]))
    model, start = _model(cls, texts, plan, shape, classes)  # type: ignore[arg-type]
    recipe = _rounded(recipe, model, int(pool.sizes.min()))
    held_pool = trainset.pool(held_source, held_index, fabric.device)
    held_labels = trainset.labels(held_source, held_index) if images.labels else None
    held = centres(held_pool, trainset.names(held_source, held_index), model.geometry.multiple, held_labels)
    card = dataclasses.replace(
        checkpoint.describe(model),
        corruptions=plan.corruptions,
        licence=plan.licence,
        command=plan.command,
        seed=plan.seed,
        start=start,
        data=_data(images, opened, len(train_index), held.names),
    )
    labels = trainset.labels(opened, train_index, len(recipe.scales)) if images.labels else None
    run.mkdir(parents=True, exist_ok=True)
    job = Job(run, card, recipe, _corruptions(plan, cls), pool, held, labels, steps, epochs, minutes, plan.seed)
    return job, model, fabric


def _data(images: Images, opened: LabelledImages, count: int, held: tuple[str, ...]) -> dict[str, Any]:
    """Return what the card says of the training images."""
    kept = list(held) if len(held) <= trainset.HELD else len(held)
    source = Path(images.source).name
    return {"source": source, "images": count, "fingerprint": opened.fingerprint, "held_out": kept}


def _check_run(run: Path, resume: bool) -> None:
    state = run / "state.safetensors"
    if state.exists() and not resume:
        raise UsageError(f"{run} holds a training already; go on with --resume, or choose another folder")
    if resume and not state.exists():
        raise UsageError(f"there is no training in {run} to resume; start without --resume")


def _split_settings(cls: type[Model], plan: Plan) -> tuple[dict[str, Any], Recipe]:
    """Sort ``--set`` and the preset into settings of the model and of the training."""
    given = dict(plan.settings)
    preset = _preset(cls, given.pop("preset", None))
    own = {f.name for f in dataclasses.fields(cls.Config)}
    other = {f.name for f in dataclasses.fields(Recipe)}
    for key in given:
        if key not in own | other:
            raise SpecError(unknown(f"setting of {cls.name} or of a training", key, own | other | {"preset"}))
    return _values(cls.Config, own, preset, given), from_json(Recipe, _values(Recipe, other, preset, given))


def _values(target: type, keys: set[str], preset: Mapping[str, object], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of one dataclass: the preset's, and over them those given as text."""
    texts = {k: v for k, v in given.items() if k in keys}
    read: Any = from_texts(target, texts)
    return {**{k: v for k, v in preset.items() if k in keys}, **{k: getattr(read, k) for k in texts}}


def _preset(cls: type[Model], name: str | None) -> Mapping[str, object]:
    if name is None:
        return {}
    if name not in cls.presets:
        raise SpecError(unknown(f"preset of {cls.name}", name, cls.presets))
    return cls.presets[name]


def _fabric(hardware: Hardware) -> Fabric:
    device = choose(hardware.device)
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    precision: Any = hardware.precision
    if precision == "auto":
        precision = "bf16-mixed" if device == "cuda" else "32-true"
    fabric = Fabric(accelerator=device, devices=hardware.devices, num_nodes=hardware.nodes, precision=precision)
    fabric.launch()
    return fabric


def _held(opened: LabelledImages, images: Images) -> tuple[list[int], LabelledImages, list[int]]:
    """Return training indices, and where validation images are."""
    text = images.validation
    official = official_test(images.source) if text is None else None
    if official is not None or (text is not None and not text.isdigit()):
        other = load_images(str(official or text), None, images.labels, parse_range(images.range))
        return list(range(len(opened))), other, list(range(len(other)))
    train_index, held_index = trainset.hold_out(opened.keys, None if text is None else int(text))
    return train_index, opened, held_index


def _model(
    cls: type[Model], values: dict[str, Any], plan: Plan, shape: tuple[int, int, int], classes: int
) -> tuple[Model, str]:
    """Build the model, from initial weights or at random under a seeded fork; say what it started from."""
    if plan.init not in ("auto", "none"):
        return _initial(cls, values, plan)
    config = cls.fit_config(from_json(cls.Config, values), shape, classes)
    for name, path in plugins.weights().items() if plan.init == "auto" else ():
        card = checkpoint.read_card(path)
        if card.model == plan.model and from_json(cls.Config, card.config) == config:
            return checkpoint.load(path)[0], f"{name} {checkpoint.digest(path)}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        built: Model = cls(config)
    return built, ""


def _initial(cls: type[Model], values: dict[str, Any], plan: Plan) -> tuple[Model, str]:
    """Load the weights of ``--init``, whose settings hold where ``--set`` says nothing else."""
    path = checkpoint.resolve(plan.init)
    model, card = checkpoint.load(path)
    if card.model != plan.model:
        raise UsageError(f"--init {plan.init} holds a {card.model!r}, not a {plan.model!r}; use --model {card.model}")
    differing = [k for k, v in values.items() if getattr(model.config, k) != v]
    if differing:
        fresh = cls(dataclasses.replace(model.config, **values))
        _carry(fresh, model, plan.init, differing)
        model = fresh
    return model, f"{plan.init} {checkpoint.digest(path)}"


def _carry(fresh: Model, old: Model, name: str, differing: list[str]) -> None:
    """Load the weights of one model into another that differs only in settings without weights."""
    try:
        fresh.load_state_dict(old.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"--init {name} cannot take --set {', '.join(differing)}: they change the network's shape"
        ) from error


def _rounded(recipe: Recipe, model: Model, side: int) -> Recipe:
    """Fit the crop to the model's multiple and to the smallest image's side."""
    if model.geometry.size is not None or not recipe.crop:
        return dataclasses.replace(recipe, crop=0)
    multiple = model.geometry.multiple
    return dataclasses.replace(recipe, crop=max(multiple, min(recipe.crop, side) // multiple * multiple))


def _corruptions(plan: Plan, cls: type[Model]) -> list[tuple[Corruption, float]]:
    if not plan.corruptions:
        if issubclass(cls, LatentModel):
            return [(Clean(), 1.0)]
        raise UsageError(
            f"the model {cls.name!r} learns to undo damage; say which, such as --corruption gaussian:sigma=0..50/255"
        )
    known = plugins.corruptions()
    return [(parse(spec, known), weight) for spec, weight in map(weighted, plan.corruptions)]
