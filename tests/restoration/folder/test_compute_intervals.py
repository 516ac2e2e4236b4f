import dataclasses
import itertools

import numpy as np
import pytest
import tifffile
import torch

import restorekit
from restorekit.core.types import Restoration
from restorekit.corruptions import Gaussian, Missing
from restorekit.images.intensity import IntensityRange
from restorekit.models import checkpoint
from restorekit.restoration.folder.compute import ROWS, interval_of, rows_of_distances, with_ends
from restorekit.restoration.folder.planes import Plane
from restorekit.uncertainty.calibration_table import Axes, Table
from restorekit.uncertainty.conditions import MAX_DISTANCE_PX, distances
from tests._helpers.folder_runs import lines, prepared, record, restore

AXES = Axes(sigma=(0.0, 0.1, 0.4), missing=(0.0, 0.5), distance=(0.0, 8.0), std=(0.01, 0.2))
CELLS = {
    f"{c},{w},{i},{j}": [[[2.0]] * 2, [[4.0]] * 2]
    for c, w, i, j in itertools.product((1, 3), (0, 1), range(3), range(2))
}
TABLE = Table(AXES, (0.9,), CELLS, 20.0, 9, "x")
UNIT = IntensityRange(0.0, 255.0)


def _plane(missing=None, sigma=None, side=40):
    return Plane("p", np.full((side, side, 1), 128, np.uint8), missing, UNIT, sigma)


def _hole(side=40, depth=20):
    missing = np.zeros((side, side, 1), bool)
    missing[:depth] = True
    return missing


def test_a_run_writes_calibrated_ends_and_says_so(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out, sigma="0.1", keep=("low", "high"), interval=0.9, table=TABLE))
    assert record(out)["interval"] == {"level": 0.9, "calibrated": True}
    done = [line for line in lines(out) if line["status"] == "done"]
    assert all(line["calibrated"] for line in done)
    for line in done:
        low, high = (tifffile.imread(out / "_restorekit" / k / f"{line['image']}.tif") for k in ("low", "high"))
        assert np.allclose(high - low, 2 * 2.0 * 0.1, atol=1e-6)


def test_an_image_beyond_the_table_is_labelled_and_gets_plain_ends(source, tmp_path):
    out = tmp_path / "OUT"
    noiseless = dataclasses.replace(TABLE, factors={"1,1,0,0": CELLS["1,1,0,0"]})
    restore(prepared(source, out, sigma="0.5", keep=("low", "high"), interval=0.9, table=noiseless))
    done = [line for line in lines(out) if line["status"] == "done"]
    assert not any(line["calibrated"] for line in done)
    told = "low and high are uncalibrated: no "
    assert told in done[0]["notes"][0]
    low, high = (tifffile.imread(out / "_restorekit" / k / f"{done[0]['image']}.tif") for k in ("low", "high"))
    assert np.allclose(high - low, 2 * 1.6449 * 0.1, atol=1e-4)


def test_without_an_interval_nothing_is_said_of_calibration(source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out, sigma="0.1", keep=("std",), table=TABLE))
    assert "calibrated" not in lines(out)[0]


def test_ends_are_wider_in_the_depth_of_a_hole():
    plane = _plane(_hole())
    image = interval_of(plane, Missing(), TABLE, 0.9)
    assert (image.conditions.missing, image.conditions.farthest, image.refusal) == (0.5, 20.0, None)
    band = Restoration(torch.zeros(1, 1, 40, 40), std=torch.full((1, 1, 40, 40), 0.01))
    found = with_ends(band, 0, [plane], [image])
    half = found.high[0, 0, :, 0] / 0.01
    assert float(half[30]) == pytest.approx(2.0)
    assert float(half[0]) == pytest.approx(4.0)
    assert torch.equal(found.low, -found.high)
    assert with_ends(Restoration(band.mmse), 0, [plane], [image]).low is None


def test_the_level_of_the_noise_is_what_the_plane_says_whatever_is_told():
    seen = [
        interval_of(plane, corruption, TABLE, 0.9).conditions
        for plane, corruption in ((_plane(sigma=0.1), Gaussian()), (_plane(_hole(depth=1)), Missing()))
    ]
    assert [one.sigma for one in seen] == [0.0, 0.0]  # a flat plane has no noise to find
    noisy = np.random.default_rng(0).normal(128, 0.1 * 255, (64, 64, 1)).round().clip(0, 255).astype(np.uint8)
    found = interval_of(Plane("n", noisy, None, UNIT), Gaussian(), TABLE, 0.9).conditions
    assert found.sigma == pytest.approx(0.1, rel=0.05)
    assert found.white


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_array_gets_the_ends_that_its_file_gets(run, model_file, tmp_path, channels):
    """Whole, or channel by channel where a model does not take so many; with a mask for every other one."""
    card = dataclasses.replace(checkpoint.read_card(model_file), calibration=TABLE.to_json())
    file, rng = tmp_path / "sure.safetensors", np.random.default_rng(channels)
    checkpoint.save(file, checkpoint.read_weights(model_file), card)
    image = rng.normal(0.5, 0.1, (48, 40, channels)).astype(np.float32)
    image[rng.random(image.shape) < 0.3 * (np.arange(channels) % 2)] = np.nan
    np.save(tmp_path / "a.npy", image[None])
    found = restorekit.load(str(file), device="cpu")(image, interval=0.9)
    words = ("--model", file, "--keep", "low", "--range", "0..1", "--device", "cpu", "--threads", 1)
    code, _, err = run("restore", tmp_path / "a.npy", tmp_path / "OUT", *words)
    assert code == 0, err
    low = tifffile.imread(next((tmp_path / "OUT" / "_restorekit" / "low").rglob("*.tif")))
    assert np.allclose(low.reshape(image.shape), found.low, atol=1e-5)


def test_distances_by_rows_are_those_of_the_whole():
    side = ROWS + 200
    missing = np.random.default_rng(0).random((side, 30, 1)) < 0.9
    missing[300:460] = True
    plane = Plane("p", np.zeros((side, 30, 1), np.uint8), missing, UNIT)
    whole = distances(torch.from_numpy(~missing).movedim(-1, 0)[None])[0]
    cut = torch.cat([rows_of_distances(plane, top, min(side, top + 100)) for top in range(0, side, 100)], 1)
    assert torch.equal(cut, whole)
    assert interval_of(plane, Missing(), TABLE, 0.9).conditions.farthest == float(whole.max()) == MAX_DISTANCE_PX


@pytest.mark.parametrize("spec", ["downsample+gaussian:sigma=0.1", "grayscale+gaussian:sigma=0.1"])
def test_what_gets_another_shape_is_labelled_and_gets_plain_ends(spec, source, tmp_path):
    out = tmp_path / "OUT"
    restore(prepared(source, out, corruption=spec, keep=("low", "high"), interval=0.9, table=TABLE))
    told = "low and high are uncalibrated: the calibration is of images whose size and channels are kept"
    for line in (line for line in lines(out) if line["status"] == "done"):
        assert (line["calibrated"], line["notes"]) == (False, [told])
        low, high = (tifffile.imread(out / "_restorekit" / k / f"{line['image']}.tif") for k in ("low", "high"))
        assert np.allclose(high - low, 2 * 1.6449 * 0.1, atol=1e-4)
