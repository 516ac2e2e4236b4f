"""From opened images to what a training needs: which are left out, which are held out, and classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, Model
from restorekit.core.errors import UsageError
from restorekit.images.dataset import LabelledImages
from restorekit.training.self_supervised import Damaged, KnownNoise, level

HELD = 20  # images held out for validation, at most


@dataclass(frozen=True, eq=False)
class Part:
    """Some of a set of opened images: the set, and which of them."""

    images: LabelledImages
    index: list[int]

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [self.images.keys[i] for i in self.index]

    def cut(self, index: Sequence[int]) -> Part:
        """Return a part of this part, by positions in it."""
        return Part(self.images, [self.index[i] for i in index])

    def labels(self, known: Sequence[str], copies: int = 1) -> Tensor:
        """Return the class numbers, (copies * N,) int64, counted as `known` counts them; -1 stays unknown.

        Raises
        ------
        UsageError
            An image is of a class that `known` does not hold.
        """
        own, names = self.images.labels, self.images.label_names
        if own is None:
            raise UsageError(
                "the images to validate on have no classes, and those to train on have; leave --labels out"
            )
        mine = own[self.index]
        strange = [names[i] for i in sorted({*mine.tolist()} - {-1}) if names[i] not in known]
        if strange:
            raise UsageError(
                f"the class {strange[0]!r} is not among those that are learnt, {', '.join(known)}; "
                f"leave its images out, or rename it"
            )
        table = torch.tensor([known.index(name) if name in known else -1 for name in names])
        return torch.where(mine < 0, -1, table[mine]).repeat(copies)


def large_enough(images: LabelledImages, crop: int) -> tuple[Part, str | None]:
    """Leave out the few images that are much smaller than the others and would make all crops small.

    Parameters
    ----------
    images : LabelledImages
        Opened images.
    crop : int
        Side of the crops asked for, pixels. An image is left out where its shorter side is under this and under
        half of the median shorter side: where all are small, none is.

    Returns
    -------
    (Part, str or None)
        Those to use, and a sentence where others were left out.
    """
    short = images.sizes.amin(1)
    least = min(float(crop), float(short.sort().values[len(short) // 2]) / 2)
    index = (short >= least).nonzero().flatten().tolist()
    small = (short < least).nonzero().flatten().tolist()
    if not small:
        return Part(images, index), None
    height, width = images.sizes[small[0]].tolist()
    told = f"left out {len(small)} of {len(short)} images, much smaller than the others: {images.keys[small[0]]}"
    return Part(images, index), f"{told} has {width} x {height} pixels" + (", ..." if len(small) > 1 else "")


def hold_out(keys: Sequence[str], count: int | None = None) -> tuple[list[int], list[int]]:
    """Split indices into training and validation, evenly over the sorted names.

    Parameters
    ----------
    keys : sequence of str
        Names of the images, in order.
    count : int or None
        How many are held out; None: one in twenty, from 1 to `HELD`.

    Returns
    -------
    (train, held) : lists of int
        An image whose name continues a held one's, or the other way round, is in neither: ``barn_d.jpg`` is
        likely a part of ``barn.jpg``.
    """
    if len(keys) < 2:
        raise UsageError(
            f"training needs at least 2 images, one of them to validate on, got {len(keys)}; give --validation"
        )
    count = min(HELD, max(1, len(keys) // 20)) if count is None else count
    if count < 1:
        raise UsageError(f"a training needs at least 1 image to validate on, got --validation {count}; give 1 or more")
    held = [len(keys) * (2 * i + 1) // (2 * count) for i in range(count)]
    stems = [_stem(key) for key in keys]
    apart = {stems[i] for i in held}
    train = [i for i, stem in enumerate(stems) if stem not in apart and not _kin(stem, apart)]
    if not train:
        raise UsageError(
            f"holding out {count} of {len(keys)} images leaves none to train on; give --validation a folder"
        )
    return train, held


def _stem(key: str) -> str:
    """Return a name without its suffix; the frame name.npy#3 has none, the packed file set.npz#barn.jpg has."""
    return key if key.rpartition("#")[2].isdigit() and "#" in key else str(PurePath(key).with_suffix(""))


def _kin(stem: str, others: set[str]) -> bool:
    """Say whether one of the others continues the stem with an underscore, or the stem one of them."""
    return any(stem.startswith(f"{o}_") or o.startswith(f"{stem}_") for o in others)


class Unseen(NamedTuple):
    """What is learnt from where no clean image is: damaged parts, what they are taken for, settings of the model."""

    part: Part
    held: Part
    corruption: Corruption
    settings: Mapping[str, object]


def unseen(
    cls: type[Model], part: Part, held: Part, damages: Sequence[tuple[Corruption, float]], sigma: str | None, seed: int
) -> Unseen:
    """Take images as damaged ones, or damage them once and for all.

    Parameters
    ----------
    cls : type
        Class of the model.
    part, held : Part
        Images to learn from, and to validate on.
    damages : sequence of (Corruption, float)
        At most one, which damages clean images to try it.
    sigma : str or None
        What is said of the images' noise, as `given.level` takes it.
    seed : int
        Of the damage.

    Raises
    ------
    UsageError
        The model cannot, there are several corruptions, or the noise is unknown.
    """
    if cls.unseen is None:
        raise UsageError(f"the model {cls.name!r} learns from clean images alone; leave --self-supervised out")
    if len(damages) > 1:
        raise UsageError(f"--self-supervised damages every image once, got {len(damages)} of --corruption; give one")
    corruption = damages[0][0] if damages else None
    own, other = (Part(Damaged(p.images, corruption, seed), p.index) for p in (part, held))
    noise = level(own.images if corruption else part.images, part.index, corruption, sigma)
    names = {f.name for f in dataclasses.fields(cls.Config)}
    if noise.grain != "known" and "grain" not in names:
        raise UsageError(f"the model {cls.name!r} does not learn noise; give --sigma auto, or a number")
    settings = {name: value for name, value in (("noise", noise.sigma), ("grain", noise.grain)) if name in names}
    return Unseen(own, other, KnownNoise(noise.sigma), {**cls.unseen, **settings})
