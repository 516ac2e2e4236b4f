"""The training loop: one function in sight, for any model with parameter groups."""

from __future__ import annotations

import copy
import dataclasses
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from restorekit import checkpoint, optimise
from restorekit.checkpoint import Card
from restorekit.contracts import Corruption, Model
from restorekit.noise import Noise
from restorekit.pool import Pool, StreamedPool, augment, gray, order, place
from restorekit.recipe import Recipe
from restorekit.state import State, restore_state, save_state
from restorekit.types import Batch
from restorekit.validate import Validation, measure, preview, sample_grid

LOG_EVERY = 50  # updates between lines of the log
SAVE_EVERY = 120.0  # seconds between saves of the state
Watch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, eq=False)
class Job:
    """Everything a training is.

    Attributes
    ----------
    run : Path
        Folder of the run.
    card : Card
        What the model file will say, but for what the training finds out.
    recipe : Recipe
        Settings of the training.
    corruptions : sequence of (Corruption, float)
        What damages the images, with weights; one is drawn per batch.
    pool : Pool
        Training images.
    held : Validation
        Validation images.
    labels : Tensor of int64, (N,), or None
        Class index of each training image.
    steps, epochs, minutes : number or None
        How long; exactly one is given.
    seed : int
        Seed of everything drawn.
    """

    run: Path
    card: Card
    recipe: Recipe
    corruptions: Sequence[tuple[Corruption, float]]
    pool: Pool
    held: Validation
    labels: Tensor | None = None
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    seed: int = 0

    @property
    def epoch_steps(self) -> int:
        """Updates in which every image is seen once."""
        return -(-len(self.pool.sizes) // self.recipe.batch)

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of the training is done, 1 at its end."""
        if self.minutes is not None:
            return seconds / (60 * self.minutes)
        return step / (self.steps or (self.epochs or 1) * self.epoch_steps)


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


def train(job: Job, model: Model, fabric: Fabric, watch: Watch, resume: bool = False) -> dict[str, float]:
    """Train until the job is done or somebody asks to stop; return the last validation's figures.

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
    with _asked_to_stop() as stop, _Batches(job, fabric) as batches:
        while (progress := job.progress(state.step, state.seconds)) < 1 and not stop.is_set():
            batch = batches.take(state.step)
            parts = _update(job, state, batch, progress, fabric)
            state.step += 1
            state.seconds = time.monotonic() - started
            recent.add(parts, len(batch.observation))
            epoch.add(parts, len(batch.observation))
            if state.step % LOG_EVERY == 0:
                log("step", state, {**recent.take(), **_health(job, state, progress)})
            if state.step % job.epoch_steps == 0 and job.recipe.crop == 0:
                log("epoch", state, {"epoch": state.step // job.epoch_steps, **epoch.take()})
            if state.step % job.recipe.validate == 0:
                found = _validate(job, state, fabric, log)
            if time.monotonic() - saved > SAVE_EVERY:
                _save(job, state, found, fabric)
                saved = time.monotonic()
        if state.step % job.recipe.validate and not stop.is_set():
            found = _validate(job, state, fabric, log)
    _save(job, state, found, fabric)
    return found


def _begin(job: Job, model: Model, fabric: Fabric, resume: bool) -> State:
    """Put model and optimisers on the device, from the run's state where it goes on."""
    model = model.to(fabric.device).to(memory_format=torch.channels_last).train()
    groups = optimise.groups(model, job.recipe, fabric.device)
    state = State(model, copy.deepcopy(model).eval() if job.recipe.ema else model, groups)
    if resume:
        restore_state(job.run / "state.safetensors", state)
    state.module = fabric.setup_module(model)
    for group in groups:
        fabric.setup_optimizers(*group.optimisers)
    return state


class _Batches:
    """The batches of a training; where images come from files, the next one is made while this one is learnt from."""

    def __init__(self, job: Job, fabric: Fabric) -> None:
        self._job, self._fabric = job, fabric
        self._thread = ThreadPoolExecutor(1, "batch") if isinstance(job.pool, StreamedPool) else None
        self._next: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> _Batches:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def take(self, step: int) -> Batch:
        """Return the batch of a step, which depends on nothing but the step."""
        ahead, self._next = self._next, None
        if self._thread is not None:
            self._next = step + 1, self._thread.submit(_batch, self._job, step + 1, self._fabric)
        if ahead is not None and ahead[0] == step:
            return ahead[1].result()
        return _batch(self._job, step, self._fabric)


def _batch(job: Job, step: int, fabric: Fabric) -> Batch:
    """Cut, turn and damage the images of one update, on the device."""
    recipe, noise = job.recipe, Noise(job.seed).fork(f"step{step}")
    index = order(len(job.pool.sizes), recipe.batch, step, Noise(job.seed))
    index = index[fabric.global_rank :: fabric.world_size]
    corruption = _pick(job.corruptions, noise)
    turned_gray = job.pool.channels == 3 and float(torch.rand((), generator=noise.generator("gray"))) < recipe.gray
    noise = noise.fork(f"rank{fabric.global_rank}")
    x = job.pool.crops(place(job.pool, index, recipe.crop, noise))
    x = augment(x, noise) if recipe.augment else x
    x = gray(x) if turned_gray else x
    x = x.contiguous(memory_format=torch.channels_last)
    observation = corruption(x, noise.fork("corruption"))
    if job.labels is not None:
        observation = dataclasses.replace(observation, label=job.labels[index].to(fabric.device))
    return Batch(x, observation, corruption, step)


def _pick(corruptions: Sequence[tuple[Corruption, float]], noise: Noise) -> Corruption:
    if len(corruptions) == 1:
        return corruptions[0][0]
    weights = torch.tensor([weight for _, weight in corruptions])
    return corruptions[int(torch.multinomial(weights, 1, generator=noise.generator("which")))][0]


def _update(job: Job, state: State, batch: Batch, progress: float, fabric: Fabric) -> dict[str, Tensor]:
    """Step every parameter group once; return the parts of their objectives."""
    noise, parts = Noise(job.seed).fork(f"update{state.step}.{fabric.global_rank}"), {}
    pace = job.recipe.pace(state.step, progress)
    for group in state.groups:
        optimise.freeze_others(group, state.groups)
        terms = state.module(batch, noise.fork(group.name), group.name)
        fabric.backward(terms.loss)
        optimise.step(group, job.recipe, pace, state.step)
        parts.update(terms.parts)
    if state.average is not state.model:
        optimise.average(state.average, state.model, job.recipe.decay(state.step))
    return parts


def _health(job: Job, state: State, progress: float) -> dict[str, float]:
    return {
        "lr": job.recipe.lr * job.recipe.pace(state.step, progress),
        "gradient": sum(float(g.usual) for g in state.groups),
        "skipped": sum(float(g.skipped) for g in state.groups),
        "images_per_s": state.step * job.recipe.batch / max(state.seconds, 1e-9),
        "progress": progress,
    }


def _validate(job: Job, state: State, fabric: Fabric, log: Callable[..., None]) -> dict[str, float]:
    """Measure and picture the averaged model."""
    if not fabric.is_global_zero:
        return {}
    corruptions = [c for c, _ in job.corruptions]
    model = state.average.eval()
    with fabric.autocast():
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
    fabric.barrier()


def _logger(job: Job, fabric: Fabric, watch: Watch) -> Callable[[str, State, dict[str, float]], None]:
    """Return a function that writes a line of RUN/log.jsonl and shows it."""

    def log(event: str, state: State, values: dict[str, float]) -> None:
        if fabric.is_global_zero:
            line = {"event": event, "step": state.step, "seconds": round(state.seconds, 2), **values}
            with (job.run / "log.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            watch(line)

    return log


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into a request to save and stop; a second one acts as usual."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
