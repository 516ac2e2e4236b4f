"""Sections that plugins add to a report."""

from __future__ import annotations

from collections.abc import Callable

from restorekit.core.errors import PluginError
from restorekit.core.plugins import registry
from restorekit.core.plugins.boundary import BrokenError, attribute_errors
from restorekit.evaluation.protocol import Results


def added(results: Results, warn: Callable[[PluginError], None]) -> list[tuple[str, str]]:
    """Return title and HTML of each section that an installed plugin adds.

    Parameters
    ----------
    results : Results
        What a section is made of.
    warn : callable
        Takes what a plugin broke; its section is left out.
    """
    found = []
    for title, cls in registry.classes("sections").items():
        try:
            with attribute_errors(f"rendering the section {title!r}", cls):
                html = cls().render(results)
                if not isinstance(html, str):
                    raise BrokenError(f"expected HTML as a str, got {type(html).__name__}")
                found.append((title, html))
        except PluginError as error:
            warn(error)
    return found
