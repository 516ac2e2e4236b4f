"""Facts about what TensorBoard is given of a training, read with its own reader."""

import sys

import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.training.tensorboard import TensorBoardLog
from tests._helpers.training_logs import entry, start, step, validation


@pytest.fixture
def read():
    """A function that opens what a folder holds for TensorBoard."""
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs tensorboard: pip install 'restorekit[tensorboard]'",
    )

    def reading(run):
        found = reader.EventAccumulator(str(run / "tensorboard"))
        return found.Reload()

    return reading


def told(found, tag):
    return [(event.step, pytest.approx(event.value)) for event in found.Scalars(tag)]


def test_scalars_are_those_of_the_log(read, tmp_path):
    with TensorBoardLog(tmp_path) as board:
        board.show(entry(start(0)))
        board.show(entry(step(50, nelbo=7.0)))
        board.show(entry({"event": "epoch", "step": 60, "seconds": 1.0, "epoch": 1, "nelbo": 6.0}))
        board.show(entry(validation(100, nelbo=5.0, **{"psnr gaussian:sigma=0..50/255": 20.0})))
        board.show(entry(step(100, nelbo=4.0)))
    found = read(tmp_path)
    assert told(found, "training/nelbo") == [(50, 7.0), (100, 4.0)]
    assert told(found, "epoch/nelbo") == [(60, 6.0)]
    assert told(found, "validation/nelbo") == [(100, 5.0)]
    assert told(found, "health/gradient") == [(50, 2.0), (100, 2.0)]
    assert sorted(found.Tags()["scalars"]) == sorted(
        [
            *("training/nelbo", "epoch/nelbo", "validation/nelbo", "validation/psnr gaussian:sigma=0..50/255"),
            *("health/lr", "health/gradient", "health/skipped", "health/images_per_s"),
        ]
    )


def test_pictures_come_with_their_validation(read, tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "previews").mkdir()
    Image.fromarray(values).save(tmp_path / "previews" / "0000100.png")
    with TensorBoardLog(tmp_path) as board:
        board.show(entry(step(50)))
        board.show(entry(validation(100)))
    (picture,) = read(tmp_path).Images("previews")
    assert (picture.step, picture.width, picture.height) == (100, 4, 3)


def test_a_resumed_training_takes_the_place_of_what_a_killed_one_left(read, tmp_path):
    with TensorBoardLog(tmp_path) as board:
        for at in (50, 100, 150):
            board.show(entry(step(at, nelbo=1.0)))
    with TensorBoardLog(tmp_path) as board:
        board.show(entry(start(50)))
        board.show(entry(step(100, nelbo=2.0)))
    assert told(read(tmp_path), "training/nelbo") == [(50, 1.0), (100, 2.0)]


def test_nothing_is_written_before_there_is_something_to_tell(read, tmp_path):
    with TensorBoardLog(tmp_path) as board:
        board.show(entry(start(0)))
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UsageError, match=r"pip install 'restorekit\[tensorboard\]'"):
        TensorBoardLog(tmp_path)
