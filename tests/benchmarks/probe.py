"""What codes know of classes: test accuracy on MNIST of a linear probe that is fitted to 100 labels, 10 of each digit.

Codes are raw pixels, those of a VAE of the 100 labelled images alone, of one of all images without labels, and of one
of all images that sums over labels that are missing (`alpha`, M2), whose codes begin with its classifier's answer.
All have the same layers and number of updates (M2 with dropout, for its classifier of 100 labels); the probe is alike
for all, a logistic regression.

Run: ``RESTOREKIT_DATA=... python -m tests.benchmarks.probe [STEPS]``
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.evaluation.likelihood import embed
from restorekit.images.dataset import load_images
from restorekit.images.stacks import load_stack
from restorekit.models import checkpoint
from restorekit.training.build import DataSource, Hardware, Plan, prepare
from restorekit.training.loop import train

SOURCE = Path(os.environ["RESTOREKIT_DATA"]) / "mnist"
EACH, HELD, UNKNOWN = 10, 200, 255  # labels of each digit, images to validate on, and the label of all others
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of the probe's squared weights
SHARED = {
    "network": "mlp", "hidden": "256", "latent": "32", "likelihood": "bernoulli", "batch": "64", "crop": "0",
    "optimiser": "adam", "lr": "1e-3", "beta2": "0.999", "weight_decay": "0", "augment": "no", "validate": "100000",
}  # fmt: skip


def write_sets(folder: Path) -> None:
    """Write few.npz, all.npz, held.npz and test.npz, images with labels."""
    whole, test = (load_stack(SOURCE / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k"))
    assert isinstance(whole.images, Tensor)
    assert isinstance(test.images, Tensor)
    assert whole.labels is not None
    assert test.labels is not None
    x, labels = whole.images.numpy(), whole.labels.numpy().astype(np.uint8)
    few = np.concatenate([np.flatnonzero(labels[:-HELD] == digit)[:EACH] for digit in range(10)])
    hidden = np.full_like(labels, UNKNOWN)
    hidden[few] = labels[few]
    np.savez(folder / "few.npz", images=x[few], labels=labels[few])
    np.savez(folder / "all.npz", images=x[:-HELD], labels=hidden[:-HELD])
    np.savez(folder / "held.npz", images=x[-HELD:], labels=labels[-HELD:])
    np.savez(folder / "test.npz", images=test.images.numpy(), labels=test.labels.numpy().astype(np.uint8))


def model(folder: Path, name: str, source: str, steps: int, **more: str) -> Path:
    """Train a VAE and return its file; with `alpha` on classes too."""
    labels = "arrays" if "alpha" in more else None
    images = DataSource(str(folder / source), str(folder / "held.npz"), labels)
    plan = Plan("vae", settings={**SHARED, **more}, init="none")
    train(*prepare(folder / name, images, plan, Hardware(threads=1), False, steps, None, None), lambda line: None)
    return folder / name / "model.safetensors"


def codes(file: Path | None, source: Path) -> Tensor:
    """Return the codes of images, (N, features): what `restorekit embed` writes, or pixels where there is no model."""
    images = load_images(source)
    if file is None:
        return torch.stack([images[i].flatten() for i in range(len(images))])
    out = source.with_suffix(".codes.npz")
    embed(checkpoint.load(file)[0], images, out, lambda key, error: None)
    with np.load(out) as stored:
        return torch.cat([torch.from_numpy(stored[key]) for key in ("z", "z0", "z1") if key in stored.files], 1)


def fitted(x: Tensor, labels: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the logistic regression of labels on x, (N, features)."""
    weight, bias = torch.zeros(x.shape[1], 10, requires_grad=True), torch.zeros(10, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        found = F.cross_entropy(x @ weight + bias, labels) + penalty * weight.square().sum() / len(x)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    search.step(loss)  # type: ignore[arg-type]
    return weight.detach(), bias.detach()


def right(x: Tensor, labels: Tensor, other: Tensor, truth: Tensor, penalty: float) -> float:
    """Return the share of `truth` that a probe fitted to x and labels finds from `other`."""
    weight, bias = fitted(x, labels, penalty)
    return float(((other @ weight + bias).argmax(1) == truth).float().mean())


def accuracy(x: Tensor, labels: Tensor, other: Tensor, truth: Tensor) -> float:
    """Return what a probe finds with the penalty that is best within x, of which a fifth is left out in turn."""
    std = x.std(0)
    scale = std + 0.1 * std.max()  # what hardly varies in 100 images says nothing of how it does
    x, other = (x - x.mean(0)) / scale, (other - x.mean(0)) / scale
    folds = torch.arange(len(x)) % 5

    def inner(penalty: float) -> float:
        parts = [(x[folds != i], labels[folds != i], x[folds == i], labels[folds == i]) for i in range(5)]
        return sum(right(*part, penalty) for part in parts)

    return right(x, labels, other, truth, max(PENALTIES, key=inner))


def main(steps: int) -> None:
    """Print a line for each kind of codes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sets(folder)
        few, test = folder / "few.npz", folder / "test.npz"
        labels, truth = load_images(few).labels, load_images(test).labels
        assert labels is not None
        assert truth is not None
        made = {
            "pixels": None,
            "VAE of the 100": model(folder, "few", "few.npz", steps),
            "VAE of all, without labels": model(folder, "all", "all.npz", steps),
            "M2 of all": model(folder, "m2", "all.npz", steps, alpha="10", dropout="0.2"),
        }
        for title, file in made.items():
            found = codes(file, test)
            line = f"{title:<28s} {accuracy(codes(file, few), labels, found, truth):.4f}"
            more = f"   its own classifier {float((found[:, :10].argmax(1) == truth).float().mean()):.4f}"
            print(line + (more if title.startswith("M2") else ""), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
