"""Facts about restorekit.report.render."""

from __future__ import annotations

import json
import math
import os
from urllib.parse import unquote

import pytest

from restorekit.images.views import Overlay, Views
from restorekit.report.page import Column, Page, Row
from restorekit.report.render import address, embedded, payload


def test_nothing_in_a_text_ends_the_element():
    text = "</script><!--<b>&amp;\u2028\u2029"
    inside = embedded({"image": text})
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == {"image": text}


PATHS = ("a b/#1?.png", "100%.png", "ä/日.png", "'\"<img>&.png", "x:y.png", "a\\b.png", "..png")


@pytest.mark.parametrize("path", PATHS)
def test_an_address_is_of_plain_signs_and_means_the_path(path):
    made = address(path)
    assert unquote(made) == path
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~%/")


def test_a_name_that_is_no_utf8_keeps_its_bytes():
    assert address(os.fsdecode(b"\xff.png")) == "%FF.png"


def test_rows_point_into_tables_and_keep_why_values_are_missing():
    columns = [Column("psnr", "PSNR", "dB"), Column("none", "None"), Column("ssim", "SSIM")]
    views = Views(4, 3, "t", "b#", "a", "", {"std": Overlay("s", "Spread", 0, 0.1)}, ["d 1"])
    rows = [
        Row("x", corruption="c1", restorer="m", values={"psnr": 30.1234567, "ssim": None}, reasons={"ssim": "small"}),
        Row("y", "failed", corruption="c2", restorer="m", values={"psnr": math.inf}, error="cut off", views=views),
        Row("z", corruption="c1", restorer="n", values={"psnr": math.nan}, flags=["look"], notes=["note"]),
    ]
    found = json.loads(embedded(payload(Page("restore", "t", columns=columns, rows=rows))))
    assert [c["name"] for c in found["columns"]] == ["psnr", "ssim"]
    assert (found["corruptions"], found["restorers"]) == (["c1", "c2"], ["m", "n"])
    assert found["rows"] == [
        ["x", "done", 0, 0, [30.1235, None], {"1": "small"}, [], [], "", None],
        *[["y", "failed", 1, 0, ["inf", None], {}, [], [], "cut off", found["rows"][1][-1]]],
        ["z", "done", 0, 1, [None, None], {}, ["look"], ["note"], "", None],
    ]
    assert found["rows"][1][-1] == [4, 3, "t", "b%23", "a", "", [["std", "Spread", "s", 0, 0.1]], ["d%201"]]


def test_ten_thousand_rows_take_few_bytes_each():
    views = Views(512, 512, *(f"_restorekit/views/some folder/{name}.png" for name in ("thumb", "before", "after")))
    values = {f"c{i}": i / 7 for i in range(8)}
    row = Row("some folder/image.png", corruption="c", restorer="m", values=values, views=views)
    page = Page("restore", "t", columns=[Column(name, name) for name in values], rows=[row] * 10_000)
    assert len(embedded(payload(page))) < 4_000_000
