"""Train a model from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from restorekit.core.devices import Precision
from restorekit.core.errors import UsageError
from restorekit.training import build, loop
from restorekit.training.log import LogEntry
from restorekit.training.loop import TrainingResult


def train(
    images: str | Path,
    run: str | Path,
    model: str,
    corruption: str | Sequence[str] = (),
    *,
    steps: int | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    validation: str | Path | int | None = None,
    settings: Mapping[str, object] | None = None,
    init: str = "auto",
    labels: Literal["folders", "arrays"] | None = None,
    self_supervised: bool = False,
    sigma: float | str | None = None,
    range: str | None = None,
    axes: str | None = None,
    licence: str = "",
    seed: int = 0,
    resume: bool = False,
    device: str = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    progress: Callable[[LogEntry], None] | None = None,
) -> TrainingResult:
    """Train a model, as ``restorekit train`` does, but without a report page.

    Parameters
    ----------
    images : path
        A folder, a file or a stack.
    run : path
        Folder for ``model.safetensors``, the state and the log.
    model : str
        Name of a model.
    corruption : str or sequence of str
        Corruption specs, ``SPEC`` or ``SPEC@WEIGHT``.
    steps, epochs, minutes : number, optional
        Length of the training; exactly one of them.
    validation : path or int, optional
        Validation images, or the number of images to hold out.
    settings : mapping, optional
        Settings of the model and the training, as ``--set``.
    init, labels, self_supervised, sigma, range, axes, licence, seed, resume, device, precision, threads
        As the options of the command; `range` is its text, such as ``"0..4095"``.
    progress : callable, optional
        Called with every line of the log: its `event`, `step`, `progress` and `values`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    UsageError
        An argument does not fit.
    """
    if sum(limit is not None for limit in (steps, epochs, minutes)) != 1:
        raise UsageError("expected exactly one of steps, epochs and minutes; pass for example minutes=30")
    if sigma is not None and not self_supervised:
        raise UsageError("sigma requires self_supervised=True; pass it or remove sigma")
    target, source = Path(os.path.realpath(run)), Path(os.path.realpath(images))
    if target == source or target.is_relative_to(source):
        raise UsageError(f"the folder {run} must lie outside the images {images}; choose another folder")
    specs = (corruption,) if isinstance(corruption, str) else tuple(corruption)
    held = None if validation is None else str(validation)
    plan = build.Plan(
        model, specs, {key: str(value) for key, value in (settings or {}).items()}, init, seed, licence, "",
        self_supervised, None if sigma is None else str(sigma),
    )  # fmt: skip
    data = build.DataSource(str(images), held, labels, range, axes)
    hardware = build.Hardware(device, 1, 1, precision, threads)
    job, network, fabric = build.prepare(Path(run), data, plan, hardware, resume, steps, epochs, minutes)
    return loop.train(job, network, fabric, progress or (lambda line: None), resume)
