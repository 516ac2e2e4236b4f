import os
import sys
from pathlib import Path

import pytest

from restorekit.core.errors import UsageError
from restorekit.images import find_images, missing_path
from restorekit.images.discovery import left_out, split_array


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def _keys(source, listed=None):
    return [item.key for item in find_images(source, listed)]


def test_a_folder_is_searched_and_sorted(tmp_path):
    _touch(tmp_path, "b.PNG", "a 1.jpg", "sub/ü/é.tif", "sub/a.jpeg", "notes.txt", "no_suffix")
    assert _keys(tmp_path) == ["a 1.jpg", "b.PNG", "sub/a.jpeg", "sub/ü/é.tif"]
    assert all(item.path == tmp_path / item.key for item in find_images(tmp_path))


def test_hidden_own_and_temporary_files_are_passed_over(tmp_path):
    _touch(tmp_path, "a.png", ".hidden.png", ".thumbs/b.png", "_restorekit/std/a.tif", ".01.restorekit-part")
    assert _keys(tmp_path) == ["a.png"]


def test_a_mask_beside_its_image_is_no_image(tmp_path):
    _touch(tmp_path, "a.jpg", "a.missing.png", "b.tif", "b.missing.tif", "sub/a.missing.png", "alone.missing.png")
    assert _keys(tmp_path) == ["a.jpg", "alone.missing.png", "b.tif", "sub/a.missing.png"]


def test_missing_path():
    assert missing_path("d/a.b.jpg") == Path("d", "a.b.missing.png")
    assert missing_path("a.tif", frames=3).name == "a.missing.tif"


def test_one_file_is_found_whatever_its_suffix(tmp_path):
    _touch(tmp_path, "scan.dat")
    assert _keys(tmp_path / "scan.dat") == ["scan.dat"]


def test_an_array_of_an_npz_is_one_item(tmp_path):
    _touch(tmp_path, "x.npz")
    item = find_images(f"{tmp_path}/x.npz:train")[0]
    assert (item.key, str(item.path)) == ("x.npz", f"{tmp_path}/x.npz:train")
    assert split_array(item.path) == (f"{tmp_path}/x.npz", "train")
    assert split_array("x.npz") == ("x.npz", "")


def test_a_link_into_a_circle_ends(tmp_path):
    _touch(tmp_path, "a/one.png")
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)
    _touch(tmp_path.parent / "elsewhere", "two.png")
    (tmp_path / "linked").symlink_to(tmp_path.parent / "elsewhere", target_is_directory=True)
    assert _keys(tmp_path) == ["a/one.png", "linked/two.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_utf8_gets_a_key_that_is(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    (item,) = find_images(tmp_path)
    assert item.key == "\\xff.png"
    assert item.path.is_file()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "nowhere", "there is no file or folder"),
        (lambda folder: (folder / "e").mkdir() or folder / "e", "nothing at all.*expected files ending in .*\\.png"),
        (lambda folder: _touch(folder, "t/a.txt") or folder / "t", "no image in .*expected files ending in"),
    ],
)
def test_nothing_to_do_is_told(tmp_path, make, told):
    with pytest.raises(UsageError, match=told):
        find_images(make(tmp_path))


def test_a_list_chooses_in_its_own_order(tmp_path):
    _touch(tmp_path, "a.png", "sub/b c.png", "d.png")
    listed = tmp_path / "list.txt"
    listed.write_text("sub/b c.png\n\na.png\r\na.png\n", encoding="utf-8")
    assert _keys(tmp_path, listed) == ["sub/b c.png", "a.png"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("aa.png", "no image in .* named 'aa.png'; did you mean a.png"),
        ("../a.png", "no image in"),
        ("\n", "names no image"),
    ],
)
def test_a_wrong_list_is_told(tmp_path, text, told):
    _touch(tmp_path, "in/a.png", "a.png")
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=told):
        find_images(tmp_path / "in", tmp_path / "list.txt")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_list_names_files_as_reports_do_even_where_their_names_are_no_utf_8(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"lat\xe9.png")  # noqa: PTH118 - bytes
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"x")
    (key,) = _keys(tmp_path)
    assert key == "lat\\xe9.png"
    listed = tmp_path / "list.txt"
    listed.write_text(key)
    (item,) = find_images(tmp_path, listed)
    assert item.key == key
    assert item.path.is_file()


def test_a_list_for_a_single_file_is_told(tmp_path):
    _touch(tmp_path, "a.png", "x.npz")
    (tmp_path / "list.txt").write_text("a.png\n", encoding="utf-8")
    for source in (tmp_path / "a.png", f"{tmp_path}/x.npz:train"):
        with pytest.raises(UsageError, match=r"--list names images of a folder, got the single file .*; remove --list"):
            find_images(source, tmp_path / "list.txt")


def test_a_list_that_cannot_be_read_is_told_in_plain_words(tmp_path):
    _touch(tmp_path, "a.png")
    (tmp_path / "latin.txt").write_bytes(b"\xe4.png")
    for name, why in (
        ("nowhere.txt", "there is no such file"),
        (".", "it is a folder"),
        ("latin.txt", "it is no text in UTF-8"),
        ("a.png/list.txt", "Not a directory"),
    ):
        with pytest.raises(UsageError, match="cannot read the list") as error:
            find_images(tmp_path, tmp_path / name)
        assert f": {why}; give a text file with one name per line" in str(error.value)


def test_pictures_that_cannot_be_read_are_told_of(tmp_path):
    for name in ("a.png", "notes.txt", ".hidden.gif"):
        (tmp_path / name).touch()
    assert left_out(tmp_path) is None
    (tmp_path / "sub").mkdir()
    for name in ("b.GIF", "c.heic", "sub/d.pgm"):
        (tmp_path / name).touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    assert left_out(tmp_path).endswith(": 4, b.GIF, c.heic, gone.png, ...")


def test_folders_that_may_not_be_read_are_told_of(tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    (tmp_path / "a.png").touch()
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("private"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert left_out(tmp_path) == "left out, as folders that may not be read: 1, private"


def test_a_list_names_each_image_once_by_lines_of_any_system(tmp_path):
    _touch(tmp_path, "a.png", "b\u2028c.png", "d e.png")
    for end in ("\n", "\r\n", "\r"):
        lines = ["\ufeffa.png", "", "b\u2028c.png", "./a.png", "  ", "d e.png", "a.png"]
        (tmp_path / "list.txt").write_bytes(end.join(lines).encode())
        assert [item.key for item in find_images(tmp_path, tmp_path / "list.txt")] == [
            "a.png",
            "b\u2028c.png",
            "d e.png",
        ]


def test_a_list_without_end_is_refused(tmp_path, monkeypatch):
    _touch(tmp_path, "a.png")
    monkeypatch.setattr("restorekit.images.discovery.MAX_LIST_BYTES", 2**20)
    with pytest.raises(UsageError, match="the list /dev/zero is larger than 1 MB; split it"):
        find_images(tmp_path, "/dev/zero")
