"""How near a model comes to what its card can do: one pass, against convolutions of the model's own width.

cuDNN looks for the fastest convolutions first, which `restore` does not let it: images differ in size. The rate of the
card is that of a 3x3 convolution of the trunk's first width in bfloat16, channels last, at the size
that the trunk runs it at; a pass counts the multiply-accumulates of its convolutions and matrix products, first guess
and standard deviation included in its time.

Run on a CUDA device: ``python -m tests.benchmarks.throughput [MODEL] [SIDE] [IMAGES] [--compile]``.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from restorekit.core.contracts import Model
from restorekit.core.devices import Compute
from restorekit.core.rng import Rng
from restorekit.corruptions import Gaussian, Missing
from restorekit.restoration.loading import open_restorer
from restorekit.restoration.model_restorer import ModelRestorer


def seconds(work: Callable[[], object], rounds: int = 20) -> float:
    """Return the median time of a call on the device, seconds."""
    times = []
    for _ in range(rounds + 5):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return statistics.median(times[5:])


def flops(work: Callable[[], object]) -> float:
    """Return twice the multiply-accumulates of a call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def convolution(width: int, x: Tensor) -> float:
    """Return the rate of one convolution over half of x's sides, FLOP a second."""
    b, _, h, w = x.shape
    seen = torch.randn(b, width, h // 2, w // 2, device=x.device, dtype=torch.bfloat16)
    seen = seen.contiguous(memory_format=torch.channels_last)
    own = nn.Conv2d(width, width, 3, padding=1, bias=False).to(x.device, torch.bfloat16)
    own = own.to(memory_format=torch.channels_last)
    return flops(lambda: own(seen)) / seconds(lambda: own(seen))


def _model(name: str, compute: Compute) -> Model:
    restorer = open_restorer(name, compute=compute).restorer
    assert isinstance(restorer, ModelRestorer)
    return restorer.model


@torch.inference_mode()
def main(name: str, side: int, count: int, compiled: bool) -> None:
    """Measure and print."""
    torch.backends.cudnn.benchmark = True
    # operations are counted of a plain one: under the counter nothing is compiled, and some versions keep to that
    plain, model = (_model(name, Compute("cuda", compiled=c)) for c in (False, compiled))
    x = torch.rand(count, 1, side, side, device="cuda")
    rate = convolution(model.config.widths[0], x)
    print(f"{torch.cuda.get_device_name()}: convolution of width {model.config.widths[0]} {rate / 1e12:.0f} TFLOP/s")
    for corruption in (Gaussian(25 / 255), Missing(0.8)):
        observation = corruption(x, Rng(0)).blind()
        with torch.autocast("cuda", torch.bfloat16):
            work = flops(partial(plain.estimate, observation, corruption))
            time = seconds(partial(model.estimate, observation, corruption))
        print(
            f"{name} {corruption}: {work / 2000 / x.numel():.0f} k multiply-accumulates a pixel,"
            f" {x.numel() / time / 1e6:.0f} Mpixel/s, {100 * work / time / rate:.0f} % of the convolution's rate"
        )


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--compile"]
    side, count = (int(word) for word in (*given[1:3], "512", "16")[:2])
    main(given[0] if given else "large", side, count, "--compile" in sys.argv)
