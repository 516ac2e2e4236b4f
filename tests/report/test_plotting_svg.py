"""Facts about restorekit.report.plotting."""

from __future__ import annotations

from restorekit.report.plotting import with_prefixed_ids

DRAWING = (
    '<svg><defs><clipPath id="p1"></clipPath><path id="m"/></defs><g id="figure_1" clip-path="url(#p1)">'
    '<use xlink:href="#m" style="fill: url(#p1)"/></g><text id="t">a id="m" url(#p1) b</text></svg>'
)


def test_ids_get_a_prefix_where_something_points_to_them_and_go_where_not():
    assert with_prefixed_ids(DRAWING, "x-") == (
        '<svg><defs><clipPath id="x-p1"></clipPath><path id="x-m"/></defs><g clip-path="url(#x-p1)">'
        '<use xlink:href="#x-m" style="fill: url(#x-p1)"/></g><text>a id="m" url(#p1) b</text></svg>'
    )
