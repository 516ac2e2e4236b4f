"""A simulated scan of film with dust, in colour and infrared."""

from typing import NamedTuple

import cv2
import numpy as np

HEIGHT, WIDTH = 240, 320
SPECKS = 24


class Scan(NamedTuple):
    """Colours (H, W, 3) and infrared (H, W), both of 16 bits, and the opacity of the dust (H, W)."""

    colours: np.ndarray
    infrared: np.ndarray
    opacity: np.ndarray


def film_scan(leak=0.2, shift=(0.0, 0.0), grain=0.02, specks=SPECKS, gain=0.8, tone=0.05, infrared_of=None):
    """Scan a picture of smooth areas, edges and fine structure; dust of opacities 0.5 to 1 lies on it.

    The infrared is the red to the power `leak`, or what `infrared_of` makes of red, under a gain that falls to the
    corners, moved by `shift` columns and rows.
    """
    rng = np.random.default_rng(7)
    clean, opacity = picture(rng), dust(rng, specks)
    light = clean[..., 0] + 0.02
    light = gain * (light**leak if infrared_of is None else infrared_of(clean[..., 0]))
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    light = (light * (1 - 0.05 * (x * x + y * y)) * (1 - opacity)).astype(np.float32)
    moved = cv2.warpAffine(
        light, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    moved = moved * (1 + grain * rng.standard_normal(moved.shape))
    damaged = clean * (1 - opacity[..., np.newaxis]) + tone * opacity[..., np.newaxis]
    return Scan(
        *(_encoded(part + 0.005 * rng.standard_normal(part.shape)) for part in (damaged,)), _encoded(moved), opacity
    )


def picture(rng):
    """Return a picture, (H, W, 3) on [0, 1], with shading, edges, bars and texture."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    shade = 0.35 + 0.25 * np.sin(x / 60) * np.cos(y / 45)
    image = np.stack([shade, 0.8 * shade + 0.1, 0.6 + 0.2 * np.cos(x / 80)], axis=2)
    image[40:110, 30:120] = (0.85, 0.3, 0.2)
    image[130:220, 180:300] = (0.12, 0.3, 0.15)
    image[150:200, 20:140] += 0.25 * ((x[150:200, 20:140, np.newaxis] // 5) % 2)
    image[20:100, 200:300] += 0.1 * cv2.GaussianBlur(rng.standard_normal((80, 100, 3)), (0, 0), 1.5)
    return cv2.GaussianBlur(image.clip(0, 1), (0, 0), 0.7)


def dust(rng, specks):
    """Return the opacity, (H, W), of round specks and of hairs with soft edges."""
    found = np.zeros((HEIGHT, WIDTH), np.float32)
    for i in range(specks):
        one, (x, y) = np.zeros_like(found), rng.integers(12, (WIDTH - 12, HEIGHT - 12))
        if i % 4 == 0:
            angle = rng.uniform(0, np.pi)
            end = int(x + 30 * np.cos(angle)), int(y + 30 * np.sin(angle))
            cv2.line(one, (int(x), int(y)), end, 1.0, 2, cv2.LINE_AA)
        else:
            cv2.circle(one, (int(x), int(y)), int(rng.integers(2, 6)), 1.0, -1, cv2.LINE_AA)
        np.maximum(found, rng.uniform(0.5, 1) * one, out=found)
    return cv2.GaussianBlur(found, (0, 0), 0.6)


def shares(marks, opacity, near=3):
    """Return which share of the dust is marked, and which share of what lies further from dust than some pixels."""
    around = cv2.dilate((opacity > 0.02).astype(np.uint8), np.ones((2 * near + 1,) * 2, np.uint8)) > 0
    there = opacity > 0.2
    return float(marks[there].mean()) if there.any() else 1.0, float(marks[~around].mean())


def _encoded(values):
    return np.rint(values.clip(0, 1) * 65535).astype(np.uint16)
