"""Damaged copies of a JSON record: cut, nested, huge, of other types, with missing keys, not UTF-8."""

import json
import random

_MARK = "MARK-OF-THE-VALUE"
DEEP = b"[" * 10_000 + b"]" * 10_000
DEEP_OBJECT = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
DIGITS = b"9" * 5_000
VALUES = (
    *(b"null true false -1 0 1.5 NaN Infinity -Infinity 1e999 [] {} [[]] [null] [1] {\"a\":{}} [{}]".split()),
    *(b'"" "text" "\\ud800" "\\u0000" "\\u001b[2J" "../x" "/"'.split()),
    b'["a", ["b"]]', b'"' + b"x" * 5_000 + b'"', b"9" * 99, DIGITS, b"1" + b"0" * 400, DEEP, DEEP_OBJECT,
)  # fmt: skip


def mutations(record, seed=0, flips=100):
    """Yield damaged copies of a record, which is what `json.loads` gives, as bytes."""
    whole = json.dumps(record).encode()
    yield from (whole[:end] for end in range(0, len(whole), max(1, len(whole) // 80)))
    yield from VALUES
    yield from (whole + more for more in (b"}", b" 1", b"\x00", b"\xff", whole))
    yield from (b"\xef\xbb\xbf" + whole, whole.decode().encode("utf-16"), b"\xff\xfe" + whole)
    for path in _paths(record):
        yield json.dumps(_changed(record, path, None, remove=True)).encode()
        marked = json.dumps(_changed(record, path, _MARK)).encode()
        yield from (marked.replace(f'"{_MARK}"'.encode(), value) for value in VALUES)
    rng = random.Random(seed)
    for _ in range(flips):
        changed = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        yield bytes(changed)


def _paths(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _changed(value, path, new, remove=False):
    key, *rest = path
    found = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        found[key] = _changed(found[key], rest, new, remove)
    elif remove:
        del found[key]
    else:
        found[key] = new
    return found
