"""Clean files -> damaged files that say what was done to them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from restorekit.contracts import Corruption
from restorekit.corruptions import Chain
from restorekit.errors import ImageError, RestorekitError, UsageError
from restorekit.images import files
from restorekit.images.find import Item, missing_path
from restorekit.images.picture import Array, Metadata, Picture
from restorekit.images.scale import IntensityRange, RangeOption, from_unit, resolve_range, to_unit
from restorekit.noise import Noise
from restorekit.types import Observation

_DTYPES = {"8": np.dtype(np.uint8), "16": np.dtype(np.uint16), "32f": np.dtype(np.float32)}
_RANGES = {"8": IntensityRange(0.0, 255.0), "16": IntensityRange(0.0, 65535.0), "32f": IntensityRange(0.0, 1.0)}


@dataclass(frozen=True)
class Damage:
    """What is done to every image.

    Attributes
    ----------
    out : Path
        Output folder.
    corruption : Corruption
        The damage.
    depth : {"8", "16", "32f"}
        Bits of the outputs; integers are clipped and rounded, floats keep every value.
    range : "auto", (low, high) or None
        What the inputs' numbers span.
    seed : int
        Seed; each image draws by its name.
    """

    out: Path
    corruption: Corruption
    depth: str = "8"
    range: RangeOption = None
    seed: int = 0


def damage(item: Item, plan: Damage) -> str | None:
    """Damage one file; return what went wrong, one sentence, or None."""
    try:
        _damage(item, plan)
    except UsageError:
        raise
    except RestorekitError as error:
        return str(error)
    return None


def _damage(item: Item, plan: Damage) -> None:
    picture = files.read(item.path)
    channels = picture.pixels.shape[3]
    if channels not in (1, 3):
        raise ImageError(
            f"{item.path} has {channels} channels; corrupt works on gray and RGB images, so split it first"
        )
    noise = Noise(plan.seed, (item.key,))
    settled = settle(plan.corruption, picture.pixels.shape, noise)
    scale, _ = resolve_range(picture, plan.range)
    x = torch.from_numpy(to_unit(picture.pixels, scale)).movedim(-1, 1)
    keys = tuple(item.key if len(x) == 1 else f"{item.key}#{i}" for i in range(len(x)))
    observation = settled(x, Noise(plan.seed, keys))
    frames = len(x)
    suffix = ".tif" if plan.depth == "32f" or frames > 1 else ".png"
    target = plan.out / Path(item.key).with_suffix(suffix)
    _write(target, observation, picture, plan.depth, str(settled))


def _write(target: Path, observation: Observation, source: Picture, depth: str, spec: str) -> None:
    """Write the observation, and NAME.missing beside it where values are missing."""
    values = from_unit(observation.y.movedim(1, -1).numpy(), _RANGES[depth], _DTYPES[depth])
    kind = "tiff" if target.suffix == ".tif" else "png"
    likeness = Picture(values, format=kind, metadata=_carried(source))
    files.write(target, likeness, values, spec=spec)
    if not bool(observation.observed.all()):
        mask = np.where(observation.observed.movedim(1, -1).numpy(), 0, 255).astype(np.uint8)
        _write_mask(missing_path(target, len(values)), mask)


def _write_mask(path: Path, mask: Array) -> None:
    kind = "png" if path.suffix == ".png" else "tiff"
    files.write(path, Picture(mask, format=kind, metadata=Metadata()), mask)


def _carried(source: Picture) -> Metadata:
    """Keep what describes the picture, not how its file was coded."""
    return dataclasses.replace(Metadata(), exif=source.metadata.exif, icc=source.metadata.icc, dpi=source.metadata.dpi)


def settle(corruption: Corruption, shape: tuple[int, ...], noise: Noise) -> Corruption:
    """Replace every range by the value that it draws for one image, so that the spec says what was done."""
    if isinstance(corruption, Chain):
        return Chain(tuple(settle(part, shape, noise.fork(str(i))) for i, part in enumerate(corruption.parts)))
    dummy = torch.zeros(1, 1, 1, 1)
    ranged = [f.name for f in dataclasses.fields(corruption) if isinstance(getattr(corruption, f.name), tuple)]  # type: ignore[arg-type]
    return dataclasses.replace(corruption, **{name: float(corruption.draw(name, dummy, noise)) for name in ranged})  # type: ignore[type-var]
