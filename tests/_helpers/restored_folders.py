"""Small folders of clean, damaged and restored pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIDE = 48


def clean_image(i: int) -> np.ndarray:
    """A smooth picture, (48, 48, 3) uint8, another for each i."""
    rows = np.linspace(20, 200, SIDE)
    channels = [0.5 * rows[:, None] + (0.1 + 0.1 * c) * rows[None, ::-1] + 5 * i for c in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def noisy(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """The picture with noise of so many 255ths."""
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1])


def folder(path: Path, sigma: float, names: tuple[str, ...], suffix: str = ".png", seed: int = 0) -> Path:
    """Write pictures with noise of a level; `names` without their suffix."""
    for i, name in enumerate(names):
        write(path / f"{name}{suffix}", noisy(clean_image(i), sigma, seed + i) if sigma else clean_image(i))
    return path
