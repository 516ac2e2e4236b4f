"""Facts about `restorekit restore` as a user meets it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from restorekit.cli.restore import print_notes
from restorekit.core.errors import ImageError
from restorekit.images import formats
from restorekit.images.picture import Picture
from restorekit.restoration.folder import journal
from restorekit.restoration.folder import run as run_of_folder
from restorekit.restoration.tiling import Limits

RNG = np.random.default_rng(0)
SAMPLES = Path(__file__).parents[2] / "samples" / "damaged"
KILLER = """
import os, signal, sys
from restorekit.restoration.folder import journal
from restorekit.cli import main
add, left = journal.Journal.add, [3]
def dying(self, line):
    if line.status == "done":
        left[0] -= 1
    if left[0] <= 0 and {early}:
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, line)
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.add = dying
sys.argv = ["restorekit", *sys.argv[1:]]
main()
"""


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "my scans"
    for i, width in enumerate((16, 16, 24, 24, 32, 32, 40)):
        path = folder / "日本 ü" / f"{i} é.png" if i % 2 else folder / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (20, width, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def restore(run, model_file):
    def call(*words):
        return run("restore", *words, "--model", model_file, "--device", "cpu", "--threads", 1)

    return call


def tree(out):
    found = sorted(p for p in out.rglob("*") if p.is_file() and "_restorekit" not in p.parts)
    return {str(p.relative_to(out)): p.read_bytes() for p in found}


def test_a_folder_is_restored_and_a_second_run_does_nothing(restore, source, tmp_path):
    out = tmp_path / "OUT"
    code, said, _ = restore(source, out)
    assert code == 0
    assert "7 restored, 0 done before, 0 failed" in said
    assert "one-pass estimate" in said
    assert set(tree(out)) == set(tree(source))
    before = tree(out)
    code, said, _ = restore(source, out)
    assert code == 0
    assert "0 restored, 7 done before, 0 failed" in said
    assert tree(out) == before
    _, said, noted = restore(source, out, "--seed", 1)
    assert f"7 image(s) in {out} were restored with other settings; their restorations are replaced" in noted
    assert "7 restored, 0 done before, 0 failed" in said


def test_the_best_quality_restores_again_and_is_recorded(run, source, tmp_path):
    out, found = tmp_path / "OUT", []
    for words in ((), ("--quality", "best")):
        code, said, _ = run("restore", source, out, "--device", "cpu", "--threads", 1, *words)
        assert code == 0
        found.append((said, json.loads((out / "_restorekit" / "run.json").read_text())))
    (_, one), (said, best) = found
    assert "mean over 8 flips and transposes" in said
    assert " 0 done before" in said
    assert "quality" not in one
    assert best["quality"] == "best"
    assert best["options"] != one["options"]


def test_another_precision_restores_again_and_is_recorded(restore, source, tmp_path):
    out = tmp_path / "OUT"
    for words, number in (((), "float32"), (("--precision", "bf16-mixed"), "bfloat16")):
        _, said, _ = restore(source, out, *words)
        assert "7 restored, 0 done before" in said
        assert (", bfloat16: one-pass estimate" in said) == (number == "bfloat16")
        assert json.loads((out / "_restorekit" / "run.json").read_text())["precision"] == number


@pytest.mark.parametrize("early", [True, False])
def test_killed_in_the_middle_and_run_again_gives_the_bytes_of_an_uninterrupted_run(
    restore, source, tmp_path, model_file, early
):
    restore(source, tmp_path / "whole")
    out = tmp_path / "OUT"
    words = ["restore", source, out, "--model", model_file, "--device", "cpu", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = KILLER.format(early=early)
    killed = subprocess.run([sys.executable, "-c", script, *map(str, words)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    code, said, _ = restore(source, out)
    assert code == 0
    assert re.search(r"[1-6] restored, [1-6] done before, 0 failed", said)
    assert tree(out) == tree(tmp_path / "whole")
    assert not list(out.rglob("*.restorekit-part"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_says_that_the_same_command_goes_on(
    restore, source, tmp_path, monkeypatch, number, status
):
    add, once = journal.Journal.add, [number]

    def stopping(self, line):
        add(self, line)
        if line.status == "done" and once:  # a thread's signal stops the main one, and this only when it wakes
            signal.raise_signal(once.pop())  # a second one could come when the next run has begun

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "add", stopping)
        code, _, err = restore(source, tmp_path / "OUT")
    assert code == status
    assert err.splitlines()[-1] == "restorekit: stopped; run the same command again to resume"
    page, told = tmp_path / "OUT" / "_restorekit" / "report.html", "The run was interrupted before its end"
    assert told in page.read_text()
    assert re.search("[1-7] done before", restore(source, tmp_path / "OUT")[1])
    assert told not in page.read_text()
    assert page.read_text().count(".png") > 7


def test_the_same_seed_gives_the_same_draws_and_another_one_others(restore, source, tmp_path):
    first = source / "0.png"
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert restore(first, tmp_path / name, "--samples", 3, "--seed", seed)[0] == 0
    draws = [tifffile.imread(tmp_path / name / "_restorekit" / "samples" / "0.png.tif") for name in "abc"]
    assert draws[0].shape == (3, 20, 16, 3)
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_16_bit_stays_16_bit_though_dark(restore, tmp_path):
    tifffile.imwrite(tmp_path / "dark.tif", RNG.integers(0, 300, (20, 20), dtype=np.uint16))
    restore(tmp_path / "dark.tif", tmp_path / "OUT")
    restored = tifffile.imread(tmp_path / "OUT" / "dark.tif")
    assert restored.dtype == np.uint16
    assert restored.mean() < 65535 / 4


def test_alpha_icc_and_exif_come_back(restore, tmp_path):
    rgba = RNG.integers(0, 256, (20, 24, 4), dtype=np.uint8)
    exif, icc = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[0x010E] = "a scan"
    Image.fromarray(rgba).save(tmp_path / "x.png", icc_profile=icc, exif=exif)
    restore(tmp_path / "x.png", tmp_path / "OUT")
    with Image.open(tmp_path / "OUT" / "x.png") as restored:
        assert np.array_equal(np.asarray(restored)[..., 3], rgba[..., 3])
        assert restored.info["icc_profile"] == icc
        assert restored.getexif()[0x010E] == "a scan"


def test_nan_holes_are_filled_and_the_rest_stays_where_there_is_no_noise(restore, tmp_path):
    values = RNG.random((20, 24)).astype(np.float32) * 50 - 3
    values[4:9, 5:11] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", values)
    code, _, err = restore(tmp_path / "x.tif", tmp_path / "OUT", "--sigma", 0)
    assert code == 0
    assert "no --range" in err
    restored = tifffile.imread(tmp_path / "OUT" / "x.tif")
    assert restored.dtype == np.float32
    assert np.isfinite(restored).all()
    assert np.array_equal(restored[np.isfinite(values)], values[np.isfinite(values)])


@pytest.mark.parametrize(("bands", "frames"), [(2, 1), (5, 1), (1, 3), (3, 2)])
def test_bands_and_pages_come_back(restore, tmp_path, bands, frames):
    values = RNG.integers(0, 2**16, (frames, 20, 24, bands), dtype=np.uint16)
    formats.write(tmp_path / "x.tif", Picture(values, format="tiff"), values)
    before = formats.read(tmp_path / "x.tif").pixels
    assert before.shape == values.shape
    assert restore(tmp_path / "x.tif", tmp_path / "OUT", "--mask", tmp_path / "mask.png")[0] == 2
    Image.fromarray(np.eye(20, 24, dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    assert restore(tmp_path / "x.tif", tmp_path / "OUT", "--mask", tmp_path / "mask.png", "--sigma", 0)[0] == 0
    after = formats.read(tmp_path / "OUT" / "x.tif").pixels
    assert after.dtype == np.uint16
    known = np.broadcast_to(np.eye(20, 24)[None, :, :, None] == 0, before.shape)
    assert np.array_equal(after[known], before[known])
    assert not np.array_equal(after, before)


def test_an_array_of_an_npz_is_restored_and_the_others_are_kept(restore, tmp_path):
    arrays = {name: RNG.integers(0, 256, (2, 16, 16), dtype=np.uint8) for name in ("a", "b")}
    np.savez(tmp_path / "x.npz", **arrays)
    assert restore(tmp_path / "x.npz", tmp_path / "OUT")[0] == 1
    assert restore(f"{tmp_path / 'x.npz'}:a", tmp_path / "OUT")[0] == 0
    restored = np.load(tmp_path / "OUT" / "x.npz")
    assert restored["a"].shape == (2, 16, 16)
    assert not np.array_equal(restored["a"], arrays["a"])
    assert np.array_equal(restored["b"], arrays["b"])
    assert "1 restored" in restore(f"{tmp_path / 'x.npz'}:b", tmp_path / "OUT")[1]


def test_tiles_leave_no_mark(restore, tmp_path):
    y, x = np.mgrid[:300, :400]
    image = (127 + 100 * np.sin(x / 30) * np.cos(y / 40)).astype(np.float32) / 255
    tifffile.imwrite(tmp_path / "x.tif", image)
    for name, memory in (("whole", "4GB"), ("tiles", "128MB")):
        assert restore(tmp_path / "x.tif", tmp_path / name, "--max-memory", memory, "--keep", "std")[0] == 0
    for part in ("x.tif", "_restorekit/std/x.tif.tif"):
        whole, tiles = (tifffile.imread(tmp_path / name / part) for name in ("whole", "tiles"))
        assert np.abs(whole - tiles).max() < 1e-3
    assert Limits.for_memory(2**27).tile < 300  # so that there were tiles


def test_large_images_are_restored_in_the_memory_they_are_given(tmp_path, model_file):
    """Peak memory of a process on a large JPEG, beyond that on a tiny one: twice the pixels, and twice --max-memory."""
    pytest.importorskip("resource", reason="this system does not count memory")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "small.jpg")
    rows = np.linspace(0, 200, 3000).astype(np.uint8)
    large = np.broadcast_to(rows[None, :, None], (2000, 3000, 3)) + RNG.integers(0, 50, (2000, 3000, 3), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "large.jpg", quality=85)
    script = (
        "import resource, sys\n"
        "from restorekit.cli import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = []
    for name in ("small.jpg", "large.jpg"):
        words = ["restore", tmp_path / name, tmp_path / f"OUT {name}", "--model", model_file, "--threads", "1"]
        command = [sys.executable, "-c", script, *map(str, words), "--max-memory", "200MB", "--device", "cpu"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        peaks.append(int(done.stderr.split()[-1]) * (1 if sys.platform == "darwin" else 1024))
    assert peaks[1] - peaks[0] < 2 * large.nbytes + 450 * 2**20  # threads of a busy machine hold more at once


def test_text_fits_80_columns_and_json_is_one_object(restore, source, tmp_path):
    (source / "bad.png").write_bytes(b"no picture")
    code, said, err = restore(source, tmp_path / "text")
    assert code == 1
    assert "failed: " in err
    shown = re.sub(r"/\S*/", "", said)  # paths are as long as the user's own
    assert all(len(line) <= 80 for line in shown.splitlines())
    code, said, err = restore(source, tmp_path / "json", "--json")
    assert code == 1
    assert err == ""
    found = json.loads(said)
    assert (found["done"], found["skipped"], found["failed"]) == (7, 0, 1)
    assert found["failures"][0]["image"] == "bad.png"


def test_a_record_left_unfinished_hides_neither_the_summary_nor_the_failure(restore, source, tmp_path, monkeypatch):
    write = run_of_folder._write_record

    def full(setup, counts, images, status, error=None):
        if status == "done":
            raise ImageError("cannot write run.json: the disk is full")
        write(setup, counts, images, status, error)

    monkeypatch.setattr(run_of_folder, "_write_record", full)
    code, said, err = restore(source, tmp_path / "OUT")
    assert code == 1
    assert "7 restored, 0 done before, 0 failed" in said
    assert "failed: cannot write run.json: the disk is full" in err


def test_a_note_that_holds_for_many_images_is_said_once(restore, tmp_path):
    for i in range(3):
        (tmp_path / "IN").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "IN" / f"{i}.tif", RNG.random((8, 8)).astype(np.float32) * (i + 10))
    code, said, err = restore(tmp_path / "IN", tmp_path / "OUT")
    assert code == 0
    assert err.count("no --range") == 1
    assert "notes on 3 of them" in said
    lines = (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text().splitlines()
    assert sum("no --range" in line for line in lines) == 3


def test_a_dry_run_says_what_would_be_done(restore, source, tmp_path):
    code, said, _ = restore(source, tmp_path / "OUT", "--dry-run")
    assert code == 0
    assert len(said.splitlines()) == 7
    assert not (tmp_path / "OUT").exists()
    planned = json.loads(restore(source, tmp_path / "OUT", "--dry-run", "--json", "--shard", "1/2")[1])["planned"]
    assert 0 < len(planned) < 7


def test_a_list_chooses_and_shards_share_it_out(restore, source, tmp_path):
    (tmp_path / "list.txt").write_text("0.png\n日本 ü/1 é.png\n2.png\n", encoding="utf-8")
    words = ("--list", tmp_path / "list.txt")
    assert restore(source, tmp_path / "whole", *words)[0] == 0
    assert set(tree(tmp_path / "whole")) == {"0.png", "2.png", "日本 ü/1 é.png"}
    for part in ("1/2", "2/2"):
        assert restore(source, tmp_path / "OUT", *words, "--shard", part)[0] == 0
    assert tree(tmp_path / "OUT") == tree(tmp_path / "whole")


def test_another_format_keeps_the_depth_where_it_can(restore, source, tmp_path):
    assert restore(source, tmp_path / "OUT", "--format", "tif")[0] == 0
    assert all(name.endswith(".tif") for name in tree(tmp_path / "OUT"))
    assert tifffile.imread(tmp_path / "OUT" / "0.tif").dtype == np.uint8


def test_low_and_high_are_said_to_be_uncalibrated(restore, source, tmp_path):
    code, said, _ = restore(source / "0.png", tmp_path / "OUT", "--keep", "std,low,high", "--interval", 0.5)
    assert code == 0
    assert "uncalibrated" in said
    own = tmp_path / "OUT" / "_restorekit"
    std, low, high = (tifffile.imread(own / name / "0.png.tif") for name in ("std", "low", "high"))
    assert np.allclose(high - low, 2 * 0.67448975 * std, atol=1e-6)  # the normal quantile of 0.75
    assert json.loads((own / "run.json").read_text())["interval"] == {"level": 0.5, "calibrated": False}


def test_an_interval_that_is_asked_for_is_kept(restore, source, tmp_path):
    assert restore(source / "0.png", tmp_path / "OUT", "--interval", 0.5)[0] == 0
    own = tmp_path / "OUT" / "_restorekit"
    assert sorted(path.name for path in own.iterdir() if path.is_dir()) == ["high", "low", "views"]


@pytest.mark.parametrize("mask", ["alpha", "color:#FF0000", "file", "folder", "beside", "inverted"])
def test_every_way_to_say_what_is_missing(restore, tmp_path, mask):
    folder, masks = tmp_path / "IN", tmp_path / "masks"
    folder.mkdir()
    masks.mkdir()
    lost = np.zeros((20, 24), bool)
    lost[5:9, 6:20] = True
    pixels = RNG.integers(0, 200, (20, 24, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[lost] = (255, 0, 0, 0)
    Image.fromarray(pixels if mask == "alpha" else pixels[..., :3]).save(folder / "x.png")
    place = {"beside": folder / "x.missing.png"}.get(mask, masks / "x.png")
    Image.fromarray(((lost ^ (mask == "inverted")) * 255).astype(np.uint8)).save(place)
    given = {"file": place, "folder": masks, "inverted": place}.get(mask, mask)
    words = () if mask == "beside" else ("--mask", given)
    words += ("--mask-invert",) * (mask == "inverted")
    assert restore(folder, tmp_path / "OUT", "--sigma", 0, *words)[0] == 0
    restored = np.asarray(Image.open(tmp_path / "OUT" / "x.png"))
    assert np.array_equal(restored[~lost], (pixels if mask == "alpha" else pixels[..., :3])[~lost])
    assert (restored[lost][:, :3] != (255, 0, 0)).any(1).all()
    if mask == "alpha":
        assert np.array_equal(restored[..., 3], pixels[..., 3])


def test_a_mask_in_the_folder_of_the_images_is_passed_over(restore, source, tmp_path):
    image = next(iter(sorted(source.glob("*.png"))))
    mask = source / "hole_mask.png"
    mask.write_bytes(image.read_bytes())
    planned = restore(source, tmp_path / "OUT", "--mask", mask, "--dry-run")[1]
    assert image.name in planned
    assert mask.name not in planned


def test_the_noise_level_can_be_estimated_told_or_left_open(restore, tmp_path):
    noisy = (0.5 + RNG.normal(0, 25 / 255, (64, 64))).astype(np.float32)
    tifffile.imwrite(tmp_path / "x.tif", noisy)
    found = {}
    for name, words in (("auto", ("--sigma", "auto")), ("told", ("--sigma", "25/255")), ("open", ())):
        assert restore(tmp_path / "x.tif", tmp_path / name, "--range", "0..1", *words)[0] == 0
        line = (tmp_path / name / "_restorekit" / "images.jsonl").read_text().splitlines()[-1]
        found[name] = json.loads(line)["sigma"]
    assert found["told"] == 25 / 255
    assert found["auto"] == pytest.approx(25 / 255, rel=0.1)
    assert found["open"] is None


@pytest.mark.parametrize("name", ["telea", "median", "delaunay"])
def test_classical_methods_restore_too(run, source, tmp_path, name):
    code, said, _ = run("restore", source, tmp_path / "OUT", "--model", name, "--sigma", "10/255")
    assert code == 0
    assert "7 restored" in said
    assert "classical method" in said


def test_what_corrupt_wrote_restores_without_an_option(run, restore, source, tmp_path):
    assert run("corrupt", source, tmp_path / "damaged", "--corruption", "missing:rate=0.5")[0] == 0
    assert restore(tmp_path / "damaged", tmp_path / "OUT")[0] == 0
    assert set(tree(tmp_path / "OUT")) == set(tree(source))
    for path in source.rglob("*.png"):
        name = path.relative_to(source)
        before, damaged, after = (
            np.asarray(Image.open(p / name)) for p in (source, tmp_path / "damaged", tmp_path / "OUT")
        )
        lost = np.asarray(Image.open((tmp_path / "damaged" / name).with_suffix(".missing.png"))) > 0
        assert not damaged[lost].any()
        assert np.array_equal(after[~lost], before[~lost])


def test_samples_are_restored_by_the_shipped_weights(run, tmp_path):
    code, said, _ = run("restore", SAMPLES, tmp_path / "OUT", "--device", "cpu")
    assert code == 0
    assert "7 restored, 0 done before, 0 failed" in said


def test_self_checks_are_summed_up(restore, run, source, tmp_path):
    words = (source, tmp_path / "OUT", "--sigma", "25/255", "--self-check")
    code, said, err = restore(*words)
    assert code == 0
    summary = re.search(r"self-check: 7 checked, estimated PSNR ([\d.]+) dB \(median\), (\d) flagged", said)
    lines = (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_text().splitlines()
    found = [line["self_check"] for line in map(json.loads, lines) if line["status"] == "done"]
    assert float(summary[1]) == pytest.approx(np.median([one["psnr"] for one in found]), abs=0.01)
    assert int(summary[2]) == sum(one["harms"] for one in found) > 0  # a model that was never trained
    assert "harms" in err
    told = json.loads(restore(*words, "--json")[1])  # of images that were done before too
    assert told["self_check"]["checked"] == 7
    assert told["self_check"]["flagged"] == int(summary[2])


def test_a_self_check_says_why_it_cannot_tell(restore, source, tmp_path):
    _, said, _ = restore(source, tmp_path / "OUT", "--self-check")
    assert "self-check: 7 checked, 7 without an estimate: too little of the image measures the level" in said
    assert "(7), 0 flagged as harmed" in said
    assert "self-check" not in restore(source, tmp_path / "unchecked")[1]


def test_a_jpeg_holds_its_restoration_unless_its_own_quality_is_kept(run, tmp_path):
    y, x = np.mgrid[:96, :96]
    waves = np.stack([127 + 80 * np.sin((x + k) / 15) * np.cos(y / 12) for k in (0, 5, 9)], 2)
    noisy = (waves + RNG.normal(0, 25, waves.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "a.jpg")
    restored = dict[str, np.ndarray]()
    for name, words in (("png", ("--format", "png")), ("auto", ()), ("keep", ("--jpeg-quality", "keep"))):
        assert run("restore", tmp_path / "a.jpg", tmp_path / name, "--model", "median", *words)[0] == 0
        restored[name] = np.asarray(Image.open(next((tmp_path / name).glob("a.*")))).astype(float)
    errors = {name: np.mean((pixels - restored["png"]) ** 2) for name, pixels in restored.items()}
    assert errors["auto"] <= 0.1
    assert errors["keep"] > 10
    assert "written as JPEG of quality" in (tmp_path / "auto" / "_restorekit" / "images.jsonl").read_text()
    assert "--jpeg-quality takes" in run("restore", tmp_path / "a.jpg", tmp_path / "x", "--jpeg-quality", "best")[2]


def test_bombs_are_refused_by_their_header(restore, tmp_path):
    """A few kilobytes that claim a thousand million pixels; nothing of them is decoded."""
    header = struct.pack(">IIBBBBB", 40_000, 25_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b""))
    body = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    (tmp_path / "IN").mkdir()
    (tmp_path / "IN" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    assert "needs about 5 GB of memory; give --max-memory 5GB" in restore(tmp_path / "IN", tmp_path / "OUT")[2]
    few = restore(tmp_path / "IN", tmp_path / "OUT", "--max-pixels", "1000", "--max-memory", "8GB")
    assert "more than the 1,000 allowed; raise --max-pixels" in few[2]
    assert "damaged" in restore(tmp_path / "IN", tmp_path / "OUT", "--max-memory", "8GB")[2]


@pytest.mark.parametrize(("device", "count"), [("cuda", 1), ("cpu", 0)])
def test_on_a_gpu_the_larger_model_is_suggested_once(run, source, tmp_path, monkeypatch, device, count):
    def on_that_device(tasks, setup, listed, machine):
        print_notes(tasks, dataclasses.replace(setup, device=device), listed, machine)

    monkeypatch.setattr("restorekit.cli.restore.print_notes", on_that_device)
    code, _, told = run("restore", source, tmp_path / "OUT", "--device", "cpu", "--threads", 1)
    assert code == 0
    assert told.count("--model large") == count
