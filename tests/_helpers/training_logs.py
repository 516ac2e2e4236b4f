"""Logs of trainings that were never made."""

from __future__ import annotations

import json

from restorekit.core.records import decode
from restorekit.models.checkpoint import Card, TrainingData
from restorekit.training.log import Log, LogEntry

LAST = 2000


def step(at, **figures):
    """Return a line on the training images."""
    usual = {"nelbo": 100.0, "lr": 1e-3, "gradient": 2.0, "skipped": 0.0, "images_per_s": 80.0}
    return {"event": "step", "step": at, "seconds": at / 10, "progress": at / LAST, **usual, **figures}


def validation(at, **figures):
    """Return a line on the validation images."""
    return {"event": "validation", "step": at, "seconds": at / 10, "progress": at / LAST, **figures}


def start(at, **figures):
    """Return the line with which a part of a training begins."""
    versions = {"restorekit": "1.2.3", "torch": "2.99"}
    found = {"device": "cpu", "processes": 1, "precision": "32-true", "threads": 4, "versions": versions}
    return {"event": "start", "step": at, "seconds": at / 10, "progress": at / LAST, **found, **figures}


def entry(line):
    """Return a line as a record."""
    return decode(LogEntry, line)


def log_of(lines, unread=0):
    """Return the log of some lines."""
    return Log([entry(line) for line in lines], unread)


def good():
    """Return the lines of a training that went well to its end."""
    found = [start(0)]
    for at in range(50, LAST + 1, 50):
        found.append(step(at, nelbo=100 - at / 50, rate=10.0))
        if at % 500 == 0:
            levels = {"rate_z0": 7.0, "rate_z1": 3.0, "active_units": 12.0}
            found.append(validation(at, nelbo=101 - at / 50, rate=10.0, psnr=20 + at / 1000, **levels))
    return found


def write(run, lines, end="\n"):
    """Write lines as a run's log; the last may be cut."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + end)
    return run / "log.jsonl"


def card(**values):
    """Return the card of such a training."""
    given = {
        "model": "vae", "package": "restorekit", "version": "1.2.3", "config": {"latent": 20, "dropout": 0.05},
        "recipe": {"batch": 8, "augment": False}, "steps": LAST, "seconds": LAST / 10, "seed": 7,
        "data": TrainingData("photos", "auto", None, 12345, "ab12", ["a.png"]),
        "command": "restorekit train photos RUN --model vae",
    }  # fmt: skip
    return Card(**{**given, **values})
