"""
Inpaint holes
=============

A hole is a connected region of missing pixels. The estimate inside it is the mean of what could be there, so it gets
smoother and less certain with the distance to the nearest observed pixel.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.io import imread

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples
clean = imread(SAMPLES / "clean/holes/coffee.png") / 255
degraded = imread(SAMPLES / "damaged/holes/coffee.png")
missing = imread(SAMPLES / "damaged/holes/coffee.missing.png") > 0
restored = restorekit.load("default")(degraded, missing=missing, sigma=0)

# %%

std = restored.std.mean(axis=2)
panels = {"observed": degraded, "restored": restored.mmse.clip(0, 1), "standard deviation": std}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.1), layout="constrained")
for axis, (name, picture) in zip(axes, panels.items(), strict=True):
    axis.imshow(picture, cmap="magma")
    axis.set_title(name)
    axis.axis("off")

# %%
# Error and predicted standard deviation, by the distance to the nearest observed pixel:

depth = distance_transform_edt(missing)
error = np.sqrt(((restored.mmse - clean) ** 2).mean(axis=2))
steps = np.arange(1, int(depth.max()) + 1)
rings = [(depth >= step) & (depth < step + 1) for step in steps]
fig, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
axis.plot(steps, [np.sqrt((error[ring] ** 2).mean()) for ring in rings], label="root mean squared error")
axis.plot(steps, [np.sqrt((std[ring] ** 2).mean()) for ring in rings], label="predicted standard deviation")
axis.set_xlabel("distance to the nearest observed pixel")
axis.set_ylabel("on [0, 1]")
axis.legend()
plt.show()
