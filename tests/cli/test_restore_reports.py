"""Facts about what `restore` says of its work, and the page that it keeps."""

from dataclasses import replace

import numpy as np
from PIL import Image

from restorekit.cli.restore import Checks
from restorekit.report.live import RestorationPage
from restorekit.restoration.folder.records import CheckRecord, Facts, ImageRecord
from restorekit.uncertainty.selfcheck import SelfCheck
from tests._helpers.folder_runs import prepared, restore


def test_a_page_is_there_from_the_first_image_on_and_is_not_written_all_the_time(tmp_path):
    for i in range(3):
        (tmp_path / "IN").mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8 + i), 100, np.uint8)).save(tmp_path / "IN" / f"{i}.png")
    setup = replace(prepared(tmp_path / "IN", tmp_path / "OUT"), pictures=True)
    path, seen = tmp_path / "OUT" / "_restorekit" / "report.html", []

    def watch(line):
        page.update()
        seen.append(path.read_bytes())

    with RestorationPage(setup) as page:
        assert restore(setup, watch)["done"] == 3
        assert b"still going on" in seen[0]
        assert seen[0] == seen[1] == seen[2]
    assert b"still going on" not in path.read_bytes()


def test_checks_that_broke_are_counted_apart():
    checks = Checks()
    for found in (
        SelfCheck(psnr=30.0, psnr_se=0.1, method="sure").record(),
        SelfCheck(reason="the noise is coarse: 2.1").record(),
        None,
    ):
        checks.line(ImageRecord("a.png", "done", facts=Facts(check=CheckRecord(found))))
    for facts in (None, Facts()):
        checks.line(ImageRecord("b.png", "done", facts=facts))
    told = (
        "self-check: 2 checked, estimated PSNR 30.00 dB (median), 1 without an estimate: the noise is coarse (1), "
        "0 flagged as harmed, 1 failed"
    )
    assert str(checks) == told
    assert checks.to_json() == {"checked": 2, "no_estimate": 1, "flagged": 0, "failed": 1, "psnr": 30.0}
