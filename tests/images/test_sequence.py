"""Facts about neighbouring frames as evidence against a mark."""

import cv2
import numpy as np
import pytest

from restorekit.core.rng import Rng
from restorekit.images.sequence import CLEARED, WEIGHT, made_frames, temporal_evidence, with_evidence


def scene(channels=3, seed=0):
    """Return a smooth texture, (120, 140, C), of 8 bits."""
    noise = np.random.default_rng(seed).normal(size=(120, 140, channels))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4).reshape(noise.shape)
    return (120 + 500 * smooth).round().clip(0, 255).astype(np.uint8)


def marked(frame, row, column):
    found = frame.copy()
    cv2.circle(found, (column, row), 3, (250,) * frame.shape[2], -1)
    return found


def shifted(frame, pixels):
    return np.roll(frame, pixels, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("speed", [0, 3])
def test_what_is_on_one_frame_only_is_kept_and_what_is_on_all_is_cleared(channels, speed):
    still = marked(scene(channels), 40, 60)  # a part of the scene that looks like dust
    before, after = shifted(still, -speed), shifted(still, speed)
    evidence = temporal_evidence(before, marked(still, 80, 70), after)
    assert evidence.max() <= 0
    assert evidence.min() >= WEIGHT * CLEARED
    assert evidence[79:82, 69:72].min() > -0.5
    assert evidence[39:42, 59:62].max() < -4


def test_a_frame_that_is_brighter_than_its_neighbours_has_no_more_marks():
    frame = scene()
    bright = (frame * 1.03).clip(0, 255).round().astype(np.uint8)
    assert np.median(temporal_evidence(frame, bright, frame)) < -4


def test_a_part_that_no_other_frame_shows_alike_is_not_called_a_mark():
    """The frames before and after disagree there: something moves too fast."""
    frames = [scene(seed=0) for _ in range(3)]
    for i, frame in enumerate(frames):
        frame[40:80, 40:80] = scene(seed=i + 1)[40:80, 40:80]
    assert np.median(temporal_evidence(*frames)[45:75, 45:75]) < -2


def test_evidence_is_added_to_the_log_odds():
    p = np.array([[0.5, 0.9, 0.01]], np.float32)
    found = with_evidence(p, np.array([[-1.0, -2.0, 0.0]], np.float32))
    np.testing.assert_allclose(np.log(found / (1 - found)), np.log(p / (1 - p)) - [[1, 2, 0]], rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_made_frames_move_and_depend_on_the_key_alone(channels):
    image = scene(channels)
    frames = made_frames(image, Rng(0, ("a",)))
    assert all(frame.shape == image.shape and frame.dtype == np.uint8 for frame in frames)
    again, other = made_frames(image, Rng(0, ("a",))), made_frames(image, Rng(0, ("b",)))
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))
    assert not np.array_equal(frames[1], other[1])
    assert not np.array_equal(frames[0], frames[2])
    assert np.median(np.abs(frames[1].astype(int) - image)) < 12  # all but the part that moves, grain and flicker
