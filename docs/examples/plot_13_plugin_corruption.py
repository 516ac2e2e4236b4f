"""
A corruption of your own
========================

A corruption is a class with a name and a call that draws an observation. This script defines one, checks it with the
conformance kit, and restores what it degraded. As a plugin it would be available to every command; see
:doc:`/tutorials/plugin`.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from skimage.io import imread
from torch import Tensor

import restorekit
from restorekit import Corruption, Observation, Ranged, Rng
from restorekit.testing import check_corruption

SAMPLES = Path("../../samples")  # the script runs in docs/examples

# %%
# Loss of complete square blocks, as a broken transmission leaves it. What remains is exact, so ``sigma`` is 0 and
# ``hides`` is true. Random numbers come from the source that is passed in, by name: the same image loses the same
# blocks in any batch.


@dataclass(frozen=True)
class LostBlocks(Corruption):
    """Lose blocks of 16 x 16 pixels, each with probability `rate`."""

    name, hides = "lost-blocks", True
    rate: Ranged = 0.15

    def __call__(self, x: Tensor, rng: Rng) -> Observation:
        batch, channels, height, width = x.shape
        grid = rng.uniform("blocks", (batch, 1, -(-height // 16), -(-width // 16)), x.device)
        kept = grid >= self.draw("rate", x, rng)
        observed = kept.repeat_interleave(16, 2).repeat_interleave(16, 3)[:, :, :height, :width]
        return Observation(x * observed, observed, (channels, height, width), sigma=x.new_zeros(batch, 1, 1, 1))


# %%
# The kit checks the contract: shapes, ranges, randomness by name, no use of global generators.

check_corruption(LostBlocks(rate=(0.0, 0.5)))
print("all checks passed for", LostBlocks(rate=(0.0, 0.5)))

# %%

picture = torch.from_numpy(imread(SAMPLES / "clean/noise/astronaut.png")).permute(2, 0, 1)[None] / 255
observation = LostBlocks()(picture, Rng(seed=3))
restored = restorekit.load("default")(observation.y, missing=~observation.observed[0, 0], sigma=0)

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
panels = {"clean": picture, "observed": observation.y, "restored": restored.mmse}
for axis, (name, image) in zip(axes, panels.items(), strict=True):
    axis.imshow(image[0].permute(1, 2, 0).clip(0, 1))
    axis.set_title(name)
    axis.axis("off")
plt.show()
