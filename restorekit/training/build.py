"""From a user's options to a training job: images, corruptions, devices, and the initial model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from restorekit.core.config import from_json, read
from restorekit.core.contracts import Corruption, Detector, LatentModel, Network
from restorekit.core.devices import Compute, Precision, choose
from restorekit.core.errors import CheckpointError, SpecError, UsageError, unknown
from restorekit.core.files import claim, make_folder, sweep
from restorekit.core.plugins import registry
from restorekit.core.plugins.boundary import attribute_errors
from restorekit.core.rng import Rng
from restorekit.core.types import Geometry
from restorekit.corruptions import Clean
from restorekit.corruptions.spec import parse, weighted
from restorekit.images.dataset import LabelledImages, Labels, load_images, official_test
from restorekit.images.intensity import parse_range
from restorekit.models import checkpoint
from restorekit.training import crops, splits
from restorekit.training.config import Recipe
from restorekit.training.crops import Pool
from restorekit.training.job import TrainingJob
from restorekit.training.loop import train
from restorekit.training.resume import STATE_FILE, before_decay, go_back, refuse_other, saved_progress
from restorekit.training.self_supervised import self_supervised
from restorekit.training.splits import ImageSubset
from restorekit.training.validation import centres

__all__ = ["DataSource", "Hardware", "Plan", "prepare", "train"]


@dataclass(frozen=True)
class Hardware:
    """Device name, devices per node, nodes, precision and CPU threads of a training."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Precision = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class DataSource:
    """Training images, validation images or their number, kind of labels, intensity range, axes of arrays."""

    source: str
    validation: str | None = None
    labels: Labels = None
    range: str | None = None
    axes: str | None = None


@dataclass(frozen=True)
class Plan:
    """Model, corruptions and settings of a training.

    Attributes
    ----------
    model : str
        Name of the model.
    corruptions : tuple of str
        Corruption specs with weights.
    settings : mapping of str to str
        Settings of the model and of the training, and ``preset``.
    init : str
        A model file, installed weights, "none" for random weights, or "auto": the first installed weights of this very
        model and configuration, else random ones.
    seed : int
        Seed of everything drawn.
    licence, command : str
        For the model's card.
    self_supervised : bool
        Train without clean images: the images are corrupted, or a corruption is applied to them once.
    sigma : str or None
        Noise of the images, as for `self_supervised.assumed_noise`.
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
    run: Path, images: DataSource, plan: Plan, hardware: Hardware, resume: bool,
    steps: int | None, epochs: int | None, minutes: float | None, end_in: float | None = None,
) -> tuple[TrainingJob, Network, Fabric]:  # fmt: skip
    """Open the images, build the model, and set up the devices.

    One of `steps`, `epochs` and `minutes` is the length of the training; with `end_in`, a training that is resumed ends
    after so many further minutes, over which its learning rate falls to 0.

    Returns
    -------
    (Job, Network, Fabric)
        Arguments of `train`.

    Raises
    ------
    UsageError
        Options, images and model do not fit together; the message is one sentence.
    """
    _check_run(run, resume, end_in)
    cls = _network(plan.model)
    values, recipe = _split_settings(cls, plan)
    corruptions, fabric = _corruptions(plan, cls, resume), _fabric(hardware)
    part, held_part, notes = _parts(images, recipe.crop)
    if plan.self_supervised:
        found = self_supervised(cls, part, held_part, corruptions, plan.sigma, plan.seed)
        part, held_part, corruptions = found.part, found.held, [(found.corruption, 1.0)]
        values = {**found.settings, **values}
    pool = crops.pool(part.images, part.index, fabric.device, recipe.scales)
    shape = (pool.channels, *pool.sizes[0].tolist())
    start = initial_model(cls, values, plan.init, plan.seed, shape, part.images.label_names if images.labels else ())
    geometry, known = start.model.geometry, start.label_names if images.labels else ()
    recipe, more = _fit_recipe(recipe, geometry, pool)
    crops.check(pool, part.names, geometry, not recipe.crop)
    held_pool = crops.pool(held_part.images, held_part.index, fabric.device)
    crops.check(held_pool, held_part.names, geometry, geometry.size is not None)
    held = centres(held_pool, held_part.names, geometry, held_part.labels(known) if known else None)
    data = checkpoint.TrainingData(
        Path(images.source).name,
        images.range or "auto",
        images.axes or None,
        len(part.index),
        part.images.fingerprint,
        list(held.names) if len(held.names) <= splits.MAX_HELD_OUT else len(held.names),
    )
    card = dataclasses.replace(
        checkpoint.describe(start.model), corruptions=plan.corruptions, label_names=start.label_names,
        recipe=dataclasses.asdict(recipe), licence=plan.licence, command=plan.command, seed=plan.seed,
        start=start.provenance, data=data,
    )  # fmt: skip
    if resume:
        card = refuse_other(run / STATE_FILE, card)
    make_folder(run)
    sweep(run)
    labels = part.labels(known, len(recipe.scales)) if known else None
    job = TrainingJob(
        run, card, recipe, corruptions, pool, held, labels, steps, epochs, minutes, None, plan.seed, (*notes, *more)
    )  # fmt: skip
    return (_continued(job, end_in, fabric) if resume else job), start.model, fabric


def _continued(job: TrainingJob, end_in: float | None, fabric: Fabric) -> TrainingJob:
    """Return the job of a training that is resumed, which goes back to before the decay if it now ends otherwise."""
    if end_in is not None and job.recipe.schedule == "cosine":
        raise UsageError("a cosine ends at the stated length; remove --end-in, or train with --set schedule=constant")
    done = saved_progress(before_decay(job.run))
    if end_in is not None:
        minutes = done.seconds / 60 + end_in
        job = dataclasses.replace(job, minutes=minutes, decay=end_in / minutes)
    if fabric.is_global_zero and (end_in is not None or job.progress(done.step, done.seconds) < job.steady):
        go_back(job.run)
    fabric.barrier()
    return job


def _check_run(run: Path, resume: bool, end_in: float | None) -> None:
    """Raise a UsageError if a training would overwrite another, or has none to resume."""
    claim(run)
    exists = (run / STATE_FILE).exists()
    if exists and not resume:
        raise UsageError(f"{run} holds a training already; continue it with --resume, or choose another folder")
    if end_in is not None and not resume:
        raise UsageError("--end-in ends a training that has begun; add --resume, or state a length")
    if resume and not exists:
        raise UsageError(f"there is no training in {run} to resume; start without --resume")


def _network(name: str) -> type[Network]:
    """Return the class of a model or detector; raise a UsageError with the nearest names if there is none."""
    known = registry.networks()
    if name not in known:
        raise UsageError(unknown("model", name, known))
    return known[name]


def _split_settings(cls: type[Network], plan: Plan) -> tuple[dict[str, object], Recipe]:
    """Sort the preset and ``--set`` into settings of the model and of the training."""
    texts = dict(plan.settings)
    preset: Mapping[str, object] = {}
    if (name := texts.pop("preset", None)) is not None:
        if name not in cls.presets:
            raise SpecError(unknown(f"preset of {cls.name}", name, cls.presets))
        preset = cls.presets[name]
    own, training = ({f.name for f in dataclasses.fields(target)} for target in (cls.Config, Recipe))
    for key in texts:
        if key not in own | training:
            raise SpecError(unknown(f"setting of {cls.name} or of a training", key, own | training | {"preset"}))
        if key in ("noise", "grain") and not plan.self_supervised:
            raise SpecError(f"{key} applies to training without clean images; pass --self-supervised or remove {key}")
    values, recipe_values = (
        {
            **{k: v for k, v in preset.items() if k in keys},
            **read(target, {k: v for k, v in texts.items() if k in keys}),
        }
        for target, keys in ((cls.Config, own), (Recipe, training))
    )
    recipe = from_json(Recipe, recipe_values)
    if recipe.portions > recipe.batch or not recipe.scales:
        raise SpecError(
            f"a training needs at least one of scales and no more portions than images in a batch, "
            f"got scales={recipe.scales}, batch={recipe.batch}, portions={recipe.portions}; change --set"
        )
    return values, recipe


def _corruptions(plan: Plan, cls: type[Network], resume: bool) -> list[tuple[Corruption, float]]:
    """Parse the corruptions of a plan and check that they suit the model."""
    known = registry.corruptions()
    found = [(parse(spec, known), weight) for spec, weight in map(weighted, plan.corruptions)]
    if plan.self_supervised:
        return found
    if issubclass(cls, LatentModel):
        if any(corruption.noise_law != "none" for corruption, _ in found):
            raise UsageError(
                f"the model {cls.name!r} learns from clean images and then restores any corruption; remove "
                f"--corruption and pass it to restorekit restore, or train a cvae"
            )
        return [(Clean(), 1.0)]
    gray = torch.full((1, 3, 64, 64), 0.5)
    if issubclass(cls, Detector) and all(corruption(gray, Rng(0, ("",))).marks is None for corruption, _ in found):
        raise UsageError(
            f"the detector {cls.name!r} learns from simulated defects, and no --corruption makes any; pass one that"
            " does, such as --corruption film"
        )
    if not found:
        again = "repeat all options of the first command, including its --corruption"
        fix = again if resume else "pass one, such as --corruption gaussian:sigma=0..50/255"
        raise UsageError(f"the model {cls.name!r} learns to undo a corruption; {fix}")
    return found


def _fabric(hardware: Hardware) -> Fabric:
    """Set up and launch devices, processes and precision."""
    device = choose(hardware.device)
    # momenta of units that no longer learn become denormal numbers, which make a CPU several times slower
    torch.set_flush_denormal(True)
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    precision: Any = "bf16-mixed" if Compute(device, hardware.precision).half else "32-true"
    # crops have one size, so the search for the fastest convolutions pays off; a resumed run may choose others
    torch.backends.cudnn.benchmark = device == "cuda"
    fabric = Fabric(accelerator=device, devices=hardware.devices, num_nodes=hardware.nodes, precision=precision)
    fabric.launch()
    return fabric


def _parts(images: DataSource, crop: int) -> tuple[ImageSubset, ImageSubset, list[str]]:
    """Open the images; return the training part, the validation part, and notes for the user."""
    opened, unread = _readable(images.source, images)
    part, note = splits.large_enough(opened, crop)
    text = images.validation
    official = official_test(images.source) if text is None else None
    if official is not None or (text is not None and not text.isdigit()):
        other, held_unread = _readable(str(official or text), images)
        held, held_note = splits.large_enough(other, crop)
        return part, held, [*filter(None, (unread, held_unread, opened.warning, note, held_note))]
    train_index, held_index = splits.hold_out(part.names, None if text is None else int(text))
    return part.cut(train_index), part.cut(held_index), [*filter(None, (unread, opened.warning, note))]


def _readable(source: str, images: DataSource) -> tuple[LabelledImages, str | None]:
    """Open the images that can be read, and describe the others in a sentence.

    Raises
    ------
    UsageError
        None of them can be read.
    """
    opened = load_images(source, None, images.labels, parse_range(images.range), images.axes)
    count, errors = len(opened), opened.drop_unreadable()
    if not errors:
        return opened, None
    examples = "; ".join([*errors.values()][:3]) + ("; ..." if len(errors) > 3 else "")
    if len(errors) == count:
        raise UsageError(f"none of the {count} images in {source} can be read: {examples}")
    return opened, f"left out {len(errors)} of {count} images, which cannot be read: {examples}"


def _fit_recipe(recipe: Recipe, geometry: Geometry, pool: Pool) -> tuple[Recipe, list[str]]:
    """Fit ``gray`` and ``crop`` to the model and the smallest image; return a note if the crop shrinks."""
    recipe = dataclasses.replace(recipe, gray=recipe.gray if 1 in geometry.channels else 0.0)
    if geometry.size is not None or not recipe.crop:
        return dataclasses.replace(recipe, crop=0), []
    multiple, side = geometry.multiple, int(pool.sizes.min())
    crop = max(multiple, min(recipe.crop, side) // multiple * multiple)
    note = f"crops are {crop} pixels a side instead of {recipe.crop}: the smallest image has {side}"
    return dataclasses.replace(recipe, crop=crop), [note] if side < recipe.crop else []


MAX_PARAMETERS = 2**31  # of a network to train; the optimiser takes four times their memory


@dataclass(frozen=True, eq=False)
class InitialModel:
    """Model at the start of a training.

    Attributes
    ----------
    model : Network
        The model with its weights.
    provenance : str
        Name and digest of those weights; "" if they are random.
    label_names : tuple of str
        Names of class 0, 1, ...
    """

    model: Network
    provenance: str = ""
    label_names: tuple[str, ...] = ()


def initial_model(
    cls: type[Network], values: Mapping[str, object], init: str, seed: int, shape: tuple[int, int, int],
    names: tuple[str, ...],
) -> InitialModel:  # fmt: skip
    """Build the model of a training.

    Parameters
    ----------
    cls : type
        Class of the model.
    values : mapping
        Settings that differ from the defaults.
    init : str
        A model file, installed weights, "none" for random weights, or "auto": the first installed weights of this very
        model, configuration and classes, else random ones.
    seed : int
        Seed of the random weights.
    shape : (C, H, W)
        Shape of the training images.
    names : tuple of str
        Classes of the training images; empty if they have none.

    Raises
    ------
    UsageError
        The weights belong to another model, know other classes, or do not fit the settings.
    """
    is_named = init not in ("auto", "none")
    if is_named:
        found = _named_weights(cls, values, init, names)
    else:
        found = _installed_or_random(cls, values, init == "auto", seed, shape, names)
    classes = getattr(found.model.config, "classes", 0)
    if len(names) > classes:
        what, more = (f"--init {init}", "use --init none or ") if is_named else (f"the model {cls.name!r}", "")
        raise UsageError(
            f"{what} knows {classes or 'no'} classes and --labels finds {len(names)}; {more}remove --labels"
        )
    return found


def _installed_or_random(
    cls: type[Network], values: Mapping[str, object], installed: bool, seed: int, shape: tuple[int, int, int],
    names: tuple[str, ...],
) -> InitialModel:  # fmt: skip
    """Return installed weights of the same model, configuration and classes, else random ones under a seeded fork."""
    with attribute_errors(f"fit_config of the model {cls.name!r}", cls):
        config = cls.fit_config(from_json(cls.Config, values), shape, len(names))
    model = _build(cls, config, values, seed)
    for name, path in registry.weights().items() if installed else ():
        if _fits(path, cls, config, names):
            model.load_state_dict(checkpoint.load_network(path)[0].state_dict())
            return InitialModel(model, f"{name} {checkpoint.model_digest(path)}", names)
    return InitialModel(model, "", names)


def _fits(path: Path, cls: type[Network], config: Any, names: tuple[str, ...]) -> bool:
    """Return whether a file holds this network and these classes; settings of the `objective` may differ."""
    fields = [f.name for f in dataclasses.fields(config) if not f.metadata.get("objective")]
    try:
        card = checkpoint.read_card(path)
        if card.model != cls.name or card.label_names != names:
            return False
        other: Any = from_json(cls.Config, card.config)
    except (CheckpointError, SpecError):
        return False
    return all(getattr(other, name) == getattr(config, name) for name in fields)


def _build(cls: type[Network], config: Any, values: Mapping[str, object], seed: int = 0) -> Network:
    """Build a model with random weights under a seeded fork; a UsageError names settings that make no network."""
    with torch.random.fork_rng(devices=[]), attribute_errors(f"making the model {cls.name!r}", cls):
        torch.manual_seed(seed)
        try:
            with checkpoint.limited_size(
                MAX_PARAMETERS, f"the network would have more than {MAX_PARAMETERS} parameters"
            ):
                return cls(config)
        except CheckpointError as error:
            raise UsageError(f"{', '.join(f'{k}={v}' for k, v in values.items())}: {error}") from error
        except (ValueError, RuntimeError, MemoryError, OverflowError) as error:
            settings = ", ".join(f"{k}={v}" for k, v in values.items()) or "these images"
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"no {cls.name} can be built with {settings} ({reason}); see restorekit show {cls.name}"
            ) from error


def _named_weights(cls: type[Network], values: Mapping[str, object], init: str, names: tuple[str, ...]) -> InitialModel:
    """Load the weights of ``--init``; ``--set`` may change settings that keep the network's shape."""
    path = checkpoint.resolve(init)
    model, card = checkpoint.load_network(path)
    if card.model != cls.name:
        raise UsageError(f"expected a {cls.name!r}, got --init {init} with a {card.model!r}; use --model {card.model}")
    differing = {k: v for k, v in values.items() if getattr(model.config, k) != v}
    if differing:
        old, model = model, _build(cls, dataclasses.replace(model.config, **differing), differing)
        try:
            model.load_state_dict(old.state_dict())
        except RuntimeError as error:
            raise UsageError(
                f"--init {init} does not fit --set {', '.join(differing)}, which changes the network's shape; "
                "remove one of them"
            ) from error
    return InitialModel(model, f"{init} {checkpoint.model_digest(path)}", card.label_names or names)
