"""Facts about restorekit.report.render; what a browser makes of it stands in test_browser.py."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from restorekit.core.errors import ImageError
from restorekit.report import charts, render
from restorekit.report.page import Chart, Column, Page, Row, Run
from restorekit.report.render import write_page

HOSTILE = "<img src=x onerror=alert(1)>.png"
FULL = Page(
    "evaluate",
    f"title {HOSTILE}",
    [f"alarm {HOSTILE}"],
    [f"summary {HOSTILE}"],
    f"command {HOSTILE}",
    [(f"word {HOSTILE}", f"meaning {HOSTILE}")],
    [Column("psnr", f"column {HOSTILE}", HOSTILE, "higher", None, HOSTILE)],
    [Run(HOSTILE, HOSTILE, 1, True, {"psnr": None}, {"psnr": HOSTILE}, 1, 0, 0, HOSTILE, HOSTILE)],
    [Row(HOSTILE, "failed", HOSTILE, HOSTILE, {}, {"psnr": HOSTILE}, [HOSTILE], [HOSTILE], HOSTILE)],
    [Chart(HOSTILE, HOSTILE, "<svg></svg>", [HOSTILE], [[HOSTILE]])],
)


def test_no_text_of_anyone_becomes_an_element():
    html = render.render(FULL)
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_what_is_not_there_is_not_shown():
    html = render.render(Page("restore", "t"))
    body = html.partition("</style>")[2].partition("<script>")[0]
    parts = ("alarms", 'id="means"', 'id="charts"', 'id="images"', "<dialog", 'class="protocol"', 'class="command"')
    assert not [part for part in parts if part in body]


def test_the_policy_lets_only_the_code_of_the_page_run():
    for page in (FULL, Page("restore", "t")):
        html = render.render(page)
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
        (code,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}';" in policy
        assert "default-src 'none'" in policy
        assert "http" not in policy


def test_a_page_asks_nobody_for_anything():
    html = render.render(FULL)
    assert not re.findall(r'(?:src|href)="(?!#|data:)', html)
    assert not re.findall(r"@import|fetch\(|XMLHttpRequest|innerHTML|import\(", html)
    assert set(re.findall(r"https?://[^'\"\s)]+", html)) <= {"http://www.w3.org/2000/svg"}


def test_a_page_is_the_same_whenever_it_is_made():
    assert render.render(FULL) == render.render(FULL)


def test_a_dash_has_its_reason_and_the_best_has_words():
    runs = [Run("c", "m", 2, True, {"psnr": 31.0}), Run("c", "n", 2, False, {"psnr": 30.0}), Run("c", "o", 2)]
    runs[2] = replace(runs[2], reasons={"psnr": "it failed on all images"})
    html = render.render(Page("evaluate", "t", columns=[Column("psnr", "PSNR", "dB", "higher")], runs=runs))
    assert '<b>31.00</b><span class="visually-hidden"> best</span>' in html
    assert html.count("<b>") == 1
    assert 'title="it failed on all images"' in html
    assert "no value: it failed on all images" in html


def test_numbers_of_a_chart_have_the_decimals_of_their_column():
    chart = Chart("t", "c", "<svg></svg>", ["m", "x", "y"], [["a", 5, 0.5], ["b", 10, None]])
    assert render.numbers(chart) == [
        *[[("a", False), ("5", True), ("0.5000", True)]],
        [("b", False), ("10", True), ("\N{EN DASH}", True)],
    ]


def test_drawings_on_one_page_have_ids_of_their_own():
    chart = charts.calibration({"a": [(0.5, 0.4), (0.9, 0.8)], "b": [(0.5, 0.6)]})
    html = render.render(Page("evaluate", "t", charts=[chart, chart]))
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {f"chart{i}-" for i in (0, 1)} <= {name.partition("-")[0] + "-" for name in ids}


def test_a_page_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    write_page(Page("restore", "first"), tmp_path / "sub" / "report.html")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(ImageError, match="the disk is full"):
        write_page(Page("restore", "second"), tmp_path / "sub" / "report.html")
    assert "first" in (tmp_path / "sub" / "report.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "sub").iterdir())) == 1


def test_every_file_of_the_viewer_is_used_and_short():
    names = {path.name for path in render.VIEWER.iterdir()}
    scripts = {f"{name}.js" for name in (*render.PARTS, "page")}
    styles = {f"{name}.css" for name in render.STYLES}
    assert {name for name in names if not name.endswith(".j2")} == scripts | styles
    templates = "".join((render.VIEWER / name).read_text(encoding="utf-8") for name in names if name.endswith(".j2"))
    included = set(re.findall(r'{% (?:include|from) "([^"]+)"', templates))
    assert {name for name in names if name.endswith(".j2")} == {"page.html.j2", *included}
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in render.VIEWER.iterdir()) < 500
