import dataclasses
import types

import torch

from restorekit.core.rng import Rng
from restorekit.corruptions import Gaussian, Missing
from restorekit.models.checkpoint import Card
from restorekit.training import batches
from restorekit.training.config import Recipe
from restorekit.training.crops import HeldPool
from restorekit.training.job import Job
from restorekit.training.validation import Validation

MIXED = [(Gaussian(0.1), 1.0), (Missing(0.5), 3.0)]


def _job(tmp_path, recipe):
    images = [torch.full((8, 8, 1), i, dtype=torch.uint8) for i in range(5)]
    held = Validation(torch.zeros(1, 1, 8, 8), ("a",))
    return Job(
        tmp_path, Card("cvae", "restorekit", "0", {}), recipe, MIXED, HeldPool(images, torch.device("cpu")), held
    )


def _rank(number=0, of=1):
    return types.SimpleNamespace(global_rank=number, world_size=of, device=torch.device("cpu"))


def test_corruptions_are_drawn_by_their_weights():
    drawn = [batches.draw_corruption(MIXED, Rng(0).fork(f"step{i}")).name for i in range(1000)]
    assert abs(drawn.count("missing") - 750) < 5 * (1000 * 0.75 * 0.25) ** 0.5
    assert drawn == [batches.draw_corruption(MIXED, Rng(0).fork(f"step{i}")).name for i in range(1000)]


def test_portions_of_a_batch_are_damaged_each_in_its_own_way(tmp_path):
    job = _job(tmp_path, Recipe(batch=5, portions=4, crop=0))
    steps = [batches.portions(job, i, _rank()) for i in range(9)]
    assert [[len(b.observation) for b in portions] for portions in steps] == [[2, 1, 1, 1]] * 9
    assert any(len({str(b.corruption) for b in portions}) == 2 for portions in steps)
    seen = [torch.cat([255 * b.x[:, 0, 0, 0] for b in portions]).round().int().tolist() for portions in steps]
    assert all(sorted(images) == [0, 1, 2, 3, 4] for images in seen)


def test_the_processes_share_a_batch_and_none_goes_without(tmp_path):
    job = _job(tmp_path, Recipe(batch=3, crop=0))
    for step, (count, expected) in enumerate([(2, [2, 1]), (4, [1, 1, 1, 1])]):
        parts = [batches.portions(job, step, _rank(i, count)) for i in range(count)]
        assert [sum(len(b.observation) for b in portions) for portions in parts] == expected


def test_a_share_of_the_labels_is_hidden(tmp_path):
    def seen(share):
        job = dataclasses.replace(_job(tmp_path, Recipe(batch=5, crop=0, unlabelled=share)), labels=torch.arange(5))
        found = [batches.portions(job, step, _rank())[0].observation.label for step in range(100)]
        again = [batches.portions(job, step, _rank())[0].observation.label for step in range(100)]
        assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
        return torch.cat(found)

    assert seen(0.0).min() == 0
    assert (seen(1.0) == -1).all()
    assert abs(int((seen(0.2) == -1).sum()) - 100) < 5 * (500 * 0.2 * 0.8) ** 0.5
    assert set(seen(0.2).tolist()) == {-1, 0, 1, 2, 3, 4}


def test_where_some_have_no_class_a_share_of_a_batch_has_one(tmp_path):
    labels = torch.tensor([-1, 1, -1, 0, -1])
    job = _job(tmp_path, Recipe(batch=4, crop=0, unlabelled=0, labelled=0.5))

    def seen(labels, **more):
        changed = dataclasses.replace(job, labels=labels, recipe=dataclasses.replace(job.recipe, **more))
        found = [batches.portions(changed, step, _rank())[0] for step in range(10)]
        images = [(255 * b.x[:, 0, 0, 0]).round().long() for b in found]
        assert all(torch.equal(labels[i], b.observation.label) for i, b in zip(images, found, strict=True))
        return torch.cat(images)

    one = seen(labels)
    assert len(one) == 10 * 2 + 17  # two of those that have one, and of all, whose epochs are of 2, 2 and 1
    told = labels[one] >= 0
    assert 20 <= int(told.sum()) <= 28  # and what comes along with the rest, at most twice in each epoch
    assert set(one.tolist()) == {0, 1, 2, 3, 4}
    assert (labels[seen(labels, labelled=1.0)] >= 0).all()
    assert torch.equal(seen(labels, labelled=0.0), seen(torch.arange(5), labelled=0.5))
