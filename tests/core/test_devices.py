import pytest
import torch

from restorekit.core.devices import Compute, choose
from restorekit.core.errors import UsageError


@pytest.fixture
def present(monkeypatch):
    """A function that says which devices there are besides the processor."""

    def say(*kinds):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return say


@pytest.mark.parametrize(
    ("kinds", "chosen"), [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("mps", "cuda"), "cuda")]
)
def test_auto_takes_the_fastest_that_is_there(present, kinds, chosen):
    present(*kinds)
    assert choose("auto") == chosen


def test_a_device_that_is_there_is_taken_by_its_name(present):
    present("cuda", "mps")
    assert [choose(name) for name in ("cpu", "cuda", "mps")] == ["cpu", "cuda", "mps"]


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_told_with_what_to_do(present, name):
    present()
    with pytest.raises(UsageError, match=f"--device {name} needs such a device, .*; use --device auto or cpu"):
        choose(name)


@pytest.mark.parametrize(
    ("kinds", "precision", "number"),
    [
        ((), "auto", "float32"),
        (("cuda",), "auto", "bfloat16"),
        (("cuda",), "32-true", "float32"),
        (("mps",), "auto", "float32"),
        ((), "bf16-mixed", "bfloat16"),
    ],
)
def test_half_precision_is_automatic_on_cuda_alone(present, kinds, precision, number):
    present(*kinds)
    assert Compute("auto", precision).number == number
