"""Facts about the small texts that options take."""

from __future__ import annotations

import pytest

from restorekit.cli import options
from restorekit.core.errors import UsageError
from restorekit.core.plugins import registry
from restorekit.evaluation.rows import RunRow


@pytest.mark.parametrize(
    ("text", "count"), [("500MB", 500 * 2**20), ("4GB", 2**32), ("2g", 2**31), ("1.5 GiB", 3 * 2**29), ("100", 100)]
)
def test_sizes(text, count):
    assert options.parse_size(text) == count


@pytest.mark.parametrize("text", ["", "GB", "4 apples", "-1GB", "1.2.3GB", "1e9"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="a memory size"):
        options.parse_size(text)


def test_the_memory_must_be_enough_for_the_least_tiles():
    assert options.parse_memory("128MB") == 2**27
    for few in ("1", "127MB", "0"):
        with pytest.raises(UsageError, match=f"takes 128MB or more, got {few}; "):
            options.parse_memory(few)


@pytest.mark.parametrize(("text", "value"), [("25/255", 25 / 255), ("0", 0), ("0.5", 0.5), ("1", 1), ("50e-3", 0.05)])
def test_noise_levels(text, value):
    assert float(options.parse_sigma(text)) == value


def test_noise_levels_that_are_words():
    assert options.parse_sigma(None) is None
    assert options.parse_sigma("auto") == "auto"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("25", "did you mean 25/255"),
        ("x", "such as 25/255"),
        ("1/0", "such as 25/255"),
        ("-1", "0 to 1"),
        ("nan", "0 to 1"),
        ("300", "0 to 1"),
    ],
)
def test_what_is_no_noise_level(text, told):
    with pytest.raises(UsageError, match=told):
        options.parse_sigma(text)


def test_shards():
    assert options.parse_shard(None) == (1, 1)
    assert options.parse_shard("2/8") == (2, 8)
    for wrong in ("0/3", "4/3", "1", "a/b", "1/0"):
        with pytest.raises(UsageError, match="takes I/N"):
            options.parse_shard(wrong)


def test_what_is_kept():
    assert options.parse_keep("", 0) == ()
    assert options.parse_keep("std, low,high,std", 0) == ("std", "low", "high")
    assert options.parse_keep("std,draws", 4) == ("std",)
    with pytest.raises(UsageError, match="add --samples N"):
        options.parse_keep("draws", 0)
    with pytest.raises(UsageError, match="did you mean std"):
        options.parse_keep("sdt", 0)


def test_formats():
    assert [options.parse_format(t) for t in ("keep", "TIF", "jpg", "png")] == ["keep", "tiff", "jpeg", "png"]
    with pytest.raises(UsageError, match="did you mean"):
        options.parse_format("pgn")


@pytest.mark.parametrize(
    ("text", "value"), [("auto", "auto"), ("keep", "keep"), ("1", "1"), ("095", "95"), ("100", "100")]
)
def test_jpeg_qualities(text, value):
    assert options.parse_quality(text) == value


@pytest.mark.parametrize("text", ["", "0", "101", "-1", "9.5", "best", "1" * 30, "²", " 90", "90\n"])
def test_other_jpeg_qualities_are_refused(text):
    with pytest.raises(UsageError, match="takes auto, keep, or a number from 1 to 100"):
        options.parse_quality(text)


def test_input_and_output_lie_apart(tmp_path):
    (tmp_path / "IN" / "sub").mkdir(parents=True)
    (tmp_path / "IN" / "x.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "IN")
    options.check_output(tmp_path / "IN", tmp_path / "OUT")
    outside, holding = "must lie outside the input", "must not be a folder that holds the input"
    for source, out, told in (
        ("IN", "IN", outside),
        ("IN", "IN/OUT", outside),
        ("IN/sub", "IN", holding),
        ("IN", ".", holding),
        ("IN/x.png", "IN", holding),
        ("IN", "link", outside),
        ("IN/x.npz:a", "IN", holding),
    ):
        with pytest.raises(UsageError, match=told):
            options.check_output(tmp_path / source, tmp_path / out)
    with pytest.raises(UsageError, match="is a file"):
        options.check_output(tmp_path / "IN" / "sub", tmp_path / "IN" / "x.png")


def test_a_limit_is_a_metric_and_a_number():
    known = registry.metrics()
    assert options.parse_limit(None, known) is None
    assert options.parse_limit("psnr=28.5", known) == ("psnr", 28.5)
    with pytest.raises(UsageError, match="did you mean psnr"):
        options.parse_limit("psrn=28", known)
    with pytest.raises(UsageError, match="takes METRIC=NUMBER"):
        options.parse_limit("psnr=high", known)


def test_below_looks_at_what_was_named_as_a_model_and_knows_what_is_better():
    def run(name="default", psnr=27.0):
        return RunRow("", name, 1, metrics={"psnr": psnr, "nrmse": 0.1})

    assert options.describe_missed(("psnr", 28.0), ["default"], [run()])
    assert not options.describe_missed(("psnr", 26.0), ["default"], [run()])
    assert options.describe_missed(("nrmse", 0.05), ["default"], [run()])
    assert not options.describe_missed(("psnr", 28.0), ["default"], [run("tv")])
    assert options.describe_missed(("psnr", 28.0), ["tv"], [run("tv")])
    assert not options.describe_missed(None, ["default"], [run()])
    assert options.describe_missed(("psnr", 1.0), ["default"], [run(psnr=None)])


def test_a_limit_that_is_not_held_is_said_with_the_mean():
    runs = [RunRow(spec, "tv", 1, metrics={"psnr": value}) for spec, value in (("g", 27.125), ("", None))]
    assert options.describe_missed(("psnr", 28.0), ["tv"], runs) == [
        "--fail-under psnr=28 is missed by tv on g: 27.12",
        "--fail-under psnr=28 is missed by tv: no value",
    ]


def test_an_output_that_cannot_be_a_folder_is_refused_before_any_work(tmp_path):
    (tmp_path / "IN").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "OUT").mkdir()
    (tmp_path / "OUT" / "_restorekit").touch()
    (tmp_path / "old.png").mkdir()
    for out, words in (
        ("file", "file is a file"),
        ("file/OUT", "file, which is to be a folder for the output, is a file"),
        ("OUT", "_restorekit, which is to be a folder for the output, is a file"),
        ("out.png", "named like an image"),
        ("out.GIF", "named like an image"),
        ("out.heic", "named like an image"),
    ):
        with pytest.raises(UsageError, match=words):
            options.check_output(tmp_path / "IN", tmp_path / out)
    options.check_output(tmp_path / "IN", tmp_path / "old.png")
    options.check_output(tmp_path / "IN", tmp_path / "run.2")
