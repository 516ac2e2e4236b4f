"""Digests of what a command wrote, with times, versions, paths and prose left out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

# what differs between two runs of the same work: times, machines, and where the folder lies
VOLATILE = {
    *("seconds", "seconds_per_megapixel", "images_per_s", "command", "versions", "device", "source", "threads"),
    *("fingerprint", "error", "note", "notes", "licence", "license", "date", "time", "options", "progress"),
    *("digest", "digests", "models"),  # of model files, whose cards tell commands and times
}
_LIBRARIES = ("torch", "numpy", "opencv-python-headless", "scikit-image", "scipy", "pillow", "tifffile", "imagecodecs")
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
_TEXTS = {".json", ".jsonl", ".html", ".csv", ".log"}


def environment() -> dict[str, str]:
    """Return what the last bits depend on: versions of libraries, and the arithmetic of this processor."""
    return {**{name: version(name) for name in _LIBRARIES}, "arithmetic": _arithmetic()}


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below `folder`, by its path."""
    return {path: hashlib.sha256(content).hexdigest()[:16] for path, content in _contents(folder)}


def summaries(folder: Path) -> dict[str, list[float]]:
    """Return count, mean and standard deviation of the pixels of every image below `folder`, by its path."""
    found = {}
    for path in _files(folder):
        if path.parent.name != "views" and (pixels := _pixels(path)) is not None:
            values = pixels.astype(np.float64)
            found[path.relative_to(folder).as_posix()] = [float(values.size), float(values.mean()), float(values.std())]
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path of each file and what is compared of it."""
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _TEXTS:
            yield name, _text(path).encode()
        elif path.suffix == ".safetensors":
            yield name, _tensors(path)
        elif (pixels := _pixels(path)) is not None:
            yield name, f"{pixels.dtype}{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()


def _text(path: Path) -> str:
    """Return the numbers and names of a record, a log or the data of a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return _table(text)
    if path.suffix == ".html":
        return json.dumps(_rows(json.loads(data[1]))) if (data := _DATA.search(text)) else ""
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    plain = [json.dumps(_plain(json.loads(line)), sort_keys=True) for line in lines]
    return "\n".join(sorted(plain))  # the lines of a journal come in the order in which the writers end


def _rows(data: Any) -> list[Any]:
    """Return the image, the status and the values of each row of a page."""
    keep = [i for i, column in enumerate(data["columns"]) if column["name"] not in VOLATILE]
    return [[*row[:2], *(row[4][i] for i in keep)] for row in data["rows"]]


def _table(text: str) -> str:
    """Return a table without the columns that are volatile."""
    rows = [line.split(",") for line in text.splitlines() if '"' not in line]
    keep = [i for i, name in enumerate(rows[0]) if name not in VOLATILE] if rows else []
    return "\n".join(",".join(row[i] for i in keep if i < len(row)) for row in rows)


def _plain(value: Any) -> Any:
    """Return parsed JSON without what is volatile and without sentences, which are not results."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "" if isinstance(value, str) and (" " in value or "/" in value) else value


def _tensors(path: Path) -> bytes:
    from safetensors.numpy import load_file

    return b"".join(name.encode() + values.tobytes() for name, values in sorted(load_file(path).items()))


def _pixels(path: Path) -> np.ndarray[Any, Any] | None:
    """Return the pixels of an image; None for another file."""
    import tifffile
    from PIL import Image

    if path.suffix in (".tif", ".tiff"):
        return np.asarray(tifffile.imread(path))
    if path.suffix in (".png", ".jpg"):
        return np.asarray(Image.open(path))
    return None


def _arithmetic() -> str:
    """Return the digest of a small computation, which differs where the last bits of a network would."""
    import torch

    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, 32, 24, 24), generator=generator)
    weight = torch.randn((48, 32, 3, 3), generator=generator)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    y = torch.nn.functional.conv2d(x, weight.to(memory_format=torch.channels_last), padding=1)
    z = torch.fft.rfft2(y).abs().log1p().sum(1) @ torch.randn((13, 16), generator=generator)
    torch.set_num_threads(threads)
    return hashlib.sha256(z.numpy().tobytes()).hexdigest()[:16]
