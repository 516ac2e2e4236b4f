"""Images per second of the tutorial VAE: `restorekit train` against a plain PyTorch loop over one tensor.

Run: ``RESTOREKIT_DATA=... python -m tests.benchmarks.tutorial [ROUNDS]``
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorekit.images.stacks import load_stack
from restorekit.training.build import DataSource, Hardware, Plan, prepare
from restorekit.training.loop import train

STEPS, BATCH = 469, 128
SOURCE = Path(os.environ["RESTOREKIT_DATA"]) / "mnist" / "train-images-idx3-ubyte.gz"


class Plain(nn.Module):
    """784-400-20, as in the PyTorch examples."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mu, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.widen, self.leave = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.enter(x))
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        restored = torch.sigmoid(self.leave(F.relu(self.widen(z))))
        kl = -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())
        return F.binary_cross_entropy(restored, x, reduction="sum") + kl


def plain(images: Tensor) -> float:
    """Return images per second of one epoch of the plain loop, the data held as one float tensor."""
    model = Plain()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    order, started = torch.randperm(len(images)), time.perf_counter()
    for i in range(0, len(images), BATCH):
        loss = model(images[order[i : i + BATCH]])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return len(images) / (time.perf_counter() - started)


def ours() -> float:
    """Return images per second of one epoch of the same network through `restorekit.training.loop`."""
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan("vae", settings={"preset": "tutorial"})
        run, images, hardware = Path(folder) / "run", DataSource(str(SOURCE)), Hardware("cpu")
        job, model, fabric = prepare(run, images, plan, hardware, False, STEPS, None, None)
        train(job, model, fabric, lambda line: rates.append(line.get("images_per_s", 0.0)))
    return max(rates[-4:])


def main(rounds: int) -> None:
    """Measure both in turn and print the median ratio."""
    images = load_stack(SOURCE).images
    assert isinstance(images, Tensor)
    flat = images.reshape(len(images), -1).float() / 255
    pairs = [(ours(), plain(flat)) for _ in range(rounds)]
    for a, b in pairs:
        print(f"restorekit {a:8.0f} images/s   plain loop {b:8.0f} images/s   ratio {a / b:.3f}")
    print(f"median ratio {statistics.median(a / b for a, b in pairs):.3f}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
