"""`restore` of one image to a file, corruptions that a model cannot undo, and what is printed of names."""

import numpy as np
import pytest
from PIL import Image

WORDS = ("--model", "tv", "--sigma", "20/255")


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12), np.uint8)).save(path)
    return path


def test_one_image_is_restored_to_a_file_and_nothing_else_is_written(run, tmp_path):
    source, out = picture(tmp_path / "in.png"), tmp_path / "out.png"
    assert run("restore", source, out, *WORDS)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]
    assert run("restore", source, tmp_path / "OUT", *WORDS)[0] == 0
    assert out.read_bytes() == (tmp_path / "OUT" / "in.png").read_bytes()
    code, _, err = run("restore", source, out, *WORDS)
    assert code == 2
    assert "--overwrite" in err
    assert run("restore", source, tmp_path / "other.tif", *WORDS)[0] == 0
    with Image.open(tmp_path / "other.tif") as found:
        assert found.format == "TIFF"


def test_a_file_is_no_place_for_several_files_and_no_input(run, tmp_path, model_file):
    source = picture(tmp_path / "in.png")
    before = source.read_bytes()
    code, _, err = run("restore", source, source, "--overwrite", *WORDS)
    assert (code, "is itself an input" in err) == (2, True)
    code, _, err = run("restore", source, tmp_path / "o.png", "--model", model_file, "--keep", "std")
    assert (code, "give a folder" in err) == (2, True)
    code, _, err = run("restore", source, tmp_path / "o.png", "--format", "tiff", *WORDS)
    assert (code, "--format says tiff" in err) == (2, True)
    assert source.read_bytes() == before


def test_two_files_of_one_stem_end_those_two_alone(run, tmp_path):
    for name in ("a.png", "a.bmp", "b.png"):
        picture(tmp_path / "IN" / name)
    code, out, err = run("restore", tmp_path / "IN", tmp_path / "OUT", "--format", "tiff", *WORDS)
    assert code == 1
    assert out.startswith("1 restored, 0 done before, 2 failed")
    assert "a.bmp and a.png would all be written to" in err


@pytest.mark.parametrize("spec", ["blur:size=1.5", "gaussian:sigma=0.1+downsample:factor=2", "grayscale"])
def test_a_model_that_has_not_learnt_a_corruption_says_so(run, tmp_path, spec):
    picture(tmp_path / "IN" / "a.png")
    code, out, err = run("restore", tmp_path / "IN", tmp_path / "OUT", "--corruption", spec)
    assert code == 2
    assert "has not learnt to undo" in err
    assert "restored" not in out


def test_nothing_is_said_of_a_method_that_restored_nothing(run, tmp_path):
    (tmp_path / "IN").mkdir()
    (tmp_path / "IN" / "a.png").write_bytes(b"no image")
    code, out, _ = run("restore", tmp_path / "IN", tmp_path / "OUT", *WORDS)
    assert code == 1
    assert "tv on cpu" not in out


def test_a_name_cannot_colour_the_terminal_or_forge_a_line(run, tmp_path):
    picture(tmp_path / "IN" / "x\x1b[31m\nfailed: forged\x9b.png")
    (tmp_path / "IN" / "bad\x1b]0;title\x07.png").write_bytes(b"no image")
    for more in ((), ("--dry-run",)):
        _, out, err = run("restore", tmp_path / "IN", tmp_path / "OUT", *more, *WORDS)
        assert not any(character in out + err for character in "\x1b\x07\x9b")
        assert not any(line.startswith("failed: forged") for line in (out + err).splitlines())


def test_files_of_other_options_do_not_stay(run, tmp_path):
    picture(tmp_path / "IN" / "a.tif")
    out = tmp_path / "OUT"
    first = ("restore", tmp_path / "IN", out, *WORDS)
    assert run(*first)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".tif", ".png", ".jpg")}
    assert run(*first, "--format", "png", "--seed", "3")[0] == 0
    assert not (out / "a.tif").exists()
    assert run(*first)[0] == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".tif", ".png", ".jpg")} == before


def test_pictures_of_the_report_that_could_not_be_written_are_made_by_the_next_run(run, tmp_path):
    picture(tmp_path / "IN" / "a.png")
    own = tmp_path / "OUT" / "_restorekit"
    own.mkdir(parents=True)
    (own / "views").write_bytes(b"in the way")
    assert run("restore", tmp_path / "IN", tmp_path / "OUT", *WORDS)[0] == 0
    (own / "views").unlink()
    code, out, _ = run("restore", tmp_path / "IN", tmp_path / "OUT", *WORDS)
    assert (code, out.startswith("1 restored")) == (0, True)
    assert list((own / "views").iterdir())
    assert run("restore", tmp_path / "IN", tmp_path / "OUT", *WORDS)[1].startswith("0 restored, 1 done before")


def test_a_wrong_path_is_told_before_torch_is_imported(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys\nfrom restorekit.cli import main\n"
        "try: main()\nexcept SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    for words in (["restore", "none", "OUT"], ["evaluate", "none", "OUT", "--corruption", "gaussian"],
                  ["train", "none", "RUN", "--model", "cvae", "--steps", "1"],
                  ["detect", "none", "OUT", "--clean", "none"]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["2", "False"], done.stderr
        assert "there is no file or folder none" in done.stderr
