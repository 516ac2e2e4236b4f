"""What `restorekit evaluate` does not measure of a model: drawn holes, spectra of draws, real noise, clean images.

Run: ``python -m tests.benchmarks.shipped DATA [MODEL] [PART ...]``, DATA laid out as CONTRIBUTING.md says, PARTs
holes, draws, real, clean. About 20 minutes on one core, most of them for the classical methods in holes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

import restorekit
from restorekit.core.contracts import Corruption
from restorekit.core.devices import Compute
from restorekit.core.psnr import quantise_8bit
from restorekit.core.rng import Rng
from restorekit.core.types import Problem
from restorekit.corruptions import Gaussian, Holes, Missing
from restorekit.restoration.loading import open_restorer
from restorekit.restoration.model_restorer import ModelRestorer

CLASSICAL = ("telea", "navier-stokes", "biharmonic", "delaunay")
SIDE = 160  # of the crops that draws are made of
EACH = 4  # draws of a crop: what fills a hole has few long waves, by which a single one may be off


def read(path: Path, gray: bool) -> Tensor:
    """Return a file's pixels, (C, H, W) on [0, 1]."""
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB
    return torch.from_numpy(np.atleast_3d(cv2.imread(str(path), flag))).movedim(-1, 0).float() / 255


def psnr(found: Tensor, x: Tensor) -> float:
    """Return the PSNR of what is rounded to 8 bits."""
    return float(-10 * (quantise_8bit(found) - x).square().mean().log10())


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


def middles(data: Path, kind: str = "gray") -> Tensor:
    """Return the middles of every other picture of BSD68 or CBSD68, (34, 1 or 3, SIDE, SIDE)."""
    found, gray = [], kind == "gray"
    for path in sorted((data / kind / ("bsd68" if gray else "cbsd68")).iterdir())[::2]:
        x = read(path, gray)
        top, left = ((side - SIDE) // 2 for side in x.shape[1:])
        found.append(x[:, top : top + SIDE, left : left + SIDE])
    return torch.stack(found)


class Drawn(NamedTuple):
    """What is known of draws of images where they were unknown, else 0; all (EACH B, C, H, W).

    error : truth less estimate; latent : the draw's decoder mean less estimate; own : the decoder's noise; std : s.
    """

    error: Tensor
    latent: Tensor
    own: Tensor
    std: Tensor

    def under(self, draw: Tensor) -> tuple[float, float]:
        """Return how far `draw` lies under the estimate, dB: of the mean square over all, and the mean over images."""
        far, near = ((t**2).flatten(1).mean(1) for t in (self.error - draw, self.error))
        return float(10 * (far.mean() / near.mean()).log10()), float(10 * (far / near).log10().mean())

    def spectrum(self) -> list[float]:
        """Return the power of draws over that of errors in each octave, finest first, dB."""
        pairs = zip(octaves(self.latent + self.own), octaves(self.error), strict=True)
        return [float(10 * np.log10(a / b)) for a, b in pairs]


def drawn(x: Tensor, corruption: Corruption, name: str) -> Drawn:
    """Damage images, restore them, and make draws of each."""
    restorer = open_restorer(name, corruption, compute=Compute("cpu")).restorer
    assert isinstance(restorer, ModelRestorer)
    rng = Rng(5, tuple(f"p{i}" for i in range(len(x))))
    seen = Problem(corruption(x, rng).blind(), corruption).with_initial_estimate().observation
    with torch.inference_mode():
        told = restorer.model.estimate(seen, corruption)
        draws = restorer.model.sample(seen, corruption, EACH, rng.fork("draws"))
    assert draws.variance is not None
    own = draws.variance.sqrt() * rng.fork("own").expand(EACH).normal(
        "own", (EACH * len(x), *x.shape[1:]), "cpu"
    ).view_as(draws.mean)
    unknown = seen.unknown().expand_as(x)
    parts = (x - told.mean).expand_as(own), draws.mean - told.mean, own, told.std.expand_as(own)
    return Drawn(*(torch.where(unknown, t, 0.0).flatten(0, 1) for t in parts))


def draws(data: Path, model: str) -> None:
    """Print how far draws lie under the estimate, and their spectrum over that of the errors."""
    damages = (Missing(0.8), Missing(0.5), Missing(0.9), Holes(area=0.15), *(Gaussian(s / 255) for s in (15, 25, 50)))
    for damage in damages:
        d = drawn(middles(data), damage, model)
        (whole, image), (bare, _) = d.under(d.latent + d.own), d.under(d.latent)
        ratio = float(d.std.square().sum() / d.error.square().sum())
        told = f"{whole:.2f} dB under, {bare:.2f} without noise, {image:.2f} in the mean image, s^2/e^2 {ratio:.2f}"
        print(f"draws  {damage!s:40s} {told}, octaves {', '.join(f'{v:.1f}' for v in d.spectrum())}")


def real(data: Path, model: str) -> None:
    """Print PSNR before and after of the PolyU pairs for testing, by camera, and what their 90 % intervals hold."""
    restorer, found = restorekit.load(model, device="cpu"), dict[str, list[tuple[float, float, float]]]()
    pairs = zip(*(sorted((data / "real" / "polyu" / kind).iterdir()) for kind in ("noisy", "clean")), strict=True)
    for noisy, clean in list(pairs)[1::2]:
        y, x = (read(path, False) for path in (noisy, clean))
        r = restorer(y, interval=0.9)
        within = float(((r.low <= x) & (x <= r.high)).float().mean()) if r.low.isfinite().all() else float("nan")
        found.setdefault(noisy.name.split("_")[0], []).append((psnr(y, x), psnr(r.mmse, x), within))
    everything = [one for own in found.values() for one in own]
    for camera, own in {**found, "all": everything}.items():
        before, after, within = np.nanmean(own, 0)
        least = min(b - a for a, b, _ in own)
        told = f"{before:.2f} -> {after:.2f} dB, {len(own)} images, least gain {least:+.2f}"
        print(f"real   {camera:40s} {told}; {within:.0%} within, {np.isnan([w for *_, w in own]).sum()} not calibrated")


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
