"""Records of a run and its journal: complete ones and broken ones."""

from __future__ import annotations

import json

import pytest

from restorekit.core.errors import RecordError
from restorekit.core.records import MAX_LINE_BYTES, decode, encode, parse
from restorekit.images.views import Overlay, Views
from restorekit.report.pages.restored import page_of
from restorekit.report.render import payload
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.records import CheckRecord, Facts, ImageRecord, InputDigests, RunRecord
from restorekit.uncertainty.selfcheck import Residual, SelfCheck
from tests._helpers.folder_runs import prepared, record, restore
from tests._helpers.mutations import mutations

CHECK = SelfCheck(
    "sure", psnr=30.1234567, psnr_se=0.1, psnr_left=20.0, baseline="nlm", psnr_baseline=29.0, surprise=1.2,
    residual=Residual(0.1, 0.0, 0.01, -0.02, 0.5, None, None), harms=True,
)  # fmt: skip
FULL = ImageRecord(
    "a.png", "done", "a.png", "0" * 64, "f00d",
    facts=Facts(
        ["_restorekit/std/a.png.tif"], InputDigests("1" * 64, None, "2" * 64), 0.1, 0.25, 0.05, 1.5, {"accepted": 0.75},
        ["a note"], CheckRecord(CHECK.record()), True,
        Views(8, 8, "views/t.png", "", "views/a.png", overlays={"std": Overlay("views/s.png", "std", 0.0, 0.1)}),
        ["a concern"],
    ),
)  # fmt: skip
GOOD = [ImageRecord("good.png", "failed", options="f00d", error="why"), ImageRecord("last.png", "started")]


def test_a_line_has_the_keys_of_every_version_in_their_order():
    assert list(encode(FULL)) == [
        *("image", "status", "target", "output", "options", "kept", "input", "array", "mask", "sigma", "missing"),
        *("mean_std", "seconds", "sampler", "notes", "self_check", "calibrated", "views", "concerns"),
    ]
    assert list(encode(ImageRecord("a.png", "failed", options="o", error="e"))) == [
        "image",
        "status",
        "options",
        "error",
    ]
    plain = encode(ImageRecord("a.png", "done", facts=Facts()))
    assert "self_check" not in plain
    assert plain["mask"] is None
    assert encode(ImageRecord("a.png", "done", facts=Facts(check=CheckRecord())))["self_check"] is None


def test_a_line_is_read_back():
    text = json.dumps(encode(FULL))
    assert json.dumps(encode(parse(ImageRecord, text))) == text
    assert parse(ImageRecord, text).facts.check.self_check.found.psnr == 30.123
    assert decode(ImageRecord, {"image": "a", "status": "failed"}) == ImageRecord("a", "failed")


@pytest.mark.parametrize(
    "values",
    [
        {"image": "a"},
        {"image": ["a"], "status": "done"},
        {"image": "a", "status": []},
        {"image": "a", "status": "lost"},
        {"image": "a", "status": "done", "kept": "x"},
        {"image": "a", "status": "done", "notes": [1]},
        {"image": "a", "status": "done", "seconds": "1"},
        {"image": "a", "status": "done", "self_check": {"psnr": "30"}},
        {"image": "a", "status": "done", "views": {}},
    ],
)
def test_a_line_of_other_types_is_refused(values):
    with pytest.raises(RecordError):
        decode(ImageRecord, values)


def _write(out, lines):
    path = out / "_restorekit" / "images.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\n".join(lines))


def test_every_damaged_line_is_set_aside_with_a_sentence_and_the_healthy_ones_stay(tmp_path):
    first, last = (json.dumps(encode(one)).encode() for one in GOOD)
    damaged = 0
    for data in mutations(encode(FULL)):
        _write(tmp_path, [first, data, last])
        journal = Journal(tmp_path, "f00d")
        kept = [one for name, one in journal.lines.items() if name in ("good.png", "last.png")]
        assert kept[:1] == GOOD[:1]
        assert kept[1:] in ([GOOD[1]], [])  # a line break may have been cut off with the end of the line before
        if journal.warning is not None:
            damaged += 1
            assert "_restorekit/images.jsonl cannot be read and are ignored (line " in journal.warning
            assert len(journal.warning) < 600
        assert [row.image for row in page_of(tmp_path).rows] == []  # without a record of a run
    assert damaged > 700


def test_the_page_of_a_run_passes_over_damaged_lines_and_records(tmp_path, source):
    restore(prepared(source, tmp_path / "OUT", seed=3))
    path = tmp_path / "OUT" / "_restorekit" / "run.json"
    healthy = record(tmp_path / "OUT")
    options = healthy["options"]
    values = {**encode(FULL), "options": options}
    own = (tmp_path / "OUT" / "_restorekit" / "images.jsonl").read_bytes()
    for i, data in enumerate(mutations(values)):
        if i % 5 == 0:
            (path.parent / "images.jsonl").write_bytes(own + data + b"\n")
            page = page_of(tmp_path / "OUT")
            assert len(page.rows) in (6, 7)
            json.dumps(payload(page), allow_nan=False)
    (path.parent / "images.jsonl").write_bytes(own)
    alarmed = 0
    for i, data in enumerate(mutations(healthy)):
        if i % 3 == 0:
            path.write_bytes(data)
            alarmed += any("cannot be read and is ignored" in text for text in page_of(tmp_path / "OUT").alarms)
    assert alarmed > 100


def test_the_record_of_a_run_is_read_back_as_it_was_written(tmp_path, source):
    restore(prepared(source, tmp_path / "OUT"))
    text = (tmp_path / "OUT" / "_restorekit" / "run.json").read_text(encoding="utf-8")
    run = parse(RunRecord, text)
    assert json.dumps(encode(run), indent=2) + "\n" == text
    assert list(json.loads(text))[:6] == ["schema", "status", "error", "command", "source", "images"]
    assert (run.schema, run.status, run.images, run.totals["done"]) == (1, "done", run.totals["done"], run.images)


def test_a_line_over_the_limit_is_set_aside_in_parts(tmp_path):
    first, last = (json.dumps(encode(one)).encode() for one in GOOD)
    _write(tmp_path, [first, b'"' + b"x" * (3 * MAX_LINE_BYTES) + b'"', last])
    journal = Journal(tmp_path, "f00d")
    assert list(journal.lines.values()) == GOOD
    assert "1 line(s)" in journal.warning
    assert f"line 2: expected at most {MAX_LINE_BYTES} bytes" in journal.warning


def test_a_run_with_a_damaged_journal_restores_what_is_not_recorded(tmp_path, source):
    out = tmp_path / "OUT"
    restore(prepared(source, out))
    path = out / "_restorekit" / "images.jsonl"
    lines = path.read_bytes().splitlines()
    name = json.loads(lines[-1])["image"]
    rest = [line for line in lines if json.loads(line)["image"] != name]
    for data in (lines[-1][:-9], b"[" * 10_000, lines[-1].replace(b'"done"', b"[]"), b"\xff\xfe"):
        path.write_bytes(b"\n".join([*rest, data]) + b"\n")
        (out / name).unlink()
        assert restore(prepared(source, out)) == {"done": 1, "skipped": 5, "failed": 0}
