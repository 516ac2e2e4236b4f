"""Facts about what a run writes, and what it never touches."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from restorekit.core.errors import ImageError
from restorekit.images import formats
from tests._helpers.folder_runs import RNG, kept, lines, prepared, restore, tree


def test_a_stranger_s_file_is_not_replaced_without_overwrite(source, tmp_path):
    out = tmp_path / "OUT"
    (out / "sub 0").mkdir(parents=True)
    (out / "sub 0" / "0.png").write_bytes(b"mine")
    said = []
    assert restore(prepared(source, out), said.append)["failed"] == 1
    assert (out / "sub 0" / "0.png").read_bytes() == b"mine"
    assert "--overwrite" in next(line.error for line in said if line.status == "failed")
    assert restore(prepared(source, out, overwrite=True)) == {"done": 1, "skipped": 5, "failed": 0}


def test_a_failed_image_gives_no_claim_on_a_file_that_comes_later(source, tmp_path):
    out, mine = tmp_path / "OUT", tmp_path / "OUT" / "rgba.png"
    Image.fromarray(RNG.integers(0, 255, (8, 8, 4), dtype=np.uint8)).save(source / "rgba.png")
    assert restore(prepared(source, out, format="jpeg")) == {"done": 6, "skipped": 0, "failed": 1}
    mine.write_bytes(b"mine")
    assert restore(prepared(source, out)) == {"done": 6, "skipped": 0, "failed": 1}
    assert mine.read_bytes() == b"mine"


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
    real = formats.write

    def full(path, *arguments, **named):
        if Path(path).name == "3.png":
            raise ImageError("cannot write: the disk is full")
        return real(path, *arguments, **named)

    monkeypatch.setattr(formats, "write", full)
    assert restore(prepared(source, out)) == {"done": 5, "skipped": 0, "failed": 1}
    assert not (out / "sub 1" / "3.png").exists()
    monkeypatch.undo()
    assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}


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


def test_what_was_kept_goes_with_the_restoration_that_it_belongs_to(source, tmp_path, monkeypatch):
    out = tmp_path / "OUT"
    restore(prepared(source, out, keep=("std", "low"), interval=0.9, samples=2))
    assert kept(out) == {"std", "low", "samples"}
    monkeypatch.setattr(formats, "write", lambda *arguments, **named: 1 / 0)
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


def test_what_was_done_before_adds_no_line_to_the_journal(source, tmp_path):
    restore(prepared(source, tmp_path / "OUT"))
    before = lines(tmp_path / "OUT")
    restore(prepared(source, tmp_path / "OUT"))
    assert lines(tmp_path / "OUT") == before


def test_an_image_of_which_all_is_known_is_copied_byte_for_byte_unless_it_changes_its_format(source, tmp_path):
    restore(prepared(source, tmp_path / "OUT", sigma="0"))
    assert tree(tmp_path / "OUT") == tree(source)
    restore(prepared(source, tmp_path / "bmp", sigma="0", format="bmp"))
    found, before = (
        np.asarray(Image.open(p)) for p in (tmp_path / "bmp" / "sub 0" / "0.bmp", source / "sub 0" / "0.png")
    )
    assert np.array_equal(found, before)
