"""Options of a run over a folder, and its setup."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from statistics import NormalDist
from typing import Annotated

from restorekit.core.contracts import Corruption, Restorer
from restorekit.core.devices import Compute, Quality
from restorekit.core.errors import UsageError
from restorekit.core.records import About, Json, encode
from restorekit.images.discovery import OWN_FOLDER, Item, split_array
from restorekit.images.formats.limits import MAX_MEMORY, MAX_PIXELS
from restorekit.images.intensity import RangeOption
from restorekit.images.masks import MaskSource, parse_mask
from restorekit.images.picture import SUFFIXES
from restorekit.restoration.assumptions import Degradation, Sigma, resolve_degradation
from restorekit.restoration.folder import journal
from restorekit.restoration.folder.records import InputDigests, RepairOptions
from restorekit.restoration.loading import open_repair
from restorekit.restoration.repair import Repair
from restorekit.uncertainty.calibration_table import Table
from restorekit.uncertainty.touch import TOUCH


@dataclass(frozen=True)
class Options:
    """Everything that changes what the outputs hold; its digest says whether an output is still good.

    Attributes
    ----------
    model : str
        As typed by the user.
    digest : str
        Of the model file; empty for classical methods.
    corruption, sigma, mask, sampler : str or None
        As typed by the user.
    mask_invert : bool
        In the mask, zero = missing.
    label : int or None
        Class of the images.
    samples : int
        Draws to write.
    range : "auto", (low, high) or None
        What the files' numbers span.
    format : str
        Of the outputs; "keep" = that of each input.
    keep : tuple of str
        Further files for each restored image: "std", "low", "high".
    interval : float or None
        Probability that low and high enclose; None where neither is written.
    seed : int
        Of the draws.
    precision : str
        What a model's convolutions compute in.
    noise : str or None
        Spec of the noise in what the model has learnt from, which holds where neither user nor file tells another.
    self_check : bool
        Whether restorations are checked without the truth, and the journal tells what is found.
    jpeg_quality : str
        "auto", "keep" or a number, as in `restorekit.images.write`; records without it kept that of the inputs.
    axes : str or None
        Axes of arrays, as in `restorekit.images.axes.parse_axes`; None: derived from their shapes.
    opaque : bool
        Whether what was transparent is written opaque.
    repair : RepairOptions or None
        Options of the repair of defects; None: only what is marked is filled.
    ir_threshold : float or None
        Share of the infrared light that dust blocks at least; None: chosen by the grain.
    quality : "standard" or "best"
        As in `restorekit.core.devices.Compute`.
    """

    model: str
    digest: str = ""
    corruption: str | None = None
    sigma: str | None = None
    mask: str | None = None
    mask_invert: bool = False
    label: int | None = None
    samples: int = 0
    sampler: str | None = None
    range: RangeOption = None
    format: str = "keep"
    keep: tuple[str, ...] = ()
    interval: float | None = None
    seed: int = 0
    precision: str = "float32"
    noise: str | None = None
    self_check: bool = False
    jpeg_quality: Annotated[str, About(omitted=True)] = "keep"
    axes: Annotated[str | None, About(omitted=True)] = None
    opaque: Annotated[bool, About(omitted=True)] = False
    repair: Annotated[RepairOptions | None, About(omitted=True)] = None
    ir_threshold: Annotated[float | None, About(omitted=True)] = None
    quality: Annotated[Quality, About(omitted=True)] = "standard"

    def to_json(self) -> dict[str, Json]:
        """Return the options for the record; axes only if set, because older records have none."""
        return encode(self)

    @property
    def fingerprint(self) -> str:
        """A digest of all of this, in which a model file counts by its content and not by its name."""
        values = self.to_json()
        del values["noise"]  # which the model file says
        if not self.self_check:  # a check that is not asked for leaves images as good as they are
            del values["self_check"]
        if self.digest:
            del values["model"]
        if self.repair is not None:
            values["repair"] = encode(replace(self.repair, detector=""))
        return journal.digest_of_values(values)

    def __post_init__(self) -> None:
        if self.repair is not None and self.repair.strength < 1 and (self.samples or self.keep or self.interval):
            raise UsageError(
                "a strength below 1 leaves part of each defect in place, which draws, standard deviations and intervals"
                " do not describe; remove --strength, or --samples, --keep and --interval"
            )

    @property
    def deviations(self) -> float:
        """Half the width of a Gaussian interval in standard deviations; 0 without an interval."""
        return 0.0 if self.interval is None else NormalDist().inv_cdf(0.5 + self.interval / 2)


def _no_refusal(corruption: Corruption) -> str | None:
    """Return None: a restorer that takes any corruption."""
    return None


@dataclass(frozen=True, eq=False)
class Search:
    """Search for defects that nobody has marked.

    Attributes
    ----------
    repair : Repair or None
        Finds them; None: nothing is searched for.
    options : RepairOptions or None
        Recorded.
    protected : MaskSource or None
        Gives the pixels of an image that are never repaired.
    kept_marks : MaskSource or None
        Gives pixels of an image whose marks are not repaired.
    neighbours : mapping
        The images before and after each, by its key; empty if they are not frames of a film.
    """

    repair: Repair | None = None
    options: RepairOptions | None = None
    protected: MaskSource | None = None
    kept_marks: MaskSource | None = None
    neighbours: Mapping[str, tuple[Item, Item]] = field(default_factory=dict)


def open_search(
    detector: str | Path | None, touch: float | None, strength: float | None, protect: str | Path | None,
    keep_marks: str | Path | None, compute: Compute, memory: int = MAX_MEMORY, items: Sequence[Item] = (),
    sequence: bool = False,
) -> Search:  # fmt: skip
    """Open a detector that touches the promised share of clean pixels, and the masks that limit it.

    Parameters
    ----------
    detector : str, path or None
        Names or files of detectors, with commas between them; None: nothing is searched for.
    touch : float or None
        Share of the pixels of clean images that may be touched, on average; None: `TOUCH`.
    strength : float or None
        Share of the way from what was observed to the repair, above 0; None: all of it.
    protect, keep_marks : str, path or None
        Masks of pixels that are never repaired, and masks that keep each mark they touch as it is.
    compute : Compute
        Where and how the detector computes.
    memory : int
        Bytes of working memory.
    items : sequence of Item
        The images, of which the masks must fit at least one.
    sequence : bool
        Whether they are frames of a film, in the order of their names.

    Raises
    ------
    UsageError
        There is no such detector or mask, an option without a detector, or a number out of range.
    """
    options = {"touch": touch, "strength": strength, "protect": protect, "keep_marks": keep_marks}
    options |= {"sequence": sequence or None}
    if detector is None:
        if unused := [name for name, value in options.items() if value is not None]:
            raise UsageError(f"{unused[0]} belongs to a repair, and there is none; add --repair (repair= in Python)")
        return Search()
    if not isinstance(detector, str | Path):
        raise UsageError(f"repair is the name or file of a detector, or several with commas, got {detector!r}")
    if not all(isinstance(mask, str | Path | None) for mask in (protect, keep_marks)):
        raise UsageError("protect and keep_marks are files or folders; write arrays to files first")
    touch, strength = TOUCH if touch is None else touch, 1.0 if strength is None else strength
    if not all(isinstance(number, int | float) and 0 < number <= 1 for number in (touch, strength)):
        raise UsageError(f"touch and strength are above 0 and up to 1, got {touch!r} and {strength!r}")
    first, second = (None if path is None else str(path) for path in (protect, keep_marks))
    masks = [None if text is None else parse_mask(text, confirmed=True, required=False) for text in (first, second)]
    for source in filter(None, masks if items else ()):
        source.check(items)
    repair, digest = open_repair(str(detector), touch, compute=compute, memory=memory)
    recorded = RepairOptions(str(detector), digest, float(touch), float(strength), first, second, sequence)
    if sequence and all(one.sequence_threshold is None for one in (repair, *repair.others)):
        raise UsageError(
            f"{detector} is calibrated for single images only, not for frames of a film with --touch {touch:g}; remove"
            " --sequence, choose another --touch, or calibrate it (restorekit calibrate)"
        )
    return Search(repair, recorded, masks[0], masks[1], neighbours_of(items) if sequence else {})


def neighbours_of(items: Sequence[Item]) -> dict[str, tuple[Item, Item]]:
    """Return the images before and after each of a folder of at least three, in the order of names and their numbers.

    The first and the last have the next two, or the two before.
    """
    folders: dict[str, list[Item]] = {}
    for item in items:
        folders.setdefault(str(PurePosixPath(item.key).parent), []).append(item)
    found = {}
    for own in folders.values():
        frames = sorted(own, key=lambda item: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", item.key)])
        for i, item in enumerate(frames if len(frames) > 2 else ()):
            before, after = (i - 1 if i else 2), (i + 1 if i + 1 < len(frames) else i - 2)
            found[item.key] = frames[before], frames[after]
    return found


@dataclass(frozen=True, eq=False)
class Setup:
    """Setup of a run.

    Attributes
    ----------
    source : str
        Source of the images as the user typed it.
    out : Path
        Output folder.
    restorer : Restorer
        What restores.
    options : Options
        Recorded.
    read_corruption : callable
        Maps a spec to a corruption.
    masks : MaskSource
        Gives the missing pixels of an image.
    estimate, device : str
        What the restored pixels are, and where they are computed; recorded.
    max_pixels, max_memory : int
        Larger images, or images that need more bytes, are refused.
    overwrite : bool
        Replace files that restorekit did not write.
    shard : (int, int)
        Which part of how many is done, from 1.
    table : Table or None
        The model's calibration.
    pictures : bool
        Whether pictures for the report are written.
    command : str
        What was typed; recorded.
    refusal : callable
        Returns why the restorer cannot undo a corruption; None if it can.
    file : Path or None
        File that the one restored image is copied to; None: outputs stay in the folder.
    search : Search
        Search for defects that nobody has marked.
    """

    source: str
    out: Path
    restorer: Restorer
    options: Options
    read_corruption: Callable[[str], Corruption]
    masks: MaskSource
    estimate: str = ""
    device: str = "cpu"
    max_pixels: int = MAX_PIXELS
    max_memory: int = MAX_MEMORY
    overwrite: bool = False
    shard: tuple[int, int] = (1, 1)
    table: Table | None = None
    pictures: bool = False
    command: str = ""
    refusal: Callable[[Corruption], str | None] = _no_refusal
    file: Path | None = None
    search: Search = field(default_factory=Search)

    @property
    def shown(self) -> Path:
        """Output as the user named it: the folder, or a single file."""
        return self.file or self.out

    @property
    def own(self) -> Path:
        """Folder of the run's record and of other files that are not images."""
        return self.out / OWN_FOLDER

    @property
    def shard_name(self) -> str:
        """Suffix of this shard's files; empty for a run with one shard."""
        part, parts = self.shard
        return "" if parts == 1 else f"-{part}-of-{parts}"

    @property
    def estimates(self) -> bool:
        """Whether a noise level that nobody states is estimated, because the sampler requires one."""
        return self.restorer.needs_sigma and self.options.sigma is None

    def degradation(self, file: str | None) -> Degradation:
        """Resolve the degradation of an image; `file` is the spec in its metadata.

        Raises
        ------
        UsageError
            A spec cannot be read. The file's is not read if the user states a corruption.
        """
        options = self.options
        words = (options.corruption, None if options.corruption else file, options.noise)
        user, stored, model = (self.read_corruption(word) if word else None for word in words)
        sigma: Sigma = None if options.sigma is None else "auto" if options.sigma == "auto" else float(options.sigma)
        return resolve_degradation(user, sigma, stored, model, self.restorer.needs_sigma)

    def target(self, item: Item) -> Path:
        """Return where an image's restoration goes."""
        name, form = Path(item.key), self.options.format
        return self.out / (name if form == "keep" else name.with_suffix(SUFFIXES[form][0]))

    def digests(self, item: Item) -> InputDigests:
        """Return the digests of an image's file and mask, which show whether its input changed.

        Raises
        ------
        ImageError
            One of them cannot be read, or there is no mask where there must be one.
        """
        sources = (self.masks, self.search.protected, self.search.kept_marks)
        files = (None if source is None else source.file(item) for source in sources)
        mask, protect, kept = (None if file is None else journal.image_digest(file) for file in files)
        frames = [journal.image_digest(other.path) for other in self.search.neighbours.get(item.key, ())]
        own = journal.image_digest(item.path), split_array(item.path)[1] or None
        return InputDigests(*own, mask, protect, kept, ",".join(frames) or None)
