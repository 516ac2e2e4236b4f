"""A run over a folder, with a restorer that is quick and known, and what it left behind."""

import json
from pathlib import Path

import numpy as np
import torch

from restorekit.core.contracts import Restorer
from restorekit.core.errors import ImageError
from restorekit.core.execution import LocalEngine
from restorekit.core.plugins import registry
from restorekit.core.types import Restoration
from restorekit.corruptions.spec import parse
from restorekit.images.discovery import find_images
from restorekit.images.masks import parse_mask
from restorekit.restoration.folder import Options, Setup, restore_folder, tasks

RNG = np.random.default_rng(0)


class Darker(Restorer):
    """Halves what it sees; refuses to go on where it sees pure white."""

    name, batches = "darker", True

    def __init__(self):
        self.seen = []

    def __call__(self, observation, corruption, n, rng):
        self.seen.append(rng.keys)
        if bool((observation.y == 1).flatten(1).all(1).any()):
            raise ImageError("too bright")
        initial = observation.initial_estimate(corruption)
        draws = torch.stack([initial * s / 10 for s in range(n)]) if n else None
        return Restoration(initial / 2, torch.full_like(initial, 0.1), draws)


def prepared(source, out, restorer=None, mask=None, **values):
    """What a run works with; a restorer, a mask, a shard, and options by name."""
    shape = {name: values.pop(name) for name in ("shard", "overwrite", "table") if name in values}
    known = registry.corruptions()
    return Setup(
        str(source), Path(out), restorer or Darker(), Options("darker", **values), lambda spec: parse(spec, known),
        parse_mask(mask), **shape,
    )  # fmt: skip


def restore(setup, watch=lambda line: None):
    """Run over a folder; return how many were done, skipped and failed."""
    return restore_folder(tasks(find_images(setup.source), setup), setup, LocalEngine(), watch)


def tree(out):
    """What stands in a folder, by name, but for the run's own record."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.*")) if "_restorekit" not in p.parts}


def lines(out):
    """The lines of a run's journal."""
    return [json.loads(line) for line in (out / "_restorekit" / "images.jsonl").read_text().splitlines()]


def record(out, name="run.json"):
    """The record of a run."""
    return json.loads((out / "_restorekit" / name).read_text())


def kept(out, name="0.png.tif"):
    """Which kinds of files stand beside a restored image."""
    return {p.relative_to(out / "_restorekit").parts[0] for p in out.rglob(name)}
