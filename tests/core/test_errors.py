import pytest

from restorekit.core import errors


def test_near_names_are_offered_nearest_first():
    assert errors.unknown("model", "cvea", ["vae", "cvae", "gan"]).startswith(
        "there is no model named 'cvea'; did you mean cvae"
    )


def test_a_name_in_other_letters_is_offered_and_a_long_one_is_cut():
    assert errors.unknown("model", " BM3D", ["bm3d", "vae"]).endswith("did you mean bm3d?")
    assert len(errors.unknown("model", "x" * 10**5, ["vae"])) < 300


def test_without_near_names_all_are_listed_sorted():
    assert errors.unknown("metric", "zzz", ["ssim", "psnr"]).endswith("the known ones are psnr, ssim")
    assert errors.unknown("metric", "zzz", []).endswith("none")


@pytest.mark.parametrize("cls", [errors.SpecError, errors.CheckpointError])
def test_what_is_wrong_with_the_call_is_wrong_usage(cls):
    assert issubclass(cls, errors.UsageError)


def test_everything_raised_on_purpose_has_one_base():
    own = [v for v in vars(errors).values() if isinstance(v, type) and v.__module__ == errors.__name__]
    assert all(issubclass(cls, errors.RestorekitError) for cls in own if not issubclass(cls, Warning))
    assert not issubclass(errors.ImageError, errors.UsageError)


def test_printable_text_holds_no_control_character_and_no_line_break():
    text = "a\x1b[31mb\nc\x00\x7f\x9b\u202e\u2028\udc80\u00e9\u6f22 \U0001f600"
    found = errors.printable(text)
    assert found == "a\\x1b[31mb\\nc\\x00\\x7f\\x9b\\u202e\\u2028\\udc80\u00e9\u6f22 \U0001f600"
    assert errors.printable(found) == found
    assert found.encode("utf-8")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "out of memory"),
        (RuntimeError("can't start new thread"), "no further threads"),
        (OSError(24, "Too many open files"), "too many files are open"),
        (OSError(12, "Cannot allocate memory"), "out of memory"),
        (OSError(5, "Input/output error"), None),
        (RuntimeError("a bug"), None),
    ],
)
def test_a_lack_of_memory_or_threads_is_told_whoever_raises_it(error, words):
    found = errors.shortage(error)
    assert found is None if words is None else words in found


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(5, "Input/output error", "a.png"), "a.png: Input/output error"),
        (OSError(5, "Input/output error"), "the file system: Input/output error"),
        (OSError("odd"), "the file system: odd"),
        (MemoryError(), "out of memory"),
        (ValueError("a bug"), None),
    ],
)
def test_errors_of_the_system_are_sentences(error, words):
    found = errors.system_error(error)
    assert found is None if words is None else found is not None and found.startswith(words)
