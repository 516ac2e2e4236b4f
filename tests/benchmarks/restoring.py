"""Seconds for a gray image of 512 x 512: the shipped model, spread included, against BM3D and two networks' shapes.

DnCNN (Zhang et al., TIP 2017) has 17 layers of 64 channels at full resolution, FFDNet (Zhang et al., TIP 2018) 15 at
half; both with random weights, each network in its faster memory format, nothing compiled, same threads, in turn.

Run: ``python -m tests.benchmarks.restoring [ROUNDS]``; BM3D takes half a minute and is measured once.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from restorekit.core.devices import Compute
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Problem
from restorekit.corruptions import Gaussian
from restorekit.restoration.loading import open_restorer
from restorekit.restoration.model_restorer import ModelRestorer

SIDE, SIGMA = 512, 25 / 255


def layers(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """Return 3x3 convolutions of 64 channels with ReLU between them."""
    inner = [part for _ in range(depth - 2) for part in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True))]
    ends = nn.Conv2d(inputs, 64, 3, padding=1), nn.Conv2d(64, outputs, 3, padding=1)
    return nn.Sequential(ends[0], nn.ReLU(inplace=True), *inner, ends[1])


class FFDNet(nn.Module):
    """The four sub-images and a noise map through 15 layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = layers(5, 4, 15)

    def forward(self, y: Tensor) -> Tensor:
        parts = nn.functional.pixel_unshuffle(y, 2)
        out: Tensor = self.body(torch.cat([parts, torch.full_like(parts[:, :1], SIGMA)], 1))
        return nn.functional.pixel_shuffle(out, 2)


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    with torch.inference_mode():
        work()
    return time.perf_counter() - started


def in_format(net: nn.Module, y: Tensor, memory: torch.memory_format) -> Callable[[], object]:
    """Return a call of the network with weights and input laid out so."""
    own, seen = net.to(memory_format=memory), y.contiguous(memory_format=memory)
    return lambda: own(seen)


def faster(make: Callable[[], nn.Module], y: Tensor) -> Callable[[], object]:
    """Return the network's call in the memory format that is faster here."""
    calls = [in_format(make().eval(), y, memory) for memory in (torch.contiguous_format, torch.channels_last)]
    return min(calls, key=lambda call: min(seconds(call) for _ in range(3)))


def ours(observation: Observation, name: str = "default", half: bool = False) -> Callable[[], object]:
    """Return a pass of a shipped model, mean and standard deviation, first guess included."""
    corruption = Gaussian(SIGMA)
    restorer = open_restorer(name, corruption, compute=Compute("cpu")).restorer
    assert isinstance(restorer, ModelRestorer)

    def once() -> object:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return restorer.model.estimate(
                Problem(observation, corruption).with_initial_estimate().observation, corruption
            )

    return once


def main(rounds: int) -> None:
    """Measure all in turn and print the median ratios."""
    x = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    observation = Gaussian(SIGMA)(x, Rng(0))
    own, y = ours(observation.blind()), observation.y
    rivals = {"DnCNN": faster(lambda: layers(1, 1, 17), y), "FFDNet": faster(FFDNet, y)}
    own()
    times = [(seconds(own), {name: seconds(call) for name, call in rivals.items()}) for _ in range(rounds)]
    print(f"default {statistics.median(t for t, _ in times):.3f} s, {torch.get_num_threads()} threads")
    for name in rivals:
        print(f"{name} takes {statistics.median(found[name] / t for t, found in times):.2f} times as long (median)")
    for model in ("default", "large"):
        full, half = (ours(observation.blind(), model, h) for h in (False, True))
        ratios = [seconds(full) / seconds(half) for _ in range(rounds)]
        print(f"{model} is {statistics.median(ratios):.2f} times as fast in bfloat16 (median)")
    if importlib.util.find_spec("bm3d"):
        bm3d = open_restorer("bm3d", Gaussian(SIGMA)).restorer
        slow = seconds(lambda: bm3d(observation, Gaussian(SIGMA), 0, Rng(0)))
        print(f"bm3d takes {slow / statistics.median(t for t, _ in times):.1f} times as long")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
