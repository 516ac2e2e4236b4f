import os
import signal
import sys
from dataclasses import replace

import pytest
import torch

from restorekit.core.rng import Rng

os.environ["OMP_NUM_THREADS"] = "1"  # of the commands that tests start: the tests themselves take all cores
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited by a suite that was started in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # what the bit-exact tests compare was computed by one thread


@pytest.fixture
def images():
    """A function that makes smooth random images, (B, C, H, W), on [0, 1]."""

    def make(count=2, channels=1, height=32, width=32, seed=0):
        coarse = Rng(seed).uniform("coarse", (count, channels, height // 8 + 3, width // 8 + 3), "cpu")
        fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
        return fine.clamp(0, 1)

    return make


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A small conditional model that was never trained: fast, and different from its input everywhere."""
    from restorekit.models import checkpoint
    from restorekit.models.cvae.model import CVAE

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CVAE(CVAE.Config(**CVAE.presets["small"]))
        for values in model.parameters():
            if not values.any():
                torch.nn.init.normal_(values, std=0.02)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
    return path


@pytest.fixture(scope="session")
def detector_file(tmp_path_factory):
    """A detector whose log-odds of a defect grow with brightness, 0 at 0.8, so that what it finds is known."""
    from restorekit.models import Marks, checkpoint
    from restorekit.uncertainty.touch import TouchTable

    model = Marks(Marks.Config(widths=(4,), encoder=(1,), decoder=()))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        for k in range(4):  # the pixels of a 2 x 2 cell
            model.stem.weight[k, k::4, 1, 1] = 1 / 3
            model.head.weight[k, k, 1, 1] = 40
        model.head.bias.fill_(-12)
    path = tmp_path_factory.mktemp("detector") / "bright.safetensors"
    table = TouchTable((1e-4, 1e-2), (4.0, 0.0), (1e-4, 1e-2), 100, "100 images of none")
    table = replace(table, sequence=table)
    checkpoint.save(path, model.state_dict(), replace(checkpoint.describe(model), calibration=table.to_json()))
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs a command line in this process; returns exit code, standard output and error."""
    from restorekit.cli import main

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["restorekit", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)
