import json

import pytest

from restorekit.report.pages.restored import page_of

RUN = {
    "status": "done", "error": None, "command": "restorekit restore IN OUT", "source": "IN", "images": 3,
    "model": "default", "digest": "abc", "corruption": None, "sigma": None, "mask": None, "samples": 0,
    "sampler": None, "interval": None, "seed": 0, "precision": "float32", "options": "f00d", "estimate": "one pass",
    "device": "cpu", "versions": {"torch": "9"},
}  # fmt: skip
DONE = {"status": "done", "options": "f00d", "sigma": 0.1, "missing": 0.25, "mean_std": 0.02, "seconds": 1.5}
CHECK = {"psnr": 30.0, "psnr_se": 0.2, "coverage90": None, "reason": "", "harms": False, "sentences": ["it is fine"]}


def _page(tmp_path, *lines, **run):
    own = tmp_path / "_restorekit"
    own.mkdir()
    (own / "run.json").write_text(json.dumps({**RUN, **run}))
    text = "".join(json.dumps({"image": f"{i}.png", **line}) + "\n" for i, line in enumerate(lines))
    (own / "images.jsonl").write_text(text)
    return page_of(tmp_path)


def test_figures_are_told_in_the_units_of_their_columns(tmp_path):
    page = _page(tmp_path, {**DONE, "self_check": CHECK, "notes": ["dark"]})
    (row,) = page.rows
    assert row.values["mean_std"] == pytest.approx(5.1)
    assert row.values["sigma"] == pytest.approx(25.5)
    assert (row.values["missing"], row.values["seconds"], row.values["check_psnr"]) == (25.0, 1.5, 30.0)
    assert list(row.notes) == ["dark", "it is fine"]
    assert [c.name for c in page.columns] == ["check_psnr", "check_error", "mean_std", "sigma", "missing", "seconds"]
    assert "1 image restored with default on cpu: one pass." in page.summary
    assert any("expects a PSNR of 30.0 dB" in sentence for sentence in page.summary)
    assert list(page.alarms) == []


def test_what_failed_stands_first(tmp_path):
    page = _page(tmp_path, DONE, {"status": "failed", "options": "f00d", "error": "no image"})
    assert list(page.alarms) == ["1 image failed. 1.png: no image."]
    assert [(row.status, row.error) for row in page.rows] == [("failed", "no image"), ("done", "")]


def test_a_run_that_was_stopped_says_so_and_is_valid(tmp_path):
    page = _page(tmp_path, DONE, {"status": "started", "options": "f00d"}, status="interrupted")
    assert page.alarms[0].startswith("The run was interrupted before its end: 1 of 3 images are restored")
    assert page.rows[0].error == "it was being written when the run stopped"
    other = tmp_path / "b"
    other.mkdir()
    assert "the disk is full" in _page(other, status="stopped", error="the disk is full").alarms[0]


def test_an_image_that_is_harmed_is_flagged_and_told_of(tmp_path):
    harmed = {**CHECK, "harms": True, "sentences": ["it harms", "it is not white"]}
    page = _page(tmp_path, {**DONE, "self_check": harmed, "notes": ["it harms"]}, DONE)
    assert list(page.rows[0].flags) == ["it harms"]
    assert list(page.rows[0].notes) == ["it is not white"]
    assert page.alarms[0].startswith("Check 0.png: it may be no better than before.")
    assert [row.verdict for row in page.rows] == ["check this one", "filled"]


def test_an_image_without_an_estimate_says_why(tmp_path):
    blind = {**CHECK, "psnr": None, "psnr_se": None, "reason": "the noise is not known", "sentences": []}
    page = _page(tmp_path, {**DONE, "self_check": blind}, {**DONE, "self_check": CHECK})
    assert page.rows[0].reasons["check_psnr"] == "the noise is not known"


def test_where_a_classical_method_is_expected_to_do_better_it_is_said_at_the_top(tmp_path):
    checks = ({**CHECK, "gain": gain, "surprise": 1.2} for gain in (0.5, -0.25, -1.0))
    page = _page(tmp_path, *({**DONE, "self_check": check} for check in checks), DONE)
    (alarm,) = page.alarms
    assert "does better on 2 of 3 images, by up to 1.00 dB (2.png)" in alarm  # each by more than its own error
    assert [row.values["check_gain"] for row in page.rows] == [0.5, -0.25, -1.0, None]
    assert {"check_gain", "check_surprise"} <= {column.name for column in page.columns}


def test_a_loss_within_the_error_of_the_estimate_is_none(tmp_path):
    page = _page(tmp_path, {**DONE, "self_check": {**CHECK, "psnr_se": 0.5, "gain": -0.4}})
    assert list(page.alarms) == []


def test_images_of_other_settings_are_left_out_and_counted(tmp_path):
    page = _page(tmp_path, DONE, {**DONE, "options": "beef"})
    assert [row.image for row in page.rows] == ["0.png"]
    assert page.summary[-1] == "Not shown here: 1 image in this folder, restored with other settings."


def test_the_protocol_says_what_a_self_check_can_tell_and_a_level_in_both_forms(tmp_path):
    told = dict(_page(tmp_path, DONE, self_check=True, sigma="0.09803921568627451").protocol)
    assert told["sigma"] == "25/255 = 0.09804"
    assert "it cannot be of other noise, blur, JPEG" in told["self-check"]
    assert "no noise was added" in told["values"]
    (tmp_path / "b").mkdir()
    plain = dict(_page(tmp_path / "b", DONE, sigma="auto").protocol)
    assert plain["sigma"] == "auto"
    assert "self-check" not in plain


def test_shards_are_told_of_together(tmp_path):
    _page(tmp_path, DONE)
    own = tmp_path / "_restorekit"
    (own / "run.json").rename(own / "run-1-of-2.json")
    (own / "run-2-of-2.json").write_text(json.dumps({**RUN, "status": "running"}))
    assert "still going on, or was killed" in page_of(tmp_path).alarms[0]


def test_the_worst_image_is_first_and_each_has_a_verdict(tmp_path):
    lines = (
        {**DONE, "missing": 0.0, "changed": 0.0}, {**DONE, "missing": 0.0, "changed": 0.02}, {**DONE, "changed": 0.01},
        {**DONE, "self_check": {**CHECK, "harms": True}}, {"status": "failed", "options": "f00d", "error": "no image"},
    )  # fmt: skip
    page = _page(tmp_path, *lines)
    assert [row.image for row in page.rows] == ["4.png", "3.png", "2.png", "1.png", "0.png"]
    assert [row.verdict for row in page.rows] == ["", "check this one", "filled", "cleaned", "unchanged"]
    assert [row.values["missing"] for row in page.rows[2:]] == [25.0, None, None]  # none of it was missing
    assert list(page.pairs) == []
    assert page.rows[3].values["changed"] == pytest.approx(5.1)
    assert "changed" in [column.name for column in page.columns]


def test_pairs_are_the_images_with_pictures_in_the_order_of_the_rows(tmp_path):
    views = {"width": 8, "height": 8, "thumb": "t", "before": "b", "after": "a"}
    lines = (
        {**DONE, "changed": 0.0},
        {**DONE, "views": views, "changed": 0.01},
        {**DONE, "views": views, "changed": 0.02},
    )
    page = _page(tmp_path, *lines)
    assert [page.rows[i].image for i in page.pairs] == ["2.png", "1.png"]


def test_without_a_restored_image_no_model_is_named(tmp_path):
    page = _page(tmp_path, {"status": "failed", "options": "f00d", "error": "IN/0.png: it is no image."})
    assert list(page.summary) == ["Nothing has been restored here."]
    assert list(page.alarms) == ["1 image failed. IN/0.png: it is no image."]
