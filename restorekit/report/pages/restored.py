"""Page of a folder of restored images, from the records of the run: run.json and images.jsonl."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from restorekit.core.errors import RecordError
from restorekit.core.records import parse_file
from restorekit.images.discovery import OWN_FOLDER
from restorekit.report.page import Column, Page, Row, Status
from restorekit.report.wording import count, outcome
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.records import Facts, ImageRecord, RepairOptions, RunRecord
from restorekit.uncertainty.selfcheck.result import SelfCheck

COLUMNS = (
    Column("changed", "changed by", "/255", "", meaning="Root mean square change of the observed values."),
    Column("repaired", "repaired", "%", "", meaning="Share of the pixels that were found defective and filled."),
    Column("marks", "marks", "", "", meaning="Defects that were found and filled, connected pixels counted as one."),
    Column("check_psnr", "est. PSNR", "dB", "higher", meaning="What the self-check expects, without a truth."),
    Column("check_error", "its error", "dB", "lower", meaning="Standard error of the estimated PSNR."),
    Column("check_gain", "est. gain", "dB", "higher", meaning="Estimated PSNR less that of the best classical method."),
    Column(
        "check_surprise", "surprise", "", "", 1.0, "Estimated error over the expected one; far above 1: unfamiliar."
    ),
    Column("check_coverage", "est. coverage", "", "", 0.9, "Share of hidden values inside the 90 % interval."),
    Column("mean_std", "mean std", "/255", "lower", meaning="How unsure the model is, on average over all values."),
    Column("sigma", "noise", "/255", "", meaning="Standard deviation of the noise, as passed or estimated."),
    Column("missing", "missing", "%", "", meaning="Share of the values that were missing; none without a value."),
    Column("seconds", "seconds", "s", "lower", meaning="Time that the image took."),
)
SELF_CHECK = (
    "PSNR is estimated by hiding observed values, for missing ones, and by SURE, for white Gaussian noise "
    "of a known or estimated level; it cannot be of other noise, blur, JPEG or anything else that changed values. "
    "It is rough for large gaps, whose content may be unlike the rest, and where the level is an estimate; where "
    "colour noise was cut off at the ends of the range its error is too small"
)
STOPPED = {
    "running": "The run is still going on, or was killed",
    "interrupted": "The run was interrupted",
    "stopped": "The run stopped",
}


def page_of(out: Path) -> Page:
    """Return the report of an output folder of `restorekit restore`.

    Parameters
    ----------
    out : Path
        The folder that holds `_restorekit`.
    """
    runs, unread = list[RunRecord](), list[str]()
    for path in sorted((out / OWN_FOLDER).glob("run*.json")):
        try:
            runs.append(parse_file(RunRecord, path))
        except RecordError as error:
            unread.append(f"A record of the run cannot be read and is ignored ({error}); run the same command again.")
    options, journal = {run.options for run in runs}, Journal(out, "")
    unread += [f"{journal.warning}."] if journal.warning else []
    known = list(journal.lines.values())
    rows = sorted((_row(line) for line in known if line.options in options), key=_urgency)
    others = sum(line.status == "done" and line.options not in options for line in known)
    held = [column for column in COLUMNS if any(row.values.get(column.name) is not None for row in rows)]
    return Page(
        "restore",
        f"Restoration of {Path(runs[0].source).name}" if runs else "Restoration",
        alarms=[*unread, *_alarms(runs, rows)],
        summary=_summary(runs, rows, others),
        command=runs[0].command if runs else "",
        protocol=_protocol(runs[0]) if runs else (),
        columns=held,
        rows=rows,
        pairs=[i for i, row in enumerate(rows) if row.views is not None],
        headline=("changed", "repaired", "missing", "check_psnr"),
    )


def _row(line: ImageRecord) -> Row:
    facts = line.facts or Facts()
    record = facts.check.self_check if facts.check else None
    check, sentences = (record.found, record.sentences) if record else (SelfCheck(), ())
    repair = facts.repaired
    marked = (facts.missing or 0.0) - (0.0 if repair is None else repair.touched)  # by the user or the file
    values = {
        "check_psnr": check.psnr,
        "check_error": check.psnr_se,
        "check_gain": record.gain if record else None,
        "check_surprise": check.surprise,
        "check_coverage": check.coverage90,
        "changed": None if facts.changed is None else 255 * facts.changed,
        "repaired": None if repair is None else 100 * repair.touched,
        "marks": None if repair is None else float(repair.marks),
        "mean_std": None if facts.mean_std is None else 255 * facts.mean_std,
        "sigma": None if facts.sigma is None else 255 * facts.sigma,
        "missing": 100 * marked if marked > 1e-3 * (facts.missing or 0.0) else None,  # shares are rounded
        "seconds": facts.seconds,
    }
    status: Status = "done" if line.status == "done" else "failed"
    error = "it was being written when the run stopped" if line.status == "started" else line.error or ""
    reasons = {"check_psnr": check.reason} if check.reason else {}
    flags = [*facts.concerns, *(sentences[:1] if check.harms else ())]
    notes = [note for note in (*facts.notes, *sentences) if note not in flags]
    known = status == "done" and bool(flags or facts.missing or facts.changed is not None)
    idle, mended = (facts.changed or 0.0) < UNCHANGED, repair is not None and repair.marks > 0
    word = outcome(bool(flags), bool(facts.missing), idle, mended) if known else ""
    return Row(line.image, status, "", "", values, reasons, flags, notes, error, facts.views, word)


UNCHANGED = 0.05 / 255  # root mean square change on [0, 1] below which nobody sees one


def _urgency(row: Row) -> tuple[bool, bool, float]:
    """Return what orders the worst first: failures, flagged images, then those that changed or were filled most."""
    filled = (row.values.get("missing") or 0.0) + (row.values.get("repaired") or 0.0)
    new = (row.values.get("changed") or 0.0) / 255 + filled / 100
    return row.status != "failed", not row.flags, -new


def _alarms(runs: Sequence[RunRecord], rows: Sequence[Row]) -> list[str]:
    """Return sentences to show first: unfinished runs, failures, harm, and losses to classical methods."""
    alarms = []
    for run in (run for run in runs if run.status != "done"):
        done = sum(row.status == "done" for row in rows)
        reason = f" ({run.error})" if run.error else ""
        alarms.append(
            f"{STOPPED[run.status]} before its end{reason}: {done} of {run.images} images are restored; "
            "the same command goes on where it stopped."
        )
    failed = [row for row in rows if row.status == "failed"]
    if failed:
        more = f"; {len(failed) - 1} more are listed below" if len(failed) > 1 else ""
        error = failed[0].error.rstrip(".")
        named = error if failed[0].image in error else f"{failed[0].image}: {error}"
        alarms.append(f"{count(len(failed), 'image')} failed. {named}{more}.")
    flagged = [row.image for row in rows if row.flags]
    if flagged:
        one = len(flagged) == 1
        alarms.append(
            f"Check {flagged[0] if one else f'{len(flagged)} images'}: {'it' if one else 'they'} may be no better than "
            f"before. {'It comes' if one else 'They come'} first below, with the reason."
        )
    gains = {row.image: gain for row in rows if (gain := row.values.get("check_gain")) is not None}
    lost = [row.image for row in rows if row.image in gains and -gains[row.image] > (row.values["check_error"] or 0)]
    if lost:  # by more than the error of the estimate
        worst = min(lost, key=lambda image: gains[image])
        alarms.append(
            f"By the self-check's estimate a classical method does better on {len(lost)} of "
            f"{count(len(gains), 'image')}, by up to {-gains[worst]:.2f} dB ({worst})."
        )
    return alarms


def _summary(runs: Sequence[RunRecord], rows: Sequence[Row], others: int) -> list[str]:
    """Return sentences on what was restored, how well and how certain; `others` have other settings."""
    found = list[str]()
    if runs:
        done, run = [row for row in rows if row.status == "done"], runs[0]
        found = (
            [f"{count(len(done), 'image')} restored with {run.model} on {run.device}: {run.estimate}."] if done else []
        )
        checked, spread, repaired = (
            [value for row in done if (value := row.values.get(name)) is not None]
            for name in ("check_psnr", "mean_std", "repaired")
        )
        if repaired:
            marks = sum(int(row.values.get("marks") or 0) for row in done)
            found.append(
                f"{count(marks, 'mark')} of defects found and repaired in {sum(share > 0 for share in repaired)} of "
                f"{count(len(repaired), 'image')}, {statistics.fmean(repaired):.2g}\u00a0% of the pixels on average, "
                f"{max(repaired):.2g}\u00a0% at most. Look at the layer 'repaired' of each."
            )
        if checked:
            found.append(
                f"The self-check expects a PSNR of {statistics.median(checked):.1f} dB in the median over "
                f"{count(len(checked), 'image')} that it could judge."
            )
        if spread:
            found.append(
                f"The model is unsure by {statistics.median(spread):.1f} of 255 levels (standard deviation) in the "
                f"median image, and by {max(spread):.1f} in the one it is least sure of."
            )
    found = found or ["Nothing has been restored here."]
    if others:
        found.append(f"Not shown here: {count(others, 'image')} in this folder, restored with other settings.")
    return found


def _repair(repair: RepairOptions) -> str:
    """Return what was searched for and filled."""
    strength = "" if repair.strength == 1 else f", {repair.strength:g} of the way"
    return (
        f"{repair.detector} {repair.digest}, touching at most {100 * repair.touch:g} % of clean pixels,"
        f" on average{strength}"
    )


def _protocol(run: RunRecord) -> list[tuple[str, str]]:
    try:
        sigma = f"{255 * float(run.sigma or ''):.4g}/255 = {float(run.sigma or ''):.4g}"
    except ValueError:  # "auto", or none
        sigma = run.sigma or "not known"
    interval = run.interval
    kind = "" if interval is None else "calibrated" if interval.calibrated else "as if Gaussian"
    entries = {
        "model": " ".join(filter(None, (run.model, run.digest))),
        "corruption": run.corruption or "what each file says, else noise of unknown level and missing values",
        "sigma": sigma,
        "values": "as the files have them, no noise was added; results are cut off and rounded as the format asks",
        "repair": "" if run.repair is None else _repair(run.repair),
        "mask": run.mask or "NAME.missing.png next to the image, and NaN",
        "estimate": run.estimate,
        "draws": str(run.samples),
        "sampler": run.sampler,
        "interval": "" if interval is None else f"{interval.level:g}, {kind}",
        "self-check": SELF_CHECK if run.self_check else "",
        "seed": str(run.seed),
        "precision": run.precision,
        "device": run.device,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return [(name, text) for name, text in entries.items() if text]
