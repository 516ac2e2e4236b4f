"""Training loop for any model with parameter groups."""

from __future__ import annotations

import copy
import dataclasses
import time
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import Parameter

from restorekit import __version__
from restorekit.core.contracts import Network
from restorekit.core.plugins.boundary import attribute_errors
from restorekit.core.rng import Rng
from restorekit.core.types import Batch
from restorekit.models import checkpoint
from restorekit.training import optimizers
from restorekit.training.batches import Batches
from restorekit.training.interrupts import check_gradients, save_on_error, stop_requests
from restorekit.training.job import TrainingJob
from restorekit.training.log import LOG_FILE, LogWriter, RunEnvironment, Watch, read_log
from restorekit.training.resume import STATE_FILE, STEADY_FILE, State, restore_state, rewind, save_state
from restorekit.training.validation import measure, preview, sample_grid

LOG_EVERY = 50  # updates between lines of the log
SAVE_EVERY = 120.0  # seconds between saves of the state


@dataclass
class RunningMeans:
    """Means per image of the objective's parts, summed on the device until they are read."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    images: int = 0

    def add(self, parts: dict[str, Tensor], images: int) -> None:
        """Add the means of a batch."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0) + value * images
        self.images += images

    def take(self) -> dict[str, float]:
        """Return the means per image and reset."""
        means = {name: float(value) / max(self.images, 1) for name, value in self.sums.items()}
        self.sums, self.images = {}, 0
        return means


@dataclass(frozen=True)
class TrainingResult:
    """End of a training.

    Attributes
    ----------
    found : dict
        Metrics of the last validation.
    steps : int
        Updates done.
    signal : int or None
        Number of the signal that stopped the training early; None if it is done.
    """

    found: dict[str, float]
    steps: int
    signal: int | None = None


def train(job: TrainingJob, model: Network, fabric: Fabric, watch: Watch, resume: bool = False) -> TrainingResult:
    """Train until the job is done or a signal requests a stop.

    Parameters
    ----------
    job : Job
        The training.
    model : Network
        Initial model.
    fabric : Fabric
        Device, precision and processes, launched already.
    watch : callable
        Called with every line of the log.
    resume : bool
        Resume from the state in the run's folder.
    """
    state = _initial_state(job, model, fabric, resume)
    log = LogWriter(job, watch if fabric.is_global_zero else None)
    recent, epoch = RunningMeans(), RunningMeans()
    started, saved, found = time.monotonic() - state.seconds, time.monotonic(), dict(state.found)
    guard = save_on_error(job, state, lambda: _save(job, state, state.found, fabric), fabric.world_size)
    with stop_requests() as stop, Batches(job, fabric) as batches, guard:
        log.write("start", state, {}, _environment(fabric))
        if resume and state.step % job.recipe.validate == 0 and not read_log(job.run / LOG_FILE).has(state.step):
            found = _validate(job, state, fabric, log)  # an error of the disk had kept it from being written
        while (progress := job.progress(state.step, state.seconds)) < 1 and stop.signal is None:
            if progress >= job.steady and fabric.is_global_zero and not (job.run / STEADY_FILE).exists():
                save_state(job.run / STEADY_FILE, state, job.card)  # from which a longer training goes on
            portions = batches.take(state.step)
            parts = _update(job, state, portions, progress, fabric)
            state.step += 1
            state.seconds = time.monotonic() - started
            images = sum(len(p.observation) for p in portions)
            recent.add(parts, images)
            epoch.add(parts, images)
            if state.step % LOG_EVERY == 0:
                check_gradients(state)
                health = {  # as `log.HEALTH` names them
                    "lr": job.recipe.lr * job.learning_rate_factor(state.step, progress),
                    "gradient": sum(float(g.usual) for g in state.groups),
                    "skipped": sum(float(g.skipped) for g in state.groups),
                    "images_per_s": state.step * job.recipe.batch / max(state.seconds, 1e-9),
                }
                log.write("step", state, {**recent.take(), **health})
            if state.step % job.epoch_steps == 0 and job.recipe.crop == 0:
                log.write("epoch", state, {"epoch": state.step // job.epoch_steps, **epoch.take()})
            if state.step % job.recipe.validate == 0:
                found = _validate(job, state, fabric, log)
            if time.monotonic() - saved > SAVE_EVERY:
                _save(job, state, found, fabric)
                saved = time.monotonic()
        check_gradients(state)
        if state.step % job.recipe.validate and stop.signal is None:
            found = _validate(job, state, fabric, log)
    _save(job, state, found, fabric)
    return TrainingResult(found, state.step, stop.signal if progress < 1 else None)


def _initial_state(job: TrainingJob, model: Network, fabric: Fabric, resume: bool) -> State:
    """Put model and optimisers on the device; with `resume`, restore them from the run's folder."""
    model = model.to(fabric.device).to(memory_format=torch.channels_last).train()
    groups = optimizers.groups(model, job.recipe, fabric.device)
    state = State(model, copy.deepcopy(model).eval() if job.recipe.ema else model, groups)
    if resume:
        restore_state(job.run / STATE_FILE, state)
        state.saved = state.step
        if fabric.is_global_zero:
            rewind(job.run, state.step)
    state.module = fabric.setup_module(model)
    for group in groups:
        fabric.setup_optimizers(*group.optimisers)
    return state


def _environment(fabric: Fabric) -> RunEnvironment:
    """Return device, processes, precision, threads and versions for the log."""
    cuda = fabric.device.type == "cuda"
    return RunEnvironment(
        device=torch.cuda.get_device_name(fabric.device) if cuda else fabric.device.type,
        processes=fabric.world_size,
        precision=str(fabric.strategy.precision.precision),
        threads=torch.get_num_threads(),
        versions={"restorekit": __version__, "torch": torch.__version__},
    )


def _update(
    job: TrainingJob, state: State, portions: list[Batch], progress: float, fabric: Fabric
) -> dict[str, Tensor]:
    """Step every parameter group once; return the means of the parts of their objectives."""
    rng, parts = Rng(job.seed).fork(f"update{state.step}.{fabric.global_rank}"), dict[str, Tensor]()
    factor = job.learning_rate_factor(state.step, progress)
    for group in state.groups:
        optimizers.freeze_others(group, state.groups)
        parts.update(accumulate_gradients(state.module, portions, rng, group.name, fabric))
        average_gradients(group.params, fabric)
        state.complete = False  # until all groups have stepped
        optimizers.step(group, job.recipe, factor, state.step)
    if state.average is not state.model:
        optimizers.average(state.average, state.model, job.recipe.averaging_decay(state.step))
    state.complete = True
    return parts


def accumulate_gradients(module: Any, portions: list[Batch], rng: Rng, group: str, fabric: Fabric) -> dict[str, Tensor]:
    """Add the gradients of one objective over the portions of a batch; return the means of its parts.

    Parameters
    ----------
    module : callable
        The model behind the fabric's wrappers.
    portions : list of Batch
        Portions of one batch; each counts by its share of the images.
    rng : Rng
        Random numbers of this update.
    group : str
        Name of the parameter group.
    fabric : Fabric
        Precision and processes.
    """
    images, means = sum(len(p.observation) for p in portions), dict[str, Tensor]()
    for i, batch in enumerate(portions):
        own, share = rng.fork(f"portion{i}") if i else rng, len(batch.observation) / images
        objective = methodcaller("terms", batch, own.fork(group), group)
        with fabric.no_backward_sync(module):  # `average_gradients` does it, for the parameters that were used
            terms = module(objective)
            with attribute_errors(f"the gradient of terms for {group!r}", module.module):
                fabric.backward(terms.loss * share)
        for name, value in terms.parts.items():
            means[name] = means.get(name, 0) + share * value
    return means


def average_gradients(params: list[Parameter], fabric: Fabric) -> None:
    """Average gradients over all processes, which have used the same parts of the model."""
    used = [p for p in params if p.grad is not None]
    if fabric.world_size == 1 or not used:
        return
    mean: Any = fabric.all_reduce(torch.cat([p.grad.flatten() for p in used if p.grad is not None]), reduce_op="mean")
    for p, gradient in zip(used, mean.split([p.numel() for p in used]), strict=True):
        p.grad = gradient.view(p.shape)


def _validate(job: TrainingJob, state: State, fabric: Fabric, log: LogWriter) -> dict[str, float]:
    """Measure the averaged model on the validation images, and write previews and samples."""
    if not fabric.is_global_zero:
        return {}
    corruptions = [c for c, _ in job.corruptions]
    model = state.average.eval()
    with fabric.autocast(), attribute_errors(f"a validation of the model {model.name!r}", model, *corruptions):
        found = measure(model, job.held, corruptions, job.seed)
        preview(model, job.held, corruptions, job.seed, job.run / "previews" / f"{state.step:07d}.png")
        sample_grid(model, job.held, corruptions[0], job.seed, job.run / "samples" / f"{state.step:07d}.png")
    state.model.train()
    log.write("validation", state, found)
    return found


def _save(job: TrainingJob, state: State, found: dict[str, float], fabric: Fabric) -> None:
    """Write model.safetensors for use and the state to resume from."""
    state.found = found
    if fabric.is_global_zero:
        card = dataclasses.replace(job.card, steps=state.step, seconds=round(state.seconds, 1), metrics=found)
        checkpoint.save(job.run / "model.safetensors", state.average.state_dict(), card, job.recipe.keep_half)
        save_state(job.run / STATE_FILE, state, card)
    state.saved = state.step
    fabric.barrier()
