"""Facts about a run over a folder, with a restorer that is quick and known."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from restorekit import plugins
from restorekit.contracts import Restorer
from restorekit.corruptions.spec import parse
from restorekit.engines.local import LocalEngine
from restorekit.errors import ImageError, UsageError
from restorekit.folder import Options, Setup, made_otherwise, planned, restore_folder, tasks
from restorekit.images import files
from restorekit.images.find import find_images
from restorekit.images.masks import parse_mask
from restorekit.images.picture import Picture
from restorekit.types import Restoration

RNG = np.random.default_rng(0)


class Darker(Restorer):
    """Halves what it sees; refuses to go on where it sees pure white."""

    name, batches = "darker", True

    def __init__(self):
        self.seen = []

    def __call__(self, observation, corruption, n, noise):
        self.seen.append(noise.keys)
        if bool((observation.y == 1).flatten(1).all(1).any()):
            raise ImageError("too bright")
        guess = observation.first_guess(corruption)
        draws = torch.stack([guess * s / 10 for s in range(n)]) if n else None
        return Restoration(guess / 2, torch.full_like(guess, 0.1), draws)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "IN"
    for i, side in enumerate((8, 8, 8, 10, 12, 12)):
        path = folder / f"sub {i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 255, (side, side), dtype=np.uint8)).save(path)
    return folder


def prepared(source, out, restorer=None, mask=None, **values):
    shape = {name: values.pop(name) for name in ("shard", "overwrite") if name in values}
    known = plugins.corruptions()
    return Setup(
        str(source), Path(out), restorer or Darker(), Options("darker", **values), lambda spec: parse(spec, known),
        parse_mask(mask), **shape,
    )  # fmt: skip


def restore(setup, watch=lambda line: None):
    return restore_folder(tasks(find_images(setup.source), setup), setup, LocalEngine(), watch)


def tree(out):
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.*")) if "_restorekit" not in p.parts}


def lines(out):
    return [json.loads(line) for line in (out / "_restorekit" / "images.jsonl").read_text().splitlines()]


def record(out, name="run.json"):
    return json.loads((out / "_restorekit" / name).read_text())


def test_every_image_is_restored_once_and_a_second_run_does_nothing(source, tmp_path):
    out = tmp_path / "OUT"
    assert restore(prepared(source, out)) == {"done": 6, "skipped": 0, "failed": 0}
    assert set(tree(out)) == {str(p.relative_to(source)) for p in source.rglob("*.png")}
    restored, before = (np.asarray(Image.open(p / "sub 0" / "0.png")) for p in (out, source))
    assert np.array_equal(restored, np.rint(before / 510 * 255))
    second = Darker()
    assert restore(prepared(source, out, second)) == {"done": 0, "skipped": 6, "failed": 0}
    assert second.seen == []
    assert record(out)["status"] == "done"


def test_a_changed_input_output_or_option_is_done_again(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out))
    Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)).save(source / "sub 0" / "0.png")
    assert restore(prepared(source, out))["done"] == 1
    (out / "sub 0" / "2.png").unlink()
    assert restore(prepared(source, out))["done"] == 1
    other = prepared(source, out, seed=1)
    same, cut = (tasks(find_images(source), s) for s in (prepared(source, out), other))
    assert (made_otherwise(same, prepared(source, out)), made_otherwise(cut, other)) == (0, 6)
    assert restore(other)["done"] == 6
    assert made_otherwise(cut, other) == 0


def test_a_mask_that_comes_changes_or_goes_makes_the_image_new(source, tmp_path):
    out, mask = tmp_path / "OUT", source / "sub 0" / "0.missing.png"
    restore(prepared(source, out))
    for value in (255, 0, None):
        if value is None:
            mask.unlink()
        else:
            Image.fromarray(np.full((8, 8), value, np.uint8)).save(mask)
        assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}


def test_images_done_before_still_take_part_in_their_batch(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out))
    whole = tree(out)
    (out / "sub 0" / "2.png").unlink()
    second = Darker()
    restore(prepared(source, out, second))
    assert second.seen == [("sub 0/0.png", "sub 0/2.png")]
    assert tree(out) == whole


def test_shards_together_are_one_run(source, tmp_path):
    restore(prepared(source, tmp_path / "whole"))
    out = tmp_path / "OUT"
    counts = [restore(prepared(source, out, shard=(k, 3)))["done"] for k in (1, 2, 3)]
    assert sum(counts) == 6
    assert tree(out) == tree(tmp_path / "whole")
    assert [record(out, f"run-{k}-of-3.json")["totals"]["done"] for k in (1, 2, 3)] == counts
    assert restore(prepared(source, out)) == {"done": 0, "skipped": 6, "failed": 0}


def test_an_interrupted_run_says_so_leaves_nothing_half_written_and_goes_on(source, tmp_path):
    restore(prepared(source, tmp_path / "whole"))
    out = tmp_path / "OUT"

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(prepared(source, out), stop)
    assert record(out)["status"] == "interrupted"
    assert not list(out.rglob("*.restorekit-part"))
    counts = restore(prepared(source, out))
    assert counts["done"] + counts["skipped"] == 6
    assert counts["skipped"] > 0
    assert tree(out) == tree(tmp_path / "whole")


def test_a_bad_file_fails_alone_and_is_tried_again(source, tmp_path):
    out, bad = tmp_path / "OUT", source / "sub 0" / "0.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:40])
    said = []
    assert restore(prepared(source, out), said.append) == {"done": 5, "skipped": 0, "failed": 1}
    (failed,) = [line for line in said if line["status"] == "failed"]
    assert failed["image"] == "sub 0/0.png"
    assert "truncated" in failed["error"]
    assert restore(prepared(source, out)) == {"done": 0, "skipped": 5, "failed": 1}
    bad.write_bytes(whole)
    assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}


def test_an_image_that_a_batch_fails_on_does_not_take_the_others_with_it(source, tmp_path):
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(source / "sub 0" / "0.png")
    said = []
    assert restore(prepared(source, tmp_path / "OUT"), said.append) == {"done": 5, "skipped": 0, "failed": 1}
    assert [line["error"] for line in said if line["status"] == "failed"] == [
        f"{source / 'sub 0' / '0.png'}: too bright"
    ]


@pytest.mark.parametrize(
    ("error", "told"), [(ValueError("oh"), "unexpected ValueError: oh"), (MemoryError(), "out of memory")]
)
def test_whatever_a_restorer_raises_is_an_image_s_failure(source, tmp_path, monkeypatch, error, told):
    def broken(self, *arguments):
        raise error

    monkeypatch.setattr(Darker, "__call__", broken)
    said = []
    assert restore(prepared(source, tmp_path / "OUT"), said.append)["failed"] == 6
    assert all(told in line["error"] for line in said)


@pytest.mark.parametrize("where", ["restorekit.folder.opening.resolve_range", "restorekit.folder.storing.files.write"])
def test_whatever_reading_or_writing_raises_is_an_image_s_failure_too(source, tmp_path, monkeypatch, where):
    def broken(*arguments, **named):
        raise ValueError("oh")

    monkeypatch.setattr(where, broken)
    said = []
    assert restore(prepared(source, tmp_path / "OUT"), said.append)["failed"] == 6
    assert all("unexpected ValueError: oh" in line["error"] for line in said)


def test_a_stranger_s_file_is_not_replaced_without_overwrite(source, tmp_path):
    out = tmp_path / "OUT"
    (out / "sub 0").mkdir(parents=True)
    (out / "sub 0" / "0.png").write_bytes(b"mine")
    said = []
    assert restore(prepared(source, out), said.append)["failed"] == 1
    assert (out / "sub 0" / "0.png").read_bytes() == b"mine"
    assert "--overwrite" in next(line["error"] for line in said if line["status"] == "failed")
    assert restore(prepared(source, out, overwrite=True)) == {"done": 1, "skipped": 5, "failed": 0}


def test_a_failed_image_gives_no_claim_on_a_file_that_comes_later(source, tmp_path):
    out, mine = tmp_path / "OUT", tmp_path / "OUT" / "rgba.png"
    Image.fromarray(RNG.integers(0, 255, (8, 8, 4), dtype=np.uint8)).save(source / "rgba.png")
    assert restore(prepared(source, out, format="jpeg")) == {"done": 6, "skipped": 0, "failed": 1}
    mine.write_bytes(b"mine")
    assert restore(prepared(source, out)) == {"done": 6, "skipped": 0, "failed": 1}
    assert mine.read_bytes() == b"mine"


def test_a_run_goes_back_to_the_first_of_two_formats(source, tmp_path):
    for kind in ("keep", "tiff", "keep", "tiff"):
        assert restore(prepared(source, tmp_path / "OUT", format=kind)) == {"done": 6, "skipped": 0, "failed": 0}


def test_a_run_killed_once_an_image_is_in_place_knows_it_for_its_own(source, tmp_path, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("restorekit.journal.Journal.success", killed)
    with pytest.raises(KeyboardInterrupt):
        restore(prepared(source, tmp_path / "OUT"))
    monkeypatch.undo()
    assert tree(tmp_path / "OUT")
    assert restore(prepared(source, tmp_path / "OUT")) == {"done": 6, "skipped": 0, "failed": 0}


def test_a_mask_is_never_written_to(source, tmp_path):
    masks = tmp_path / "OUT"
    for path in source.rglob("*.png"):
        mask = masks / path.relative_to(source)
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(*Image.open(path).size, dtype=np.uint8) * 255).save(mask)
    before = tree(masks)
    assert restore(prepared(source, masks, mask=str(masks), overwrite=True))["failed"] == 6
    assert tree(masks) == before


def test_an_input_is_never_written_to_not_even_through_a_link(source, tmp_path):
    out = tmp_path / "OUT"
    out.mkdir()
    (out / "sub 0").symlink_to(source / "sub 0")
    before = tree(source)
    assert restore(prepared(source, out, overwrite=True))["failed"] == 3
    assert tree(source) == before


def test_a_full_disk_fails_and_leaves_nothing_half_written(source, tmp_path, monkeypatch):
    out = tmp_path / "OUT"
    real = files.write

    def full(path, *arguments, **named):
        if Path(path).name == "3.png":
            raise ImageError("cannot write: the disk is full")
        real(path, *arguments, **named)

    monkeypatch.setattr(files, "write", full)
    assert restore(prepared(source, out)) == {"done": 5, "skipped": 0, "failed": 1}
    assert not (out / "sub 1" / "3.png").exists()
    monkeypatch.undo()
    assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}


def test_a_record_that_cannot_be_written_at_the_end_is_told_of_and_one_at_the_start_ends_the_run(
    source, tmp_path, monkeypatch
):
    setup, said = prepared(source, tmp_path / "OUT"), []

    def full(path, *arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    def watch(line):
        said.append(line)
        monkeypatch.setattr("pathlib.Path.write_text", full)

    assert restore(setup, watch) == {"done": 6, "skipped": 0, "failed": 0}
    assert (len(said), said[-1]["status"]) == (7, "failed")
    assert "run.json: the disk is full" in said[-1]["error"]
    with pytest.raises(ImageError, match=r"run\.json: the disk is full"):
        restore(setup)


def test_a_journal_that_cannot_be_written_ends_the_run_with_a_sentence(source, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("restorekit.journal._append", full)
    with pytest.raises(ImageError, match=r"images\.jsonl .*No space left"):
        restore(prepared(source, tmp_path / "OUT"))
    assert record(tmp_path / "OUT")["status"] == "stopped"


def test_a_second_run_at_the_same_time_is_refused(source, tmp_path):
    pytest.importorskip("fcntl", reason="this system has no file locks")
    setup, refused = prepared(source, tmp_path / "OUT"), []

    def again(line):
        with pytest.raises(UsageError, match="another run"):
            restore(setup)
        refused.append(line)

    assert restore(setup, again)["done"] == len(refused) == 6
    assert record(tmp_path / "OUT")["status"] == "done"


def test_a_plan_writes_nothing(source, tmp_path):
    out = tmp_path / "OUT"
    setup = prepared(source, out)
    rows = planned(tasks(find_images(source), setup), setup)
    assert [row["status"] for row in rows] == ["restore"] * 6
    assert not out.exists()
    restore(setup)
    assert {row["status"] for row in planned(tasks(find_images(source), setup), setup)} == {"skip"}


def test_the_record_says_what_was_done_and_how(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out, sigma="0.1", keep=("low",), interval=0.9))
    said = record(out)
    assert said["totals"] == {"done": 6, "skipped": 0, "failed": 0}
    assert (said["model"], said["sigma"], said["seed"], said["device"]) == ("darker", "0.1", 0, "cpu")
    assert said["interval"] == {"level": 0.9, "calibrated": False}
    assert {"restorekit", "torch"} <= said["versions"].keys()
    done = [line for line in lines(out) if line["status"] == "done"]
    assert [line["sigma"] for line in done] == [0.1] * 6
    assert all(len(line["input"]) == len(line["output"]) == 64 for line in done)


def test_std_interval_and_draws_are_float_tiff_beside_the_image(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out, keep=("std", "low", "high"), interval=0.9, samples=3))
    own = out / "_restorekit"
    read = {name: tifffile.imread(own / name / "sub 0" / "0.png.tif") for name in ("std", "low", "high", "samples")}
    unit = np.asarray(Image.open(source / "sub 0" / "0.png")) / np.float32(255)
    assert {a.dtype for a in read.values()} == {np.dtype(np.float32)}
    assert np.allclose(read["std"], 0.1)
    assert np.allclose(read["high"], unit / 2 + 0.16448536, atol=1e-6)  # the normal quantile of 0.95
    assert np.allclose(read["low"], unit / 2 - 0.16448536, atol=1e-6)
    assert np.allclose(read["samples"], [unit * s / 10 for s in range(3)], atol=1e-6)


def kept(out, name="0.png.tif"):
    return {p.relative_to(out / "_restorekit").parts[0] for p in out.rglob(name)}


def test_what_was_kept_goes_with_the_restoration_that_it_belongs_to(source, tmp_path, monkeypatch):
    out = tmp_path / "OUT"
    restore(prepared(source, out, keep=("std", "low"), interval=0.9, samples=2))
    assert kept(out) == {"std", "low", "samples"}
    monkeypatch.setattr(files, "write", lambda *arguments, **named: 1 / 0)
    assert restore(prepared(source, out, seed=1))["failed"] == 6
    assert kept(out) == {"std", "low", "samples"}
    monkeypatch.undo()
    restore(prepared(source, out, keep=("std",)))
    assert kept(out) == {"std"}
    restore(prepared(source, out))
    assert kept(out) == set()


def test_what_was_kept_and_is_gone_is_written_again(source, tmp_path):
    out, setup = tmp_path / "OUT", prepared(source, tmp_path / "OUT", keep=("std",), samples=1)
    restore(setup)
    (out / "_restorekit" / "std" / "sub 0" / "0.png.tif").unlink()
    assert restore(setup) == {"done": 1, "skipped": 5, "failed": 0}
    assert kept(out) == {"std", "samples"}
    assert restore(setup)["skipped"] == 6


def test_what_the_model_does_not_give_is_not_waited_for(source, tmp_path, monkeypatch):
    monkeypatch.setattr(Darker, "__call__", lambda self, seen, corruption, n, noise: Restoration(seen.y / 2))
    setup = prepared(source, tmp_path / "OUT", keep=("std",))
    assert restore(setup)["done"] == 6
    assert restore(setup)["skipped"] == 6


def test_a_file_says_itself_what_it_suffered(source, tmp_path):
    pixels = RNG.integers(0, 255, (1, 8, 8, 1), dtype=np.uint8)
    files.write(source / "a.png", Picture(pixels), pixels, spec="missing:rate=0.5")
    files.write(source / "b.png", Picture(pixels), pixels, spec="gaussian:sigma=0.1")
    files.write(source / "c.png", Picture(pixels), pixels, spec="stripes:drop=0.5")
    said = {}
    restore(prepared(source, tmp_path / "OUT"), lambda line: said.update({line["image"]: line}))
    assert said["a.png"]["sigma"] == 0
    assert np.array_equal(files.read(tmp_path / "OUT" / "a.png").pixels, pixels)
    assert said["b.png"]["sigma"] == pytest.approx(0.1)
    assert said["c.png"]["status"] == "failed"
    assert "stripes" in said["c.png"]["error"]
    assert "--corruption" in said["c.png"]["error"]


def test_nothing_seen_is_said(source, tmp_path):
    tifffile.imwrite(source / "nan.tif", np.full((8, 8), np.nan, np.float32))
    said = {}
    restore(prepared(source, tmp_path / "OUT"), lambda line: said.update({line["image"]: line}))
    assert any("no pixel was observed" in note for note in said["nan.tif"]["notes"])
    assert np.isfinite(tifffile.imread(tmp_path / "OUT" / "nan.tif")).all()


def test_a_jpeg_of_which_all_is_known_is_copied_and_another_says_that_it_loses(source, tmp_path):
    for name in ("known.jpg", "holes.jpg"):
        Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)).save(source / name)
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(source / "holes.missing.png")
    said = {}
    restore(prepared(source, tmp_path / "OUT", sigma="0"), lambda line: said.update({line["image"]: line}))
    assert (tmp_path / "OUT" / "known.jpg").read_bytes() == (source / "known.jpg").read_bytes()
    assert said["known.jpg"]["notes"] == []
    assert any("bit-exact only before the encoding" in note for note in said["holes.jpg"]["notes"])


def test_what_was_rounded_is_not_taken_for_the_truth(source, tmp_path):
    assert restore(prepared(source, tmp_path / "OUT", corruption="quantise:bits=3"))["done"] == 6
    restored, before = (np.asarray(Image.open(p / "sub 0" / "0.png")) for p in (tmp_path / "OUT", source))
    assert np.array_equal(restored, np.rint(before / 510 * 255))
