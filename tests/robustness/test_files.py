"""Damaged image files of every format: a picture, or one sentence, and nothing else."""

import random
import resource
import sys
import time
import warnings

import pytest

from restorekit.core.errors import ImageError, printable
from restorekit.images import probe, read, write
from tests.robustness.files import damaged, seeds

_SECONDS, _GIGABYTES = 10, 2
# Formats in which damage shows: a changed byte of the pixels is no other pixel.
_SEALED = ("png gray", "png colour", "png alpha", "png deep", "tiff lzw", "tiff deflate", "tiff zstd", "tiff tiles")
_MOST_ZEROS = 0.1


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that Python opens."""
    names, active = [], [True]
    sys.addaudithook(lambda event, args: active[0] and event == "open" and names.append(str(args[0])))
    yield names
    active[0] = False  # a hook cannot be removed


def test_every_seed_is_what_it_should_be(tmp_path):
    for name, data in seeds().items():
        (tmp_path / "a").write_bytes(data)
        if name in ("gif", "pnm", "jpeg inks", "webp frames"):
            with pytest.raises(ImageError, match=r"supported|is a GIF|is a PNM|CMYK"):
                read(tmp_path / "a")
            continue
        picture = read(tmp_path / "a")
        assert probe(tmp_path / "a").format == picture.format == name.split()[0]
        if name in _SEALED:
            assert picture.pixels.all()


def test_damaged_files_are_read_or_refused_in_a_sentence(tmp_path, inputs, opened, capfd, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    found, path, before, outcomes = seeds(), tmp_path / "input", _peak(), {True: 0, False: 0}
    names = list(found)
    for seed in range(inputs):
        name, rng = names[seed % len(names)], random.Random(seed)
        path.write_bytes(damaged(found[name], rng))
        opened.clear()
        started = time.process_time()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", module=r"PIL\.")  # as the package has it; pytest sets its own filters
            picture = _picture(path, name, seed)
        assert not heard, (name, seed, heard[0].message)
        others = {one for one in opened if one != str(path) and not one.endswith((".py", ".pyc", ".so"))}
        assert not others, (name, seed)
        outcomes[picture is not None] += 1
        if picture is not None:
            write(tmp_path / "out", picture, picture.pixels)
        assert time.process_time() - started < _SECONDS, (name, seed)
        assert _peak() < before + _GIGABYTES, (name, seed)
        assert capfd.readouterr() == ("", ""), (name, seed)
    assert min(outcomes.values()) > inputs // 5


def _picture(path, name, seed):
    try:
        header, picture = probe(path), read(path)
    except ImageError as error:
        text = str(error)
        assert text.count(str(path)) == 1, (name, seed, text)
        assert len(text) < 600 and printable(text) == text.replace("\n", "\\n"), (name, seed, text)
        return None
    shape = (header.frames, header.height, header.width, header.channels)
    assert shape == picture.pixels.shape, (name, seed)
    assert header.dtype.newbyteorder("=") == picture.pixels.dtype, (name, seed)
    if name in _SEALED:
        assert (picture.pixels == 0).mean() < _MOST_ZEROS, (name, seed)
    return picture
