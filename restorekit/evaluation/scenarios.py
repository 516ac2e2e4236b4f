"""Scenarios of an evaluation: a corruption, and the opened methods that restore it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from restorekit.core.contracts import Corruption, parts_of
from restorekit.core.devices import Compute
from restorekit.core.errors import UsageError
from restorekit.core.plugins import registry
from restorekit.corruptions.spec import expand, parse
from restorekit.evaluation.protocol import Method, Scenario
from restorekit.restoration.classical import best_baselines
from restorekit.restoration.loading import Opened, open_restorer


def expand_specs(specs: Sequence[str]) -> list[str]:
    """Return one spec per corruption, in order; equal corruptions count once, however they are spelt."""
    known, found = registry.corruptions(), dict[str, str]()
    for one in (one for spec in specs for one in expand(spec)):
        found.setdefault(str(parse(one, known)), one)
    return list(found.values())


def make_scenario(
    spec: str, models: Sequence[str], baselines: Sequence[str], noise_policy: str | None, samples: int,
    sampler: str | None, compute: Compute,
) -> Scenario:  # fmt: skip
    """Parse a corruption, and open the models and classical methods that restore it."""
    corruption = parse(spec, registry.corruptions())
    classical = [b for b in baselines if b not in ("auto", "none")]
    if "auto" in baselines:
        classical += best_baselines(corruption)
    methods: list[Method] = []
    for name in dict.fromkeys([*models, *classical]):
        if name in registry.restorers():
            opened = open_restorer(name, corruption, compute=replace(compute, quality="standard"))
        else:
            opened = open_restorer(name, corruption, sampler, compute)
        learned, is_informed = opened.card is not None, needs_sigma(opened, corruption)
        policy: Any = noise_policy or ("blind" if learned and not is_informed else "true")
        if policy == "blind" and is_informed:
            raise UsageError(
                f"the sampler {opened.sampler} of {name} needs the noise level, got --sigma blind; "
                "use --sigma true or auto"
            )
        n, restorer = samples if learned else 0, opened.restorer
        methods.append(Method(name, restorer, policy, n, learned, opened.estimate(n), opened.table, opened.digest))
    return Scenario(spec, corruption, methods)


def needs_sigma(opened: Opened, corruption: Corruption) -> bool:
    """Return whether a sampler needs the noise level; False if the corruption has no Gaussian noise."""
    return opened.restorer.needs_sigma and any(part.noise_law == "gaussian" for part in parts_of(corruption))
