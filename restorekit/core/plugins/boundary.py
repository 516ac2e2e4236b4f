"""Asking models, corruptions, restorers and metrics, perhaps a stranger's, and holding their answers to the contract.

Only types and shapes are looked at where a look at the values would make the device wait.

Whose fault it is where a stranger's code breaks: a sentence that names the plugin, and where the traceback lies.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, LatentModel, Metric, Model, Restorer, parts_of
from restorekit.core.errors import PluginError, RestorekitError, brief
from restorekit.core.plugins import registry
from restorekit.core.plugins.registry import Plugin
from restorekit.core.rng import Rng
from restorekit.core.types import Batch, Draws, Estimate, Observation, Restoration, Source, Terms


def terms(model: Model, batch: Batch, rng: Rng, group: str = "model") -> Terms:
    """Return the objective of one group on one batch."""
    with attribute_errors(f"terms of the model {model.name!r}", model, batch.corruption):
        found = model.terms(batch, rng, group)
        _kind(found, Terms, "Terms")
        _shape(found.loss, (), "loss")
        _scalars(found.parts, "parts")
        return found


def diagnosis(model: Model, batch: Batch, rng: Rng) -> dict[str, Tensor]:
    """Return scalars that show known failures."""
    with attribute_errors(f"diagnose of the model {model.name!r}", model, batch.corruption):
        found = model.diagnose(batch, rng)
        _scalars(found, "what it returns")
        return found


def estimate(model: Model, observation: Observation, corruption: Corruption) -> Estimate | None:
    """Return mean and spread of one pass; None where the model has no such."""
    with attribute_errors(f"estimate of the model {model.name!r}", model, corruption):
        found = model.estimate(observation, corruption)
        if found is not None:
            _kind(found, Estimate, "Estimate or None")
            _shape(found.mean, (len(observation), *observation.shape), "mean")
            _like(found.std, found.mean, "std")
        return found


def draws(model: Model, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Draws:
    """Return n draws of p(x | y)."""
    sampler = model.sampler if isinstance(model, LatentModel) else None
    through = "" if sampler is None else f" through the sampler {sampler.name!r}"
    with attribute_errors(f"sample of the model {model.name!r}{through}", model, corruption):
        found = model.sample(observation, corruption, n, rng)
        _kind(found, Draws, "Draws")
        _shape(found.mean, (n, len(observation), *observation.shape), "mean")
        _like(found.variance, found.mean, "variance")
        return found


def apply_corruption(corruption: Corruption, x: Tensor, rng: Rng) -> Observation:
    """Return an observation of x."""
    with attribute_errors(f"the corruption {str(corruption)!r}", corruption):
        found = corruption(x, rng)
        _kind(found, Observation, "Observation")
        _dimensions(found.y, len(x), "y")
        _dimensions(found.observed, len(x), "observed")
        if tuple(found.shape) != tuple(x.shape[1:]):
            raise BrokenError(f"expected the shape of x, {tuple(x.shape[1:])}, in `shape`, got {found.shape}")
        return found


def initial_estimate(observation: Observation, corruption: Corruption) -> Tensor:
    """Return the first guess at x."""
    with attribute_errors(f"initial_estimate of the corruption {str(corruption)!r}", corruption):
        found = observation.initial_estimate(corruption)
        _shape(found, (len(observation), *observation.shape), "the first guess")
        return found


def rows(
    restorer: Restorer, source: Source, corruption: Corruption, n: int, rng: Rng
) -> Iterator[tuple[int, Restoration]]:
    """Restore from the top down; yield (top, finished rows), of finite values."""
    count, channels, _, width = source.shape
    with attribute_errors(f"the restorer {restorer.name!r}", restorer, corruption):
        for top, band in restorer.rows(source, corruption, n, rng):
            _kind(band, Restoration, "Restoration")
            height = band.mmse.shape[-2] if isinstance(band.mmse, Tensor) and band.mmse.dim() == 4 else 1
            _restored(band, (count, channels, height, width), n)
            yield top, band


def restored(restorer: Restorer, answer: Restoration, observation: Observation, n: int) -> Restoration:
    """Return what a restorer answered about a batch, once it is found to be whole and finite."""
    with attribute_errors(f"the restorer {restorer.name!r}", restorer):
        _kind(answer, Restoration, "Restoration")
        _restored(answer, (len(observation), *observation.shape), n)
        return answer


def measured(metric: Metric, restoration: Restoration, reference: Tensor, observation: Observation) -> float | None:
    """Return the metric of one restored image; a UndefinedMetricError passes, as it is an answer too."""
    with attribute_errors(f"the metric {metric.name!r}", metric):
        found = metric(restoration, reference, observation)
        if found is not None and not isinstance(found, float | int):
            raise BrokenError(
                f"expected a float, or a UndefinedMetricError that says why not, got {type(found).__name__}"
            )
        return found


def _restored(found: Restoration, shape: tuple[int, ...], n: int) -> None:
    _shape(found.mmse, shape, "mmse")
    for name in ("std", "low", "high"):
        _like(getattr(found, name), found.mmse, name)
    if found.draws is not None:
        _shape(found.draws, (n, *shape), "draws")
    if not bool(found.mmse.isfinite().all()):
        raise BrokenError("expected finite values in mmse, got NaN or infinity")


def _kind(found: object, kind: type, wanted: str) -> None:
    if not isinstance(found, kind):
        raise BrokenError(f"expected {wanted}, got {type(found).__name__}")


def _shape(found: object, shape: tuple[int, ...], what: str) -> None:
    got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if got != shape:
        raise BrokenError(f"expected a tensor of shape {shape} in {what}, got {got}")


def _like(found: object, other: Tensor, what: str) -> None:
    if found is not None:
        _shape(found, tuple(other.shape), what)


def _dimensions(found: object, count: int, what: str) -> None:
    if not isinstance(found, Tensor) or found.dim() != 4 or len(found) != count:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise BrokenError(f"expected a tensor ({count}, C, H, W) in {what}, got {got}")


def _scalars(found: Any, what: str) -> None:
    if not isinstance(found, Mapping):
        raise BrokenError(f"expected names and scalar tensors in {what}, got {type(found).__name__}")
    for name, value in found.items():
        _shape(value, (), f"{what}[{name!r}]")


LOG = "errors.log"  # beside what a run writes: the tracebacks of what broke in it
PASSED_ON = (RestorekitError, KeyboardInterrupt, GeneratorExit)  # said in a sentence already, or no fault at all


class BrokenError(Exception):
    """What a plugin returned is not what its contract says; the text tells what was expected and what was got."""


@contextmanager
def attribute_errors(doing: str, *things: object) -> Iterator[None]:
    """Turn whatever a stranger's code raises within into a PluginError that names the stranger.

    Parameters
    ----------
    doing : str
        What is asked for, such as "sample of the model 'vae'".
    things : objects or classes
        What is asked, for where the traceback does not tell whose code broke: a model, a corruption, a sampler ...

    Raises
    ------
    PluginError
        What broke is a plugin's. Faults of restorekit itself, sentences for a user, interrupts and a lack of memory
        pass as they are.
    """
    try:
        yield
    except PASSED_ON:
        raise
    except BaseException as error:  # SystemExit, and what extensions derive from BaseException, are faults here
        names = [] if ran_out_of_memory(error) else culprits(error, *things)
        if not names:
            raise
        why = str(error) if isinstance(error, BrokenError) else brief(error)
        raise PluginError(sentence(names, doing, why)) from error


def sentence(names: list[Plugin], doing: str, why: str) -> str:
    """Say who did what, and what to do about it."""
    checks = " and ".join(f"`restorekit plugin check {plugin.name}`" for plugin in names)
    return f"{' or '.join(map(str, names))} failed in {doing}: {why}; {checks} tells more, for its author to mend it"


def culprits(error: BaseException, *things: object) -> list[Plugin]:
    """Return the plugin in whose code an error arose; else those among the things that were asked; none of our own."""
    installed = registry.installed()
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    for module in reversed(frames):
        plugin = installed.author(module)
        if plugin is not None and not plugin.built_in:
            return [plugin]
    owners = [installed.owner(cls) for thing in things for cls in _classes(thing)]
    return list(dict.fromkeys(plugin for plugin in owners if plugin is not None and not plugin.built_in))


def _classes(thing: object) -> list[type]:
    """Return a thing's class, and those of what it works with."""
    if isinstance(thing, type):
        return [thing]
    if isinstance(thing, Corruption):
        return [type(part) for part in parts_of(thing)]
    own = [type(thing)]
    return [*own, type(thing.sampler)] if isinstance(thing, LatentModel) and thing.sampler is not None else own


def whose(thing: object) -> str:
    """Return " of the plugin ..." where a thing is a stranger's, else nothing: to be put behind its name."""
    plugin = registry.owner(type(thing))
    return "" if plugin is None or plugin.built_in else f" of {plugin}"


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out; PyTorch has no class of its own for that on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def error_message(error: BaseException, folder: Path | None = None) -> str | None:
    """Return one sentence for a user, with where the traceback lies; None for what no plugin is to blame for.

    Parameters
    ----------
    error : exception
        What a run met.
    folder : Path or None
        Gets `LOG`; None: a file among the temporary ones.
    """
    if isinstance(error, RestorekitError):
        return f"{error}{_kept(error, folder)}" if isinstance(error, PluginError) and error.__cause__ else str(error)
    names = culprits(error)
    return f"{sentence(names, 'its own code', brief(error))}{_kept(error, folder)}" if names else None


def _kept(error: BaseException, folder: Path | None) -> str:
    """Append an error's traceback to the log, once; return words that say where it is."""
    text = "".join(traceback.format_exception(error)) + "\n"
    path = (Path(tempfile.gettempdir()) / f"restorekit-{LOG}") if folder is None else folder / LOG
    with suppress(OSError):  # a full disk, or a stranger's file in the way
        if not path.is_file() or text not in path.read_text(encoding="utf-8", errors="replace"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        return f" (traceback: {path})"
    return ""
