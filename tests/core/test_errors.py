import pytest

from restorekit.core import errors


def test_near_names_are_offered_nearest_first():
    assert errors.unknown("model", "cvea", ["vae", "cvae", "gan"]).startswith(
        "there is no model named 'cvea'; did you mean cvae"
    )


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
