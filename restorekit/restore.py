"""Observation -> restoration with a model: pad, tile, sample, blend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from restorekit.contracts import Corruption, LatentModel, Model, Restorer, Sampler
from restorekit.errors import ImageError, UsageError, unknown
from restorekit.noise import Noise
from restorekit.tiles import FEATHER, ramp, starts
from restorekit.types import Observation, Restoration, Source

BYTES_PER_PIXEL = 2048  # what a pass through a model keeps alive; the shipped models stay under it
DRAWS = 16  # draws behind the mean of a model without a one-pass estimate


@dataclass(frozen=True)
class Limits:
    """How much is done at once.

    Parameters
    ----------
    tile : int
        Side of a tile in pixels, at most.
    pixels : int
        Pixels of all tiles, and draws of them, in one pass through the network.
    """

    tile: int = 512
    pixels: int = 2**20

    @classmethod
    def within(cls, memory: int) -> Limits:
        """Return limits for so many bytes of working memory."""
        pixels = max(2**16, memory // BYTES_PER_PIXEL)
        return cls(min(1024, int(pixels**0.5)), pixels)


@dataclass(frozen=True, eq=False)
class Held:
    """A source whose observation lies in memory."""

    observation: Observation

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of x, (B, C, H, W)."""
        return (len(self.observation), *self.observation.shape)

    def rows(self, top: int, bottom: int) -> Observation:
        """Return a band of rows."""
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
    """

    name: ClassVar[str] = "model"
    batches: ClassVar[bool] = True

    def __init__(self, model: Model, sampler: Sampler | None = None, limits: Limits | None = None) -> None:
        self.model, self.geometry = model, model.geometry
        self.limits = limits or Limits()
        if isinstance(model, LatentModel):
            model.sampler = sampler

    def __call__(self, observation: Observation, corruption: Corruption, n: int, noise: Noise) -> Restoration:
        """Restore a batch held in memory; draws are returned where n > 0."""
        bands = [band for _, band in self.rows(Held(with_guess(observation, corruption)), corruption, n, noise)]
        return _joined(bands)

    def rows(self, source: Source, corruption: Corruption, n: int, noise: Noise) -> Iterator[tuple[int, Restoration]]:
        """Restore by bands of tiles from the top down; on out-of-memory start again with smaller tiles."""
        if source.shape[1] not in self.geometry.channels:
            takes = " or ".join(map(str, self.geometry.channels))
            raise UsageError(
                f"the model {self.model.name!r} takes images of {takes} channels, got {source.shape[1]}; convert them"
            )
        limits, done = self.limits, 0
        while True:
            try:
                for top, band in _Sweep(self, source, corruption, n, noise, limits).bands():
                    end = top + band.mmse.shape[2]
                    if end > done:
                        yield done, _slice(band, done - top)
                        done = end
                return
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                limits = _halved(limits, self.model, error)

    def solve(self, observation: Observation, corruption: Corruption, n: int, noise: Noise) -> dict[str, Tensor]:
        """Return mmse, var, and draws where n > 0, of a batch of tiles; in full precision where half gives NaN."""
        for half in (True, False):
            with torch.inference_mode(), self._precision(half):
                result = self._pass(observation, corruption, n, noise)
            if all(bool(t.isfinite().all()) for t in result.values()):
                return result
        raise ImageError(
            f"the model {self.model.name!r} gave values that are not finite even in full precision; "
            "check the file for NaN or extreme values, or restore it with another model"
        )

    def _precision(self, half: bool) -> contextlib.AbstractContextManager[object]:
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, torch.bfloat16) if half and device == "cuda" else contextlib.nullcontext()

    def _pass(self, observation: Observation, corruption: Corruption, n: int, noise: Noise) -> dict[str, Tensor]:
        estimate = self.model.estimate(observation, corruption)
        if estimate is None:
            result = self._mean_of_draws(observation, corruption, n, noise)
        else:
            result = {"mmse": estimate.mean}
            if estimate.std is not None:
                result["var"] = estimate.std**2
            if n:
                result["draws"] = torch.cat([d for d, _ in self._portions(observation, corruption, n, noise)])
        nothing, y = torch.zeros_like(observation.y), observation.y
        return {k: observation.keep_known(v.float(), nothing if k == "var" else y) for k, v in result.items()}

    def _mean_of_draws(
        self, observation: Observation, corruption: Corruption, n: int, noise: Noise
    ) -> dict[str, Tensor]:
        """Accumulate mean and variance of the draws; the draws themselves are kept only where asked for."""
        count, kept = n or DRAWS, []
        total, squares, inner = (observation.y.new_zeros(len(observation), *observation.shape) for _ in range(3))
        for mean, variance in self._portions(observation, corruption, count, noise):
            total, squares = total + mean.sum(0), squares + (mean**2).sum(0)
            inner = inner if variance is None else inner + variance.sum(0)
            kept.extend([mean] if n else [])
        average = total / count
        between = (squares / count - average**2).clamp_min(0) * count / max(count - 1, 1)
        result = {"mmse": average, "var": between + inner / count}
        return {**result, "draws": torch.cat(kept)} if n else result

    def _portions(
        self, observation: Observation, corruption: Corruption, n: int, noise: Noise
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Draw a few at a time, as many as the limits allow."""
        portion = max(1, self.limits.pixels // observation.y[:, 0].numel())
        for first in range(0, n, portion):
            draws = self.model.sample(observation, corruption, min(portion, n - first), noise.after(first))
            yield draws.mean, draws.variance


def with_guess(observation: Observation, corruption: Corruption) -> Observation:
    """Compute the first guess over the whole image, so that it does not depend on how the image is tiled."""
    return replace(observation, guess=observation.first_guess(corruption))


@dataclass(frozen=True, eq=False)
class _Sweep:
    """One pass of tiles over a source, from the top down."""

    restorer: ModelRestorer
    source: Source
    corruption: Corruption
    n: int
    noise: Noise
    limits: Limits

    def bands(self) -> Iterator[tuple[int, Restoration]]:
        """Yield (top, rows that no further tile touches)."""
        height, width = (self._padded(side, axis) for axis, side in enumerate(self.source.shape[2:]))
        th, tw = self._tile(height, 0), self._tile(width, 1)
        tops, lefts = self._starts(height, th), self._starts(width, tw)
        fields: dict[str, Tensor] = {}
        for i, top in enumerate(tops):
            fields = _shifted(fields, top - tops[i - 1] if i else 0)
            self._row(fields, top, lefts, (height, width), (th, tw))
            end = tops[i + 1] + self._halo(th, height) if i + 1 < len(tops) else self.source.shape[2]
            yield top, self._finished(fields, end - top)

    def _row(
        self, fields: dict[str, Tensor], top: int, lefts: list[int], padded: tuple[int, int], tile: tuple[int, int]
    ) -> None:
        """Solve one row of tiles, a few at a time, and add them to the fields."""
        strip = self._strip(top, tile[0], padded[1])
        count = max(1, self.limits.pixels // (len(strip) * tile[0] * tile[1]))
        rows = ramp(top, tile[0], padded[0], self._halo(tile[0], padded[0]))
        for some in (lefts[i : i + count] for i in range(0, len(lefts), count)):
            result = self._solve(strip, top, some, tile[1])
            for j, left in enumerate(some):
                weight = rows[:, None] * ramp(left, tile[1], padded[1], self._halo(tile[1], padded[1]))
                part = {k: v[..., j * len(strip) : (j + 1) * len(strip), :, :, :] for k, v in result.items()}
                _add(fields, {**part, "weight": torch.ones(1, 1, *tile)}, weight, left, padded[1])

    def _solve(self, strip: Observation, top: int, lefts: list[int], tile: int) -> dict[str, Tensor]:
        """Restore tiles of equal shape as one batch, tile by tile, images innermost."""
        device = strip.y.device
        cuts = [
            strip.cut(torch.arange(strip.y.shape[2], device=device), torch.arange(left, left + tile, device=device))
            for left in lefts
        ]
        keys = (self.noise.keys or tuple(str(i) for i in range(len(strip)))) * len(lefts)
        origins = tuple((top, left) for left in lefts for _ in range(len(strip)))
        batch = _stacked(cuts)
        target = next(self.restorer.model.parameters()).device
        result = self.restorer.solve(_moved(batch, target), self.corruption, self.n, self.noise.at(keys, origins))
        return {k: v.cpu() for k, v in result.items()}

    def _strip(self, top: int, tile: int, width: int) -> Observation:
        """Read a tile row, mirrored where it reaches over the image's lower or right border."""
        _, _, h, w = self.source.shape
        rows, columns = mirrored(top, top + tile, h), mirrored(0, width, w)
        low, high = int(rows.min()), int(rows.max()) + 1
        return self.source.rows(low, high).cut(rows - low, columns)

    def _finished(self, fields: dict[str, Tensor], rows: int) -> Restoration:
        weight = fields["weight"][..., :rows, : self.source.shape[3]]
        done = {k: v[..., :rows, : self.source.shape[3]] / weight for k, v in fields.items() if k != "weight"}
        std = done["var"].clamp_min(0).sqrt() if "var" in done else None
        return Restoration(done["mmse"], std, done.get("draws"))

    def _padded(self, side: int, axis: int) -> int:
        """Return the side that is worked on: a whole number of multiples, and not less than the model's own size."""
        size, multiple, *_ = self.restorer.geometry
        rounded = -(-side // multiple) * multiple
        return rounded if size is None else max(rounded, size[axis])

    def _tile(self, padded: int, axis: int) -> int:
        geometry = self.restorer.geometry
        if geometry.size is not None:
            return geometry.size[axis]
        least = 2 * geometry.halo + 2 * FEATHER
        return min(padded, max(self._padded(least, axis), self.limits.tile // geometry.multiple * geometry.multiple))

    def _starts(self, padded: int, tile: int) -> list[int]:
        geometry = self.restorer.geometry
        overlap = tile // 2 if geometry.size is not None else 2 * geometry.halo + FEATHER
        return starts(padded, tile, overlap, geometry.multiple)

    def _halo(self, tile: int, padded: int) -> int:
        return self.restorer.geometry.halo if tile < padded else 0


def mirrored(start: int, stop: int, length: int) -> Tensor:
    """Return indices start..stop into a side of `length`, reflected at its end as often as needed."""
    index = torch.arange(start, stop) % (2 * length)
    return torch.where(index < length, index, 2 * length - 1 - index)


def _add(fields: dict[str, Tensor], part: dict[str, Tensor], weight: Tensor, left: int, width: int) -> None:
    """Add weighted tiles, (..., h, w), at column `left` of fields, (..., h, width)."""
    for name, value in part.items():
        if name not in fields:
            fields[name] = value.new_zeros(*value.shape[:-1], width)
        fields[name][..., left : left + value.shape[-1]] += value * weight


def _shifted(fields: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
    """Move fields up by `rows`, which are finished, and make room below."""
    return {k: torch.cat([v[..., rows:, :], torch.zeros_like(v[..., :rows, :])], -2) for k, v in fields.items()}


def _stacked(cuts: list[Observation]) -> Observation:
    if len(cuts) == 1:
        return cuts[0]
    first, count = cuts[0], len(cuts)

    def repeat(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.repeat(count, *[1] * (t.dim() - 1))

    guess = None if first.guess is None else torch.cat([c.guess for c in cuts if c.guess is not None])
    many = replace(first, y=torch.cat([c.y for c in cuts]), observed=torch.cat([c.observed for c in cuts]), guess=guess)
    params = {k: v.repeat(count, *[1] * (v.dim() - 1)) for k, v in first.params.items()}
    return replace(many, sigma=repeat(first.sigma), label=repeat(first.label), params=params)


def _moved(o: Observation, device: torch.device) -> Observation:
    if o.y.device == device:
        return o
    params = {k: v.to(device) for k, v in o.params.items()}
    sigma, label, guess = (None if t is None else t.to(device) for t in (o.sigma, o.label, o.guess))
    return replace(
        o, y=o.y.to(device), observed=o.observed.to(device), sigma=sigma, label=label, params=params, guess=guess
    )


def _slice(band: Restoration, rows: int) -> Restoration:
    if rows == 0:
        return band
    cut = [None if t is None else t[..., rows:, :] for t in (band.mmse, band.std, band.draws)]
    assert cut[0] is not None
    return Restoration(cut[0], cut[1], cut[2])


def _joined(bands: list[Restoration]) -> Restoration:
    if len(bands) == 1:
        return bands[0]
    std = None if bands[0].std is None else torch.cat([b.std for b in bands if b.std is not None], -2)
    draws = None if bands[0].draws is None else torch.cat([b.draws for b in bands if b.draws is not None], -2)
    return Restoration(torch.cat([b.mmse for b in bands], -2), std, draws)


def _out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out; PyTorch has no class of its own for that on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


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


def pick_sampler(
    model: Model, corruption: Corruption, samplers: dict[str, type[Sampler]], name: str | None
) -> Sampler | None:
    """Return the sampler for a pair of model and corruption: the named one, or the first that accepts them.

    Raises
    ------
    UsageError
        Where none can: one sentence with each one's reason.
    """
    if not isinstance(model, LatentModel):
        if name is not None:
            raise UsageError(f"the model {model.name!r} is conditional and draws by itself; leave --sampler {name} out")
        return None
    if name is not None and name not in samplers:
        raise UsageError(unknown("sampler", name, samplers))
    candidates = [samplers[name]()] if name else [cls() for cls in samplers.values()]
    reasons = [sampler.refuse(model, corruption) for sampler in candidates]
    for sampler, reason in zip(candidates, reasons, strict=True):
        if reason is None:
            return sampler
    raise UsageError("; ".join(r for r in reasons if r) or "no sampler is installed")
