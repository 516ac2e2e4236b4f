"""Records of the journal: one image, its facts, and the digests of its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from restorekit.core.records import About
from restorekit.images.views import Views
from restorekit.uncertainty.selfcheck.result import SelfCheckRecord

Status = Literal["started", "done", "failed", "skipped"]


@dataclass(frozen=True)
class InputDigests:
    """Digests that show whether an image's input changed.

    Attributes
    ----------
    input : str or None
        SHA-256 of the image file.
    array : str or None
        Name of the array within the file, if it holds several.
    mask : str or None
        SHA-256 of the mask file, if there is one.
    """

    input: str | None = None
    array: str | None = None
    mask: str | None = None


@dataclass(frozen=True)
class CheckRecord:
    """Entry of an image that was checked: the result, or None if the check failed."""

    self_check: SelfCheckRecord | None = None


@dataclass(frozen=True)
class Facts:
    """Facts of a restored image; records of older versions may lack some.

    Attributes
    ----------
    kept : sequence of str
        Files kept in addition, relative to the output folder.
    digests : InputDigests
        Digests of the input.
    sigma : float or None
        Noise level on [0, 1], as passed or estimated; None if it is not known.
    missing : float or None
        Fraction of the values that were missing.
    mean_std : float or None
        Mean of the predicted standard deviations on [0, 1].
    seconds : float or None
        Duration of the restoration.
    sampler : mapping of str to float or None
        Diagnostics of the sampler.
    notes : sequence of str
        Sentences for the user.
    check : CheckRecord or None
        Result of the self-check; None if it was not asked for.
    calibrated : bool or None
        Whether low and high are calibrated; None if neither was written.
    views : Views or None
        Pictures for the report.
    unpictured : bool
        Whether those pictures could not be written, so that a later run makes them.
    kept_digests : sequence of str
        SHA-256 of each file in `kept`; empty in records of older versions.
    changed : float or None
        Root mean square change of the observed values on [0, 1]; None if the restoration has another shape.
    """

    kept: Sequence[str] = ()
    digests: Annotated[InputDigests, About(flat=True)] = InputDigests()
    sigma: float | None = None
    missing: float | None = None
    mean_std: float | None = None
    seconds: float | None = None
    sampler: Annotated[Mapping[str, float] | None, About(omitted=True)] = None
    notes: Sequence[str] = ()
    check: Annotated[CheckRecord | None, About(flat=True)] = None
    calibrated: Annotated[bool | None, About(omitted=True)] = None
    views: Annotated[Views | None, About(omitted=True)] = None
    unpictured: Annotated[bool, About(omitted=True)] = False
    kept_digests: Annotated[Sequence[str], About(omitted=True)] = ()
    changed: Annotated[float | None, About(omitted=True)] = None

    @property
    def view_files(self) -> list[str]:
        """Names of the pictures for the report, relative to the run's own folder."""
        if self.views is None:
            return []
        found = (self.views.thumb, self.views.before, self.views.after, self.views.truth, *self.views.draws)
        return [name for name in (*found, *(overlay.path for overlay in self.views.overlays.values())) if name]


@dataclass(frozen=True)
class ImageRecord:
    """State of one image, a line of the journal.

    Attributes
    ----------
    image : str
        Name of the image.
    status : {"started", "done", "failed", "skipped"}
        "started" until the output is in its place; "skipped" is reported for images of earlier runs and never written.
    target : str or None
        Path of the output, relative to the output folder; None after a failure and in lines of older versions.
    output : str or None
        SHA-256 of the output; None after a failure.
    options : str or None
        Fingerprint of the options.
    error : str or None
        Error of a failed image.
    facts : Facts or None
        Facts of a restored image.
    """

    image: str
    status: Status
    target: Annotated[str | None, About(omitted=True)] = None
    output: Annotated[str | None, About(omitted=True)] = None
    options: Annotated[str | None, About(omitted=True)] = None
    error: Annotated[str | None, About(omitted=True)] = None
    facts: Annotated[Facts | None, About(flat=True)] = None
