"""Facts about a run over a folder, with a restorer that is quick and known."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import ImageError, UsageError
from restorekit.images.discovery import find_images
from restorekit.restoration.folder import Journal, made_otherwise, planned, tasks
from tests._helpers.folder_runs import RNG, Darker, lines, prepared, record, restore, tree


def _otherwise(groups, setup):
    return made_otherwise(groups, setup, Journal(setup.out, setup.options.fingerprint))


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
    assert (_otherwise(same, prepared(source, out)), _otherwise(cut, other)) == (0, 6)
    assert restore(other)["done"] == 6
    assert _otherwise(cut, other) == 0


def test_a_mask_that_comes_changes_or_goes_makes_the_image_new(source, tmp_path):
    out, mask = tmp_path / "OUT", source / "sub 0" / "0.missing.png"
    restore(prepared(source, out))
    for value in (255, 0, None):
        if value is None:
            mask.unlink()
        else:
            Image.fromarray(np.pad(np.full((4, 8), value, np.uint8), ((4, 0), (0, 0)))).save(mask)
        assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}


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


@pytest.mark.parametrize(
    "where", ["restorekit.restoration.folder.read.resolve_range", "restorekit.restoration.folder.write.formats.write"]
)
def test_whatever_reading_or_writing_raises_is_an_image_s_failure_too(source, tmp_path, monkeypatch, where):
    def broken(*arguments, **named):
        raise ValueError("oh")

    monkeypatch.setattr(where, broken)
    said = []
    assert restore(prepared(source, tmp_path / "OUT"), said.append)["failed"] == 6
    assert all("unexpected ValueError: oh" in line.error for line in said)


def test_a_run_goes_back_to_the_first_of_two_formats(source, tmp_path):
    for kind in ("keep", "tiff", "keep", "tiff"):
        assert restore(prepared(source, tmp_path / "OUT", format=kind)) == {"done": 6, "skipped": 0, "failed": 0}


def test_a_run_killed_once_an_image_is_in_place_knows_it_for_its_own(source, tmp_path, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("restorekit.restoration.folder.journal.Journal.success", killed)
    with pytest.raises(KeyboardInterrupt):
        restore(prepared(source, tmp_path / "OUT"))
    monkeypatch.undo()
    assert tree(tmp_path / "OUT")
    assert restore(prepared(source, tmp_path / "OUT")) == {"done": 6, "skipped": 0, "failed": 0}


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
    assert (len(said), said[-1].status) == (7, "failed")
    assert "run.json: the disk is full" in said[-1].error
    with pytest.raises(ImageError, match=r"run\.json: the disk is full"):
        restore(setup)


def test_a_journal_that_cannot_be_written_ends_the_run_with_a_sentence(source, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("restorekit.restoration.folder.journal._append", full)
    with pytest.raises(ImageError, match=r"images\.jsonl: the disk is full"):
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
