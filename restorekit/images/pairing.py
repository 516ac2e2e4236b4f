"""Pair the images of two sets by tree and stem, regardless of the suffix.

Masks are paired with their images in `restorekit.images.masks`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

_KEY = re.compile(r"(?P<stem>.*?)(?P<suffix>\.[^./#]+)?(?P<frame>#[^./#]*)?", re.DOTALL)


class Alignment(NamedTuple):
    """Pairs of images, and the names without a pair.

    Attributes
    ----------
    pairs : tuple of (int, int)
        Numbers of an image in the first set and of its counterpart in the second, in the order of the second.
    alone, lacking : tuple of str
        Names in the first set without a counterpart, and in the second.
    unclear : dict of str to str
        Names in the second set that several of the first could belong to, or the other way round; and why.
    """

    pairs: tuple[tuple[int, int], ...]
    alone: tuple[str, ...]
    lacking: tuple[str, ...]
    unclear: dict[str, str]


def stem(key: str) -> str:
    """Return an image's name without its suffix, a frame's with its number: ``sub/a.tif#3`` -> ``sub/a#3``."""
    found = _KEY.fullmatch(key)
    return key if found is None else f"{found['stem']}{found['frame'] or ''}"


def align(ours: Sequence[str], theirs: Sequence[str], one_each: bool = False) -> Alignment:
    """Find for each image of the second set that of the first: of the same name, else of the same tree and stem.

    Parameters
    ----------
    ours, theirs : sequence of str
        Names below their folders, with forward slashes; a frame of a file is ``NAME#NUMBER``.
    one_each : bool
        Whether either set is one file: these go together, frame by frame, whatever they are called.
    """
    exact = {key: i for i, key in enumerate(ours)}
    by_stem, stems = _by_stem(ours, one_each), _by_stem(theirs, one_each)
    pairs, lacking, unclear = list[tuple[int, int]](), list[str](), dict[str, str]()
    for j, key in enumerate(theirs):
        name = _name(key, one_each)
        found, rivals = by_stem.get(name, []), stems[name]
        if key in exact:
            pairs.append((exact[key], j))
        elif len(found) == len(rivals) == 1:
            pairs.append((found[0], j))
        elif found:
            files = ", ".join([*(ours[i] for i in found), *(theirs[i] for i in rivals)])
            unclear[key] = f"several files are called {name}: {files}; rename them, or keep one on either side"
        else:
            lacking.append(key)
    met = {ours[i] for i, _ in pairs} | {ours[i] for key in unclear for i in by_stem[_name(key, one_each)]}
    return Alignment(tuple(pairs), tuple(key for key in ours if key not in met), tuple(lacking), unclear)


def _name(key: str, one_each: bool) -> str:
    """Return by what an image is known: of one file on either side, only its frame."""
    if not one_each:
        return stem(key)
    found = _KEY.fullmatch(key)
    return (found["frame"] or "") if found else ""


def _by_stem(keys: Sequence[str], one_each: bool) -> dict[str, list[int]]:
    found = defaultdict[str, list[int]](list)
    for i, key in enumerate(keys):
        found[_name(key, one_each)].append(i)
    return found
