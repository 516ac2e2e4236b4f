"""Neighbouring frames as evidence against a mark: a defect is on one frame only.

The frames before and after are moved onto a frame by optical flow. Where they agree with it, or not with each other,
a pixel is less likely to be defective than it seems on the frame alone.

References
----------
Kroeger, Timofte, Dai, Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
Kokaram, "Motion Picture Restoration", Springer 1998, chapter 6: dirt differs from the frames before and after with the
same sign, as in the detector SDIp.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from restorekit.core.rng import Rng

WEIGHT = 3.0  # of the logarithm of the evidence in the log-odds of a defect
CLEARED = -2.0  # of that logarithm; it is 0 at most: neighbours clear a pixel, and never accuse one
FAINTEST = 0.03  # difference between frames, on [0, 1], that noise makes
BLOTCH = 5  # pixels along a side of the median that hides marks from the search for motion
NEAR = 5  # pixels along a side of the window in which the frames before and after must agree
FLICKER = 65  # pixels along a side of the window over which brightness may change between frames
SHIFT, ZOOM, TURN, RUN = 2.5, 0.004, 0.15, 5.0  # standard deviations: pixels, share, degrees, pixels of what moves
NOISE, FLASH = 0.03, 0.02  # most noise, and standard deviation of the change of brightness, of made sequences

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def temporal_evidence(before: Bytes, frame: Bytes, after: Bytes) -> Floats:
    """Return what is added to the log-odds of a defect at each pixel of a frame, (H, W) nats, at most 0.

    Parameters
    ----------
    before, frame, after : array, (H, W, C)
        Three frames of one scene, in the order of time; at an end of the sequence, `before` or `after` is the frame
        next but one.
    """
    values = _unit(frame)
    first, second = (moved_onto(values, _unit(neighbour)) for neighbour in (before, after))
    differences = values - first, values - second
    alone = np.where(differences[0] * differences[1] > 0, np.minimum(*map(abs, differences)), 0)
    light = (first + second).mean(2) / 2
    edges = _smooth(np.hypot(cv2.Sobel(light, -1, 1, 0, scale=1 / 8), cv2.Sobel(light, -1, 0, 1, scale=1 / 8)))
    ratio = np.linalg.norm(alone, axis=2) / (FAINTEST + _smooth(np.linalg.norm(first - second, axis=2)) + edges)
    return np.asarray(WEIGHT * np.clip(np.log(np.maximum(ratio, 1e-6)), CLEARED, 0), np.float32)


def with_evidence(probability: Floats, evidence: Floats) -> Floats:
    """Return probabilities to whose log-odds the evidence is added, (H, W)."""
    p = probability.astype(np.float64).clip(1e-7, 1 - 1e-7)
    return np.asarray(1 / (1 + (1 - p) / p * np.exp(-evidence.astype(np.float64))), np.float32)


def made_frames(image: Bytes, rng: Rng) -> tuple[Bytes, Bytes, Bytes]:
    """Return three frames of a scene that moves as a hand-held camera sees it, in which a part moves otherwise.

    Parameters
    ----------
    image : array, (H, W, C)
        The scene at the time of the second frame, but for the part, noise and flicker.
    rng : Rng
        Random numbers of the image.
    """
    scene, (height, width) = _unit(image), image.shape[:2]
    drift = rng.normal("drift", (1, 6), "cpu")[0].tolist()
    place = rng.uniform("place", (1, 5), "cpu")[0].tolist()
    part = np.roll(scene, (int(place[0] * height), int(place[1] * width)), (0, 1))
    centre = (0.2 + 0.6 * place[2]) * width, (0.2 + 0.6 * place[3]) * height
    frames = []
    for time in (-1, 0, 1):
        view = cv2.getRotationMatrix2D((width / 2, height / 2), TURN * drift[0] * time, (1 + ZOOM * drift[1]) ** time)
        across, down = (RUN * speed * time for speed in drift[4:])
        shift = np.array([[0, 0, SHIFT * drift[2] * time], [0, 0, SHIFT * drift[3] * time]])
        shape = np.zeros((height, width), np.uint8)
        axes = max(4, width // 8), max(4, height // 6)
        cv2.ellipse(shape, (round(centre[0] + across), round(centre[1] + down)), axes, 0, 0, 360, 255, -1)
        weight = cv2.GaussianBlur(shape, (0, 0), 1)[..., None] / 255
        full = warped(scene, view + shift) * (1 - weight)
        full += warped(part, np.array([[1, 0, across], [0, 1, down]])) * weight
        noise = rng.normal(f"grain {time}", (1, *scene.shape), "cpu")[0].numpy()
        flash = 1 + FLASH * float(rng.normal(f"flash {time}", (1, 1), "cpu"))
        full = flash * full + 2 * NOISE * place[4] * cv2.GaussianBlur(noise, (0, 0), 0.6).reshape(scene.shape)
        frames.append((255 * full).round().clip(0, 255).astype(np.uint8))
    return frames[0], frames[1], frames[2]


def warped(image: Floats, matrix: npt.NDArray[np.float64]) -> Floats:
    """Return an image, (H, W, C), under an affine map, (2, 3), mirrored beyond its border."""
    size = image.shape[1], image.shape[0]
    found = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found.reshape(image.shape), np.float32)


def _unit(image: Bytes) -> Floats:
    return np.asarray(image, np.float32) / np.float32(255)


def moved_onto(frame: Floats, neighbour: Floats) -> Floats:
    """Return a neighbour, (H, W, C), moved onto a frame, and as bright."""
    height, width = frame.shape[:2]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    one, other = (cv2.medianBlur((255 * t.mean(2)).round().astype(np.uint8), BLOTCH) for t in (frame, neighbour))
    flow = search.calc(one, other, np.zeros((height, width, 2), np.float32))
    across, down = (cv2.medianBlur(np.ascontiguousarray(flow[..., i]), BLOTCH) for i in (0, 1))
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(neighbour, columns + across, rows + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    moved = moved.reshape(frame.shape)
    flicker = cv2.blur(np.median(frame - moved, axis=2), (FLICKER, FLICKER))
    return np.asarray(moved + flicker[..., None], np.float32)


def _smooth(values: Floats) -> Floats:
    return np.asarray(cv2.blur(values, (NEAR, NEAR)), np.float32)
