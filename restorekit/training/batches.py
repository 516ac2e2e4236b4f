"""Training batches as a pure function of seed and step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from lightning_fabric import Fabric
from torch import Tensor

from restorekit.core.contracts import Corruption
from restorekit.core.rng import Rng
from restorekit.core.types import Batch
from restorekit.training import self_supervised
from restorekit.training.crops import StreamedPool, augment, gray, order, place
from restorekit.training.job import Job


class Batches:
    """Batches of a training. With a `StreamedPool` the next batch is prepared during the current update."""

    def __init__(self, job: Job, fabric: Fabric) -> None:
        self._job, self._fabric = job, fabric
        self._thread = ThreadPoolExecutor(1, "batch") if isinstance(job.pool, StreamedPool) else None
        self._next: tuple[int, Future[list[Batch]]] | None = None

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def take(self, step: int) -> list[Batch]:
        """Return the portions of a step's batch; they depend on the step alone."""
        ahead, self._next = self._next, None
        if self._thread is not None:
            self._next = step + 1, self._thread.submit(portions, self._job, step + 1, self._fabric)
        if ahead is not None and ahead[0] == step:
            return ahead[1].result()
        return portions(self._job, step, self._fabric)


def portions(job: Job, step: int, fabric: Fabric) -> list[Batch]:
    """Return the batch of one update on the device, in portions with a corruption each."""
    rng = Rng(job.seed).fork(f"step{step}")
    index = image_indices(job, step)
    index = index.repeat(-(-fabric.world_size // len(index)))[fabric.global_rank :: fabric.world_size]
    shares = [share for share in index.tensor_split(job.recipe.portions) if len(share)]
    return [_portion(job, step, share, rng.fork(f"portion{i}") if i else rng, fabric) for i, share in enumerate(shares)]


def image_indices(job: Job, step: int) -> Tensor:
    """Return the images of an update, (B,) int64.

    If only some images have a class, ``labelled_per_batch`` of them are drawn from those.
    """
    batch, rng, count, labelled = job.recipe.batch, Rng(job.seed), len(job.pool.sizes), job.labelled_indices
    quota = job.recipe.labelled_per_batch if len(labelled) else 0
    if not quota:
        return order(count, batch, step, rng)
    first = labelled[order(len(labelled), quota, step, rng.fork("labelled"))]
    return torch.cat([first, order(count, batch - quota, step, rng)]) if quota < batch else first


def _portion(job: Job, step: int, index: Tensor, rng: Rng, fabric: Fabric) -> Batch:
    """Crop, augment and corrupt the images `index`, (B,), with one corruption."""
    recipe, corruption = job.recipe, draw_corruption(job.corruptions, rng)
    turned_gray = job.pool.channels == 3 and float(torch.rand((), generator=rng.generator("gray"))) < recipe.gray
    rng = rng.fork(f"rank{fabric.global_rank}")
    x = job.pool.crops(place(job.pool, index, recipe.crop, rng))
    x = augment(x, rng) if recipe.augment else x
    x = gray(x) if turned_gray else x
    x = x.contiguous(memory_format=torch.channels_last)
    observation = corruption(x, rng.fork("corruption"))
    if job.labels is not None:
        hidden = rng.uniform("unlabelled", (len(index),), "cpu") < recipe.unlabelled
        label = torch.where(hidden, -1, job.labels[index])  # -1: unknown class
        observation = dataclasses.replace(observation, label=label.to(x.device))
    return self_supervised.as_batch(x, observation, corruption, step)


def draw_corruption(corruptions: Sequence[tuple[Corruption, float]], rng: Rng) -> Corruption:
    """Draw a corruption with probability proportional to its weight."""
    if len(corruptions) == 1:
        return corruptions[0][0]
    weights = torch.tensor([weight for _, weight in corruptions])
    return corruptions[int(torch.multinomial(weights, 1, generator=rng.generator("which")))][0]
