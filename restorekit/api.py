"""Opening restorers by name, and restoring single images from Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit import bands, checkpoint, plugins
from restorekit.checkpoint import Card
from restorekit.contracts import Corruption, Model, Restorer
from restorekit.devices import Compute, Precision, choose, compile_parts
from restorekit.enclose import enclose_told
from restorekit.errors import UsageError, unknown
from restorekit.exchange import take, take_missing
from restorekit.intervals import Table
from restorekit.noise import Noise
from restorekit.restore import DRAWS, ModelRestorer
from restorekit.samplers.pick import pick_sampler
from restorekit.sigma import IMAGE, expected
from restorekit.sweep import Limits
from restorekit.types import Observation, Restoration


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
    device, precision : str
        Where and in what it computes.
    """

    name: str
    restorer: Restorer
    card: Card | None = None
    digest: str = ""
    sampler: str | None = None
    device: str = "cpu"
    precision: str = "float32"

    @cached_property
    def table(self) -> Table | None:
        """The calibration in the model file; None where there is none."""
        if self.card is None or self.card.calibration is None:
            return None
        return Table.from_json(self.card.calibration)

    @property
    def _model(self) -> Model | None:
        return self.restorer.model if isinstance(self.restorer, ModelRestorer) else None

    def check(self, label: int | None = None, samples: int = 0, keep: Sequence[str] = ()) -> None:
        """Raise a UsageError, before any work, for what this restorer cannot do."""
        if self._model is not None:
            check_label(label, self._model, self.name)
            return
        asked = {"label": label is not None, "samples": samples > 0, **dict.fromkeys(keep, True)}
        wanted = [what for what, given in asked.items() if given]
        if wanted:
            raise UsageError(
                f"{self.name} is a classical method with one answer, without draws, spread or classes;"
                f" leave {' and '.join(wanted)} out, or choose a generative model"
            )

    def estimate(self, samples: int) -> str:
        """Say what the restored pixels are when so many draws are asked for."""
        if self._model is None:
            return "classical method, one answer"
        if type(self._model).estimate is Model.estimate:
            return f"mean over {samples or DRAWS} draws, {self.sampler} sampler"
        return f"one-pass estimate, {samples} draws beside it" if samples else "one-pass estimate"


def open_restorer(
    name: str,
    corruption: Corruption = IMAGE,
    sampler: str | None = None,
    compute: Compute | None = None,
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
    compute : Compute or None
        Where and how models compute.
    limits : Limits or None
        How much is done at once.

    Raises
    ------
    UsageError
        Nothing has that name, or the sampler and the model do not fit.
    """
    compute = compute or Compute()
    where, classical = choose(compute.device), plugins.restorers()
    if name in classical:
        return Opened(name, classical[name]())
    if name not in plugins.weights() and not (Path(name).suffix == ".safetensors" or Path(name).is_file()):
        raise UsageError(_why_not(name, [*classical, *plugins.weights()]))
    path = checkpoint.resolve(name)
    model, card = checkpoint.load(path)
    chosen = pick_sampler(model, corruption, plugins.samplers(), sampler)
    model = model.to(where).to(memory_format=torch.channels_last)
    if compute.compiled:
        compile_parts(model, where)
    restorer = ModelRestorer(model, chosen, limits, compute.half)
    return Opened(
        name, restorer, card, checkpoint.digest(path), None if chosen is None else chosen.name, where, compute.number
    )


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
        self,
        image: Any,
        missing: Any = None,
        sigma: float | None = None,
        samples: int = 0,
        seed: int = 0,
        label: int | None = None,
        interval: float | None = None,
    ) -> Restoration:
        """Restore one image, or a batch.

        Parameters
        ----------
        image : ndarray (H, W) or (H, W, C), or Tensor (H, W), (C, H, W) or (B, C, H, W)
            On [0, 1] where it is float; uint8 and uint16 span 0 to their maximum. NaN means missing.
        missing : array or Tensor of the same height and width, optional
            Non-zero where a pixel is missing.
        sigma : float, optional
            Standard deviation of the noise on [0, 1]; 0 = none; None = unknown.
        samples : int
            Draws to return.
        seed : int
            Seed of the draws.
        label : int, optional
            Class of the image, for models that know classes.
        interval : float, optional
            Share of the unknown values that `low` and `high` are to enclose; they are NaN, with a warning,
            where the model's calibration does not reach.

        Returns
        -------
        Restoration
            On [0, 1]. Fields laid out like the image, numpy for numpy, torch for torch; draws have a leading axis.

        Raises
        ------
        UsageError
            A shape, type, scale or option that does not fit.
        """
        if not isinstance(samples, Integral) or samples < 0:
            raise UsageError(f"samples is a whole number of draws from 0 on, got {samples!r}")
        self.opened.check(label, int(samples))
        y, form = take(image)
        observed = y.isfinite()
        if missing is not None:
            observed = observed & ~take_missing(missing, tuple(y.shape))
        level = None if sigma is None else torch.full((len(y), 1, 1, 1), checked_sigma(sigma, str(sigma)))
        numbers = None if label is None else torch.full((len(y),), label)
        shape = (y.shape[1], y.shape[2], y.shape[3])
        observation = Observation(torch.where(observed, y, 0.0), observed, shape, level, numbers)
        corruption = expected(None, None if sigma is None else sigma > 0)
        noise = Noise(seed, tuple(str(i) for i in range(len(y))))
        restored = bands.restore(self.opened.restorer, observation, corruption, samples, noise)
        if interval is not None:
            together, table = bands.together(self.opened.restorer, shape[0]), self.opened.table
            restored = enclose_told(restored, observation, corruption, together, table, interval)
        return _mapped(restored, form.give)


def _why_not(name: str, known: Sequence[str]) -> str:
    """Say why a name cannot be opened: it is unknown, or the file that a plugin registered under it is no good."""
    entry = plugins.installed().unreadable.get(name)
    if entry is None:
        return unknown("model, model file or classical method", name, known)
    return f"the plugin {entry.plugin.name!r} ({entry.plugin.package}) is not whole, {entry.value}; install it again"


def load(
    name: str = "default", device: str = "auto", sampler: str | None = None, precision: Precision = "auto",
    compiled: bool = False,
) -> Loaded:  # fmt: skip
    """Load a model, weights or classical method by name for use from Python; see `devices.Compute` and `Loaded`."""
    return Loaded(open_restorer(name, sampler=sampler, compute=Compute(device, precision, compiled)))


def checked_sigma(value: float, told: str) -> float:
    """Return a noise level on [0, 1]; UsageError for any other number, which is shown as it was `told`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"sigma is a number on the [0, 1] scale, such as 25 / 255, got {value!r}") from None
    if 0 <= number <= 1:
        return number
    hint = f"did you mean {told}/255?" if 1 < number <= 255 else "give a number from 0 to 1, such as 25/255"
    raise UsageError(f"sigma is on the [0, 1] scale, got {told}; {hint}")


def check_label(label: int | None, model: Model, name: str) -> None:
    """Raise a UsageError where a model does not know the class `label`."""
    classes = getattr(model.config, "classes", 0)
    if label is None or 0 <= label < classes:
        return
    if not classes:
        raise UsageError(f"{name} knows no classes; leave the label out")
    raise UsageError(f"the label is a class from 0 to {classes - 1} of {name}, got {label}")


def _mapped(r: Restoration, give: Callable[[Tensor], Any]) -> Restoration:
    std, draws, low, high = (None if part is None else give(part) for part in (r.std, r.draws, r.low, r.high))
    return Restoration(give(r.mmse), std, draws, low, high, r.told)
