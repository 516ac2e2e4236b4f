"""What `restorekit evaluate` does not measure of a model: drawn holes, spectra of draws, real noise, clean images.

Run: ``python -m tests.benchmarks.shipped DATA [MODEL] [PART ...]``, DATA laid out as CONTRIBUTING.md says, PARTs
holes, draws, real, clean. About 20 minutes on one core, most of them for the classical methods in holes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

import restorekit
from restorekit.api import open_restorer
from restorekit.contracts import Corruption
from restorekit.corruptions import Gaussian, Holes, Missing
from restorekit.metrics import finish
from restorekit.noise import Noise
from restorekit.restore import ModelRestorer, with_guess

CLASSICAL = ("telea", "navier-stokes", "biharmonic", "delaunay")
SIDE = 160  # of the crops that draws are made of


def read(path: Path, gray: bool) -> Tensor:
    """Return a file's pixels, (C, H, W) on [0, 1]."""
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB
    return torch.from_numpy(np.atleast_3d(cv2.imread(str(path), flag))).movedim(-1, 0).float() / 255


def psnr(found: Tensor, x: Tensor) -> float:
    """Return the PSNR of what is rounded to 8 bits."""
    return float(-10 * (finish(found) - x).square().mean().log10())


def drawn_masks(data: Path, size: torch.Size) -> Iterator[Tensor]:
    """Yield the middles of the irregular masks for testing, (H, W), that leave out 10 to 25 % of the pixels."""
    for path in sorted((data / "masks_irregular").glob("*.png"))[1::2]:
        whole = read(path, True)[0] > 0.5
        top, left = ((side - own) // 2 for side, own in zip(whole.shape, size, strict=True))
        mask = whole[top : top + size[0], left : left + size[1]]
        if 0.10 <= float(mask.float().mean()) <= 0.25:
            yield mask


def holes(data: Path, model: str) -> None:
    """Print the PSNR inside irregular holes of every fourth image of BSD68, of the model and of classical methods."""
    restorers = {name: restorekit.load(name, device="cpu") for name in (model, *CLASSICAL)}
    found: dict[str, list[float]] = {name: [] for name in restorers}
    for i, path in enumerate(sorted((data / "gray" / "bsd68").glob("*.png"))[::4]):
        x = read(path, True)[0]
        mask = list(drawn_masks(data, x.shape))[7 * i]
        for name, restorer in restorers.items():
            result = restorer(torch.where(mask, 0.0, x), missing=mask, sigma=0).mmse
            found[name].append(psnr(result[mask], x[mask]))
    for name, own in found.items():
        print(f"holes  {name:40s} {statistics.mean(own):.2f} dB inside, {len(own)} images")


def octaves(error: Tensor) -> list[float]:
    """Return the mean power of each octave of radial frequency, finest first."""
    power = torch.fft.fft2(error).abs().square().mean((0, 1))
    radius = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.fftfreq(SIDE)[None])
    return [float(power[(radius <= 0.5 / 2**k) & (radius > 0.25 / 2**k)].mean()) for k in range(6)]


def draws(data: Path, model: str) -> None:
    """Print how far draws lie under the estimate, and their spectrum over that of the errors, on BSD68's middles."""
    found = []
    for path in sorted((data / "gray" / "bsd68").glob("*.png"))[::2]:
        x = read(path, True)
        top, left = ((side - SIDE) // 2 for side in x.shape[1:])
        found.append(x[:, top : top + SIDE, left : left + SIDE])
    x = torch.stack(found)
    damages = (Missing(0.8), Missing(0.5), Missing(0.9), Holes(area=0.15), *(Gaussian(s / 255) for s in (15, 25, 50)))
    for damage in damages:
        print(f"draws  {damage!s:40s} {_of_draws(x, damage, model)}")


def _of_draws(x: Tensor, corruption: Corruption, name: str) -> str:
    restorer = open_restorer(name, corruption, device="cpu").restorer
    assert isinstance(restorer, ModelRestorer)
    noise = Noise(5, tuple(f"p{i}" for i in range(len(x))))
    seen = with_guess(corruption(x, noise).blind(), corruption)
    with torch.inference_mode():
        told = restorer.model.estimate(seen, corruption)
        draw = restorer.model.sample(seen, corruption, 1, noise.fork("draws"))
    unknown = seen.unknown().expand_as(x)
    own = draw.variance[0].sqrt() * noise.fork("own").normal("own", tuple(x.shape), "cpu")
    parts = x - told.mean, draw.mean[0] - told.mean, own, told.std
    error, latent, own, std = (torch.where(unknown, t, 0.0) for t in parts)

    def under(t: Tensor) -> float:
        squares = [v.square().flatten(1).mean(1) for v in (error - t, error)]
        return float(10 * (squares[0] / squares[1]).log10().mean())

    ratio = float(std.square().sum() / error.square().sum())
    pairs = zip(octaves(latent + own), octaves(error), strict=True)
    spectrum = ", ".join(f"{10 * np.log10(a / b):.1f}" for a, b in pairs)
    return f"{under(latent + own):.2f} dB under, {under(latent):.2f} without noise, s^2/e^2 {ratio:.2f}, {spectrum}"


def real(data: Path, model: str) -> None:
    """Print PSNR before and after of the PolyU pairs for testing, by camera."""
    restorer, gains = restorekit.load(model, device="cpu"), dict[str, list[tuple[float, float]]]()
    pairs = zip(*(sorted((data / "real" / "polyu" / kind).iterdir()) for kind in ("noisy", "clean")), strict=True)
    for noisy, clean in list(pairs)[1::2]:
        y, x = (read(path, False) for path in (noisy, clean))
        after = psnr(restorer(y).mmse, x)
        gains.setdefault(noisy.name.split("_")[0], []).append((psnr(y, x), after))
    everything = [pair for own in gains.values() for pair in own]
    for camera, own in {**gains, "all": everything}.items():
        before, after = (statistics.mean(one) for one in zip(*own, strict=True))
        least = min(b - a for a, b in own)
        print(f"real   {camera:40s} {before:.2f} -> {after:.2f} dB, {len(own)} images, least gain {least:+.2f}")


def clean(data: Path, model: str) -> None:
    """Print how near to its input an intact image of Train400, every tenth, comes back."""
    restorer = restorekit.load(model, device="cpu")
    images = [read(path, True)[0] for path in sorted((data / "gray" / "train400").glob("*.png"))[::10]]
    found = [psnr(restorer(x).mmse, x) for x in images]
    print(f"clean  {'':40s} {statistics.mean(found):.2f} dB to the input, least {min(found):.2f}, {len(found)} images")


PARTS = {"holes": holes, "draws": draws, "real": real, "clean": clean}

if __name__ == "__main__":
    root, *more = sys.argv[1:]
    chosen = [word for word in more if word in PARTS] or list(PARTS)
    for part in chosen:
        PARTS[part](Path(root), next((word for word in more if word not in PARTS), "default"))
