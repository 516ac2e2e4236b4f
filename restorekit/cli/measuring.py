"""What the commands that measure share: which metrics, and what is said of the images first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from restorekit.errors import ImageError, PluginError

if TYPE_CHECKING:
    from restorekit.contracts import Metric
    from restorekit.images.dataset import LabelledImages


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


def warn_of_range(images: LabelledImages) -> None:
    """Say on standard error where the range of the numbers had to be guessed."""
    with suppress(ImageError):  # an image that cannot be read is told when its turn comes
        if images.warning:
            click.echo(f"{images.keys[0]}: {images.warning}", err=True)
