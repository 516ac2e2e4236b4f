"""Facts about the record of what is done."""

from __future__ import annotations

import errno
import json
import threading
from dataclasses import replace

import pytest

from restorekit.core.errors import ImageError
from restorekit.restoration.folder import journal as journals
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.records import Facts, ImageRecord, InputDigests

DIGESTS = InputDigests("a")
FACTS = Facts(digests=DIGESTS)


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"restored")
    return path


def done(target):
    return ImageRecord("x.png", "done", output=journals.image_digest(target), options="o", facts=FACTS)


def test_done_means_same_input_mask_options_and_output(tmp_path, target):
    Journal(tmp_path, "o").add(done(target))
    assert Journal(tmp_path, "o").done("x.png", DIGESTS, target)
    assert not Journal(tmp_path, "other").done("x.png", DIGESTS, target)
    assert not Journal(tmp_path, "o").done("x.png", replace(DIGESTS, input="b"), target)
    assert not Journal(tmp_path, "o").done("x.png", replace(DIGESTS, mask="m"), target)
    target.write_bytes(b"changed")
    assert not Journal(tmp_path, "o").done("x.png", DIGESTS, target)
    target.unlink()
    assert not Journal(tmp_path, "o").done("x.png", DIGESTS, target)


def test_a_failure_is_not_done_and_keeps_the_claim_on_an_earlier_output(tmp_path, target):
    journal = Journal(tmp_path, "o")
    journal.add(done(target))
    journal.add(journal.failure("x.png", "why"))
    again = Journal(tmp_path, "o")
    assert not again.done("x.png", DIGESTS, target)
    assert again.owns("x.png", target)


def owned(target, content, key="x.png"):
    target.write_bytes(content)
    return Journal(target.parent, "o").owns(key, target)


def test_a_run_killed_while_it_writes_owns_the_file_before_and_after_and_no_other(tmp_path, target):
    journal = Journal(tmp_path, "o")
    assert not journal.owns("x.png", target)
    journal.add(done(target))
    (tmp_path / "temporary").write_bytes(b"restored anew")
    journal.start("x.png", target, tmp_path / "temporary")
    for end in (None, journal.failure("x.png", "why")):
        if end is not None:
            journal.add(end)
        assert [owned(target, content) for content in (b"restored", b"restored anew", b"mine")] == [True, True, False]
    journal.start("x.png", target, tmp_path / "temporary")
    journal.add(journal.success("x.png", [], FACTS))
    assert [owned(target, content) for content in (b"restored", b"restored anew", b"mine")] == [False, True, False]
    assert Journal(tmp_path, "o").lines["x.png"].target == "x.png"


def test_an_image_owns_what_it_left_at_every_target(tmp_path, target):
    journal = Journal(tmp_path, "o")
    for path in (target, tmp_path / "x.tif"):
        path.write_bytes(path.name.encode())
        journal.start("x.png", path, path)
        journal.add(journal.success("x.png", [], FACTS))
    assert owned(target, b"x.png")
    assert owned(tmp_path / "x.tif", b"x.tif")
    assert not owned(tmp_path / "x.tif", b"x.png", key="y.png")


def test_lines_of_older_versions_name_no_target(tmp_path, target):
    (tmp_path / "x.tif").write_bytes(b"restored")
    Journal(tmp_path, "o").add(done(tmp_path / "x.tif"))
    assert Journal(tmp_path, "o").done("x.png", DIGESTS, tmp_path / "x.tif")
    assert owned(tmp_path / "x.tif", b"restored")
    Journal(tmp_path, "o").add(ImageRecord("x.png", "started", options="o"))
    assert owned(tmp_path / "x.tif", b"restored")
    assert not owned(tmp_path / "x.tif", b"mine")


def test_done_means_that_what_was_kept_is_there_too(tmp_path, target):
    kept, journal = tmp_path / "_restorekit" / "std" / "x.png.tif", Journal(tmp_path, "o")
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"std")
    journal.start("x.png", target, target)
    journal.add(journal.success("x.png", [kept], FACTS))
    assert Journal(tmp_path, "o").done("x.png", DIGESTS, target)
    kept.unlink()
    assert not Journal(tmp_path, "o").done("x.png", DIGESTS, target)


def test_a_line_cut_short_is_passed_over_and_the_next_one_starts_afresh(tmp_path, target):
    Journal(tmp_path, "o").add(done(target))
    path = tmp_path / "_restorekit" / "images.jsonl"
    with path.open("a") as file:
        file.write('{"image": "y.png", "sta')
    journal = Journal(tmp_path, "o")
    assert set(journal.lines) == {"x.png"}
    journal.add(ImageRecord("z.png", "failed"))
    assert set(Journal(tmp_path, "o").lines) == {"x.png", "z.png"}


def test_threads_never_mix_their_lines(tmp_path):
    journals_of_shards = [Journal(tmp_path, "o") for _ in range(2)]

    def add(number):
        for i in range(20):
            journals_of_shards[number % 2].add(ImageRecord(f"{number}-{i}", "failed", error="x" * 500))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "_restorekit" / "images.jsonl").read_text().splitlines()
    assert {json.loads(line)["image"] for line in lines} == {f"{n}-{i}" for n in range(4) for i in range(20)}


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ImageError, match="the disk is full"):
        Journal(tmp_path, "o").add(ImageRecord("x.png", "started"))


def test_the_digest_of_options_does_not_depend_on_their_order():
    assert journals.digest_of_values({"a": 1, "b": 2}) == journals.digest_of_values({"b": 2, "a": 1})
    assert journals.digest_of_values({"a": 1, "b": 2}) != journals.digest_of_values({"a": 1, "b": 3})


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert journals.image_digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ImageError, match="cannot be read"):
        journals.image_digest(tmp_path / "y")
