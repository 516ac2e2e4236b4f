"""Nothing is written through a symbolic link or onto an input, and no pipe or device stops a run."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import atomic, atomic_folder, claim, make_folder, open_to_append, remove, sweep

WORDS = ("--model", "tv", "--sigma", "20/255")
OWN = "_restorekit"


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "IN" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(tmp_path / "IN" / name)
    return tmp_path / "IN"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("link", ["", OWN, f"{OWN}/images.jsonl", f"{OWN}/.lock", f"{OWN}/run.json", "sub"])
@pytest.mark.parametrize("exists", [True, False], ids=["target", "dangling"])
def test_nothing_appears_behind_a_link_in_out(run, source, tmp_path, link, exists):
    away, out = tmp_path / "AWAY", tmp_path / "OUT"
    is_file = link.startswith(f"{OWN}/")
    if exists and is_file:
        away.write_bytes(b"")
    elif exists:
        away.mkdir()
    (out / link).parent.mkdir(parents=True, exist_ok=True)
    (out / link).symlink_to(away, target_is_directory=not is_file)
    code, _, err = run("restore", source, out, *WORDS)
    assert code in (1, 2)
    assert "symbolic link" in err
    assert "Traceback" not in err
    if exists:
        assert away.read_bytes() == b"" if is_file else not list(away.iterdir())
    else:
        assert not away.exists()


@pytest.mark.parametrize("folder", ["std", "views"])
def test_other_files_of_a_run_do_not_go_through_a_link_either(run, source, tmp_path, model_file, folder):
    away, out = tmp_path / "AWAY", tmp_path / "OUT"
    away.mkdir()
    (away / "a.png.tif").write_bytes(b"precious")
    (out / OWN).mkdir(parents=True)
    (out / OWN / folder).symlink_to(away)
    run("restore", source, out, "--model", model_file, "--keep", "std")
    run("restore", source, out, "--model", model_file)  # which removes what is not kept any more
    assert contents(away) == {(away / "a.png.tif").relative_to(away): b"precious"}


def test_an_input_behind_a_linked_folder_is_not_overwritten(run, source, tmp_path):
    before = contents(source)
    (tmp_path / "OUT").mkdir()
    (tmp_path / "OUT" / "sub").symlink_to(source / "sub")
    code, out, _ = run("restore", source, tmp_path / "OUT", "--overwrite", *WORDS, "--json")
    assert code == 1
    assert json.loads(out)["done"] == 2
    assert contents(source) == before


def test_an_input_that_lies_in_out_by_a_link_or_another_name_is_not_overwritten(run, source, tmp_path):
    out = tmp_path / "OUT"
    assert run("restore", source, out, *WORDS)[0] == 0
    (source / "back").symlink_to(out)
    os.link(source / "a.png", tmp_path / "kept.png")
    (out / "b.png").unlink()
    os.link(source / "a.png", out / "b.png")  # an output place that is another input
    first, inputs = contents(out), contents(source)
    code, _, err = run("restore", source, out, "--overwrite", "--seed", "1", *WORDS)
    assert code == 1
    assert "is itself an input" in err
    assert {path: data for path, data in contents(source).items() if path in inputs and "back" not in path.parts} == {
        path: data for path, data in inputs.items() if "back" not in path.parts
    }
    assert contents(out)[(out / "a.png").relative_to(out)] == first[(out / "a.png").relative_to(out)]


@pytest.mark.parametrize("name", [".lock", "images.jsonl", "run.json", "errors.log", "report.html"])
def test_a_pipe_in_the_place_of_a_record_does_not_stop_the_run(run, source, tmp_path, name):
    out = tmp_path / "OUT"
    (out / OWN).mkdir(parents=True)
    os.mkfifo(out / OWN / name)
    code, _, err = run("restore", source, out, *WORDS)
    assert code in (0, 1)
    assert "Traceback" not in err


def test_a_list_names_no_record_of_restorekit(run, source, tmp_path):
    (source / OWN / "std").mkdir(parents=True)
    Image.new("L", (8, 8)).save(source / OWN / "std" / "x.png")
    (tmp_path / "list.txt").write_text(f"a.png\n{OWN}/std/x.png\n")
    code, _, err = run("restore", source, tmp_path / "OUT", "--list", tmp_path / "list.txt", *WORDS)
    assert code == 2
    assert "holds records of restorekit" in err


def test_every_way_of_writing_refuses_links(tmp_path):
    away, out = tmp_path / "away", tmp_path / "out"
    away.mkdir(), out.mkdir()
    claim(out)
    (out / "inner").symlink_to(away)
    for write in (make_folder, remove, open_to_append):
        with pytest.raises(ImageError, match="symbolic link"):
            write(out / "inner" / "x")
    with pytest.raises(ImageError, match="symbolic link"), atomic(out / "inner" / "x"):
        pass
    with pytest.raises(ImageError, match="symbolic link"), atomic_folder(out / "inner" / "x"):
        pass
    with pytest.raises(UsageError, match="symbolic link"):
        claim(out / "inner")
    assert not list(away.iterdir())
    with atomic(tmp_path / "out" / "fine"):  # links on the way to the folder are the user's own
        pass


def test_sweeping_spares_what_is_no_file_of_a_run(tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    (away / ".x.restorekit-part").write_bytes(b"1")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "inner").symlink_to(away)
    (folder / ".link.restorekit-part").symlink_to(away / ".x.restorekit-part")
    os.mkfifo(folder / ".pipe.restorekit-part")
    (folder / ".old.restorekit-part").write_bytes(b"1")
    (folder / ".folder.restorekit-part").mkdir()
    (folder / ".folder.restorekit-part" / "half").write_bytes(b"1")
    assert sweep(folder) == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        ".link.restorekit-part", ".pipe.restorekit-part", "inner",
    ]  # fmt: skip
    assert (away / ".x.restorekit-part").exists()


@pytest.mark.parametrize("name", ["images.jsonl", ".lock"])
def test_an_input_with_a_second_name_in_out_is_not_appended_to(run, source, tmp_path, name):
    before, out = contents(source), tmp_path / "OUT"
    (out / OWN).mkdir(parents=True)
    os.link(source / "a.png", out / OWN / name)
    code, _, err = run("restore", source, out, *WORDS)
    assert (code, contents(source)) == (1, before)
    assert "it has a second name (a hard link)" in err


def test_a_circle_of_links_is_wrong_usage(run, source, tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    for words in ((source, tmp_path / "circle"), (tmp_path / "circle", tmp_path / "OUT")):
        assert run("restore", *words)[0] == 2
    code, _, err = run("restore", source, tmp_path / "circle" / "OUT")
    assert code in (1, 2)
    assert "Traceback" not in err
