"""Evaluate models from Python, with the page of the results."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

from restorekit.core.devices import Compute, Precision, Quality, choose, versions
from restorekit.core.errors import PluginError, RestorekitWarning
from restorekit.core.execution import LocalEngine
from restorekit.core.plugins import registry
from restorekit.evaluation import evaluate as engine
from restorekit.evaluation.head_to_head import against_baselines
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.evaluation.results_file import prepare, write_results
from restorekit.evaluation.scenarios import expand_specs, make_scenario
from restorekit.images.dataset import load_images
from restorekit.images.intensity import RangeOption, parse_range
from restorekit.report.live import REPORT
from restorekit.report.pages.compared import FOLDER, evenly
from restorekit.report.pages.evaluated import page_of
from restorekit.report.plugin_sections import added
from restorekit.report.single_file import write_report


def evaluate(
    clean: str | Path,
    corruption: str | Sequence[str],
    models: str | Sequence[str] = "default",
    report: str | Path | None = None,
    *,
    baselines: str | Sequence[str] = "auto",
    sigma: Literal["true", "blind", "auto"] | None = None,
    metrics: Sequence[str] = (),
    samples: int = 0,
    sampler: str | None = None,
    labels: Literal["folders", "arrays"] | None = None,
    limit: int | None = None,
    range: RangeOption = None,
    axes: str | None = None,
    seed: int = 0,
    pictures: int = 24,
    single_file: bool = False,
    device: str = "auto",
    precision: Precision = "auto",
    quality: Quality = "standard",
    progress: Callable[[int, int, str], None] | None = None,
) -> Results:
    """Corrupt clean images, restore them with every method, and measure, as ``restorekit evaluate`` does.

    Parameters
    ----------
    clean : path
        A folder, a file or a stack of clean images.
    corruption, models, baselines : str or sequence of str
        As the options of the command that may be repeated.
    report : path, optional
        Folder for report.html, results.json and results.csv; without it nothing is written.
    sigma : "true", "blind", "auto" or None
        Noise level that every method gets.
    metrics : sequence of str
        Names of the metrics; all, if there are none.
    samples, sampler, labels, limit, range, axes, seed, device, precision, quality
        As the options of the command; `range` is "auto" or (low, high).
    pictures : int
        Images that the page shows, at even steps through the list.
    single_file : bool
        Whether the page holds its pictures, so that it can be mailed.
    progress : callable, optional
        Called with the number of finished images, of all images, and the name of the last one.

    Returns
    -------
    Results
        `runs` has a row of mean values for each corruption and method, `images` one for each image as well.

    Raises
    ------
    UsageError
        An argument does not fit.
    """
    specs, names, others = ((s,) if isinstance(s, str) else tuple(s) for s in (corruption, models, baselines))
    images = load_images(clean, limit, labels, parse_range(range), axes)
    compute = Compute(device, precision, quality=quality)
    scenarios = [make_scenario(spec, names, others, sigma, samples, sampler, compute) for spec in expand_specs(specs)]
    measures = [registry.lookup("metrics", name)() for name in metrics or registry.metrics()]
    protocol = Protocol(Path(clean).name, seed, len(images), choose(device), versions(), compute.number, quality)
    finished: list[str] = []

    def watch(key: str, error: str | None) -> None:
        finished.append(key)
        if progress is not None:
            progress(len(finished), len(images), key)

    with ExitStack() as stack:
        folder = Path(report or stack.enter_context(tempfile.TemporaryDirectory()))
        prepare(folder)
        results = engine.evaluate(
            engine.test_images(images), scenarios, measures, LocalEngine(1), protocol, watch, folder, folder / FOLDER,
            set() if report is None else evenly(images.keys, pictures),
        )  # fmt: skip
        comparisons = against_baselines(results)
        results = replace(results, comparisons=[pair.row() for pair in comparisons])
        if report is not None:
            write_results(results, folder)

            def warn(error: PluginError) -> None:
                warnings.warn(f"a section of the page is left out: {error}", RestorekitWarning, stacklevel=4)

            page = replace(page_of(results, comparisons), sections=added(results, warn))
            write_report(page, folder / REPORT, single_file)
    return results
