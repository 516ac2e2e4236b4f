"""Drawings as parts of a page: ids that do not collide."""

from __future__ import annotations

import re

_TAG = re.compile(r"<[^<>]+>")
_ID = re.compile(r'\sid="([^"]+)"')
_USE = re.compile(r'(url\(#|href="#)([^)"]+)')


def apart(svg: str, prefix: str) -> str:
    """Return a drawing whose ids begin with a prefix, so that those of another on the same page stay apart.

    An id that nothing in the drawing points to is left out.
    """
    used = {name for tag in _TAG.findall(svg) for _, name in _USE.findall(tag)}

    def renamed(tag: re.Match[str]) -> str:
        text = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", tag[0])
        return _USE.sub(rf"\g<1>{prefix}\g<2>", text)

    return _TAG.sub(renamed, svg)
