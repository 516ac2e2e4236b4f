"""Results in sentences: what failed, what has no figure, what a difference comes to."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from restorekit.figures import APART, NO_REASON, OF_A_RUN, Figure
from restorekit.report.page import Row
from restorekit.report.paired import LEVEL, Comparison, better
from restorekit.trials import Results

TITLES = {
    "psnr": "PSNR", "psnr_missing": "PSNR of missing values", "draw_psnr": "PSNR of a draw", "ssim": "SSIM",
    "nrmse": "NRMSE", "coverage90": "coverage", "width90": "interval width", "winkler90": "Winkler score",
    "spearman": "rank correlation", "ause": "AUSE", "nees": "surprise",
    "seconds_per_megapixel": "s/MP", "seconds": "s/image", "nelbo": "nelbo", "psnr_before": "PSNR before",
    "psnr_gain": "PSNR gained",
}  # fmt: skip
_NUMBER = re.compile(r"\d[\d.]*")


def title(name: str) -> str:
    """Return a word or two for a figure, or for a difference of it to another run; of a plugin's, its name."""
    own = name.removesuffix(APART)
    words = TITLES.get(own, own.replace("_", " "))
    return words if own == name else f"{words} difference"


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


def quantity(value: float, figure: Figure) -> str:
    """Return a figure with its unit."""
    return f"{number(value)}{figure.unit and ' '}{figure.unit}"


def failed(failures: Sequence[Mapping[str, str]]) -> list[str]:
    """Say what failed: an image for one reason a line; what failed of many for the same reason once."""
    found: dict[tuple[str, ...], list[str]] = {}
    for failure in failures:
        what = " on ".join(failure[key] for key in ("restorer", "corruption") if failure.get(key))
        found.setdefault((what, failure["error"]), []).append(failure["image"])
    return [
        f"failed: {' '.join(filter(None, (what, 'of' * bool(what), images[0])))}"
        f"{f' and {len(images) - 1} more' if len(images) > 1 else ''}: {error}"
        for (what, error), images in found.items()
    ]


def absent(results: Results) -> list[str]:
    """Say which figures some or all rows lack, and why: a sentence for each reason, whatever the numbers in it."""
    apart, found = {figure.name for figure in OF_A_RUN}, dict[tuple[str, tuple[int, ...]], tuple[str, list[str]]]()
    for figure in (f for f in results.metrics if f.name not in apart and not f.name.endswith(APART)):
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


def difference(found: Comparison, figure: Figure) -> str:
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


def _way(value: float, figure: Figure) -> str:
    if figure.goal is not None:
        return f"{'nearer to' if value < 0 else 'further from'} {figure.goal:g}"
    return "higher" if value > 0 else "lower"


def clear(found: Comparison, figure: Figure) -> int:
    """Return 1 where the first of two is better beyond doubt, -1 where it is worse, 0 where the interval holds 0."""
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return 0
    return 1 if (found.low > 0) == (better(figure) == "higher") else -1


def named(images: Sequence[str], most: int = 3) -> str:
    """Return the first few of many names."""
    return ", ".join(images[:most]) + (", ..." if len(images) > most else "")
