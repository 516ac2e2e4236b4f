"""Records of a run: run.json, and the journal's lines of images with their facts and the digests of their input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from restorekit.core.devices import Quality
from restorekit.core.records import About
from restorekit.images.intensity import RangeOption
from restorekit.images.views import Views
from restorekit.uncertainty.selfcheck.result import SelfCheckRecord

Status = Literal["started", "done", "failed", "skipped"]
RunStatus = Literal["running", "interrupted", "stopped", "done"]
SCHEMA = 1  # of run.json


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
    protect, keep_marks : str or None
        SHA-256 of the mask files that limit a repair, if there are any.
    neighbours : str or None
        SHA-256 of the files of the frames before and after, with a comma between them, if they are compared.
    """

    input: str | None = None
    array: str | None = None
    mask: str | None = None
    protect: Annotated[str | None, About(omitted=True)] = None
    keep_marks: Annotated[str | None, About(omitted=True)] = None
    neighbours: Annotated[str | None, About(omitted=True)] = None


@dataclass(frozen=True)
class CheckRecord:
    """Entry of an image that was checked: the result, or None if the check failed."""

    self_check: SelfCheckRecord | None = None


REPAIRED = "repaired"  # folder of masks of repaired pixels, in the run's own folder


@dataclass(frozen=True)
class RepairRecord:
    """Defects that were found in an image and repaired: number of marks, and share of the pixels that was touched."""

    marks: int
    touched: float


@dataclass(frozen=True)
class RepairOptions:
    """Options of the repair of defects that nobody has marked.

    Attributes
    ----------
    detector : str
        Detector, as typed by the user.
    digest : str
        Of its file, or its name without one; of several, with commas.
    touch : float
        Share of the pixels of clean images that it may touch on average.
    strength : float
        Share of the way from what was observed to the repair of it.
    protect : str or None
        Masks of pixels that are never repaired, as typed by the user.
    keep_marks : str or None
        Masks of marks that are not repaired, as typed by the user.
    sequence : bool
        Whether the images are frames of a film, which are compared with those before and after.
    """

    detector: str
    digest: str = ""
    touch: float = 0.001
    strength: float = 1.0
    protect: str | None = None
    keep_marks: str | None = None
    sequence: Annotated[bool, About(omitted=True)] = False


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
    concerns : sequence of str
        Sentences on structure of the image that the model takes for noise; they are among the notes too.
    unpictured : bool
        Whether those pictures could not be written, so that a later run makes them.
    kept_digests : sequence of str
        SHA-256 of each file in `kept`; empty in records of older versions.
    changed : float or None
        Root mean square change of the observed values on [0, 1]; None if the restoration has another shape.
    repaired : RepairRecord or None
        What was found defective and repaired; None if nothing was searched for.
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
    concerns: Annotated[Sequence[str], About(omitted=True)] = ()
    unpictured: Annotated[bool, About(omitted=True)] = False
    kept_digests: Annotated[Sequence[str], About(omitted=True)] = ()
    changed: Annotated[float | None, About(omitted=True)] = None
    repaired: Annotated[RepairRecord | None, About(omitted=True)] = None

    @property
    def view_files(self) -> list[str]:
        """Names of the pictures for the report, relative to the run's own folder."""
        return [] if self.views is None else self.views.files


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


@dataclass(frozen=True)
class IntervalRecord:
    """Level of the intervals that were kept, and whether they are calibrated."""

    level: float
    calibrated: bool


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """State and settings of a run, the content of run.json; a field with a default may be missing from older files.

    Attributes
    ----------
    schema : int
        Version of the layout.
    status : {"running", "interrupted", "stopped", "done"}
        State of the run.
    error : str or None
        Reason why the run stopped.
    command, source : str
        Command line, and source of the images as the user typed it.
    images : int or str
        Number of images; "?" in records of older versions.
    model, digest : str or None
        Model as the user typed it, and the SHA-256 of its file.
    corruption, sigma, mask, sampler : str or None
        Options; None without one.
    mask_invert : bool
        Whether zero means missing in the mask.
    label : int or None
        Class of the images.
    samples, seed : int
        Draws, and the seed.
    range : "auto", (low, high) or None
        Range of the values of the files.
    format : str
        Format of the outputs; "keep" = that of each input.
    keep : sequence of str
        Further files for each restored image: "std", "low", "high".
    precision : str
        Precision of a model's convolutions.
    noise : str or None
        Spec of the noise in the model's training data.
    self_check : bool
        Whether the self-check ran.
    axes : str or None
        Axes of arrays; None: derived from their shapes.
    repair : RepairOptions or None
        Options of the repair of defects; None without one.
    ir_threshold : float or None
        Share of the infrared light that dust blocks at least; None: chosen by the grain.
    quality : "standard" or "best"
        As in `restorekit.core.devices.Compute`.
    interval : IntervalRecord or None
        Intervals that were kept.
    options : str
        Fingerprint of the settings, which the lines of its images have too.
    shard : sequence of int
        Part that was restored, from 1, and number of parts.
    estimate, device : str
        Meaning of the restored pixels, and device of the computation.
    totals : mapping of str to int
        Numbers of images by status.
    versions : mapping of str to str
        Versions of packages.
    """

    schema: int = SCHEMA
    status: RunStatus
    error: str | None = None
    command: str = ""
    source: str
    images: int | str = "?"
    model: str
    digest: str | None = None
    corruption: str | None = None
    sigma: str | None = None
    mask: str | None = None
    mask_invert: bool = False
    label: int | None = None
    samples: int
    sampler: str | None = None
    range: RangeOption = None
    format: str = "keep"
    keep: Sequence[str] = ()
    seed: int
    precision: str
    noise: str | None = None
    self_check: bool = False
    axes: Annotated[str | None, About(omitted=True)] = None
    repair: Annotated[RepairOptions | None, About(omitted=True)] = None
    ir_threshold: Annotated[float | None, About(omitted=True)] = None
    quality: Annotated[Quality, About(omitted=True)] = "standard"
    interval: IntervalRecord | None = None
    options: str
    shard: Sequence[int] = (1, 1)
    estimate: str
    device: str
    totals: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str]
