"""Cost of a pass through a model."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from restorekit.core.contracts import Corruption, Detector, Model, Network
from restorekit.core.rng import Rng

SIDE = 64  # pixels of the image that is counted on, at least


def multiply_accumulates(network: Network, corruption: Corruption) -> float | None:
    """Count the multiply-accumulates per pixel of a pass, in the convolutions and matrix products that PyTorch counts.

    Parameters
    ----------
    network : Network
        A `Model` or a `Detector`.
    corruption : Corruption
        What a model is asked to undo: it may use other layers for another one. A detector uses the same for all.

    Returns
    -------
    float or None
        None for a model that gives no estimate in one pass.
    """
    geometry = network.geometry
    height, width = geometry.size or (-(-SIDE // geometry.multiple) * geometry.multiple,) * 2
    rng = Rng(0, ("image",))
    observation = corruption(torch.full((1, max(geometry.channels), height, width), 0.5), rng)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if isinstance(network, Detector):
            network.probability(observation, rng)
        elif not isinstance(network, Model) or network.estimate(observation, corruption) is None:
            return None
    return float(counter.get_total_flops()) / 2 / (height * width)
