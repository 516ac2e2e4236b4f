"""Checks of everything that an installed plugin registers, by name: what ``restorekit plugin check`` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from restorekit.core.contracts import Corruption, Model
from restorekit.core.errors import UsageError, unknown
from restorekit.core.plugins import registry
from restorekit.testing._cases import build, channel_counts
from restorekit.testing.corruption import CORRUPTION_CHECKS, ranged_fields, some_range
from restorekit.testing.detector import DETECTOR_CHECKS, build_detector
from restorekit.testing.metric import METRIC_CHECKS
from restorekit.testing.model import checks_of
from restorekit.testing.restorer import RESTORER_CHECKS
from restorekit.testing.sampler import SAMPLER_CHECKS

COLOURS = {1: "gray", 3: "colour"}


class CheckCase(NamedTuple):
    """One check of one thing, not made yet."""

    thing: str
    check: str
    make: Callable[[], object]


class Finding(NamedTuple):
    """Result of one check: the message of its failure, or None if the contract is kept."""

    thing: str
    check: str
    fault: str | None


def cases(name: str) -> list[CheckCase]:
    """Return the checks of what is registered under a name.

    Parameters
    ----------
    name : str
        Of a plugin, of its package, or of one model, corruption, sampler, restorer, metric or detector. Of a plugin
        everything is checked: models with their default settings, for gray and for colour images; corruptions with
        defaults and with ranges.

    Raises
    ------
    UsageError
        Nothing of that name is installed; near ones are named.
    """
    own = _plugins_named(name)
    found = [case for plugin in own for case in _of_plugin(plugin)]
    for kind, listed in LISTED.items():
        for key, entry in registry.installed().entries(kind).items():
            if entry.plugin.name in own or (key == name and not own):
                found += _listed(f"{kind.removesuffix('s')} {key}", listed, entry.value)
    if not found:
        known = [plugin.name for plugin in registry.installed().loaded]
        things = [key for kind in LISTED for key in registry.installed().entries(kind)]
        raise UsageError(
            unknown("plugin, model, corruption, sampler, restorer, metric or detector", name, {*known, *things})
        )
    return found


def made(case: CheckCase) -> Finding:
    """Make one check; an error in third-party code fails this check only."""
    try:
        case.make()
    except AssertionError as error:
        return Finding(case.thing, case.check, str(error) or "AssertionError, without a message")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Finding(case.thing, case.check, f"it crashed with {type(error).__name__}: {error}")
    return Finding(case.thing, case.check, None)


def _plugins_named(name: str) -> list[str]:
    """Return the plugins of this name, or of the package of this name, whether in use or left out."""
    points = entry_points(group=registry.GROUP)
    packages = {point.name: point.dist.name for point in points if point.dist}
    packages |= {plugin.name: plugin.package for plugin in registry.installed().loaded}
    plugins = [*packages, *(left for left in registry.installed().problems if left not in packages)]
    if name in plugins:
        return [name]
    spellings = {plugin: re.sub(r"[-_.]+", "-", packages.get(plugin, "")).lower() for plugin in plugins}
    return [plugin for plugin in plugins if spellings[plugin] == re.sub(r"[-_.]+", "-", name).lower()]


def _of_plugin(name: str) -> Iterator[CheckCase]:
    """Yield whether a plugin is in use, and which of its weights are not."""
    known = registry.installed()
    problem = known.problems.get(name)
    if problem is None and name not in {plugin.name for plugin in known.loaded}:
        problem = f"{name!r} is installed, but RESTOREKIT_PLUGINS excludes it; add its name there, or unset it"
    yield CheckCase(f"plugin {name}", "is_in_use", partial(_expect_none, problem))
    for key, entry in known.unreadable.items():
        if entry.plugin.name == name:
            yield CheckCase(f"weights {key}", "can_be_read", partial(_expect_none, str(entry.value)))


def _expect_none(problem: str | None) -> None:
    if problem is not None:
        raise AssertionError(problem)


def _listed(thing: str, listed: Callable[[str, Any], Iterator[CheckCase]], cls: type) -> list[CheckCase]:
    """Return the checks of a class, or that it cannot even be made with its defaults."""
    found: list[CheckCase] = []
    fault = made(CheckCase(thing, "is_made_with_defaults", lambda: found.extend(listed(thing, cls))))
    return found if fault.fault is None else [CheckCase(thing, fault.check, partial(_expect_none, fault.fault))]


def _of_model(thing: str, cls: type[Model]) -> Iterator[CheckCase]:
    for channels in channel_counts(cls):
        for check in checks_of(cls):
            make = partial(_check_model, check, cls, channels)
            yield CheckCase(f"{thing}, {COLOURS.get(channels, channels)}", check.__name__, make)


def _check_model(check: Callable[[Model], None], cls: type[Model], channels: int) -> None:
    check(build(cls, None, channels))


def _of_corruption(thing: str, cls: type[Corruption]) -> Iterator[CheckCase]:
    plain = cls()
    spread: dict[str, Any] = {key: some_range(plain, key) for key in ranged_fields(plain)}
    ranged = replace(plain, **spread)  # type: ignore[type-var]
    for one in (plain,) if ranged == plain else (plain, ranged):
        for check in CORRUPTION_CHECKS:
            yield CheckCase(f"{thing.partition(' ')[0]} {one}", check.__name__, partial(check, one))


def _with_defaults(checks: Sequence[Callable[[Any], None]], thing: str, cls: type[Any]) -> Iterator[CheckCase]:
    """Yield checks of what has no settings that matter to them."""
    for check in checks:
        yield CheckCase(thing, check.__name__, partial(check, cls()))


def _of_detector(thing: str, cls: type[Any]) -> Iterator[CheckCase]:
    for check in DETECTOR_CHECKS:
        yield CheckCase(thing, check.__name__, partial(check, build_detector(cls)))


LISTED: dict[str, Callable[[str, Any], Iterator[CheckCase]]] = {
    "models": _of_model,
    "corruptions": _of_corruption,
    "samplers": partial(_with_defaults, SAMPLER_CHECKS),
    "restorers": partial(_with_defaults, RESTORER_CHECKS),
    "metrics": partial(_with_defaults, METRIC_CHECKS),
    "detectors": _of_detector,
}
