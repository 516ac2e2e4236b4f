"""What a VAE is measured by: likelihood of MNIST, imputation and denoising without clean images, one prior for all.

Run: ``python -m tests.benchmarks.proofs DATA OUT [PART ...]``, DATA laid out as CONTRIBUTING.md says, PARTs likelihood,
imputing, noisy, prior. Each trains what it needs into OUT unless it is there: 20, 2 x 8, 30 and 18 minutes of a core.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.benchmarks import imputing

MLP = "--model vae --threads 1 --set network=mlp --set optimiser=adam --set batch=100 --set augment=false --set crop=0"
MNIST = f"{MLP} --init none --set lr=1e-3 --set likelihood=bernoulli --set importance=5"
TASKS = {  # damage: sampler, draws whose mean it is, classical methods
    "gaussian:sigma=50/255": ("langevin", 16, "bm3d nlm tv wavelet wiener"),
    "missing:rate=0.7": ("mwg", 16, "delaunay delaunay-cubic biharmonic telea navier-stokes"),
    "blur:size=1.2+gaussian:sigma=10/255": ("langevin", 16, "wiener tv"),
    "downsample:factor=2+gaussian:sigma=5/255": ("langevin", 16, "lanczos"),
}


def call(*words: object) -> None:
    """Run restorekit; its output goes where ours does."""
    line = [str(word) for word in words]
    print("$ restorekit", *line, flush=True)
    subprocess.run([sys.executable, "-m", "restorekit", *line], check=True)


def train(run: Path, source: Path | str, words: str) -> Path:
    """Train into `run`, unless that was done; return the model file."""
    if not (run / "model.safetensors").exists():
        call("train", source, run, *words.split())
    return run / "model.safetensors"


def likelihood(data: Path, out: Path) -> None:
    """Score every fifth test image of static binarised MNIST, by 5,000 draws and by fewer."""
    arrays = data / "mnist_static_binarized" / "binarized_mnist.npz"
    sizes = f"--validation {arrays}:valid --set hidden=400,400 --set latent=40 --set weight_decay=0.03 --minutes 20"
    model = train(out / "nll", f"{arrays}:train", f"{MNIST} {sizes}")
    with np.load(arrays) as held:
        np.save(out / "digits.npy", 255 * held["test"][::5])
    for k in (1, 10, 100, 5000):
        call("likelihood", model, out / "digits.npy", out / f"nll{k}", "--k", k, "--threads", 1)


def imputation(data: Path, out: Path) -> None:
    """Compare what incomplete and complete images teach in as many updates."""
    train_, test = (data / "mnist" / f"{part}-images-idx3-ubyte.gz" for part in ("train", "t10k"))
    words = f"{MNIST} --validation {test} --set hidden=300,300 --set latent=40 --steps 18000"
    half = train(out / "half", train_, f"{words} --self-supervised --corruption missing:rate=0.5")
    imputing.main(data, [str(half), str(train(out / "whole", train_, words))])


def noisy(data: Path, out: Path) -> None:
    """Learn from Train400 with noise of 25/255 alone, and restore BSD68."""
    words = (
        "--model cvae --self-supervised --corruption gaussian:sigma=25/255 --validation 20 --init none --threads 1 "
        "--set batch=32 --set portions=2 --set crop=96 --set lr=8e-4 --set muon_lr=0.015 --set weight_decay=0.2 "
        "--set blind=0 --minutes 30"
    )
    model = train(out / "noisy", data / "gray" / "train400", words)
    wanted = "--corruption gaussian:sigma=25/255 --baseline tv --baseline nlm --baseline wavelet --metric psnr"
    call("evaluate", data / "gray" / "bsd68", out / "bsd68", "--model", model, *wanted.split())


def prior(data: Path, out: Path) -> None:
    """Restore four kinds of damage with one VAE of Fashion-MNIST, beside every classical method for each."""
    folder = data / "fashion_mnist"
    test = folder / "t10k-images-idx3-ubyte.gz"
    sizes = "--set hidden=500,500 --set latent=64 --set likelihood=gaussian-pixel --set floor=0.02 --set dropout=0.1"
    source = folder / "train20k-images-idx3-ubyte.gz"
    words = f"{MLP} {sizes} --validation {test} --minutes 9"
    first = train(out / "fashion9", source, f"{words} --init none --set lr=1e-3")
    model = train(out / "fashion18", source, f"{words} --init {first} --set lr=7e-4")
    for i, (damage, (sampler, draws, classical)) in enumerate(TASKS.items()):
        beside = [word for name in classical.split() for word in ("--baseline", name)]
        call(
            "evaluate", test, out / f"prior{i}", "--limit", 40, "--corruption", damage, "--model", model,
            "--sampler", sampler, "--samples", draws, *beside, "--metric", "psnr", "--metric", "ssim",
        )  # fmt: skip


PARTS = {"likelihood": likelihood, "imputing": imputation, "noisy": noisy, "prior": prior}

if __name__ == "__main__":
    root, target, *chosen = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    for part in chosen or PARTS:
        PARTS[part](Path(root), Path(target))
