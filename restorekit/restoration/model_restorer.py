"""Observation -> restoration with a model of any size: one pass or draws, within the limits of memory.

Observations of another size than their image: tiles of the two do not match, so they are restored in one pass.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Model, Restorer, Sampler
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.plugins.boundary import attribute_errors, owner_suffix, ran_out_of_memory
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration, Source
from restorekit.restoration.tiling import BYTES_PER_PIXEL, FEATHER, TOLD, Limits, Sweep, mirrored, restoration

DRAWS = 16  # draws, at least, behind the mean of a model without a one-pass estimate


@dataclass(frozen=True, eq=False)
class Held:
    """A source whose observation lies in memory."""

    observation: Observation

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of x, (B, C, H, W)."""
        return (len(self.observation), *self.observation.shape)

    @property
    def resized(self) -> bool:
        """Whether y has another height or width than x."""
        return self.observation.y.shape[2:] != self.observation.shape[1:]

    def rows(self, top: int, bottom: int) -> Observation:
        """Return a band of rows, or all where it is resized."""
        if self.resized:
            return self.observation
        columns = torch.arange(self.shape[3], device=self.observation.y.device)
        return self.observation.cut(torch.arange(top, bottom, device=columns.device), columns)


class ModelRestorer(Restorer):
    """Restores images of any size with one model.

    Parameters
    ----------
    model : Model
        In evaluation mode, on the device it is to run on.
    sampler : Sampler or None
        For unconditional models.
    limits : Limits
        How much is done at once; a tile that does not fit the memory is halved.
    half : bool
        Compute in bfloat16 where PyTorch holds that for safe, and in full precision where it gives NaN.
    """

    name: ClassVar[str] = "model"
    batches: ClassVar[bool] = True

    def __init__(
        self, model: Model, sampler: Sampler | None = None, limits: Limits | None = None, half: bool = False
    ) -> None:
        self.model, self.geometry, self.half = model, model.geometry, half
        self.limits = limits or Limits()
        self.sampler = sampler
        self.needs_sigma = sampler is not None and sampler.needs_sigma
        if isinstance(model, LatentModel):
            model.sampler = sampler

    def __call__(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        """Restore a batch held in memory; draws are returned where n > 0."""
        held = Held(with_guess(observation, corruption))
        if held.resized:
            return self._whole(held.observation, corruption, n, rng)
        return _joined([band for _, band in self.rows(held, corruption, n, rng)])

    def _whole(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        """Restore images of another size than their observation in one pass, as tiles of the two do not match."""
        device, (height, width) = next(self.model.parameters()).device, observation.shape[1:]
        shown = with_guess(padded(observation, corruption, self.model), corruption)
        try:
            result = self.solve(shown.to(device), corruption, n, rng, self.limits)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            raise out_of_room(observation, error) from error
        return restoration({k: v[..., :height, :width].cpu() for k, v in result.items()})

    def rows(self, source: Source, corruption: Corruption, n: int, rng: Rng) -> Iterator[tuple[int, Restoration]]:
        """Restore by bands of tiles from the top down; on out-of-memory start again with smaller tiles."""
        if source.shape[1] not in self.geometry.channels:
            takes = " or ".join(map(str, self.geometry.channels))
            raise UsageError(
                f"the model {self.model.name!r} takes images of {takes} channels, got {source.shape[1]}; convert them"
            )
        if source.resized:
            check_room(*source.shape[2:], self.limits)
            yield 0, self._whole(source.rows(0, source.shape[2]), corruption, n, rng)
            return
        limits, done = self.limits, 0
        while True:
            try:
                for top, band in self._sweep(source, corruption, n, rng, limits):
                    end = top + band.mmse.shape[2]
                    if end > done:
                        yield done, _slice(band, done - top)
                        done = end
                return
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                limits = _halved(limits, self.model, error)

    def _sweep(
        self, source: Source, corruption: Corruption, n: int, rng: Rng, limits: Limits
    ) -> Iterator[tuple[int, Restoration]]:
        """Restore by bands of tiles that keep within the limits."""
        device = next(self.model.parameters()).device

        def solve(tiles: Observation, own: Rng) -> dict[str, Tensor]:
            return self.solve(tiles.to(device), corruption, n, own, limits)

        with attribute_errors(f"operator of the corruption {str(corruption)!r}", corruption):
            operator = corruption.operator(source.rows(0, 1))
        reach = self.geometry.halo + (0 if operator is None else operator.halo)
        return Sweep(solve, self.geometry._replace(halo=reach), source, rng, limits, n).bands()

    def solve(
        self, observation: Observation, corruption: Corruption, n: int, rng: Rng, limits: Limits
    ) -> dict[str, Tensor]:
        """Return mmse, var, and draws where n > 0, of a batch of tiles; in full precision where half gives NaN."""
        for half in (True, False) if self.half else (False,):
            with torch.inference_mode(), self._precision(half):
                result = self._pass(observation, corruption, n, rng, limits)
            if all(bool(t.isfinite().all()) for t in result.values()):
                return result
        raise ImageError(
            f"the model {self.model.name!r}{owner_suffix(self.model)} gave values that are not "
            "finite even in full precision; check the file for NaN or extreme values, or restore it with another model"
        )

    def _precision(self, half: bool) -> contextlib.AbstractContextManager[object]:
        kind = next(self.model.parameters()).device.type
        return torch.autocast(kind, torch.bfloat16) if half else contextlib.nullcontext()

    def _pass(
        self, observation: Observation, corruption: Corruption, n: int, rng: Rng, limits: Limits
    ) -> dict[str, Tensor]:
        diagnostics = dict[str, list[Tensor]]()
        estimate = self.model.estimate(observation, corruption)
        one = self.sampler is not None and self.sampler.answers
        count = n if estimate is not None else 1 if one else max(n, DRAWS)
        portions = self._portions(observation, corruption, count, rng, limits, diagnostics)
        if estimate is None:
            result = _mean_of_draws(portions, n, observation.y.new_zeros(len(observation), *observation.shape))
        else:
            result = {"mmse": estimate.mean}
            if estimate.std is not None:
                result["var"] = estimate.std**2
            if n:
                result["draws"] = torch.cat([d for d, _ in portions])
        nothing, y = torch.zeros_like(observation.y), observation.y
        known = {k: observation.keep_known(v.float(), nothing if k == "var" else y) for k, v in result.items()}
        return known | {TOLD + k: _spread_out(torch.stack(v).mean(0), observation) for k, v in diagnostics.items()}

    def _portions(
        self, observation: Observation, corruption: Corruption, n: int, rng: Rng, limits: Limits,
        diagnostics: dict[str, list[Tensor]],
    ) -> Iterator[tuple[Tensor, Tensor | None]]:  # fmt: skip
        """Draw a few at a time, as many as the limits allow; gather what the sampler tells."""
        shared = self.sampler is not None and self.sampler.shares
        portion = limits.draws(len(observation) * math.prod(observation.shape[1:]), shared)
        for first in range(0, n, portion):
            draws = self.model.sample(observation, corruption, min(portion, n - first), rng.after(first))
            for name, value in draws.diagnostics.items():
                diagnostics.setdefault(name, []).append(value)
            yield draws.mean, draws.variance


def _mean_of_draws(portions: Iterator[tuple[Tensor, Tensor | None]], n: int, zero: Tensor) -> dict[str, Tensor]:
    """Accumulate mean and variance of the draws on `zero`, and keep the first n of them."""
    count, kept = 0, list[Tensor]()
    total = squares = inner = zero
    for mean, variance in portions:
        kept.append(mean[: max(0, n - count)])
        count += len(mean)
        total, squares = total + mean.sum(0), squares + (mean**2).sum(0)
        inner = inner if variance is None else inner + variance.sum(0)
    average = total / count
    between = (squares / count - average**2).clamp_min(0) * count / max(count - 1, 1)
    result = {"mmse": average, "var": between + inner / count}
    return {**result, "draws": torch.cat(kept)} if n else result


def _spread_out(value: Tensor, observation: Observation) -> Tensor:
    """Return what is told of each image, (B,), as a field, which tiles blend like any other."""
    return value.float().view(-1, 1, 1, 1).expand(-1, 1, *observation.shape[1:])


def with_guess(observation: Observation, corruption: Corruption) -> Observation:
    """Compute the first guess over the whole image, so that it does not depend on how the image is tiled."""
    if corruption.interpolates and bool(observation.observed.all()):
        return replace(observation, initial=observation.y)
    return replace(observation, initial=observation.initial_estimate(corruption))


def _slice(band: Restoration, rows: int) -> Restoration:
    if rows == 0:
        return band
    cut = [None if t is None else t[..., rows:, :] for t in (band.mmse, band.std, band.draws)]
    assert cut[0] is not None
    return Restoration(cut[0], cut[1], cut[2], diagnostics=band.diagnostics)


def _joined(bands: list[Restoration]) -> Restoration:
    if len(bands) == 1:
        return bands[0]
    std = None if bands[0].std is None else torch.cat([b.std for b in bands if b.std is not None], -2)
    draws = None if bands[0].draws is None else torch.cat([b.draws for b in bands if b.draws is not None], -2)
    mmse, diagnostics = torch.cat([b.mmse for b in bands], -2), dict[str, Tensor]()
    for name in bands[0].diagnostics:
        diagnostics[name] = torch.stack([b.diagnostics[name] * b.mmse.shape[2] for b in bands]).sum(0) / mmse.shape[2]
    return Restoration(mmse, std, draws, diagnostics=diagnostics)


def _halved(limits: Limits, model: Model, error: BaseException) -> Limits:
    """Return limits of at most a quarter of the memory, or of one smallest tile; ImageError where that is too much."""
    multiple = model.geometry.multiple
    least = -(-(2 * model.geometry.halo + 2 * FEATHER) // multiple) * multiple
    tile = max(least, limits.tile // 2)
    smaller = Limits(min(tile, limits.tile), min(limits.pixels - 1, max(tile * tile, limits.pixels // 4)))
    if model.geometry.size is not None or smaller.pixels < least * least:
        raise ImageError(
            f"out of memory even with the smallest tiles; close other programs or use --device cpu ({error})"
        ) from error
    return smaller


def padded(observation: Observation, corruption: Corruption, model: Model) -> Observation:
    """Mirror an observation at its lower and right border up to the sides that a model takes.

    Parameters
    ----------
    observation : Observation
        Of images of any size.
    corruption : Corruption
        Says how large an image a larger observation is of.
    model : Model
        Of images of one size, or of sides that are multiples.

    Returns
    -------
    Observation
        The same where the image fits; else a larger one, without a guess.

    Raises
    ------
    ImageError
        The model takes images of another size, or no larger observation leads to one that it takes.
    """
    (size, multiple, *_), sides = model.geometry, observation.shape[1:]
    if size == sides or (size is None and not any(side % multiple for side in sides)):
        return observation
    grown = None if size else _grown(observation, corruption, multiple)
    if grown is None:
        wanted = f"of {size[1]} x {size[0]} pixels" if size else f"whose sides are multiples of {multiple} pixels"
        raise ImageError(
            f"behind {corruption} the model {model.name!r} restores images {wanted}, got {sides[1]} x {sides[0]};"
            " crop it, or choose a model of any size"
        )
    return grown


def _grown(observation: Observation, corruption: Corruption, multiple: int) -> Observation | None:
    """Return the least larger observation of an image whose sides are multiples; None where there is none near."""
    channels, height, width = observation.y.shape[1:]

    def clean(rows: int, columns: int) -> tuple[int, int, int]:
        return corruption.clean_shape((channels, rows, columns), observation.shape[0])

    rows = _side(height, observation.shape[1], multiple, lambda side: clean(side, width)[1])
    columns = _side(width, observation.shape[2], multiple, lambda side: clean(height, side)[2])
    if rows is None or columns is None:
        return None
    larger = replace(observation, initial=None).cut(mirrored(0, rows, height), mirrored(0, columns, width))
    return replace(larger, shape=clean(rows, columns))


def _side(seen: int, least: int, multiple: int, clean: Callable[[int], int]) -> int | None:
    fits = (side for side in range(seen, seen + multiple + 1) if clean(side) >= least and clean(side) % multiple == 0)
    return next(fits, None)


def check_room(height: int, width: int, limits: Limits) -> None:
    """Raise an ImageError where one image would take more than the limits when it is restored at once."""
    if height * width > limits.pixels:
        raise ImageError(f"{_at_once(height, width)}; raise --max-memory, or cut the image into parts")


def out_of_room(observation: Observation, error: BaseException) -> ImageError:
    """Return what to tell where memory ran out."""
    height, width = observation.shape[1:]
    return ImageError(f"out of memory: {_at_once(height, width)}; cut the image into parts ({error})")


def _at_once(height: int, width: int) -> str:
    needed = height * width * BYTES_PER_PIXEL / 1e9
    return (
        f"an image of another size than its restoration is restored whole, {width} x {height} in up to {needed:.1f} GB"
    )
