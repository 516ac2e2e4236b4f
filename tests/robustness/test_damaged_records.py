"""Damaged model cards, journals and records of runs: set aside or refused in a sentence, without long work."""

import json
from itertools import cycle, islice

import torch
from safetensors.torch import save

from restorekit.core.errors import CheckpointError, RestorekitError
from restorekit.core.plugins.registry import CARD
from restorekit.core.records import encode
from restorekit.images.views import Overlay, Views
from restorekit.models import checkpoint
from restorekit.models.cvae.model import CVAE
from restorekit.report.pages.restored import page_of
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.records import Facts, ImageRecord, InputDigests
from tests._helpers.mutations import mutations

RECORD = ImageRecord(
    "a.png", "done", "a.png", "0" * 64, "f00d",
    facts=Facts(
        ["_restorekit/std/a.png.tif"], InputDigests("1" * 64), 0.1, 0.25, 0.05, 1.5, notes=["a note"],
        views=Views(8, 8, "views/t.png", "", "views/a.png", overlays={"std": Overlay("views/s.png", "std", 0.0, 0.1)}),
        kept_digests=["2" * 64], changed=0.1,
    ),
)  # fmt: skip


def many(record, count):
    """Return `count` damaged copies: from each seed those with other bits flipped."""
    found = []
    for seed in range(1 + count // 300):
        found += [data for data in mutations(record, seed, flips=300) if len(found) < 10**6]
    step = max(1, len(found) // count)
    return list(islice(cycle(found[::step]), count))


def test_cards(tmp_path, inputs):
    model = CVAE(CVAE.Config(**CVAE.presets["small"]))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    card, path = encode(checkpoint.describe(model)), tmp_path / "m.safetensors"
    outcomes = {True: 0, False: 0}
    for data in many(card, inputs // 4):
        path.write_bytes(save(weights, {CARD: data.decode("utf-8", "replace")}))
        try:
            loaded, _ = checkpoint.load(path)
            assert isinstance(loaded, torch.nn.Module)
            outcomes[True] += 1
        except RestorekitError as error:
            assert str(error)
            outcomes[False] += 1
    assert outcomes[False] > outcomes[True]


def test_cards_of_networks_that_are_larger_than_their_weights(tmp_path):
    model = CVAE(CVAE.Config(**CVAE.presets["small"]))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    card, path = encode(checkpoint.describe(model)), tmp_path / "m.safetensors"
    for key, value in card["config"].items():
        if isinstance(value, bool) or not isinstance(value, int | list | tuple):
            continue
        for large in (10**5, 10**6, 10**9, 10**30):
            config = {**card["config"], key: large if isinstance(value, int) else [large] * len(value)}
            path.write_bytes(save(weights, {CARD: json.dumps({**card, "config": config})}))
            try:
                checkpoint.load(path)
            except CheckpointError as error:
                assert str(error)


def test_journals_and_records_of_runs(tmp_path, inputs):
    own, healthy = tmp_path / "_restorekit", json.dumps(encode(ImageRecord("z.png", "failed", error="why"))).encode()
    own.mkdir()
    for data in many(encode(RECORD), inputs // 2):
        (own / "images.jsonl").write_bytes(data + b"\n" + healthy + b"\n")
        journal = Journal(tmp_path, "f00d")
        assert "z.png" in journal.lines
        for line in journal.lines.values():
            journal.done(line.image, InputDigests("1" * 64), tmp_path / "a.png", pictures=True)
            for path in journal.superseded(line):
                assert path.is_relative_to(tmp_path)
    (own / "images.jsonl").write_bytes(healthy + b"\n")
    run = {"status": "done", "options": "f00d", "source": "IN", "model": "m", "device": "cpu", "estimate": "e",
           "precision": "float32", "samples": 0, "seed": 0, "versions": {"torch": "9"}}  # fmt: skip
    for data in many(run, inputs // 4):
        (own / "run.json").write_bytes(data)
        assert page_of(tmp_path).kind == "restore"
