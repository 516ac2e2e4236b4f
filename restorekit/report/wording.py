"""Results in sentences: what failed, what has no figure, what a difference comes to.

How figures came about, as pairs of a word and its explanation.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from restorekit.evaluation.bootstrap import LEVEL, TIES, Comparison, clear, how
from restorekit.evaluation.head_to_head import Duel, gain
from restorekit.evaluation.metric_values import DIFFERENCE_SUFFIX, NO_REASON, OF_A_RUN, MetricInfo, title
from restorekit.evaluation.protocol import Results
from restorekit.report.page import Row

_NUMBER = re.compile(r"\d[\d.]*")


def method_names(restorers: Iterable[str]) -> dict[str, str]:
    """Return short names: a model file's own, or its folder's where it is ``model.safetensors``; whole if unclear."""
    names = {restorer: _short(restorer) for restorer in restorers}
    counts = Counter(names.values())
    return {restorer: name if counts[name] == 1 else restorer for restorer, name in names.items()}


def _short(restorer: str) -> str:
    path = Path(restorer)
    if path.suffix != ".safetensors":
        return restorer
    return path.stem if path.stem != "model" or not path.parent.name else path.parent.name


def count(number: int, what: str, many: str = "") -> str:
    """Return "1 image", "2 images"; `many` is the plural where it takes more than an s."""
    return f"{number} {what if number == 1 else many or f'{what}s'}"


def pictured(rows: Sequence[Row]) -> str:
    """Say of how many images a page has pictures, and how to have more; nothing where it has them of all."""
    every = {row.image for row in rows if row.status == "done"}
    held = {row.image for row in rows if row.views is not None}
    return "" if every <= held else f"Pictures of {len(held)} of {count(len(every), 'image')}; --pictures N keeps more."


def number(value: float) -> str:
    """Return a figure with as many digits as tell something."""
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.3f}"


def quantity(value: float, figure: MetricInfo) -> str:
    """Return a figure with its unit."""
    return f"{number(value)}{figure.unit and ' '}{figure.unit}"


def absent(results: Results) -> list[str]:
    """Say which figures some or all rows lack, and why: a sentence for each reason, whatever the numbers in it."""
    apart, found = {figure.name for figure in OF_A_RUN}, dict[tuple[str, tuple[int, ...]], tuple[str, list[str]]]()
    for figure in (f for f in results.metrics if f.name not in apart and not f.name.endswith(DIFFERENCE_SUFFIX)):
        lacking = defaultdict[str, list[int]](list)
        said = dict[str, str]()
        for i, row in enumerate(results.images):
            if row.get(figure.name) is None:
                reason = row.get("reasons", {}).get(figure.name, NO_REASON)
                kind = _NUMBER.sub("#", reason)
                said.setdefault(kind, reason)
                lacking[kind].append(i)
        for kind, rows in lacking.items():
            found.setdefault((kind, tuple(rows)), (said[kind], []))[1].append(figure.name)
    return [f"no {', '.join(names)}{_of(rows, results)}: {reason}" for (_, rows), (reason, names) in found.items()]


def _of(rows: Sequence[int], results: Results) -> str:
    """Say of what a figure is missing: nothing where that is all, else methods where it is all of theirs, or images."""
    if len(rows) == len(results.images):
        return ""
    lacking = Counter(results.images[i]["restorer"] for i in rows)
    every = Counter(row["restorer"] for row in results.images)
    names = method_names(every)
    if all(every[restorer] == count for restorer, count in lacking.items()):
        return f" of {', '.join(names[restorer] for restorer in lacking)}"
    images = list(dict.fromkeys(results.images[i]["image"] for i in rows))
    return f" of {count(len(images), 'image')}, {named(images)}"


def difference(found: Comparison, figure: MetricInfo) -> str:
    """Say what a mean difference comes to and how sure it is: "0.42 dB lower (95 % interval: ...)"."""
    if found.difference is None:
        return "no difference can be told"
    if found.difference == 0:
        return "the same on average"
    what = f"{quantity(abs(found.difference), figure)} {_way(found.difference, figure)}"
    if found.low is None or found.high is None:
        return f"{what} ({found.reason})"
    ends = f"{signed(found.low)} to {signed(found.high)}"
    return f"{what} ({100 * LEVEL:g} % interval {ends})"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{value:+.2f}" if abs(value) >= 2 else f"{value:+.3f}"


def _way(value: float, figure: MetricInfo) -> str:
    if figure.goal is not None:
        return f"{'nearer to' if value < 0 else 'further from'} {figure.goal:g}"
    return "higher" if value > 0 else "lower"


def named(images: Sequence[str], most: int = 3) -> str:
    """Return the first few of many names."""
    return ", ".join(images[:most]) + (", ..." if len(images) > most else "")


def lost(duels: Sequence[Duel]) -> list[str]:
    """Say where a model is worse on average than the classical method beside it: a sentence each, the worst first."""
    names = method_names({name for duel in duels for name in (duel.restorer, duel.against)})
    worse = sorted((duel for duel in duels if gain(duel) < 0), key=gain)
    return [f"{names[duel.restorer]} loses to {names[duel.against]}{_on(duel)}: {told(duel)}" for duel in worse]


def told(duel: Duel) -> str:
    """Say by how much the first of two is better or worse, how sure that is, and on how many images."""
    even = gain(duel) == 0
    if even and not (duel.found.wins or duel.found.losses):
        return f"{title(duel.figure.name)} the same on every one of {count(duel.found.images, 'image')}"
    chance = "" if even or clear(duel.found, duel.figure) or duel.found.low is None else ", which may be chance"
    what = f"{title(duel.figure.name)} {difference(duel.found, duel.figure)}{chance}"
    return f"{what}; {counted(duel.found)}"


def _on(duel: Duel) -> str:
    return f" on {duel.corruption}" if duel.corruption else ""


def counted(found: Comparison) -> str:
    """Say on how many images the first of two was better, worse and equal."""
    return f"worse on {found.losses} of {count(found.images, 'image')}, better on {found.wins}, equal on {found.ties}"


def explained(results: Results) -> list[tuple[str, str]]:
    """Return the protocol of results for people: what was done to whom, what is measured how, and with what."""
    p = results.protocol
    estimates = {run["restorer"]: run["estimate"] for run in results.runs if run["estimate"]}
    digests = {run["restorer"]: run["digest"] for run in results.runs if run.get("digest")}
    compared = [("comparisons", f"image by image; {TIES}"), ("intervals of differences", how(p.seed))]
    return [
        ("images", f"{p.images} of {p.source}"), ("noise", p.noise), ("result", p.result), ("PSNR", p.psnr),
        ("SSIM", p.ssim), ("intervals", p.interval), *(compared if results.comparisons else []),
        *((f"estimate of {name}", estimate) for name, estimate in estimates.items()),
        *((f"model {name}", f"file {digest}") for name, digest in digests.items()), ("seed", str(p.seed)),
        ("device", f"{p.device}, {p.precision}"), *((name, version) for name, version in p.versions.items()),
    ]  # fmt: skip
