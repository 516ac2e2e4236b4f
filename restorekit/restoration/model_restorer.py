"""Restoration with a generative model of images of any size: one pass or draws, within the limits of memory.

An observation of another size than its image is restored untiled, because tiles of the two do not match.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Model, Restorer, Sampler
from restorekit.core.errors import ImageError, UsageError
from restorekit.core.plugins.boundary import attribute_errors, owner_suffix, ran_out_of_memory
from restorekit.core.rng import Rng
from restorekit.core.types import Estimate, Observation, Problem, Restoration, Source
from restorekit.restoration.self_ensemble import SYMMETRIES, self_ensemble
from restorekit.restoration.tiling import (
    BYTES_PER_PIXEL,
    DIAGNOSTIC,
    FEATHER,
    Limits,
    mirrored,
    process_tiles,
    restoration,
)

MIN_DRAWS = 16  # behind the mean of a model without a one-pass estimate


@dataclass(frozen=True, eq=False)
class HeldSource:
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
        """Return a strip of rows, or all if it is resized."""
        if self.resized:
            return self.observation
        columns = torch.arange(self.shape[3], device=self.observation.y.device)
        return self.observation.cut(torch.arange(top, bottom, device=columns.device), columns)


class ModelRestorer(Restorer):
    """Restorer of images of any size with one model.

    Parameters
    ----------
    model : Model
        In evaluation mode, on the device to compute on. Several restorers may share it.
    sampler : Sampler or None
        Required for unconditional models, unless the model holds one.
    limits : Limits
        Amount of work done at once; a tile that does not fit the memory is halved.
    half : bool
        Compute in bfloat16 in operations that PyTorch considers safe, and in full precision if that gives NaN.
    best : bool
        Return the mean over the image flipped and transposed in all ways, as in `self_ensemble`, and draws around it.
    """

    name: ClassVar[str] = "model"
    batches: ClassVar[bool] = True

    def __init__(
        self, model: Model, sampler: Sampler | None = None, limits: Limits | None = None, half: bool = False,
        best: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.geometry, self.half, self.best = model, model.geometry, half, best
        self.limits = limits or Limits()
        self.sampler = sampler
        self.needs_sigma = sampler is not None and sampler.needs_sigma

    def __call__(self, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
        """Restore a batch in memory; draws are returned if n > 0."""
        problem = Problem(observation, corruption).with_initial_estimate()
        held = HeldSource(problem.observation)
        if held.resized:
            return self._restore_untiled(problem, n, rng)
        return _joined([strip for _, strip in self.rows(held, corruption, n, rng)])

    def rows(self, source: Source, corruption: Corruption, n: int, rng: Rng) -> Iterator[tuple[int, Restoration]]:
        """Restore in tiles, strip by strip from the top down; start again with smaller tiles if memory runs out."""
        if source.shape[1] not in self.geometry.channels:
            accepted = " or ".join(map(str, self.geometry.channels))
            raise UsageError(
                f"the model {self.model.name!r} takes images of {accepted} channels, got {source.shape[1]}; convert "
                "them"
            )
        if source.resized:
            check_room(*source.shape[2:], self.limits)
            yield 0, self._restore_untiled(Problem(source.rows(0, source.shape[2]), corruption), n, rng)
            return
        with attribute_errors(f"operator of the corruption {str(corruption)!r}", corruption):
            operator = corruption.operator(source.rows(0, 1))
        halo = self.geometry.halo + (0 if operator is None else operator.halo)
        geometry, limits, done = self.geometry._replace(halo=halo), self.limits, 0
        while True:
            solve = ModelPass(self.model, self.sampler, corruption, n, limits, self.half, self.best)
            try:
                for top, strip in process_tiles(source, solve, geometry, rng, limits, n):
                    end = top + strip.mmse.shape[2]
                    if end > done:
                        yield done, _without_rows(strip, done - top)
                        done = end
                return
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                limits = _halved(limits, self.model, error)

    def _restore_untiled(self, problem: Problem, n: int, rng: Rng) -> Restoration:
        """Restore images of another size than their observation in one pass."""
        height, width = problem.observation.shape[1:]
        padded = pad(problem, self.model).with_initial_estimate()
        try:
            solve = ModelPass(self.model, self.sampler, padded.corruption, n, self.limits, self.half, self.best)
            fields = solve(padded.observation, rng)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            raise ImageError(f"out of memory: {_at_once(height, width)}; cut the image into parts ({error})") from error
        return restoration({k: v[..., :height, :width].cpu() for k, v in fields.items()})


@dataclass(frozen=True, eq=False)
class ModelPass:
    """One pass of a model over a batch of tiles.

    Parameters
    ----------
    model : Model
        Its device is the one computed on.
    sampler : Sampler or None
        Sampler of an unconditional model; None: the model's own.
    corruption : Corruption
        Corruption of the tiles.
    draws : int
        Draws to return.
    limits : Limits
        How many draws are made at once.
    half : bool
        Try bfloat16 first.
    best : bool
        Return the mean over the tiles flipped and transposed in all ways.
    names : set of str
        Fields of the tiles so far. Later tiles in which every value is known exactly come back without a pass.
    """

    model: Model
    sampler: Sampler | None
    corruption: Corruption
    draws: int
    limits: Limits
    half: bool
    best: bool = False
    names: set[str] = field(default_factory=set)

    def __call__(self, tiles: Observation, rng: Rng) -> dict[str, Tensor]:
        """Return mmse, var, diagnostics, and draws if asked for, of tiles; in full precision if half gives NaN.

        Raises
        ------
        ImageError
            The model gives values that are not finite even in full precision.
        """
        if self.names and (known := self._known(tiles)) is not None:
            return known
        device = next(self.model.parameters()).device
        tiles = tiles.to(device)
        for half in (True, False) if self.half else (False,):
            precision = torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext()
            with torch.inference_mode(), precision:
                estimate = self._average(tiles) if self.best else self.model.estimate(tiles, self.corruption)
                fields = self._complete(estimate, tiles, rng)
            if all(bool(values.isfinite().all()) for values in fields.values()):
                self.names.update(fields)
                return fields
        raise ImageError(
            f"the model {self.model.name!r}{owner_suffix(self.model)} gave values that are not "
            "finite even in full precision; check the file for NaN or extreme values, or restore it with another model"
        )

    def _known(self, tiles: Observation) -> dict[str, Tensor] | None:
        """Return the fields of tiles in which every value is known exactly; None for others, or with diagnostics."""
        if not self.names <= {"mmse", "var", "draws"} or tiles.y.shape[1:] != tiles.shape:
            return None
        if bool(tiles.unknown().any()):
            return None
        draws = tiles.y.expand(self.draws, -1, -1, -1, -1)
        values = {"mmse": tiles.y, "var": torch.zeros_like(tiles.y), "draws": draws}
        return {name: values[name] for name in self.names}

    def _average(self, tiles: Observation) -> Estimate | None:
        size = self.model.geometry.size
        count = SYMMETRIES if size is None or size[0] == size[1] else SYMMETRIES // 2
        return self_ensemble(lambda o: self.model.estimate(o, self.corruption), tiles, count)

    def _complete(self, estimate: Estimate | None, tiles: Observation, rng: Rng) -> dict[str, Tensor]:
        """Add draws to a one-pass estimate, or take mean and variance from draws; keep known values."""
        single = self.sampler is not None and bool(self.sampler.answers)
        count = self.draws if estimate is not None else 1 if single else max(self.draws, MIN_DRAWS)
        diagnostics = dict[str, list[Tensor]]()
        portions = self._portions(tiles, count, rng, diagnostics)
        if estimate is None:
            found = _mean_of_draws(portions, self.draws, tiles.y.new_zeros(len(tiles), *tiles.shape))
        else:
            found = {"mmse": estimate.mean} | ({} if estimate.std is None else {"var": estimate.std**2})
            found |= {"draws": torch.cat([mean for mean, _ in portions])} if self.draws else {}
            if self.best and self.draws and (upright := self.model.estimate(tiles, self.corruption)) is not None:
                found["draws"] = found["draws"] + (estimate.mean - upright.mean)  # which were made around this one
        nothing = torch.zeros_like(tiles.y)
        kept = {k: tiles.keep_known(v.float(), nothing if k == "var" else tiles.y) for k, v in found.items()}
        for name, values in diagnostics.items():  # (B,), as fields, which are blended like any other
            flat = torch.stack(values).mean(0).float().view(-1, 1, 1, 1)
            kept[DIAGNOSTIC + name] = flat.expand(-1, 1, *tiles.shape[1:])
        return kept

    def _portions(
        self, tiles: Observation, n: int, rng: Rng, diagnostics: dict[str, list[Tensor]]
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Make n draws, as many at a time as the limits allow, and collect the sampler's diagnostics."""
        model, sampler = self.model, self.sampler
        shared = sampler is not None and sampler.shares
        portion = self.limits.draws(len(tiles) * math.prod(tiles.shape[1:]), shared)
        for first in range(0, n, portion):
            count, numbers = min(portion, n - first), rng.after(first)
            if sampler is None or not isinstance(model, LatentModel) or type(model).sample is not LatentModel.sample:
                draws = model.sample(tiles, self.corruption, count, numbers)
            else:  # a latent model that has no way of its own to draw
                draws = model.sample_with(sampler, tiles, self.corruption, count, numbers)
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


def _without_rows(strip: Restoration, rows: int) -> Restoration:
    """Cut off the first rows of a strip."""
    if rows == 0:
        return strip
    std, draws = (None if t is None else t[..., rows:, :] for t in (strip.std, strip.draws))
    return Restoration(strip.mmse[..., rows:, :], std, draws, diagnostics=strip.diagnostics)


def _joined(strips: list[Restoration]) -> Restoration:
    """Join strips of rows; diagnostics are means weighted by their rows."""
    if len(strips) == 1:
        return strips[0]
    std = None if strips[0].std is None else torch.cat([s.std for s in strips if s.std is not None], -2)
    draws = None if strips[0].draws is None else torch.cat([s.draws for s in strips if s.draws is not None], -2)
    mmse, found = torch.cat([s.mmse for s in strips], -2), dict[str, Tensor]()
    for name in strips[0].diagnostics:
        found[name] = torch.stack([s.diagnostics[name] * s.mmse.shape[2] for s in strips]).sum(0) / mmse.shape[2]
    return Restoration(mmse, std, draws, diagnostics=found)


def _halved(limits: Limits, model: Model, error: BaseException) -> Limits:
    """Return limits of a quarter of the memory, or of one smallest tile; ImageError if that is too much already."""
    multiple = model.geometry.multiple
    least = -(-(2 * model.geometry.halo + 2 * FEATHER) // multiple) * multiple
    tile = max(least, limits.tile // 2)
    smaller = Limits(min(tile, limits.tile), min(limits.pixels - 1, max(tile * tile, limits.pixels // 4)))
    if model.geometry.size is not None or smaller.pixels < least * least:
        raise ImageError(
            f"out of memory even with the smallest tiles; close other programs or use --device cpu ({error})"
        ) from error
    return smaller


def pad(problem: Problem, model: Model) -> Problem:
    """Mirror an observation at its lower and right border up to the sides that a model accepts.

    Parameters
    ----------
    problem : Problem
        Images of any size; its corruption knows the size of the image behind a larger observation.
    model : Model
        Of images of one size, or of sides that are multiples.

    Returns
    -------
    Problem
        The same if the image fits; else a larger one, without an initial estimate.

    Raises
    ------
    ImageError
        The model accepts images of another size, or no larger observation leads to one that it accepts.
    """
    (size, multiple, *_), sides = model.geometry, problem.observation.shape[1:]
    if size == sides or (size is None and not any(side % multiple for side in sides)):
        return problem
    extended = None if size else _extended(problem, multiple)
    if extended is None:
        wanted = f"of {size[1]} x {size[0]} pixels" if size else f"whose sides are multiples of {multiple} pixels"
        raise ImageError(
            f"behind {problem.corruption} the model {model.name!r} restores images {wanted}, got {sides[1]} x "
            f"{sides[0]}; crop it, or choose a model of any size"
        )
    return replace(problem, observation=extended)


def _extended(problem: Problem, multiple: int) -> Observation | None:
    """Return the least larger observation of an image whose sides are multiples; None if there is none near."""
    observation = problem.observation
    channels, height, width = observation.y.shape[1:]

    def clean(rows: int, columns: int) -> tuple[int, int, int]:
        return problem.corruption.clean_shape((channels, rows, columns), observation.shape[0])

    rows = _side(height, observation.shape[1], multiple, lambda side: clean(side, width)[1])
    columns = _side(width, observation.shape[2], multiple, lambda side: clean(height, side)[2])
    if rows is None or columns is None:
        return None
    larger = replace(observation, initial=None).cut(mirrored(0, rows, height), mirrored(0, columns, width))
    return replace(larger, shape=clean(rows, columns))


def _side(observed: int, least: int, multiple: int, clean: Callable[[int], int]) -> int | None:
    """Return the least side of y from `observed` on whose clean side is a multiple and at least `least`."""
    sides = range(observed, observed + multiple + 1)
    return next((side for side in sides if clean(side) >= least and clean(side) % multiple == 0), None)


def check_room(height: int, width: int, limits: Limits) -> None:
    """Raise an ImageError if one image exceeds the limits when it is restored untiled."""
    if height * width > limits.pixels:
        raise ImageError(f"{_at_once(height, width)}; raise --max-memory, or cut the image into parts")


def _at_once(height: int, width: int) -> str:
    needed = height * width * BYTES_PER_PIXEL / 1e9
    size = f"{width} x {height}"
    return f"an image of another size than its restoration is restored untiled, {size} in up to {needed:.1f} GB"
