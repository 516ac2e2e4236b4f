"""Observations of another size than their image: tiles of the two do not match, so they are restored in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from restorekit.contracts import Corruption, Model
from restorekit.errors import ImageError
from restorekit.sweep import BYTES_PER_PIXEL, Limits, mirrored
from restorekit.types import Observation


def padded(observation: Observation, corruption: Corruption, model: Model) -> Observation:
    """Mirror an observation at its lower and right border up to the sides that a model takes.

    Parameters
    ----------
    observation : Observation
        Of images of any size.
    corruption : Corruption
        Says how large an image a larger observation is of.
    model : Model
        Of images of one size, or of sides that are multiples.

    Returns
    -------
    Observation
        The same where the image fits; else a larger one, without a guess.

    Raises
    ------
    ImageError
        The model takes images of another size, or no larger observation leads to one that it takes.
    """
    (size, multiple, *_), sides = model.geometry, observation.shape[1:]
    if size == sides or (size is None and not any(side % multiple for side in sides)):
        return observation
    grown = None if size else _grown(observation, corruption, multiple)
    if grown is None:
        wanted = f"of {size[1]} x {size[0]} pixels" if size else f"whose sides are multiples of {multiple} pixels"
        raise ImageError(
            f"behind {corruption} the model {model.name!r} restores images {wanted}, got {sides[1]} x {sides[0]};"
            " crop it, or choose a model of any size"
        )
    return grown


def _grown(observation: Observation, corruption: Corruption, multiple: int) -> Observation | None:
    """Return the least larger observation of an image whose sides are multiples; None where there is none near."""
    channels, height, width = observation.y.shape[1:]

    def clean(rows: int, columns: int) -> tuple[int, int, int]:
        return corruption.clean_shape((channels, rows, columns), observation.shape[0])

    rows = _side(height, observation.shape[1], multiple, lambda side: clean(side, width)[1])
    columns = _side(width, observation.shape[2], multiple, lambda side: clean(height, side)[2])
    if rows is None or columns is None:
        return None
    larger = replace(observation, guess=None).cut(mirrored(0, rows, height), mirrored(0, columns, width))
    return replace(larger, shape=clean(rows, columns))


def _side(seen: int, least: int, multiple: int, clean: Callable[[int], int]) -> int | None:
    fits = (side for side in range(seen, seen + multiple + 1) if clean(side) >= least and clean(side) % multiple == 0)
    return next(fits, None)


def check_room(height: int, width: int, limits: Limits) -> None:
    """Raise an ImageError where one image would take more than the limits when it is restored at once."""
    if height * width > limits.pixels:
        raise ImageError(f"{_at_once(height, width)}; raise --max-memory, or cut the image into parts")


def out_of_room(observation: Observation, error: BaseException) -> ImageError:
    """Return what to tell where memory ran out."""
    height, width = observation.shape[1:]
    return ImageError(f"out of memory: {_at_once(height, width)}; cut the image into parts ({error})")


def _at_once(height: int, width: int) -> str:
    needed = height * width * BYTES_PER_PIXEL / 1e9
    return (
        f"an image of another size than its restoration is restored whole, {width} x {height} in up to {needed:.1f} GB"
    )
