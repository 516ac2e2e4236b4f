"""Warnings on a training: it is not finished, or something went wrong in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean, median, stdev

from restorekit.report.pages.trained import series as log_series
from restorekit.report.pages.trained.series import best_of, formatted
from restorekit.training.log import Log

SKIPPED = 10  # updates that may be skipped without a word, or one in a thousand
WORSE_DB = 0.1  # below the best validation, in dB
WORSE = 0.005  # above the best validation, as a share of it or of the way to it
RISEN = 0.02  # above the best stretch of the training, as a share of the way to it
MIN_RISE_SE = 4.0  # standard errors, at least, by which it must have risen
STRETCHES = 10  # of the training, whose values are averaged
EMPTY = 0.01  # nats per image that a level of latents must tell
EXPLODED = 10.0  # times the median of the usual gradient norm
NEARLY = 0.98  # of the way, at which a training is done whose last line is a validation that does not tell the way


def alarms(log: Log, running: bool = False) -> list[str]:
    """Return a sentence for each; none where the training ended well.

    Parameters
    ----------
    log : Log
        Log of the training.
    running : bool
        Whether it goes on: then it is no wonder that it is not finished.
    """
    if not log.lines:
        return ["The log is empty: no update was logged."]
    found: list[str] = []
    if not running and not finished(log):
        done = share(log)
        way = "" if done is None else f", {min(math.floor(100 * done), 99)} % of the way"
        found.append(f"The training is not finished: its log ends at step {log.step:,}{way}. Go on with --resume.")
    bad = [(line.step, name) for line in log.lines for name, value in line.values.items() if not math.isfinite(value)]
    if bad:
        names, steps = list(dict.fromkeys(name for _, name in bad)), {step for step, _ in bad}
        found.append(f"Not finite at {len(steps)} steps of the log, first at step {min(steps):,}: {', '.join(names)}.")
    counts = log.points("step", "skipped")
    if counts and counts[-1][1] > max(SKIPPED, log.step / 1000):
        found.append(
            f"{counts[-1][1]:,.0f} of {counts[-1][0]:,} updates were skipped, since their gradients were not finite or "
            "many times the usual ones: a lower lr or a longer warmup may help."
        )
    return [*found, *_worse(log), *_risen(log), *_collapsed(log), *_exploded(log)]


def share(log: Log) -> float | None:
    """Return the fraction of the training that is done by the last line; None if no line has it."""
    known = [line for line in log.lines if line.progress is not None]
    if not known:
        return None
    done = known[-1].progress or 0.0
    return done if known[-1] is log.lines[-1] else done * log.step / max(known[-1].step, 1)


def finished(log: Log) -> bool:
    """Return whether the training has ended, which it does with a validation."""
    done, known = share(log), log.lines[-1].progress is not None
    worked = [line.event for line in log.lines if line.event != "start"]
    return worked[-1:] == ["validation"] and (done is None or done >= (1 if known else NEARLY))


def _worse(log: Log) -> Iterator[str]:
    fallen: list[tuple[str, float, str]] = []  # names, steps of their best values, sentences
    for name in log_series.compared(log.names("validation")):
        points, unit = log.points("validation", name), log_series.unit(name)
        if len(points) < 2:
            continue
        (step, best), (end, last) = best_of(points, log_series.better(name)), points[-1]
        margin = WORSE_DB if unit == "dB" else WORSE * max(abs(best), abs(points[0][1] - best))
        if abs(last - best) <= margin:
            continue
        was, now = formatted(best, unit), formatted(last, unit)
        fallen.append((name, step, f"{name} was {was} at step {step:,} and is {now} at step {end:,}"))
    if fallen:
        values, (name, since, _) = "; ".join(text for _, _, text in fallen), fallen[0]
        yield (
            f"The validation has become worse than it was: {values}. Allowed is {formatted(WORSE_DB, 'dB')}, or "
            f"{100 * WORSE:g} % of a bound.{_training_since(log, name, since)} The model file holds the last weights."
        )


def _training_since(log: Log, name: str, step: float) -> str:
    """Return a sentence on overfitting if the training images improved since a step; else nothing."""
    event, learnt = log_series.learnt(log)
    own = name if name in learnt else next(iter(log_series.judged(learnt)), None)
    points = log.points(event, own) if own else []
    then, now = ([v for s, v in points if s <= step][-5:], [v for _, v in points][-5:])
    if not then or own is None or fmean(now) >= fmean(then):
        return ""
    return (
        f" On the training images {own} went on from {formatted(fmean(then))} to {formatted(fmean(now))}: the model "
        "overfits. More images, more weight decay or fewer updates help."
    )


def _risen(log: Log) -> Iterator[str]:
    event, names = log_series.learnt(log)
    for name in log_series.judged(names):
        points = log.points(event, name)
        size = len(points) // STRETCHES
        if size < 2:
            continue
        stretches = [points[len(points) - size * i :][:size] for i in range(STRETCHES, 0, -1)]
        values = [[value for _, value in stretch] for stretch in stretches]
        means = [(stretch[-1][0], fmean(own)) for stretch, own in zip(stretches, values, strict=True)]
        doubt = median(map(stdev, values)) * math.sqrt(2 / size)
        (step, best), last = best_of(means, "lower"), means[-1][1]
        if last - best > max(RISEN * (means[0][1] - best), MIN_RISE_SE * doubt):
            yield (
                f"The training's own {name} has risen from {formatted(best)} before step {step:,} to {formatted(last)} "
                "at its end: a lower lr may help."
            )


def _collapsed(log: Log) -> Iterator[str]:
    last = log.of("validation")[-1:]
    values = last[0].values if last else {}
    levels = {*log_series.of_levels(list(values)), *({"rate"} & values.keys())}
    empty = [name for name in values if name in levels and values[name] < EMPTY]
    idle = [name for name in log_series.of_units(list(values)) if values[name] < 1]
    if empty or idle:
        texts = [f"{name} is {formatted(values[name], log_series.unit(name))}" for name in (*empty, *idle)]
        yield (
            f"Latents are not used: at the last validation {' and '.join(texts)}. The model does without them, so "
            "that draws do not differ in what they should tell; free_bits or a longer kl_warmup may help."
        )


def _exploded(log: Log) -> Iterator[str]:
    points = log.points("step", "gradient")
    later = points[max(len(points) // 10, 2) :]
    if not later:
        return
    usual, (step, peak) = median(v for _, v in later), best_of(later, "higher")
    if peak > EXPLODED * usual:
        yield (
            f"Gradients exploded: their usual norm came to {formatted(peak)} at step {step:,}, where "
            f"{formatted(usual)} is the median of the training: a lower lr or clip may help."
        )
