"""The batches of a training: what is learnt from in each update, as a function of the seed and the update's number."""

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
    """The batches of a training; where images come from files, the next one is made while this one is learnt from."""

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
        """Return the portions of a step's batch, which depend on nothing but the step."""
        ahead, self._next = self._next, None
        if self._thread is not None:
            self._next = step + 1, self._thread.submit(portions, self._job, step + 1, self._fabric)
        if ahead is not None and ahead[0] == step:
            return ahead[1].result()
        return portions(self._job, step, self._fabric)


def portions(job: Job, step: int, fabric: Fabric) -> list[Batch]:
    """Cut, turn and damage the images of one update, on the device, each portion in a way of its own."""
    rng = Rng(job.seed).fork(f"step{step}")
    index = _which(job, step)
    index = index.repeat(-(-fabric.world_size // len(index)))[fabric.global_rank :: fabric.world_size]
    shares = [share for share in index.tensor_split(job.recipe.portions) if len(share)]
    return [_batch(job, step, share, rng.fork(f"portion{i}") if i else rng, fabric) for i, share in enumerate(shares)]


def _which(job: Job, step: int) -> Tensor:
    """Return the images of an update, (B,); where only some have a class, a share of them is drawn from those."""
    batch, rng, count, told = job.recipe.batch, Rng(job.seed), len(job.pool.sizes), job.told
    some = job.recipe.labelled_per_batch if len(told) else 0
    if not some:
        return order(count, batch, step, rng)
    first = told[order(len(told), some, step, rng.fork("labelled"))]
    return torch.cat([first, order(count, batch - some, step, rng)]) if some < batch else first


def _batch(job: Job, step: int, index: Tensor, rng: Rng, fabric: Fabric) -> Batch:
    """Cut, turn and damage the images that `index`, (B,), names."""
    recipe = job.recipe
    corruption = _pick(job.corruptions, rng)
    turned_gray = job.pool.channels == 3 and float(torch.rand((), generator=rng.generator("gray"))) < recipe.gray
    rng = rng.fork(f"rank{fabric.global_rank}")
    x = job.pool.crops(place(job.pool, index, recipe.crop, rng))
    x = augment(x, rng) if recipe.augment else x
    x = gray(x) if turned_gray else x
    x = x.contiguous(memory_format=torch.channels_last)
    observation = corruption(x, rng.fork("corruption"))
    if job.labels is not None:
        observation = dataclasses.replace(
            observation, label=_some(job.labels[index], recipe.unlabelled, rng).to(x.device)
        )
    return self_supervised.batch(x, observation, corruption, step)


def _some(labels: Tensor, hidden: float, rng: Rng) -> Tensor:
    """Hide a share of the class labels, (B,): -1 means unknown."""
    return torch.where(rng.uniform("unlabelled", (len(labels),), "cpu") < hidden, -1, labels)


def _pick(corruptions: Sequence[tuple[Corruption, float]], rng: Rng) -> Corruption:
    if len(corruptions) == 1:
        return corruptions[0][0]
    weights = torch.tensor([weight for _, weight in corruptions])
    return corruptions[int(torch.multinomial(weights, 1, generator=rng.generator("which")))][0]
