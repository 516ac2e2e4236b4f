"""Files of the pictures that a report shows of one restoration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from restorekit.core.records import About


@dataclass(frozen=True)
class Overlay:
    """A picture to lay over another, in the colours of its legend: dark and blue is `low`, bright and yellow `high`.

    Attributes
    ----------
    path : str
        PNG.
    title : str
        Name of what it shows, such as "standard deviation".
    low, high : float or None
        Values at the ends of the scale, on the [0, 1] scale of images; None for a mask, which has no scale.
    """

    path: Annotated[str, About("A PNG.")]
    title: Annotated[str, About("Name of what it shows.")]
    low: Annotated[float | None, About("Value at the dark end of its colours, on [0, 1].", omitted=True)] = None
    high: Annotated[float | None, About("Value at the bright end of its colours.", omitted=True)] = None


@dataclass(frozen=True)
class Views:
    """Pictures of one restoration, all of the same part of the image.

    Attributes
    ----------
    width, height : int
        Of the restored image, pixels; the pictures may be smaller.
    thumb : str
        A small picture of the restoration, at most 160 pixels a side.
    before, after : str
        The observation, empty if it is not known, and the restoration.
    truth : str
        The clean image; empty if it is not known.
    overlays : mapping of str to Overlay
        Those of "std", "interval", "error", "missing", "repaired" and "residual" that exist, in order.
    draws : sequence of str
        Other pictures that the image could have been.
    """

    width: Annotated[int, About("Of the image, pixels.")]
    height: Annotated[int, About("Of the image, pixels.")]
    thumb: Annotated[str, About("A small picture of the restoration.")]
    before: Annotated[str, About("The observation; empty if it is not known.")]
    after: Annotated[str, About("The restoration.")]
    truth: Annotated[str, About("The clean image.", omitted=True)] = ""
    overlays: Annotated[Mapping[str, Overlay], About("Pictures to lay over another, by kind.")] = field(
        default_factory=dict
    )
    draws: Annotated[Sequence[str], About("Other pictures that the image could have been.")] = ()

    @property
    def files(self) -> list[str]:
        """Names of all its pictures."""
        found = (self.thumb, self.before, self.after, self.truth, *self.draws)
        return [name for name in (*found, *(overlay.path for overlay in self.overlays.values())) if name]
