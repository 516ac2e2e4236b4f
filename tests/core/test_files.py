import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from restorekit.core.errors import ImageError
from restorekit.core.files import TEMPORARY, atomic, sweep


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_and_no_temporary_stays(tmp_path):
    with atomic(tmp_path / "new" / "a.png") as temporary:
        temporary.write_bytes(b"whole")
        assert temporary.parent == tmp_path / "new"
        assert temporary.name.startswith(".")
        assert not (tmp_path / "new" / "a.png").exists()
    assert (tmp_path / "new" / "a.png").read_bytes() == b"whole"
    assert _names(tmp_path / "new") == ["a.png"]


def test_an_error_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "check the disk")],
)
def test_what_the_disk_says_becomes_a_sentence(tmp_path, number, told):
    with pytest.raises(ImageError, match=told), atomic(tmp_path / "a.png"):
        raise OSError(number, os.strerror(number))
    assert _names(tmp_path) == []


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageError, match="part of its folder's path is a file"), atomic(tmp_path / "file" / "a.png"):
        pass


def test_a_folder_in_the_files_place_is_told(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageError, match="a folder of that name is in the way"), atomic(tmp_path / "a.png"):
        pass
    assert _names(tmp_path) == ["a.png"]


def test_the_longest_name_has_room(tmp_path):
    name = "n" * 251 + ".png"
    with atomic(tmp_path / name) as temporary:
        temporary.write_bytes(b"whole")
    assert _names(tmp_path) == [name]


def test_sweep_spares_what_is_being_written(tmp_path):
    (tmp_path / "deep").mkdir()
    left = tmp_path / "deep" / f".0123{TEMPORARY}"
    left.write_bytes(b"half")
    with atomic(tmp_path / "a.png"):
        assert sweep(tmp_path) == 1
        assert not left.exists()
    assert _names(tmp_path) == ["a.png", "deep"]
    assert sweep(tmp_path / "nowhere") == 0


def test_a_killed_writer_leaves_only_what_sweep_removes(tmp_path):
    program = f"""
        from restorekit.core.files import atomic
        with atomic({str(tmp_path / "a.png")!r}) as temporary:
            temporary.write_bytes(b"half")
            print("writing", flush=True)
            input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        assert sweep(tmp_path) == 0  # its lock is held
        writer.send_signal(signal.SIGKILL)
    assert not (tmp_path / "a.png").exists()
    assert sweep(tmp_path) == 1
    assert _names(tmp_path) == []
