"""What bad input gets: a clear sentence, and nothing lost. The rest of the folder is restored all the same."""

from __future__ import annotations

import errno
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

RNG = np.random.default_rng(0)


def gray(height, width, dtype=np.uint8):
    return RNG.integers(0, 200, (height, width)).astype(dtype)


@pytest.fixture
def source(tmp_path):
    """A folder with one good image."""
    folder = tmp_path / "IN"
    folder.mkdir()
    Image.fromarray(gray(20, 24)).save(folder / "good.png")
    return folder


@pytest.fixture
def restore(run, model_file, source, tmp_path):
    """Restore `source` into OUT; returns exit code, standard output and error."""

    def call(*words, model=model_file, out=tmp_path / "OUT", given=source):
        return run("restore", given, out, "--model", model, "--device", "cpu", "--threads", 1, *words)

    return call


@pytest.fixture
def refused(restore, source, tmp_path):
    """Check that one file fails with a sentence, stays as it was, and keeps no other from being restored."""

    def check(name, *told, words=()):
        path = source / name
        before = path.read_bytes()
        code, said, err = restore(*words)
        assert code == 1
        assert "1 restored, 0 done before, 1 failed" in said
        sentence = " ".join(err.split())
        assert name in sentence
        assert all(word in sentence for word in told), sentence
        assert "Traceback" not in err
        assert path.read_bytes() == before
        assert (tmp_path / "OUT" / "good.png").exists()
        assert not (tmp_path / "OUT" / name).exists()

    return check


@pytest.fixture
def wrong(restore, tmp_path):
    """Check that a call is refused as wrong usage with a sentence, and that nothing was written."""

    def check(*told, words=(), **named):
        code, said, err = restore(*words, **named)
        assert (code, said) == (2, "")
        sentence = " ".join(err.split())
        assert sentence.count("restorekit:") == 1
        assert all(word in sentence for word in told), sentence
        assert not (tmp_path / "OUT").exists()

    return check


def test_empty_folder(wrong, tmp_path):
    (tmp_path / "empty").mkdir()
    wrong("nothing at all in", "expected files ending in", given=tmp_path / "empty")


def test_no_images_in_folder(wrong, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "x.txt").write_text("x")
    wrong("there is no image in", given=tmp_path / "texts")


def test_no_such_input(wrong, tmp_path):
    wrong("there is no file or folder", given=tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif", "x.bmp", "x.webp"])
def test_truncated_file(refused, source, name):
    Image.fromarray(gray(64, 64)).save(source / name)
    whole = (source / name).read_bytes()
    (source / name).write_bytes(whole[: len(whole) // 2])
    refused(name, "truncated")


def test_zero_byte_file(refused, source):
    (source / "x.png").write_bytes(b"")
    refused("x.png", "is empty (0 bytes)")


def test_text_renamed_png(refused, source):
    (source / "x.png").write_text("Dear reader")
    refused("x.png", "expected PNG")


def bomb(path):
    """Write a small PNG that claims a great many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**20, 2**20, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(2**20))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)


@pytest.mark.parametrize(
    "words",
    [
        ("corrupt", "--corruption", "gaussian"),
        ("evaluate", "--corruption", "missing", "--model", "telea", "--baseline", "none"),
        ("train", "--model", "cvae", "--corruption", "gaussian", "--steps", 1, "--init", "none"),
    ],
    ids=lambda words: words[0],
)
def test_decompression_bomb_where_no_option_allows_it(run, source, tmp_path, words):
    for name in ("another.png", "yet another.png"):
        Image.fromarray(gray(20, 24)).save(source / name)
    bomb(source / "x.png")
    code, said, err = run(words[0], source, tmp_path / "OUT", *words[1:])
    sentence = " ".join((said + err).split())
    assert (code != 0) is (words[0] != "train")  # a training goes on without a bad file
    assert "x.png holds 1,099,511,627,776 pixels, more than the 1,000,000,000 allowed; cut it" in sentence
    assert "--max-pixels" not in sentence


def test_decompression_bomb(refused, source):
    bomb(source / "x.png")
    refused("x.png", "1,099,511,627,776 pixels", "--max-pixels")


def test_more_pixels_than_allowed(refused, source):
    Image.fromarray(gray(100, 100)).save(source / "x.png")
    refused("x.png", "10,000 pixels, more than the 9,999 allowed", words=("--max-pixels", 9999))


@pytest.mark.parametrize(
    ("shape", "name"), [((1, 1), "x.png"), ((3, 5), "x.png"), ((1, 65000), "x.png"), ((20000, 2), "x.tif")]
)
def test_odd_sizes(restore, source, tmp_path, shape, name):
    Image.fromarray(gray(*shape)).save(source / name)
    assert restore()[0] == 0
    with Image.open(tmp_path / "OUT" / name) as restored:
        assert restored.size == shape[::-1]


@pytest.mark.parametrize("way", ["mask", "nan"])
def test_all_pixels_missing(restore, source, tmp_path, way):
    if way == "mask":
        Image.fromarray(gray(20, 24)).save(source / "x.png")
        Image.fromarray(np.full((20, 24), 255, np.uint8)).save(source / "x.missing.png")
    else:
        tifffile.imwrite(source / "x.tif", np.full((20, 24), np.nan, np.float32))
    code, _, err = restore("--mask-confirmed")
    assert code == 0
    assert "no pixel was observed" in " ".join(err.split())
    restored = tmp_path / "OUT" / ("x.png" if way == "mask" else "x.tif")
    assert np.isfinite(tifffile.imread(restored) if way == "nan" else np.asarray(Image.open(restored))).all()


def test_no_pixel_missing(restore, source, tmp_path):
    Image.fromarray(np.zeros((20, 24), np.uint8)).save(source / "good.missing.png")
    code, said, err = restore("--sigma", 0)
    assert code == 0
    assert [line.startswith("1 image in") for line in err.splitlines()] == [True]
    assert "1 restored" in said
    assert np.array_equal(Image.open(tmp_path / "OUT" / "good.png"), Image.open(source / "good.png"))


@pytest.mark.parametrize("beside", [True, False])
def test_mask_of_another_size(restore, source, tmp_path, beside):
    path = source / "good.missing.png" if beside else tmp_path / "mask.png"
    Image.fromarray(gray(10, 12)).save(path)
    code, said, err = restore(*() if beside else ("--mask", path))
    assert code == 1
    assert "0 restored, 0 done before, 1 failed" in said
    assert "12 x 10, the image good.png 24 x 20" in " ".join(err.split())


def test_mask_folder_with_names_that_match_nothing(wrong, tmp_path):
    (tmp_path / "masks").mkdir()
    Image.fromarray(gray(20, 24)).save(tmp_path / "masks" / "other.png")
    wrong("fits an image by its name", "good.png", words=("--mask", tmp_path / "masks"))


def test_mask_that_is_not_there(wrong, tmp_path):
    wrong("there is no file or folder", words=("--mask", tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["x.jpg", "x.tif"])
def test_cmyk_file(refused, source, name):
    Image.fromarray(RNG.integers(0, 256, (20, 24, 4), dtype=np.uint8), "CMYK").save(source / name)
    refused(name, "convert it")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.complex128])
def test_64_bit_file(refused, source, dtype):
    np.save(source / "x.npy", gray(20, 24, dtype))
    refused("x.npy", np.dtype(dtype).name, "convert it to uint16 or float32")


def test_unreadable_file(refused, source, monkeypatch):
    Image.fromarray(gray(20, 24)).save(source / "x.png")
    real, closed = Path.open, [True]

    def guarded(self, mode="r", *arguments, **named):
        if self.name == "x.png" and closed[0]:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, mode, *arguments, **named)

    monkeypatch.setattr(Path, "open", guarded)
    monkeypatch.setattr(Path, "read_bytes", lambda self: real(self, "rb").read())
    refused("x.png", "cannot be read (Permission denied)")


def test_read_only_output_disk(restore, monkeypatch):
    def refuse(self, *arguments, **named):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, said, err = restore()
    assert (code, said) == (1, "")
    assert "the file system is read-only" in err
    assert "choose another folder" in err


def test_output_that_is_a_file(wrong, tmp_path):
    (tmp_path / "file").write_text("in the way")
    wrong("is a file; expected a folder", out=tmp_path / "file")


def test_full_output_disk(restore, source, tmp_path, monkeypatch):
    """An image that does not fit fails, a smaller one goes on; what was written before stays whole."""
    import os

    Image.fromarray(gray(100, 100)).save(source / "large.png")
    real = os.fsync

    def full(descriptor):
        if os.fstat(descriptor).st_size > 5000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, said, err = restore()
    assert code == 1
    assert "1 restored, 0 done before, 1 failed" in said
    assert "the disk is full" in " ".join(err.split())
    assert {p.name for p in (tmp_path / "OUT").iterdir()} == {"good.png", "_restorekit"}
    monkeypatch.undo()


@pytest.mark.parametrize("place", [".", "OUT", "sub/OUT", ".."])
def test_output_inside_input(restore, source, place):
    before = sorted(source.rglob("*"))
    code, said, err = restore(out=source / place)
    assert (code, said) == (2, "")
    assert ("a folder that holds the input" if place == ".." else "must lie outside the input") in err
    assert sorted(source.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--corruption", "gausian"), "did you mean gaussian"),
        (("--corruption", "gaussian:sigm=0.1"), "did you mean sigma"),
        (("--corruption", "missing:rate=1.5"), "takes a number from 0 to 1"),
        (("--corruption", "gaussian:sigma=25"), "did you mean 25/255"),
        (("--sigma", "25"), "did you mean 25/255"),
        (("--sigma", "loud"), "such as 25/255"),
        (("--keep", "sdt"), "did you mean std"),
        (("--keep", "draws"), "--samples N"),
        (("--range", "5..1"), "LOW below HIGH"),
        (("--format", "gif"), "no image format"),
        (("--max-memory", "lots"), "a memory size"),
        (("--max-memory", "1"), "takes 128MB or more"),
        (("--shard", "3/2"), "I from 1 to N"),
        (("--label", "3"), "has no classes"),
        (("--sampler", "gibbs"), "remove --sampler gibbs"),
        (("--mask", "color:#12"), "a mask is"),
        (("--list", "nowhere.txt"), "cannot read the list"),
    ],
)
def test_wrong_words(wrong, words, told):
    wrong(told, words=words)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("defualt", "there is no model"),
        ("cvae", "there is no model"),
        ("nowhere.safetensors", "there is no model file"),
    ],
)
def test_unknown_model(wrong, model, told):
    wrong(told, model=model)


@pytest.mark.parametrize(("words", "told"), [(("--samples", 4), "samples"), (("--keep", "std"), "std")])
def test_what_a_classical_method_cannot_do(wrong, words, told):
    wrong("classical method", told, words=words, model="telea")


def rewritten(path, model_file, **changes):
    """Write the model file with another card."""
    with safe_open(model_file, "pt") as file:
        card = json.loads(file.metadata()["restorekit"])
    save_file(load_file(model_file), path, {"restorekit": json.dumps({**card, **changes})})
    return path


def test_checkpoint_of_a_newer_format(wrong, model_file, tmp_path):
    model = rewritten(tmp_path / "new.safetensors", model_file, format=99)
    wrong("card format 99", "upgrade restorekit", model=model)


def test_checkpoint_whose_plugin_is_not_installed(wrong, model_file, tmp_path):
    model = rewritten(tmp_path / "x.safetensors", model_file, model="cvaex", package="restorekit-x", version="3.1")
    wrong("restorekit-x", "3.1", "not installed", model=model)


def test_checkpoint_with_settings_that_this_version_does_not_know(wrong, model_file, tmp_path):
    model = rewritten(tmp_path / "x.safetensors", model_file, config={"wings": 2})
    wrong("other settings", model=model)


@pytest.mark.parametrize("share", [0, 0.1, 0.9])
def test_truncated_checkpoint(wrong, model_file, tmp_path, share):
    whole = model_file.read_bytes()
    (tmp_path / "x.safetensors").write_bytes(whole[: int(len(whole) * share)])
    wrong("not a complete safetensors file", model=tmp_path / "x.safetensors")


def test_safetensors_of_someone_else(wrong, model_file, tmp_path):
    save_file(load_file(model_file), tmp_path / "x.safetensors", {"format": "pt"})
    wrong("without a restorekit card", model=tmp_path / "x.safetensors")


def test_cuda_asked_for_and_absent(wrong, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    wrong("--device cuda", "use --device auto or cpu", words=("--device", "cuda"))
