"""Print the figures of the architecture and their bars.

Run: ``python -m tests.architecture [FIGURE ...] [-v] [--json]``, FIGUREs by the short names of the first column.
"""

from __future__ import annotations

import argparse
import json

from .criteria import CRITERIA, HERE, Criterion, Measured


def main() -> int:
    """Print the table or a JSON object; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.architecture", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="FIGURE", help=f"which figures to measure: {', '.join(CRITERIA)}")
    parser.add_argument("-v", "--verbose", action="store_true", help="list the places behind each figure")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all places")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(CRITERIA):
        parser.error(f"expected names of figures, got {', '.join(sorted(unknown))}; choose from {', '.join(CRITERIA)}")
    measured = {name: CRITERIA[name].measure(HERE) for name in arguments.names or CRITERIA}
    print(as_json(measured) if arguments.json else as_table(measured, arguments.verbose))
    return int(any(not _holds(CRITERIA[name], found) for name, found in measured.items()))


def _holds(criterion: Criterion, found: Measured) -> bool:
    return criterion.bar is None or criterion.bar.holds(found.value)


def as_table(measured: dict[str, Measured], verbose: bool) -> str:
    """Return criterion, value and bar in columns; a missed bar is marked by ``!``."""
    lines = [f"  {'name':<18}{'figure':<60}{'now':>12}  bar"]
    for name, found in measured.items():
        criterion = CRITERIA[name]
        value = "none" if found.value is None else f"{found.value:g} {criterion.unit}".strip()
        mark = " " if _holds(criterion, found) else "!"
        lines.append(f"{mark} {name:<18}{criterion.title:<60}{value:>12}  {criterion.bar or ''}".rstrip())
        if verbose:
            lines += [f"      {place}" for place in found.places]
    return "\n".join(lines)


def as_json(measured: dict[str, Measured]) -> str:
    """Return the figures as a JSON object by short name."""
    rows = {
        name: {
            "title": CRITERIA[name].title,
            "value": found.value,
            "unit": CRITERIA[name].unit,
            "bar": str(CRITERIA[name].bar or ""),
            "holds": _holds(CRITERIA[name], found),
            "places": found.places,
        }
        for name, found in measured.items()
    }
    return json.dumps(rows, indent=1)


if __name__ == "__main__":
    raise SystemExit(main())
