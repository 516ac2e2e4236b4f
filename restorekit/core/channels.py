"""Images of any number of channels through a restorer that takes only some: whole, or band by band."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from restorekit.core.contracts import Corruption, Restorer
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Restoration


def restore(restorer: Restorer, observation: Observation, corruption: Corruption, n: int, rng: Rng) -> Restoration:
    """Restore a batch held in memory, band by band where the restorer does not take its channels.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    observation : Observation
        Of images of any number of channels.
    corruption : Corruption
        What damaged them.
    n : int
        Draws asked for; 0 = one pass.
    rng : Rng
        Its keys name the images; a band has a stream of its own.

    Returns
    -------
    Restoration
        With the channels of the images.
    """
    channels = observation.shape[0]
    if together(restorer, channels) == channels:
        return restorer(observation, corruption, n, rng)
    keys = rng.keys or tuple(str(i) for i in range(len(observation)))
    bands = []
    for c, (_, band) in enumerate(parts(observation, 1)):
        own = replace(rng, keys=tuple(f"{key}#band{c}" for key in keys))
        bands.append(restorer(band, corruption, n, own))
    return _stacked(bands)


def together(restorer: Restorer, channels: int) -> int:
    """Return how many of an image's channels are restored at once."""
    takes = restorer.geometry.channels
    return channels if channels in takes or 1 not in takes else 1  # where it takes neither, it says so itself


def parts(observation: Observation, together: int) -> list[tuple[slice, Observation]]:
    """Cut a batch into what is restored at once: all channels, or one after the other; and where each part lies."""
    channels = observation.shape[0]
    if together == channels:
        return [(slice(None), observation)]
    return [(slice(c, c + 1), _band(observation, c)) for c in range(channels)]


def _band(o: Observation, c: int) -> Observation:
    def pick(t: Tensor) -> Tensor:
        return t[:, c : c + 1] if t.shape[1] > 1 else t

    initial = None if o.initial is None else pick(o.initial)
    return replace(o, y=pick(o.y), observed=pick(o.observed), shape=(1, *o.shape[1:]), initial=initial)


def _stacked(bands: list[Restoration]) -> Restoration:
    """Put bands, (..., B, 1, H, W), beside one another."""

    def stack(parts: list[Tensor | None]) -> Tensor | None:
        found = [part for part in parts if part is not None]
        return torch.cat(found, -3) if found else None

    mmse = torch.cat([b.mmse for b in bands], -3)
    diagnostics = {name: torch.stack([b.diagnostics[name] for b in bands]).mean(0) for name in bands[0].diagnostics}
    std, draws, low, high = (stack([getattr(b, name) for b in bands]) for name in ("std", "draws", "low", "high"))
    return Restoration(mmse, std, draws, low, high, diagnostics)
