"""Likelihood of images under an unconditional model: a bound, an importance-weighted estimate, and use of latents.

References
----------
Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016: equation 8; section 5.2 for active units.
Theis, van den Oord, Bethge, "A note on the evaluation of generative models", ICLR 2016, section 3.1: dequantisation.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from restorekit.core.contracts import LatentModel, Model
from restorekit.core.distributions import (
    Bernoulli,
    DiagonalGaussian,
    DiscretisedLogistic,
    Levelled,
    LogisticMixture,
)
from restorekit.core.errors import ImageError, RestorekitError, UndefinedMetricError, UsageError
from restorekit.core.files import atomic
from restorekit.core.records import About, encode
from restorekit.core.rng import Rng
from restorekit.core.types import shape_of
from restorekit.evaluation.rows import Failure
from restorekit.images.dataset import LabelledImages
from restorekit.samplers.base import parts

VARIES = 0.01  # variance of a latent's posterior mean over images above which it is in use


@dataclass(frozen=True, eq=False)
class Score:
    """Scores of a batch of images, (B,) nats each.

    Attributes
    ----------
    distortion : Tensor
        One part of the negative ELBO, by one draw of z.
    rates : Tensor, (levels, B)
        The other part, of each level of z conditional on those before it; one row if the model has one level.
    nll : Tensor
        - log of the mean of p(x, z_k) / q(z_k | x) over K draws: on average an upper bound that tightens with K.
    effective : Tensor
        Effective number of the K draws; near 1 the bound is still loose.
    """

    distortion: Tensor
    rates: Tensor
    nll: Tensor
    effective: Tensor

    @property
    def rate(self) -> Tensor:
        """The rate of all levels."""
        return self.rates.sum(0)

    @property
    def nelbo(self) -> Tensor:
        """The negative ELBO."""
        return self.distortion + self.rate


@torch.inference_mode()
def score(model: LatentModel, x: Tensor, label: Tensor | None, k: int, chunk: int, rng: Rng) -> Score:
    """Score images.

    Parameters
    ----------
    model : LatentModel
        In evaluation mode, on the device of x.
    x : Tensor, (B, C, H, W)
        Clean images.
    label : Tensor of int64, (B,), or None
        Their classes.
    k : int
        Draws of z, at least one.
    chunk : int
        How many of them at a time; sums are kept, not the draws.
    rng : Rng
        Of the draws, by the images' names.
    """
    one = two = x.new_full((len(x),), -torch.inf)  # log of the sums of weights and of their squares
    first: list[tuple[Tensor, Tensor]] = []
    for start in range(0, k, chunk):
        n = min(chunk, k - start)
        many, labels = x.repeat(n, 1, 1, 1), None if label is None else label.repeat(n)
        q = model.infer(many, None, labels)
        z = q.sample(rng.after(start).expand(n))
        distortion = -model.decode(z, labels).log_prob(many).view(n, -1)
        prior = model.prior(labels)
        if isinstance(q, Levelled) and isinstance(prior, Levelled):
            rates = torch.stack([a - b for a, b in zip(q.log_probs(z), prior.log_probs(z), strict=True)])
        else:
            rates = (q.log_prob(z) - prior.log_prob(z))[None]
        rates = rates.view(len(rates), n, -1)  # of each level, draw and image
        first = first or [(distortion[0], rates[:, 0])]
        weight = -distortion - rates.sum(0)
        one, two = torch.logaddexp(one, weight.logsumexp(0)), torch.logaddexp(two, (2 * weight).logsumexp(0))
    return Score(*first[0], math.log(k) - one, (2 * one - two).exp())


def nelbo(model: Model, x: Tensor, label: Tensor | None, rng: Rng) -> float:
    """Return the negative ELBO of one clean image, (1, C, H, W), in nats, by one draw of z.

    UndefinedMetricError for conditional models, and for images of a size or colour that the model does not accept.
    """
    g, (channels, height, width) = model.geometry, shape_of(x)
    fits = channels in g.channels and (g.size or (height, width)) == (height, width)
    if not isinstance(model, LatentModel):
        raise UndefinedMetricError("it is no model of images, but of what restores them")
    if not fits or height % g.multiple or width % g.multiple:
        raise UndefinedMetricError(f"the model takes no image of {channels} channel(s) and {width} x {height} pixels")
    device = next(model.parameters()).device
    return float(score(model, x.to(device), None if label is None else label.to(device), 1, 1, rng).nelbo)


@dataclass(frozen=True)
class Grid:
    """Quantity whose bits are counted.

    Attributes
    ----------
    levels : int
        Values that a file can hold, on [0, 1]; 0 for floats.
    density : bool
        Whether the decoder has a density, and not probabilities of values.
    basis : str
        A sentence on it.
    """

    levels: int
    density: bool
    basis: str

    def dequantised(self, x: Tensor, rng: Rng) -> Tensor:
        """Add uniform noise over a step of the grid, so that a density cannot be made large at will on it."""
        if not (self.density and self.levels):
            return x
        return x + (rng.uniform("dequantise", tuple(x.shape), x.device) - 0.5) / (self.levels - 1)

    def bits(self, nll: Tensor, values: int) -> Tensor:
        """Return bits for each of an image's values."""
        step = math.log(self.levels - 1) if self.density and self.levels else 0.0
        return (nll / values + step) / math.log(2)


@torch.inference_mode()
def grid(model: LatentModel, x: Tensor, levels: int) -> Grid:
    """Return the quantity of bits for a model and images, (B, C, H, W), of files with `levels` values (0: floats)."""
    likelihood = model.decode(model.infer(x).mean)
    if isinstance(likelihood, Bernoulli):
        return Grid(2, False, "of binary images, gray values counting as probabilities of 1")
    if isinstance(likelihood, DiscretisedLogistic | LogisticMixture):
        return Grid(likelihood.levels, False, f"of the {likelihood.levels} values of the decoder's own law")
    if not levels:
        return Grid(0, True, "of a density on [0, 1]: floats have no grid, so only differences mean something")
    return Grid(levels, True, f"of the {levels} values of a file, with uniform noise over a step added")


class LatentUse:
    """Statistics over images of how the posterior means of latents vary."""

    def __init__(self) -> None:
        self._sums: list[Tensor] = []

    def add(self, mean: Any) -> None:
        """Count the posterior mean of a batch."""
        flat = [t.detach().transpose(0, 1).flatten(1).double().cpu() for t in parts(mean)]
        found = [torch.stack([torch.full((len(f),), f.shape[1]).double(), f.sum(1), f.square().sum(1)]) for f in flat]
        self._sums = [a + b for a, b in zip(self._sums, found, strict=True)] if self._sums else found

    def active(self) -> list[tuple[int, int]]:
        """Return for each group of latents how many are in use, and how many there are."""
        variances = [(s[2] / s[0] - (s[1] / s[0]) ** 2) for s in self._sums]
        return [(int((v > VARIES).sum()), len(v)) for v in variances]


BATCH, PIXELS = 64, 2**20  # images read at once, and their pixels
VALUES = 2**22  # values decoded at a time
TAIL = 5  # images to report as the least likely

Watch = Callable[[str, str | None], None]


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one image, a line of scores.jsonl.

    Attributes
    ----------
    image : str
        Name of the image.
    values : dict of str to float
        Scores by name, nats per image unless the name says otherwise.
    """

    image: str
    values: Annotated[dict[str, float], About(flat=True)]


@dataclass
class Summary:
    """Scores of a set of images.

    Attributes
    ----------
    rows : list of ScoreRow
        One for each image, as in scores.jsonl.
    use : LatentUse
        Use of the latents.
    basis : str
        Quantity whose bits are counted.
    failures : list of Failure
        Images that could not be scored.
    """

    rows: list[ScoreRow] = field(default_factory=list)
    use: LatentUse = field(default_factory=LatentUse)
    basis: str = ""
    failures: list[Failure] = field(default_factory=list)

    def means(self) -> dict[str, tuple[float, float]]:
        """Return mean and standard error over images of every score."""
        found: dict[str, tuple[float, float]] = {}
        for name in self.rows[0].values if self.rows else ():
            values = [row.values[name] for row in self.rows]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            found[name] = statistics.fmean(values), spread / len(values) ** 0.5
        return found

    def least_likely(self) -> list[ScoreRow]:
        """Return the images of the most bits for each value, which are least like the training data."""
        return sorted(self.rows, key=lambda row: -row.values["bits_per_dim"])[:TAIL]


def score_all(model: LatentModel, images: LabelledImages, k: int, seed: int, out: Path, watch: Watch) -> Summary:
    """Score every image by k draws and write a line for each into `out`.

    Parameters
    ----------
    model : LatentModel
        In evaluation mode, on the device it is to run on.
    images : LabelledImages
        Clean images; those that the model does not accept are failures of their own.
    k, seed : int
        Draws of z for each image, and their seed.
    out : Path
        scores.jsonl.
    watch : callable
        Called with the name of each image that is done, and with its error or None.
    """
    summary, device = Summary(), next(model.parameters()).device
    with atomic(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for keys, x, label, levels in _batches(model, images, summary.failures, watch):
            rng = Rng(seed, keys)
            on = grid(model, x.to(device), levels)
            rows = _scored(model, on, on.dequantised(x.to(device), rng), label, k, rng)
            for key, values in zip(keys, rows, strict=True):
                summary.rows.append(ScoreRow(key, values))
                file.write(json.dumps(encode(summary.rows[-1])) + "\n")
                watch(key, None)
            summary.basis = on.basis
            with torch.inference_mode():
                summary.use.add(model.infer(x.to(device), None, label).mean)
    return summary


def _scored(model: LatentModel, on: Grid, x: Tensor, label: Tensor | None, k: int, rng: Rng) -> list[dict[str, float]]:
    """Return the scores of each image of a batch."""
    found = score(model, x, label, k, max(1, VALUES // x.numel()), rng)
    levels = {f"rate_{i}": rate for i, rate in enumerate(found.rates)} if len(found.rates) > 1 else {}
    columns = {
        "nelbo": found.nelbo, "distortion": found.distortion, "rate": found.rate, **levels, "nll": found.nll,
        "bits_per_dim": on.bits(found.nll, x[0].numel()), "effective_draws": found.effective,
    }  # fmt: skip
    values = {name: t.tolist() for name, t in columns.items()}
    return [{name: values[name][i] for name in values} for i in range(len(x))]


def _batches(
    model: LatentModel, images: LabelledImages, failures: list[Failure], watch: Watch
) -> Iterator[tuple[tuple[str, ...], Tensor, Tensor | None, int]]:
    """Yield names, images of one size, their classes and their levels, a few at a time."""
    held: list[tuple[str, Tensor, int, int]] = []
    for i, key in enumerate(images.keys):
        try:
            x, span = _checked(model, images, i), images.range_of(i)
            levels = 0 if images.raw(i).is_floating_point() else round(span.high - span.low) + 1
        except RestorekitError as error:
            failures.append(Failure(key, str(error)))
            watch(key, str(error))
            continue
        full = len(held) == max(1, min(BATCH, PIXELS // x[0].numel()))
        if held and (full or held[0][1].shape != x.shape or held[0][3] != levels):
            yield _joined(held, model)
            held = []
        held.append((key, x, -1 if images.labels is None else int(images.labels[i]), levels))
    if held:
        yield _joined(held, model)


def _joined(
    held: list[tuple[str, Tensor, int, int]], model: LatentModel
) -> tuple[tuple[str, ...], Tensor, Tensor | None, int]:
    keys, images, labels, levels = zip(*held, strict=True)
    device = next(model.parameters()).device
    known = getattr(model.config, "classes", 0) and torch.tensor(labels, device=device)
    return tuple(keys), torch.stack(images), known if isinstance(known, Tensor) else None, levels[0]


def _checked(model: LatentModel, images: LabelledImages, i: int) -> Tensor:
    """Read image i; ImageError where the model does not take it."""
    x, g = images[i], model.geometry
    size, accepted = tuple(x.shape[1:]), " or ".join(map(str, g.channels))
    if images.missing(i) is not None:
        raise ImageError("parts of it are missing, expected a complete image; remove it")
    if x.shape[0] not in g.channels:
        raise ImageError(
            f"the model takes images of {accepted} channel{'s' * (accepted != '1')}, got {x.shape[0]}; convert it"
        )
    if (g.size or size) != size or any(side % g.multiple for side in size):
        wanted = f"{g.size[1]} x {g.size[0]} pixels" if g.size else f"sides that are multiples of {g.multiple}"
        raise ImageError(f"the model takes images of {wanted}, got {size[1]} x {size[0]}; crop it")
    return x


@torch.inference_mode()
def embed(model: LatentModel, images: LabelledImages, out: Path, watch: Watch) -> tuple[int, int]:
    """Write the means of q(z | x) of images into an NPZ; return how many there are, and how many failed.

    Parameters
    ----------
    model : LatentModel
        In evaluation mode, on the device it is to run on.
    images : LabelledImages
        Clean images; those that the model does not accept are left out.
    out : Path
        Gets z, (N, latents), or z0, z1, ...; names; and labels where there are.
    watch : callable
        Called with the name of each image that is done, and with its error or None.
    """
    device, failures, names = next(model.parameters()).device, list[Failure](), list[str]()
    groups: list[list[Tensor]] = []
    for keys, x, _, _ in _batches(model, images, failures, watch):  # without the classes, which codes are to tell of
        found = [t.flatten(1).float().cpu() for t in parts(model.infer(x.to(device)).mean)]
        groups = groups or [[] for _ in found]
        for group, t in zip(groups, found, strict=True):
            group.append(t)
        for key in keys:
            names.append(key)
            watch(key, None)
    if not names:
        raise ImageError("no image suits the model, nothing was written; see the errors above")
    arrays: dict[str, np.ndarray] = {
        "z" if len(groups) == 1 else f"z{i}": torch.cat(group).numpy() for i, group in enumerate(groups)
    }
    if images.labels is not None:
        place = {key: i for i, key in enumerate(images.keys)}
        arrays["labels"] = images.labels[[place[name] for name in names]].numpy()
    with atomic(out) as temporary, temporary.open("wb") as file:
        np.savez(file, names=np.array(names), **arrays)  # type: ignore[arg-type]  # its stub takes each for allow_pickle
    return len(names), len(failures)


@torch.inference_mode()
def rates(model: LatentModel, images: LabelledImages) -> Tensor:
    """Return KL(q(z | x) || N(0, I)) of each latent, or of each channel of a grid of them, in nats per image, (K,).

    Raises
    ------
    UsageError
        The latents are not one Gaussian with a variance each, or no image suits the model.
    """
    device, sums, count = next(model.parameters()).device, torch.zeros(()), 0
    for keys, x, label, _ in _batches(model, images, [], lambda key, error: None):
        q = model.infer(x.to(device), None, label)
        if not isinstance(q, DiagonalGaussian):
            raise UsageError(f"the latents of {model.name!r} have no rate each; remove the images to order them by")
        kl = q.rates()
        sums, count = sums + kl.transpose(0, 1).flatten(1).sum(1).cpu(), count + len(keys)
    if not count:
        raise UsageError("none of the images to order latents by suits the model; give some like those it has learnt")
    return sums / count
