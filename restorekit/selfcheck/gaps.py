"""Which observed values are hidden, so that they lie as the missing ones do."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restorekit.noise import Noise

SHARE = 0.02  # of the observed values that are hidden at a time; of large gaps, a whole copy of them
MOST = 0.3  # of the observed values that such a copy may take, so that enough is left to restore it from
COPIES = 16  # of small gaps, at most
TRIES = 8  # places for a copy, of which that with the fewest gaps close by is taken
APART = 8  # pixels that count as close by: two gaps that touch are one larger one
CONNECTED = 0.1  # by how much the share of observed neighbours is less around missing than around observed pixels
REACH = 5  # pixels a side of that neighbourhood


def pattern_of(observed: Tensor) -> Tensor:
    """Return where pixels were observed, (B, 1, H, W), if all channels are missing together; else as it is."""
    return observed[:, :1] if bool((observed == observed[:, :1]).all()) else observed


def connected(pattern: Tensor) -> bool:
    """Say whether missing pixels, in bool (B, C, H, W), lie together, as lines and holes do.

    Of pixels that are lost independently of one another, missing and observed ones have as many observed neighbours.
    """
    seen = pattern.float()
    around, room = (F.avg_pool2d(t, REACH, 1, REACH // 2) * REACH**2 - t for t in (seen, torch.ones_like(seen)))
    share = around / room
    return bool(share[pattern].mean() - share[~pattern].mean() > CONNECTED)


def hide(observed: Tensor, noise: Noise, number: int) -> Tensor:
    """Choose observed values to hide; another number gives others.

    Parameters
    ----------
    observed : Tensor of bool, (B, C, H, W)
        Some are missing.
    noise : Noise
        Decides.
    number : int
        From 0 on.

    Returns
    -------
    Tensor of bool, (B, C, H, W)
        Whole pixels where all channels are missing together.
    """
    pattern = pattern_of(observed)
    if not connected(pattern):
        return _single(pattern, noise, number).expand_as(observed)
    images = [_copied(pattern[i : i + 1], noise.take([i]).fork(f"copies{number}")) for i in range(len(pattern))]
    return torch.cat(images).expand_as(observed)


def _single(pattern: Tensor, noise: Noise, number: int) -> Tensor:
    u = noise.uniform("hidden", tuple(pattern.shape), pattern.device)
    return pattern & (u >= number * SHARE) & (u < (number + 1) * SHARE)


def _copied(pattern: Tensor, noise: Noise) -> Tensor:
    """Lay copies of one image's gaps, (1, C, H, W), over what was observed, until they hide the share."""
    hidden, wanted = torch.zeros_like(pattern), SHARE * int(pattern.sum())
    for copy in range(COPIES):
        hidden = hidden | (_best(pattern, hidden, noise.fork(f"copy{copy}")) & pattern)
        if int(hidden.sum()) >= wanted:
            break
    return _cut(hidden, MOST * int(pattern.sum()), noise)


def _best(pattern: Tensor, hidden: Tensor, noise: Noise) -> Tensor:
    """Return the gaps, shifted to where they have the fewest of their like close by."""
    near = _widened(hidden | ~pattern)
    places = [_shifted(~pattern, noise.fork(f"try{t}")) for t in range(TRIES)]
    return min(places, key=lambda moved: int((moved & near).sum()))


def _shifted(gaps: Tensor, noise: Noise) -> Tensor:
    """Shift gaps by a random way, around the borders of the image."""
    way = noise.uniform("way", (1, 2), "cpu")[0] * torch.tensor(gaps.shape[2:])
    return gaps.roll(tuple(way.int().tolist()), (2, 3))


def _widened(gaps: Tensor) -> Tensor:
    """Return what lies within APART pixels of a gap, by rows and by columns, which is quicker than by squares."""
    rows = F.max_pool2d(gaps.float(), (1, 2 * APART + 1), 1, (0, APART))
    return F.max_pool2d(rows, (2 * APART + 1, 1), 1, (APART, 0)) > 0


def _cut(hidden: Tensor, most: float, noise: Noise) -> Tensor:
    """Keep so many hidden values at most, those of the rows from a random one on."""
    start = int(noise.uniform("row", (1, 1), "cpu") * hidden.shape[2])
    rolled = hidden.roll(-start, 2)
    kept = rolled.sum((0, 1, 3)).cumsum(0) <= most
    return (rolled & kept[None, None, :, None]).roll(start, 2)
