"""
Large images and tiles
======================

Images that need more than ``--max-memory`` are restored in overlapping tiles. The result does not depend on the size
of the tiles but for rounding, draws included: every random number belongs to a place in the image and not to a tile.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
from skimage.io import imread, imsave

from restorekit.cli import group

SAMPLES = Path("../../samples")  # the script runs in docs/examples

# %%
# A picture of 1280 x 1280 pixels, made of copies of a noisy one, and turned so that its seams do not repeat:

noisy = imread(SAMPLES / "damaged/noise/camera.png")
row = np.concatenate([noisy, noisy[:, ::-1], np.rot90(noisy), noisy[::-1]], axis=1)
large = np.concatenate([row, row[:, ::-1], row[::-1], np.roll(row, 320, axis=1)], axis=0)
folder = Path(mkdtemp())
imsave(folder / "large.png", large, check_contrast=False)

# %%
# Restore it within 128 MB, in tiles, and within 4 GB, the default.


def restore(memory):
    """Restore the picture within so much memory, by the command; return the estimate and one draw."""
    out = Path(mkdtemp())
    source, options = str(folder / "large.png"), ["--max-memory", memory, "--samples", "1", "--no-report", "--json"]
    group(["restore", source, str(out), *options], standalone_mode=False)
    return imread(out / "large.png").astype(int), imread(out / "_restorekit/samples/large.png.tif")


tiled, tiled_draw = restore("128MB")
untiled, untiled_draw = restore("4GB")
print("pixels that differ:", int((tiled != untiled).sum()), "of", untiled.size)
print(f"largest difference of the draws: {np.abs(tiled_draw - untiled_draw).max():.1e} on [0, 1]")

# %%

fig, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
axes[0].imshow(untiled, cmap="gray")
axes[0].set_title("restored")
axes[1].imshow(np.abs(tiled - untiled), cmap="gray", vmin=0, vmax=1)
axes[1].set_title("difference of the two runs, 0 to 1 of 255")
for axis in axes:
    axis.axis("off")
plt.show()
