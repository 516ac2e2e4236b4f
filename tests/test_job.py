import pytest
import torch

from restorekit.checkpoint import Card
from restorekit.corruptions import Clean
from restorekit.job import Job
from restorekit.pool import HeldPool
from restorekit.recipe import Recipe
from restorekit.validate import Validation


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
