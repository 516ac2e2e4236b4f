import json

import pytest

from restorekit.images.formats.tiff_description import fitted_description

OME = '<?xml version="1.0"?><OME xmlns="x"><Image><Pixels SizeX="24" SizeY="16" SizeZ="3"/></Image></OME>'
IMAGEJ = "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\nunit=um\nspacing=2.5\n"


@pytest.mark.parametrize(
    ("text", "frames", "shape", "separate"),
    [
        ("a free text", 3, (16, 24, 1), False),
        ('{"shape": "odd"}', 3, (16, 24, 1), False),
        ('{"shape": [-3, 16, 24]}', 3, (16, 24, 1), False),
        ('{"shape": [' + "[" * 3000, 3, (16, 24, 1), False),
        ('{"shape": [3, 16, 24]}', 3, (16, 24, 1), False),
        ('{"shape": [3, 1, 16, 24, 1]}', 3, (16, 24, 1), False),
        ('{"shape": [2, 3, 16, 24, 3]}', 6, (16, 24, 3), False),
        ('{"shape": [6, 3, 16, 24]}', 6, (16, 24, 3), True),
        (IMAGEJ, 6, (16, 24, 1), False),
        (OME, 3, (16, 24, 1), False),
    ],
)
def test_a_description_that_agrees_stays_as_it_is(text, frames, shape, separate):
    assert fitted_description(text, frames, shape, separate) == text


@pytest.mark.parametrize(
    ("text", "frames", "shape", "expected"),
    [
        ('{"shape": [6, 16, 24], "truncated": true}', 6, (16, 24, 1), {"shape": [6, 16, 24]}),
        ('{"shape": [6, 16, 24], "axes": "TYX", "name": "a"}', 2, (16, 24, 1), {"shape": [2, 16, 24], "name": "a"}),
        ('{"shape": [16, 24]}', 1, (24, 16, 1), {"shape": [24, 16]}),
        ('{"shape": [16, 24, 3]}', 1, (16, 24, 1), {"shape": [16, 24]}),
        ("shape=(6, 16, 24)", 1, (16, 24, 1), {"shape": [16, 24]}),
    ],
)
def test_a_description_of_tifffile_is_corrected(text, frames, shape, expected):
    assert json.loads(fitted_description(text, frames, shape, False)) == expected


def test_counts_of_imagej_are_corrected():
    assert fitted_description(IMAGEJ, 1, (16, 24, 1), False) == "ImageJ=1.53t\nunit=um\nspacing=2.5\n"
    expected = "ImageJ=1.53t\nimages=4\nslices=4\nunit=um\nspacing=2.5\n"
    assert fitted_description(IMAGEJ, 4, (16, 24, 1), False) == expected


def test_ome_of_another_size_is_left_out():
    assert fitted_description(OME, 3, (32, 48, 1), False) is None
    assert fitted_description(OME, 3, (24, 16, 1), False) is None
