"""Opening restorers by name, and restoring single images from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit import checkpoint, plugins
from restorekit.checkpoint import Card
from restorekit.contracts import Corruption, Restorer
from restorekit.corruptions import Chain, Gaussian, Missing
from restorekit.devices import choose
from restorekit.errors import UsageError, unknown
from restorekit.noise import Noise
from restorekit.restore import Limits, ModelRestorer, pick_sampler
from restorekit.types import Observation, Restoration

IMAGE = Chain((Gaussian(), Missing()))  # what an image is taken for where nothing else is said


@dataclass(frozen=True, eq=False)
class Opened:
    """A restorer, ready to use.

    Attributes
    ----------
    name : str
        As the user gave it.
    restorer : Restorer
        Itself.
    card : Card or None
        The model file's card; None for classical methods.
    digest : str
        Of the model file; "" for classical methods.
    sampler : str or None
        Name of the sampler, for unconditional models.
    device : str
        Where it computes.
    """

    name: str
    restorer: Restorer
    card: Card | None = None
    digest: str = ""
    sampler: str | None = None
    device: str = "cpu"


def open_restorer(
    name: str,
    corruption: Corruption = IMAGE,
    sampler: str | None = None,
    device: str = "auto",
    limits: Limits | None = None,
) -> Opened:
    """Open a model file, installed weights, or a classical method.

    Parameters
    ----------
    name : str
        Path of a model file, name of installed weights, or name of a restorer.
    corruption : Corruption
        What it is to undo, by which a sampler is picked for unconditional models.
    sampler : str or None
        Name of the sampler to use instead.
    device : {"auto", "cpu", "cuda", "mps"}
        Where models compute.
    limits : Limits or None
        How much is done at once.

    Raises
    ------
    UsageError
        Nothing has that name, or the sampler and the model do not fit.
    """
    classical = plugins.restorers()
    if name in classical:
        return Opened(name, classical[name]())
    if name not in plugins.weights() and not Path(name).suffix == ".safetensors":
        raise UsageError(unknown("model, model file or classical method", name, [*classical, *plugins.weights()]))
    path = checkpoint.resolve(name)
    model, card = checkpoint.load(path)
    chosen = pick_sampler(model, corruption, plugins.samplers(), sampler)
    where = choose(device)
    model = model.to(device=where, memory_format=torch.channels_last)
    restorer = ModelRestorer(model, chosen, limits)
    return Opened(name, restorer, card, checkpoint.digest(path), None if chosen is None else chosen.name, where)


class Loaded:
    """A model for Python: takes and returns images as numpy arrays or torch tensors.

    Parameters
    ----------
    opened : Opened
        What `open_restorer` gave.
    """

    def __init__(self, opened: Opened) -> None:
        self.opened = opened

    def __call__(
        self, image: Any, missing: Any = None, sigma: float | None = None, samples: int = 0, seed: int = 0
    ) -> Restoration:
        """Restore one image.

        Parameters
        ----------
        image : ndarray (H, W) or (H, W, C), or Tensor (C, H, W) or (B, C, H, W)
            On [0, 1] where it is float; integers span 0 to their dtype's maximum. NaN means missing.
        missing : array or Tensor of the same height and width, optional
            Non-zero where a pixel is missing.
        sigma : float, optional
            Standard deviation of the noise on [0, 1]; 0 = none; None = unknown.
        samples : int
            Draws to return.
        seed : int
            Seed of the draws.

        Returns
        -------
        Restoration
            Fields shaped like the image, numpy for numpy, torch for torch; draws have a leading axis.
        """
        y, shape = _tensor(image)
        observed = ~y.isnan() if missing is None else ~y.isnan() & ~_missing(missing, y)
        y = torch.where(observed, y, 0.0)
        level = torch.full((len(y), 1, 1, 1), float("nan") if sigma is None else sigma)
        observation = Observation(y, observed, (y.shape[1], y.shape[2], y.shape[3]), level)
        noise = Noise(seed, tuple(str(i) for i in range(len(y))))
        result = self.opened.restorer(observation, IMAGE, samples, noise)
        return shape(result)


def load(name: str = "default", device: str = "auto", sampler: str | None = None) -> Loaded:
    """Load a model, weights or classical method by name for use from Python; see `Loaded`."""
    return Loaded(open_restorer(name, sampler=sampler, device=device))


def _tensor(image: Any) -> tuple[Tensor, Any]:
    """Return the image as (B, C, H, W) float32 on [0, 1], and a function that shapes results like it."""
    if isinstance(image, Tensor):
        y = image if image.dim() == 4 else image[None]
        return _unit(y.numpy()) if not y.is_floating_point() else y.float(), lambda r: _mapped(
            r, image.dim() == 4, False, False
        )
    array = np.asarray(image)
    if array.ndim not in (2, 3):
        raise UsageError(f"an image is (H, W) or (H, W, C), got an array of shape {array.shape}")
    flat = array[..., None] if array.ndim == 2 else array
    return _unit(flat.transpose(2, 0, 1)[None]), lambda r: _mapped(r, False, True, array.ndim == 2)


def _unit(array: Any) -> Tensor:
    if array.dtype.kind in "ui":
        return torch.from_numpy((array / np.float32(np.iinfo(array.dtype).max)).astype(np.float32))
    return torch.from_numpy(array.astype(np.float32))


def _missing(missing: Any, y: Tensor) -> Tensor:
    lost = torch.as_tensor(np.asarray(missing) != 0)
    while lost.dim() < 4:
        lost = lost[None]
    if lost.shape[-2:] != y.shape[-2:]:
        raise UsageError(
            f"missing must have the image's height and width {tuple(y.shape[-2:])}, got {tuple(lost.shape[-2:])}"
        )
    return lost


def _mapped(r: Restoration, batch: bool, numpy: bool, flat: bool) -> Restoration:
    def convert(t: Tensor | None, lead: int) -> Any:
        if t is None:
            return None
        t = t if batch else t.select(lead, 0)
        if not numpy:
            return t
        array = t.movedim(lead, -1).numpy()
        return array[..., 0] if flat else array

    return Restoration(
        convert(r.mmse, 0), convert(r.std, 0), convert(r.draws, 1), convert(r.low, 0), convert(r.high, 0)
    )
