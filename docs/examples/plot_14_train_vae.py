"""
Train a small VAE and restore with a sampler
============================================

An unconditional model learns images and no degradation. A sampler then combines it with any degradation whose density
is known. Here a ``vae`` learns drawings of disks and squares within seconds; the tutorial :doc:`/tutorials/mnist` does
the same with digits.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np

import restorekit
from restorekit.cli import group

FOLDER = Path(mkdtemp())

# %%
# Four thousand images of 28 x 28 pixels, each with one disk or one square:

rng = np.random.default_rng(0)
rows, columns = np.mgrid[:28, :28]
centre, radius = rng.uniform(8, 20, (2, 4000, 1, 1)), rng.uniform(3, 7, (4000, 1, 1))
aside, down = abs(columns - centre[0]), abs(rows - centre[1])
distance = np.where(rng.random((4000, 1, 1)) < 0.5, np.hypot(aside, down), np.maximum(aside, down))
images = (255 * np.clip(radius - distance + 0.5, 0, 1)).astype(np.uint8)
np.save(FOLDER / "shapes.npy", images)

# %%
# ``restorekit train shapes.npy RUN --model vae --set preset=tutorial --epochs 40``: the 784-400-20 network.

arguments = ["train", str(FOLDER / "shapes.npy"), str(FOLDER / "RUN"), "--model", "vae", "--set", "preset=tutorial"]
group([*arguments, "--epochs", "40", "--device", "cpu"], standalone_mode=False)

# %%
# Restore drawings of which eight tenths of the pixels are missing. The model was never shown a missing pixel.

hidden = rng.random((4, 28, 28)) < 0.8
truth = images[:4] / 255
restore = restorekit.load(str(FOLDER / "RUN/model.safetensors"), device="cpu")
results = [restore(np.where(h, np.nan, t), sigma=0, samples=3) for h, t in zip(hidden, truth, strict=True)]

# %%

fig, axes = plt.subplots(4, 6, figsize=(9, 6.2), layout="constrained")
titles = ("truth", "observed", "estimate", "draw 1", "draw 2", "draw 3")
for row, h, t, result in zip(axes, hidden, truth, results, strict=True):
    panels = (t, np.where(h, 0.5, t), result.mmse, *result.draws)
    for axis, picture in zip(row, panels, strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.axis("off")
for axis, title in zip(axes[0], titles, strict=True):
    axis.set_title(title)
plt.show()
