"""How much of a sampler's time is spent in the networks, forward and backward, and how long chains are.

Of samplers that follow gradients also with the density that these are of, which is the other part of the pass.

Run: ``python -m tests.benchmarks.sampling MODEL IMAGES [COUNT]``, with an unconditional model and images for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from restorekit.core.devices import Compute
from restorekit.core.plugins import registry
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.images.dataset import load_images
from restorekit.restoration.loading import open_restorer
from restorekit.samplers import targets

DRAWS = 16
DAMAGES = (Gaussian(0.2), Missing(0.7), Chain((Gaussian(0.1), Missing(0.5))))


class Clock:
    """Adds up the time inside functions, those called by others of them once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def timed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, timed."""

        def inner(*args: Any, **kwargs: Any) -> Any:
            self._depth, started = self._depth + 1, time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self._depth -= 1
                self.seconds += 0 if self._depth else time.perf_counter() - started

        return inner


def main(name: str, source: str, count: int) -> None:
    """Print seconds for an image and draw, share in the networks, length of chains and PSNR of every sampler."""
    images = load_images(source)
    x = torch.stack([images[i] for i in range(0, len(images.keys), len(images.keys) // count)][:count])
    rng, clock, passes = Rng(0, tuple(map(str, range(len(x))))), Clock(), Clock()
    torch.autograd.grad = passes.timed(clock.timed(torch.autograd.grad))
    targets.Marginal.log_prob = passes.timed(targets.Marginal.log_prob)  # type: ignore[method-assign]
    model: Any = open_restorer(name, DAMAGES[0], "gibbs", Compute("cpu")).restorer.model  # type: ignore[attr-defined]
    model.network.encode, model.network.decode = (clock.timed(f) for f in (model.network.encode, model.network.decode))
    for damage in DAMAGES:
        o = Problem(damage(x, rng), damage).with_initial_estimate().observation
        for sampler in (cls() for cls in registry.samplers().values()):
            clock.seconds, passes.seconds, started = 0.0, 0.0, time.perf_counter()
            with torch.inference_mode():
                draws = sampler(model, damage, o, DRAWS, rng)
            took, mean = time.perf_counter() - started, draws.mean.mean(0)
            psnr = -10 * (mean - x).square().flatten(1).mean(1).log10().mean()
            told = " ".join(f"{key} {float(value.mean()):.2f}" for key, value in draws.diagnostics.items())
            print(
                f"{damage!s:40s} {sampler.name:10s} {1e3 * took / len(x) / DRAWS:8.2f} ms a draw, "
                f"{clock.seconds / took:4.0%} in networks, {max(clock.seconds, passes.seconds) / took:4.0%} in passes, "
                f"{psnr:.2f} dB  {told}"
            )


if __name__ == "__main__":
    main(sys.argv[1], str(Path(sys.argv[2])), int(sys.argv[3]) if len(sys.argv) > 3 else 40)
