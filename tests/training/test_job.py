from dataclasses import replace

import pytest
import torch

from restorekit.corruptions import Clean
from restorekit.models.checkpoint import Card
from restorekit.training.config import Recipe
from restorekit.training.crops import HeldPool
from restorekit.training.job import Job
from restorekit.training.validation import Validation


def _job(tmp_path, **length):
    pool = HeldPool([torch.zeros(8, 8, 1, dtype=torch.uint8)] * 5, torch.device("cpu"))
    held = Validation(torch.zeros(1, 1, 8, 8), ("a",))
    return Job(tmp_path, Card("vae", "restorekit", "0", {}), Recipe(batch=3), [(Clean(), 1.0)], pool, held, **length)


def test_progress_is_by_steps_epochs_or_minutes(tmp_path):
    steps = _job(tmp_path, steps=9)
    assert steps.epoch_steps == 2  # five images, three a batch
    assert [steps.progress(step, 1e6) for step in (0, 3, 9)] == pytest.approx([0, 1 / 3, 1])
    assert [_job(tmp_path, epochs=4).progress(step, 1e6) for step in (0, 2, 8)] == [0, 0.25, 1]
    assert [_job(tmp_path, minutes=2).progress(10**6, seconds) for seconds in (0, 30, 120)] == [0, 0.25, 1]


def test_an_epoch_of_partly_labelled_images_shows_every_image(tmp_path):
    labels = torch.tensor([0, -1, -1, 1, -1])
    some, complete = (replace(_job(tmp_path, epochs=1), labels=found) for found in (labels, labels.clamp_min(0)))
    assert some.labelled_indices.tolist() == [0, 3]
    assert some.epoch_steps == 3  # one of a batch of three is drawn from those two
    assert not len(complete.labelled_indices) and complete.epoch_steps == 2
    assert replace(some, recipe=Recipe(batch=3, labelled=1.0)).epoch_steps == 1  # of the two alone
