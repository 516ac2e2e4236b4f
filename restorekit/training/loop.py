"""The training loop: one function in sight, for any model with parameter groups."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import Parameter

from restorekit import __version__
from restorekit.core.contracts import Model
from restorekit.core.plugins.boundary import attribute_errors
from restorekit.core.records import encode
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Terms
from restorekit.models import checkpoint
from restorekit.training import optimizers
from restorekit.training.batches import Batches
from restorekit.training.interrupts import asked_to_stop, kept_whole, refuse_to_learn_nothing
from restorekit.training.job import Job
from restorekit.training.log import LogEntry, Surroundings
from restorekit.training.resume import State, restore_state, rewind, save_state
from restorekit.training.validation import measure, preview, sample_grid

LOG_EVERY = 50  # updates between lines of the log
SAVE_EVERY = 120.0  # seconds between saves of the state
Watch = Callable[[LogEntry], None]
Logger = Callable[..., None]


@dataclass
class Tally:
    """Running sums of the objective's parts, kept on the device until they are read."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    images: int = 0

    def add(self, parts: dict[str, Tensor], images: int) -> None:
        """Count a batch's means."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0) + value * images
        self.images += images

    def take(self) -> dict[str, float]:
        """Return the means per image, and start again."""
        means = {name: float(value) / max(self.images, 1) for name, value in self.sums.items()}
        self.sums, self.images = {}, 0
        return means


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes
    ----------
    found : dict
        The last validation's figures.
    steps : int
        Updates done.
    signal : int or None
        Number of the signal that stopped it before its end; None where it is done.
    """

    found: dict[str, float]
    steps: int
    signal: int | None = None


def train(job: Job, model: Model, fabric: Fabric, watch: Watch, resume: bool = False) -> Outcome:
    """Train until the job is done or somebody asks to stop.

    Parameters
    ----------
    job : Job
        What to do.
    model : Model
        Where to start from.
    fabric : Fabric
        Device, precision and processes, launched already.
    watch : callable
        Called with every line of the log.
    resume : bool
        Go on from the state in the run's folder.
    """
    state = _begin(job, model, fabric, resume)
    log = _logger(job, fabric, watch)
    recent, epoch = Tally(), Tally()
    started, saved, found = time.monotonic() - state.seconds, time.monotonic(), dict(state.found)
    keep = kept_whole(job, state, lambda: _save(job, state, state.found, fabric), fabric.world_size)
    with asked_to_stop() as stop, Batches(job, fabric) as batches, keep:
        log("start", state, {}, _surroundings(fabric))
        while (progress := job.progress(state.step, state.seconds)) < 1 and stop.signal is None:
            portions = batches.take(state.step)
            parts = _update(job, state, portions, progress, fabric)
            state.step += 1
            state.seconds = time.monotonic() - started
            images = sum(len(p.observation) for p in portions)
            recent.add(parts, images)
            epoch.add(parts, images)
            if state.step % LOG_EVERY == 0:
                refuse_to_learn_nothing(state)
                log("step", state, {**recent.take(), **_health(job, state, progress)})
            if state.step % job.epoch_steps == 0 and job.recipe.crop == 0:
                log("epoch", state, {"epoch": state.step // job.epoch_steps, **epoch.take()})
            if state.step % job.recipe.validate == 0:
                found = _validate(job, state, fabric, log)
            if time.monotonic() - saved > SAVE_EVERY:
                _save(job, state, found, fabric)
                saved = time.monotonic()
        refuse_to_learn_nothing(state)
        if state.step % job.recipe.validate and stop.signal is None:
            found = _validate(job, state, fabric, log)
    _save(job, state, found, fabric)
    return Outcome(found, state.step, stop.signal if progress < 1 else None)


def _begin(job: Job, model: Model, fabric: Fabric, resume: bool) -> State:
    """Put model and optimisers on the device, from the run's state where it goes on."""
    model = model.to(fabric.device).to(memory_format=torch.channels_last).train()
    groups = optimizers.groups(model, job.recipe, fabric.device)
    state = State(model, copy.deepcopy(model).eval() if job.recipe.ema else model, groups)
    if resume:
        restore_state(job.run / "state.safetensors", state)
        state.saved = state.step
        if fabric.is_global_zero:
            rewind(job.run, state.step)
    state.module = fabric.setup_module(model)
    for group in groups:
        fabric.setup_optimizers(*group.optimisers)
    return state


def _surroundings(fabric: Fabric) -> Surroundings:
    """Return the hardware and the versions of this part of the training."""
    cuda = fabric.device.type == "cuda"
    return Surroundings(
        device=torch.cuda.get_device_name(fabric.device) if cuda else fabric.device.type,
        processes=fabric.world_size,
        precision=str(fabric.strategy.precision.precision),
        threads=torch.get_num_threads(),
        versions={"restorekit": __version__, "torch": torch.__version__},
    )


def _update(job: Job, state: State, portions: list[Batch], progress: float, fabric: Fabric) -> dict[str, Tensor]:
    """Step every parameter group once; return the means of the parts of their objectives."""
    rng, parts = Rng(job.seed).fork(f"update{state.step}.{fabric.global_rank}"), dict[str, Tensor]()
    pace = job.recipe.pace(state.step, progress)
    for group in state.groups:
        optimizers.freeze_others(group, state.groups)
        parts.update(_gradients(state.module, portions, rng, group.name, fabric))
        _share(group.params, fabric)
        state.whole = False  # until all groups have stepped
        optimizers.step(group, job.recipe, pace, state.step)
    if state.average is not state.model:
        optimizers.average(state.average, state.model, job.recipe.decay(state.step))
    state.whole = True
    return parts


def _gradients(module: Any, portions: list[Batch], rng: Rng, group: str, fabric: Fabric) -> dict[str, Tensor]:
    """Add up one objective's gradients over the portions of a batch; return the means of its parts."""
    images, means = sum(len(p.observation) for p in portions), dict[str, Tensor]()
    for i, batch in enumerate(portions):
        own, share = rng.fork(f"portion{i}") if i else rng, len(batch.observation) / images
        ask = functools.partial(_ask, batch=batch, rng=own.fork(group), group=group)
        with fabric.no_backward_sync(module):  # `_share` does it, for the parts of a model that were used at all
            terms = module(ask)
            with attribute_errors(f"the gradient of terms for {group!r}", module.module):
                fabric.backward(terms.loss * share)
        for name, value in terms.parts.items():
            means[name] = means.get(name, 0) + share * value
    return means


def _share(params: list[Parameter], fabric: Fabric) -> None:
    """Average the gradients over the processes, which have used the same parts of the model."""
    used = [p for p in params if p.grad is not None]
    if fabric.world_size == 1 or not used:
        return
    mean: Any = fabric.all_reduce(torch.cat([p.grad.flatten() for p in used if p.grad is not None]), reduce_op="mean")
    for p, gradient in zip(used, mean.split([p.numel() for p in used]), strict=True):
        p.grad = gradient.view(p.shape)


def _ask(model: Model, batch: Batch, rng: Rng, group: str) -> Terms:
    return model.terms(batch, rng, group)


def _health(job: Job, state: State, progress: float) -> dict[str, float]:
    return {
        "lr": job.recipe.lr * job.recipe.pace(state.step, progress),
        "gradient": sum(float(g.usual) for g in state.groups),
        "skipped": sum(float(g.skipped) for g in state.groups),
        "images_per_s": state.step * job.recipe.batch / max(state.seconds, 1e-9),
    }


def _validate(job: Job, state: State, fabric: Fabric, log: Logger) -> dict[str, float]:
    """Measure and picture the averaged model."""
    if not fabric.is_global_zero:
        return {}
    corruptions = [c for c, _ in job.corruptions]
    model = state.average.eval()
    with fabric.autocast(), attribute_errors(f"a validation of the model {model.name!r}", model, *corruptions):
        found = measure(model, job.held, corruptions, job.seed)
        preview(model, job.held, corruptions, job.seed, job.run / "previews" / f"{state.step:07d}.png")
        sample_grid(model, job.held, corruptions[0], job.seed, job.run / "samples" / f"{state.step:07d}.png")
    state.model.train()
    log("validation", state, found)
    return found


def _save(job: Job, state: State, found: dict[str, float], fabric: Fabric) -> None:
    """Write model.safetensors for use and state.safetensors to go on from."""
    state.found = found
    if fabric.is_global_zero:
        card = dataclasses.replace(job.card, steps=state.step, seconds=round(state.seconds, 1), metrics=found)
        checkpoint.save(job.run / "model.safetensors", state.average.state_dict(), card, job.recipe.keep_half)
        save_state(job.run / "state.safetensors", state, card)
    state.saved = state.step
    fabric.barrier()


def _logger(job: Job, fabric: Fabric, watch: Watch) -> Logger:
    """Return a function that writes a line of RUN/log.jsonl and shows it."""

    def log(event: str, state: State, values: dict[str, float], surroundings: Surroundings | None = None) -> None:
        if fabric.is_global_zero:
            progress = job.progress(state.step, state.seconds)
            line = LogEntry(event, state.step, round(state.seconds, 2), progress, surroundings, values)
            with (job.run / "log.jsonl").open("a") as file:
                file.write(json.dumps(encode(line)) + "\n")
            watch(line)

    return log
