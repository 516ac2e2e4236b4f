"""A training in sentences: what was trained on what, for how long, how well; and what its card says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from restorekit.core.config import setting_text
from restorekit.models.checkpoint import Card
from restorekit.report.pages.trained import series as log_series
from restorekit.report.pages.trained.series import best_of, formatted
from restorekit.training.log import Log, RunEnvironment

HOUR = 3600.0


def summary(log: Log, card: Card | None, running: bool = False) -> list[str]:
    """Return what a person wants to know first, a sentence each.

    Parameters
    ----------
    log : Log
        Log of the training.
    card : Card or None
        What its file says of itself, where there is one.
    running : bool
        Whether it goes on.
    """
    found: list[str] = []
    if card is not None:
        data, task = card.data, f", to undo {_listed(card.corruptions)}" if card.corruptions else ""
        learnt = f" on {data.images:,} images of {data.source}" if data.images is not None and data.source else ""
        start = card.start or "random weights"
        found.append(f"{card.model} ({card.package} {card.version}) was trained{learnt}{task}, starting from {start}.")
    found += [*_length(log, card, running), *_validated(log), *_latents(log)]
    counts = log.points("step", "skipped")
    if counts:
        count = round(counts[-1][1])
        updates = "1 update was" if count == 1 else f"{count:,} updates were"
        found.append(f"{updates} skipped." if count else "No update was skipped.")
    return found


def protocol(log: Log, card: Card | None) -> list[tuple[str, str]]:
    """Return the card, and what the training ran on: a word and its explanation each; what is not known is left out."""
    start = next((line.environment for line in reversed(log.of("start")) if line.environment), RunEnvironment())
    processes = f"{start.processes} process(es)" if start.processes else ""
    threads = f"{start.threads} CPU threads" if start.threads else ""
    cut = f", and {log.unread} that could not be read" if log.unread else ""
    entries = {
        **({} if card is None else _of_card(card)),
        "device": ", ".join(filter(None, (start.device, processes, threads))),
        "precision": start.precision,
        "versions": ", ".join(f"{name} {version}" for name, version in start.versions.items()),
        "log": f"log.jsonl, {len(log.lines):,} lines{cut}",
    }
    return [(word, text) for word, text in entries.items() if text]


def lasted(seconds: float) -> str:
    """Write a time as a person says it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // HOUR:.0f} h {seconds % HOUR // 60:.0f} min"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _length(log: Log, card: Card | None, running: bool) -> Iterator[str]:
    batch = "" if card is None or "batch" not in card.recipe else f" of {card.recipe['batch']} images"
    rates, starts = log.points("step", "images_per_s"), log.of("start")
    pace = f", {rates[-1][1]:,.0f} images a second" if rates else ""
    device = f" on {starts[-1].environment.device}" if starts and starts[-1].environment else ""
    on = f"; it goes on, as of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC" if running else ""
    yield f"{log.step:,} updates{batch} in {lasted(log.seconds)}{pace}{device}{on}."
    again = [f"{line.step:,}" for line in starts if line.step]
    if again:
        yield f"It was resumed at step {_listed(again)}."


def _validated(log: Log) -> Iterator[str]:
    names = log.names("validation")
    if not names:
        yield "There is no validation yet."
    for name in (*log_series.judged(names), *(n for n in names if n == "reconstruction_psnr")):
        points, unit = log.points("validation", name), log_series.unit(name)
        if not points:
            continue
        (step, last), compared = points[-1], ""
        if len(points) > 1 and name != "reconstruction_psnr":  # of which neither direction is better
            at, best = best_of(points, log_series.better(name))
            compared = ", its best" if best == last else f" (best: {formatted(best, unit)} at step {at:,})"
        yield f"At the last validation, step {step:,}, {name} is {formatted(last, unit)}{compared}."


def _latents(log: Log) -> Iterator[str]:
    names = log.names("validation")
    last = {name: points[-1][1] for name in names if (points := log.points("validation", name))}
    units = [f"{name.replace('_', ' ')}: {formatted(last[name])}" for name in log_series.of_units(list(last))]
    levels = [f"{name} {formatted(last[name])}" for name in log_series.of_levels(list(last))]
    tell = f"what levels of latents tell, in {log_series.NATS}: {_listed(levels)}" if levels else ""
    if units or levels:
        sentence = "; ".join(filter(None, (*units, tell)))
        yield f"{sentence[0].upper()}{sentence[1:]}."


def _of_card(card: Card) -> dict[str, str]:
    data, held = card.data, card.data.held_out
    count = f"{data.images:,} of " if data.images is not None else ""
    source = f"{count}{data.source}" if data.source else ""
    span = f"intensity range {data.range}" if data.range else ""
    digest = f"fingerprint {data.fingerprint}" if data.fingerprint else ""
    return {
        "model": f"{card.model}, of {card.package} {card.version}",
        "settings of the model": _settings(card.config),
        "settings of the training": _settings(card.recipe),
        "corruptions": "; ".join(card.corruptions),
        "classes": ", ".join(card.label_names),
        "images": ", ".join(filter(None, (source, span, digest))),
        "held out": f"{held:,} images" if isinstance(held, int) else ", ".join(held or ()),
        "start": card.start or "random weights",
        "seed": str(card.seed),
        "length": f"{card.steps:,} updates in {lasted(card.seconds)}",
        "licence": card.licence or "none is stated",
    }


def _settings(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={setting_text(value)}" for name, value in values.items())
