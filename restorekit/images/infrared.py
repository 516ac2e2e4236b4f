"""Dust on film, found in the infrared plane of its scan.

The dyes of colour film let infrared light pass, and dust blocks it. Cyan dye absorbs a part of it, so that the infrared
still shows the picture a little: that part is predicted from the red channel, up to a gain that varies slowly over the
picture, and pixels darker than predicted are dust. Film with silver (black-and-white, Kodachrome) blocks infrared too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from restorekit.core.errors import ImageError
from restorekit.images.defects import connected_to
from restorekit.images.nodata import NoData
from restorekit.images.picture import Array, Infrared, Picture

Marks = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]

MIN_LOSS, MAX_LOSS = 0.025, 0.3  # limits of the threshold that is chosen from the grain
GRAINS = 5.0  # standard deviations of the grain, smoothed, that this threshold is
_EDGE = 0.45  # share of the threshold from which pixels connected to dust are dust
_SURE = 1.8  # times the threshold from which a pixel is dust whatever its neighbours in red are
_REACH = 1  # pixels by which marks are widened
_SMOOTHING = 0.8  # standard deviation of the Gaussian over which light is measured, pixels
_FLOOR, _END = 0.004, 0.02  # of the range: keep logarithms of infrared and of the odds of red finite
_SAMPLES, _KNOTS = 400_000, 9  # pixels from which the prediction is fitted, and knots of its curve
_HUBER_TURNS, _TURNS, _HUBER, _TUKEY = 6, 14, 1.345, 4.685  # of the robust fit: turns, and constants of both weights
_CELL, _CELLS = 24, 64  # side of a cell of the gain in pixels, at least, and number of cells along a side, at most
_WINDOW, _MAX_SHIFT, _MIN_SHIFT = 1536, 16.0, 0.2  # pixels: side of the part that is registered, limits of the shift
_BETTER, _AGREEMENT = 1.05, 0.02  # factor by which a shift must raise the correlation of the edges, and its least value
_HOLDER_LIGHT = 0.15  # share of the film's infrared below which a thick part at the border is no film
_HOLDER_SIDE, _MIN_HOLDER = 0.06, 48  # thickness of such a part: share of the short side, and pixels at least
_SILVER_SLOPE = 0.5  # of log infrared over log red, from which the film itself seems to block infrared


class Dust(NamedTuple):
    """Dust that an infrared plane shows.

    Attributes
    ----------
    marks : array of bool, (H, W)
        True where dust lies, with its edges.
    threshold : float
        Share of the infrared light that dust blocks at least; its median where it depends on the grain.
    shift : (float, float)
        Columns and rows by which the infrared lies to the right of and below the picture, pixels.
    notes : tuple of str
    """

    marks: Marks
    threshold: float
    shift: tuple[float, float]
    notes: tuple[str, ...]


def without_infrared(picture: Picture) -> Picture:
    """Take the infrared plane of a scan out of its pixels.

    The plane is the last of two or four channels that is not alpha; or, in a TIFF, the only other page of the size of
    the first one, and gray.

    Parameters
    ----------
    picture : Picture
        As decoded.

    Returns
    -------
    Picture
        Its colours, with the plane as `Picture.infrared`; the same picture if it has none, or has it taken out already.
    """
    pixels = picture.pixels
    channels = pixels.shape[3]
    if picture.infrared is not None:
        return picture
    if picture.shapes is None and channels in (2, 4):
        return _colours_of(picture, slice(None), (*pixels.shape[1:3], channels - 1), pixels[..., -1:])
    sizes = picture.shapes or (pixels.shape[1:],) * len(pixels)
    alike = [i for i, size in enumerate(sizes) if i and size[:2] == sizes[0][:2]]
    if picture.format != "tiff" or len(alike) != 1 or sizes[alike[0]][2] != 1 or sizes[0][2] not in (1, 3):
        return picture
    height, width, _ = sizes[0]
    plane = pixels[alike[0] : alike[0] + 1, :height, :width, :1]
    return _colours_of(picture, slice(1), sizes[0], plane)


def _colours_of(picture: Picture, frames: slice, size: tuple[int, ...], plane: Array) -> Picture:
    """Return some frames of a picture, cut to a height, a width and channels, with its infrared plane taken out."""
    height, width, channels = size
    part = (frames, slice(height), slice(width), slice(channels))
    tiff, nodata, missing = picture.metadata.tiff, picture.nodata, picture.missing
    if tiff is not None:
        tiff = replace(tiff, pages=tiff.pages[frames], kinds=())
    if nodata is not None:
        held = np.zeros(nodata.where.shape, picture.pixels.dtype)
        held[nodata.where] = nodata.held
        nodata = NoData(nodata.values, nodata.where[part], held[part][nodata.where[part]])
    return replace(
        picture,
        pixels=np.ascontiguousarray(picture.pixels[part]),
        alpha=None if picture.alpha is None else np.ascontiguousarray(picture.alpha[part[:3]]),
        missing=None if missing is None else np.ascontiguousarray(missing[part]),
        metadata=replace(picture.metadata, tiff=tiff),
        nodata=nodata,
        shapes=None,
        infrared=Infrared(np.ascontiguousarray(plane), picture, channels),
    )


def find_dust(infrared: npt.NDArray[Any], red: npt.NDArray[Any], threshold: float | None = None) -> Dust:
    """Find dust in the infrared plane of a scan.

    Parameters
    ----------
    infrared : array, (H, W)
        Unsigned integers or floats.
    red : array, (H, W)
        Red channel of the picture, or its gray.
    threshold : float, optional
        Share of the expected infrared light that dust blocks at least; None: five standard deviations of the grain,
        0.025 to 0.3.

    Returns
    -------
    Dust

    Raises
    ------
    ImageError
        All values of the infrared are the same.
    """
    if infrared.max() == infrared.min():
        raise ImageError(f"its infrared plane holds nothing but {infrared.flat[0]}; scan it again with infrared")
    light, colour = _unit(infrared, True), _unit(red, red.dtype.kind == "f")
    holder = find_holder(light)
    shift = find_shift(light, colour, holder)
    light = light if shift == (0.0, 0.0) else _moved(light, shift)
    light, colour = (np.asarray(cv2.GaussianBlur(p, (0, 0), _SMOOTHING), np.float32) for p in (light, colour))
    loss, darkest_loss, slope = measure_losses(light, colour, holder)
    limit = _limits(loss, colour, holder) if threshold is None else np.full((1, 1), threshold, np.float32)
    excess = np.maximum(darkest_loss, loss / _SURE) / limit
    marks = connected_to(excess > _EDGE, excess > 1).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _REACH + 1, 2 * _REACH + 1))
    notes = {
        f"{holder.mean():.1%} of its infrared is black along the border, as a film holder is, and not taken for dust":
            bool(holder.any()),
        "its infrared shows the picture, as film with silver has it (black-and-white, Kodachrome): dark areas may be"
        " taken for dust, so look at the result": slope > _SILVER_SLOPE,
    }  # fmt: skip
    found = (cv2.dilate(marks, disc) > 0) & ~holder
    return Dust(found, float(np.median(limit)), shift, tuple(note for note, holds in notes.items() if holds))


def _unit(plane: npt.NDArray[Any], by_content: bool) -> Plane:
    """Return values on [0, 1] of their type, or of the brightest 0.1 % of the plane."""
    full = float(np.quantile(plane[::3, ::3], 0.999)) if by_content else float(np.iinfo(plane.dtype).max)
    return np.asarray(np.clip(plane / np.float32(full or plane.max()), 0, 1), np.float32)


def find_holder(light: Plane) -> Marks:
    """Find the holder or the mount of the film: thick, black, and reaching the border."""
    film = float(np.quantile(light[::7, ::7], 0.9))
    dark = (cv2.GaussianBlur(light, (0, 0), 2) < _HOLDER_LIGHT * film).astype(np.uint8)
    side = max(_MIN_HOLDER, int(_HOLDER_SIDE * min(light.shape)))
    padded = cv2.copyMakeBorder(dark, side, side, side, side, cv2.BORDER_REPLICATE)
    thick = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))[side:-side, side:-side]
    _, labels = cv2.connectedComponents(thick)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    found = np.isin(labels, rim[rim > 0]).astype(np.uint8)
    return np.asarray(cv2.dilate(found, np.ones((15, 15), np.uint8)) > 0)  # its edge is soft


def find_shift(light: Plane, colour: Plane, holder: Marks) -> tuple[float, float]:
    """Return the columns and rows by which the infrared lies off the picture; zeros if that makes edges agree less."""
    starts = [max(0, (side - _WINDOW) // 2) for side in light.shape]
    part = tuple(slice(start, start + _WINDOW) for start in starts)
    near, edges = cv2.dilate(holder[part].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0, list[Plane]()
    for plane in (colour, light):
        smooth = cv2.GaussianBlur(np.log(plane[part] + np.float32(_END)), (0, 0), 1.0)
        size = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        size[near] = 0
        size = np.minimum(size, np.quantile(size, 0.995))  # not the strongest edges alone
        edges.append((size - size.mean()).astype(np.float32))
    if min(edges[0].shape) < 4 * _MAX_SHIFT:
        return 0.0, 0.0
    (x, y), _ = cv2.phaseCorrelate(edges[0], edges[1], cv2.createHanningWindow(edges[0].shape[::-1], cv2.CV_32F))
    if not _MIN_SHIFT <= max(abs(x), abs(y)) <= _MAX_SHIFT:
        return 0.0, 0.0
    inner = (slice(int(_MAX_SHIFT), -int(_MAX_SHIFT)),) * 2
    # A move by a fraction of a pixel smooths, and that alone raises the correlation: it is compared with such a move.
    moves = (x, y), (x % 1, y % 1), (0.0, 0.0)
    after, *before = (
        float(np.corrcoef(edges[0][inner].ravel(), _moved(edges[1], move)[inner].ravel())[0, 1]) for move in moves
    )
    return (x, y) if after > _AGREEMENT and after > _BETTER * max(before) else (0.0, 0.0)


def _moved(plane: Plane, shift: tuple[float, float]) -> Plane:
    """Return a plane moved back by a shift in columns and rows."""
    matrix, flags = np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(plane, matrix, plane.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def measure_losses(light: Plane, colour: Plane, holder: Marks) -> tuple[Plane, Plane, float]:
    """Measure the share of the expected infrared that is lost at each pixel.

    Returns
    -------
    array, (H, W)
        Share that is lost.
    array, (H, W)
        The same for the darkest infrared that the red of the pixel or of its neighbours lets expect, so that edges and
        fine structure of the picture that are not exactly in place lose nothing.
    float
        Slope of the logarithm of the expected infrared over that of red.
    """
    log_light, odds = np.log(light + np.float32(_FLOOR)), np.log((colour + np.float32(_END)) / (1 + _END - colour))
    some = _some(light)
    film = ~holder[some]
    x, y = odds[some][film], log_light[some][film]
    rows, columns = (np.arange(side)[part] for side, part in zip(light.shape, some, strict=True))
    v, u = (
        place[film] / side for place, side in zip(np.meshgrid(rows, columns, indexing="ij"), light.shape, strict=True)
    )
    knots = np.unique(np.quantile(x, np.linspace(0, 1, _KNOTS)))
    basis = np.stack([*(np.interp(x, knots, unit) for unit in np.eye(len(knots))), *_bow(u, v)], axis=1)
    fit = _robust_fit(basis, y)
    curve, bow = fit[: len(knots)], fit[len(knots) :]
    gain = _cell_medians(y - basis @ fit, v, u, light.shape)
    for k, row in enumerate(gain):  # in place, by rows: a plane of doubles would take twice the memory
        row += sum(
            c * t for c, t in zip(bow, _bow(np.arange(len(row)) / len(row), np.full(1, k / len(gain))), strict=True)
        )
    ends = float(odds.min()), float(odds.max())
    table = np.interp(np.linspace(*ends, 4096), knots, curve).astype(np.float32)
    expected = table[((odds - ends[0]) * (4095 / max(1e-6, ends[1] - ends[0])) + 0.5).astype(np.uint16)]
    least, log_light = cv2.erode(expected, np.ones((3, 3), np.uint8)), log_light - gain
    reds = np.log(1 / (1 + np.exp(-knots[[0, -1]])))
    slope = float((curve[-1] - curve[0]) / max(1e-6, reds[1] - reds[0]))
    return 1 - np.exp(log_light - expected), 1 - np.exp(log_light - least), slope


def _some(plane: Plane) -> tuple[slice, slice]:
    """Return every so many rows and columns, in which the prediction is fitted."""
    step = max(1, int(np.sqrt(plane.size / _SAMPLES)))
    return slice(None, None, step), slice(None, None, step)


def _bow(u: Values, v: Values) -> list[Values]:
    """Return the terms of a gain that varies slowly over columns and rows on [0, 1]."""
    u, v = u - 0.5, v - 0.5
    return [u, v * np.ones_like(u), u * u, u * v, v * v * np.ones_like(u)]


def _robust_fit(basis: Values, y: Plane) -> Values:
    """Return the coefficients of a fit that is not drawn to the few values of dust."""
    weight, ridge = np.ones(len(y)), 1e-6 * len(y) * np.eye(basis.shape[1])
    found: npt.NDArray[Any] = basis[0]
    for turn in range(_TURNS):
        weighted = basis * weight[:, np.newaxis]
        found = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ y)
        error = np.abs(y - basis @ found)
        error /= 1.4826 * float(np.median(error)) + 1e-3
        if turn < _HUBER_TURNS:
            weight = 1 / np.maximum(1, error / _HUBER)
        else:
            weight = np.square(np.maximum(0, 1 - np.square(error / _TUKEY)))
    return found


def _cell_medians(values: Values, v: Values, u: Values, shape: tuple[int, ...]) -> Plane:
    """Return the median of values around each pixel, (H, W): of the cells of a grid, smoothed over their neighbours."""
    height, width = shape
    cell = max(_CELL, -(-max(height, width) // _CELLS))
    grid = -(-height // cell), -(-width // cell)
    place = (v * height).astype(np.intp) // cell * grid[1] + (u * width).astype(np.intp) // cell
    order = np.argsort(place, kind="stable")
    found, starts = np.full(grid[0] * grid[1], np.nan, np.float32), np.flatnonzero(np.diff(place[order], prepend=-1))
    for one in np.split(order, starts[1:]):
        found[place[one[0]]] = np.median(values[one])
    found = np.where(np.isnan(found), np.nanmedian(found), found).reshape(grid)
    smooth = cv2.GaussianBlur(cv2.medianBlur(found, 5), (0, 0), 1.0)
    size = grid[1] * cell, grid[0] * cell
    return np.asarray(cv2.resize(smooth, size, interpolation=cv2.INTER_LINEAR), np.float32)[:height, :width]


def _limits(loss: Plane, colour: Plane, holder: Marks) -> Plane:
    """Return the loss that is dust at each pixel, from the spread of the loss at pixels of about the same red.

    Where red is dark, its noise counts for more. Dust only adds to the loss, so the spread is measured below zero.
    """
    some = _some(loss)
    film = ~holder[some]
    losses, reds = loss[some][film], colour[some][film]
    places = np.quantile(reds, np.linspace(0, 1, _KNOTS))
    index = np.clip(np.searchsorted(places, reds, side="right") - 1, 0, _KNOTS - 2)
    filled = [i for i in range(_KNOTS - 1) if (index == i).any()]
    spreads = [-float(np.quantile(losses[index == i], 0.05)) / 1.645 for i in filled]
    spread = np.interp(np.linspace(0, 1, 1024), (places[:-1] + places[1:])[filled] / 2, spreads)
    table = np.clip(GRAINS * spread, MIN_LOSS, MAX_LOSS).astype(np.float32)
    return table[(colour * 1023 + 0.5).astype(np.uint16)]
