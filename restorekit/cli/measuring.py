"""What the commands that measure share: which metrics, what is said of the images first, what plugins add."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.errors import ImageError, PluginError

if TYPE_CHECKING:
    from restorekit.contracts import Metric
    from restorekit.images.labelled import LabelledImages
    from restorekit.report.page import Page
    from restorekit.trials import Results


def metrics_asked(names: Sequence[str]) -> list[Metric]:
    """Return the metrics that are asked for; of all of them, where none is, those that can be made."""
    from restorekit import plugins
    from restorekit.blame import blamed, told

    found = []
    for name in names or plugins.metrics():
        cls = plugins.lookup("metrics", name)
        try:
            with blamed(f"making the metric {name!r}", cls):
                found.append(cls())
        except PluginError as error:
            if names:
                raise
            click.echo(f"{name} is not measured: {told(error)}", err=True)
    return found


def with_sections(page: Page, results: Results, report: Path) -> Page:
    """Return a page with what plugins add to it; what of them breaks is said, and kept in the folder of the report."""
    from restorekit.blame import told
    from restorekit.report.sections import added

    found = added(results, lambda error: click.echo(f"a section is left out: {told(error, report)}", err=True))
    return replace(page, sections=found)


def warn_of_range(images: LabelledImages) -> None:
    """Say on standard error where the range of the numbers had to be guessed."""
    with suppress(ImageError):  # an image that cannot be read is told when its turn comes
        if images.warning:
            click.echo(f"{images.keys[0]}: {images.warning}", err=True)
