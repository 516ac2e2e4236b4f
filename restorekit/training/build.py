"""Preparing a training from what a user asks for.

The model that a training starts from: given weights, installed ones, or random ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from restorekit.core.config import from_json, read
from restorekit.core.contracts import Corruption, LatentModel, Model
from restorekit.core.devices import Compute, Precision, choose
from restorekit.core.errors import CheckpointError, SpecError, UsageError, unknown
from restorekit.core.plugins import registry
from restorekit.core.plugins.boundary import attribute_errors
from restorekit.core.types import Geometry
from restorekit.corruptions import Clean
from restorekit.corruptions.spec import parse, weighted
from restorekit.images.dataset import Labels, load_images, official_test
from restorekit.images.intensity import parse_range
from restorekit.models import checkpoint
from restorekit.training import crops, splits
from restorekit.training.config import Recipe
from restorekit.training.crops import Pool
from restorekit.training.job import Job
from restorekit.training.loop import train
from restorekit.training.resume import refuse_other
from restorekit.training.splits import Part
from restorekit.training.validation import Validation, centres

__all__ = ["Hardware", "Images", "Plan", "prepare", "train"]


@dataclass(frozen=True)
class Hardware:
    """Where a training runs: device name, devices per node, nodes, precision, CPU threads."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Precision = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class Images:
    """What it learns from: source, validation source or count, kind of labels, intensity range, axes of arrays."""

    source: str
    validation: str | None = None
    labels: Labels = None
    range: str | None = None
    axes: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is trained: model, corruption specs with weights, settings, initial weights, seed, licence, command.

    `init` is a model file, installed weights, "none" for a random start, or "auto": the first installed weights of
    this very model and configuration, else at random. `self_supervised`: the images are damaged, with noise of standard
    deviation `sigma` ("auto": as estimated), or a corruption damages them before anything is learnt.
    """

    model: str
    corruptions: tuple[str, ...] = ()
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    init: str = "auto"
    seed: int = 0
    licence: str = ""
    command: str = ""
    self_supervised: bool = False
    sigma: str | None = None


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
    cls = registry.lookup("models", plan.model)
    values, recipe = _split_settings(cls, plan)
    if not plan.self_supervised and (told := [key for key in ("noise", "grain") if key in plan.settings]):
        raise SpecError(f"{told[0]} is of what is learnt from damaged images; give --self-supervised, or leave it out")
    corruptions, fabric = _corruptions(plan, cls, resume), _fabric(hardware)
    part, held_part, notes = _parts(images, recipe.crop)
    if plan.self_supervised:
        unseen = splits.unseen(cls, part, held_part, corruptions, plan.sigma, plan.seed)
        part, held_part, corruptions, values = (
            unseen.part,
            unseen.held,
            [(unseen.corruption, 1.0)],
            {**unseen.settings, **values},
        )
    pool = crops.pool(part.images, part.index, fabric.device, recipe.scales)
    found = part.images.label_names if images.labels else ()
    begun = start(cls, values, plan.init, plan.seed, (pool.channels, *pool.sizes[0].tolist()), found)
    recipe, more = _fitted(recipe, begun.model.geometry, pool)
    crops.check(pool, part.names, begun.model.geometry, not recipe.crop)
    known = begun.label_names if images.labels else ()
    held = _held(held_part, fabric.device, begun.model.geometry, known)
    card = dataclasses.replace(
        checkpoint.describe(begun.model), corruptions=plan.corruptions, label_names=begun.label_names,
        recipe=dataclasses.asdict(recipe), licence=plan.licence, command=plan.command, seed=plan.seed,
        start=begun.told, data=_data(images, part, held.names),
    )  # fmt: skip
    if resume:
        card = refuse_other(run / "state.safetensors", card)
    run.mkdir(parents=True, exist_ok=True)
    job = Job(
        run, card, recipe, corruptions, pool, held, part.labels(known, len(recipe.scales)) if known else None,
        steps, epochs, minutes, plan.seed, (*notes, *more),
    )  # fmt: skip
    return job, begun.model, fabric


def _data(images: Images, part: Part, held: tuple[str, ...]) -> dict[str, Any]:
    """Return what the card says of the training images."""
    kept = list(held) if len(held) <= splits.HELD else len(held)
    return {
        "source": Path(images.source).name,
        "range": images.range or "auto",
        **({"axes": images.axes} if images.axes else {}),
        "images": len(part.index),
        "fingerprint": part.images.fingerprint,
        "held_out": kept,
    }


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
    recipe = from_json(Recipe, _values(Recipe, other, preset, given))
    if recipe.portions > recipe.batch or not recipe.scales:
        raise SpecError(
            f"a training needs at least one of scales and as many images in a batch as portions, "
            f"got scales={recipe.scales}, batch={recipe.batch}, portions={recipe.portions}; change --set"
        )
    return _values(cls.Config, own, preset, given), recipe


def _values(target: type, keys: set[str], preset: Mapping[str, object], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of one dataclass: the preset's, and over them those given as text."""
    texts = {k: v for k, v in given.items() if k in keys}
    return {**{k: v for k, v in preset.items() if k in keys}, **read(target, texts)}


def _preset(cls: type[Model], name: str | None) -> Mapping[str, object]:
    if name is None:
        return {}
    if name not in cls.presets:
        raise SpecError(unknown(f"preset of {cls.name}", name, cls.presets))
    return cls.presets[name]


def _fabric(hardware: Hardware) -> Fabric:
    device = choose(hardware.device)
    # momenta of units that no longer learn fall among the denormal numbers, with which a CPU is several times slower
    torch.set_flush_denormal(True)
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    precision: Any = "bf16-mixed" if Compute(device, hardware.precision).half else "32-true"
    # crops have one size, for which the fastest convolutions are worth finding, though they may differ when it resumes
    torch.backends.cudnn.benchmark = device == "cuda"
    fabric = Fabric(accelerator=device, devices=hardware.devices, num_nodes=hardware.nodes, precision=precision)
    fabric.launch()
    return fabric


def _parts(images: Images, crop: int) -> tuple[Part, Part, list[str]]:
    """Open the images; return those to train on, those to validate on, and sentences on what was done to them."""
    opened = load_images(images.source, None, images.labels, parse_range(images.range), images.axes)
    part, note = splits.large_enough(opened, crop)
    text = images.validation
    official = official_test(images.source) if text is None else None
    if official is not None or (text is not None and not text.isdigit()):
        other = load_images(str(official or text), None, images.labels, parse_range(images.range), images.axes)
        held, held_note = splits.large_enough(other, crop)
        return part, held, [*filter(None, (opened.warning, note, held_note))]
    learnt, apart = splits.hold_out(part.names, None if text is None else int(text))
    return part.cut(learnt), part.cut(apart), [*filter(None, (opened.warning, note))]


def _held(part: Part, device: torch.device, geometry: Geometry, known: tuple[str, ...]) -> Validation:
    """Put the centres of the validation images on the device."""
    pool = crops.pool(part.images, part.index, device)
    crops.check(pool, part.names, geometry, geometry.size is not None)
    return centres(pool, part.names, geometry, part.labels(known) if known else None)


def _fitted(recipe: Recipe, geometry: Geometry, pool: Pool) -> tuple[Recipe, list[str]]:
    """Fit crop and gray to what the model takes, and the crop to the smallest image; say where it is not as asked."""
    recipe = dataclasses.replace(recipe, gray=recipe.gray if 1 in geometry.channels else 0.0)
    if geometry.size is not None or not recipe.crop:
        return dataclasses.replace(recipe, crop=0), []
    multiple, side = geometry.multiple, int(pool.sizes.min())
    crop = max(multiple, min(recipe.crop, side) // multiple * multiple)
    told = f"crops are {crop} pixels a side instead of {recipe.crop}: the smallest image has {side}"
    return dataclasses.replace(recipe, crop=crop), [told] if side < recipe.crop else []


def _corruptions(plan: Plan, cls: type[Model], resume: bool) -> list[tuple[Corruption, float]]:
    known = registry.corruptions()
    given = [(parse(spec, known), weight) for spec, weight in map(weighted, plan.corruptions)]
    if plan.self_supervised:
        return given
    if issubclass(cls, LatentModel):
        if any(not isinstance(corruption, Clean) for corruption, _ in given):
            raise UsageError(
                f"the model {cls.name!r} learns from clean images and then works with any corruption; leave "
                f"--corruption out and name the damage when restoring, or train a cvae"
            )
        return [(Clean(), 1.0)]
    if not given:
        again = "repeat all options of the first command, and so its --corruption"
        which = again if resume else "say which, such as --corruption gaussian:sigma=0..50/255"
        raise UsageError(f"the model {cls.name!r} learns to undo damage; {which}")
    return given


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
    with attribute_errors(f"fit_config of the model {cls.name!r}", cls):
        config = cls.fit_config(from_json(cls.Config, values), shape, len(names))
    model = _built(cls, config, values, seed)
    for name, path in registry.weights().items() if installed else ():
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
    with torch.random.fork_rng(devices=[]), attribute_errors(f"making the model {cls.name!r}", cls):
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
