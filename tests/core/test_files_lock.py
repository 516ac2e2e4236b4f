"""Facts about keeping two runs apart."""

from __future__ import annotations

import pytest

from restorekit.core.errors import ImageError, UsageError
from restorekit.core.files import locked

pytest.importorskip("fcntl", reason="this system has no file locks")


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    folder = tmp_path / "OUT" / "_restorekit"
    with locked(folder, ""):
        for name in ("", "-1-of-2"):
            with pytest.raises(UsageError, match="another run is writing into"), locked(folder, name):
                pass
    with locked(folder, ""):
        pass


def test_shards_work_at_the_same_time_but_not_the_same_one_twice(tmp_path):
    with locked(tmp_path, "-1-of-2"), locked(tmp_path, "-2-of-2"):
        for name in ("", "-1-of-2"):
            with pytest.raises(UsageError, match="another run is writing into"), locked(tmp_path, name):
                pass


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImageError, match="cannot write"), locked(tmp_path / "file" / "OUT", ""):
        pass
