"""Content of a training's page, from the files of its folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restorekit.core.errors import CheckpointError
from restorekit.models.checkpoint import Card, read_card
from restorekit.report.page import Gallery, GalleryPicture, Page
from restorekit.report.pages.trained.charts import charts
from restorekit.report.pages.trained.summary import protocol, summary
from restorekit.report.pages.trained.warnings import alarms
from restorekit.training.log import Log, read_log

RESTORED = "From left to right: the observation, the restoration, the clean image, the standard deviation."
AGAIN = "From left to right: the image, what the decoder makes of its latents, the image again, the error."
SHORT = "There are no curves yet: they need two lines of the log or two validations."
SCALED = "The last column is scaled to its own largest value."


def page_of(run: Path, card: Card | None = None, running: bool = False) -> Page:
    """Return the page of a training.

    Parameters
    ----------
    run : Path
        Its folder, with log.jsonl, previews, samples and model.safetensors as far as they are there.
    card : Card or None
        What the model file will say, where it was not written yet; else it is read.
    running : bool
        Whether the training goes on.

    Returns
    -------
    Page
        Of the kind "train"; its pictures are where the training put them.
    """
    log = read_log(run / "log.jsonl")
    unread: list[str] = []
    if card is None:
        try:
            card = read_card(run / "model.safetensors")
        except CheckpointError as error:
            unread.append(f"The card is not shown: {error}.")
    drawn = charts(log, card.recipe if card else {})
    return Page(
        kind="train",
        title=f"Training of {card.model if card else 'a model'} in {run.resolve().name}",
        alarms=[*unread, *alarms(log, running)],
        summary=[*summary(log, card, running), *([] if drawn or not log.lines else [SHORT])],
        command="" if card is None else card.command,
        protocol=protocol(log, card),
        charts=drawn,
        galleries=_galleries(run, log, card.corruptions if card else ()),
    )


def _galleries(run: Path, log: Log, specs: Sequence[str]) -> list[Gallery]:
    """Return the previews and the samples that there are, in the order of the steps that name their files."""
    latent = "reconstruction_psnr" in log.names("validation")
    rows = f" From top to bottom: {'; '.join(spec.partition('@')[0] for spec in specs)}." if len(specs) > 1 else ""
    drawn = "Draws of the prior." if latent else "Each row: draws of what one validation image could have been."
    found: list[Gallery] = []
    for folder, title, caption in (
        ("previews", "Validation images over time", f"{AGAIN if latent else RESTORED} {SCALED}{rows}"),
        ("samples", "Samples over time", drawn),
    ):
        steps = sorted((int(p.stem), p.name) for p in (run / folder).glob("*.png") if p.stem.isdecimal())
        pictures = [GalleryPicture(f"{folder}/{name}", f"step {step:,}") for step, name in steps]
        found += [Gallery(title, caption, pictures)] if pictures else []
    return found
