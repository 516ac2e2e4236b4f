"""
Draw several possible images
============================

The estimate is one image, the mean. Draws are images that the observation allows: they differ where it says little.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples
clean = imread(SAMPLES / "clean/missing/chelsea.png") / 255
degraded = imread(SAMPLES / "damaged/missing/chelsea.png")
missing = imread(SAMPLES / "damaged/missing/chelsea.missing.png")

# %%
# ``samples`` asks for draws; the seed makes them repeatable.

restored = restorekit.load("default")(degraded, missing=missing, sigma=0, samples=8, seed=1, mask_confirmed=True)
print("draws:", restored.draws.shape)

# %%
# A cut-out of the estimate and of three draws:

cut = (slice(60, 150), slice(50, 140))
panels = [("clean", clean), ("estimate", restored.mmse)]
panels += [(f"draw {i}", draw) for i, draw in enumerate(restored.draws[:3], start=1)]
fig, axes = plt.subplots(1, 5, figsize=(12, 2.9), layout="constrained")
for axis, (name, picture) in zip(axes, panels, strict=True):
    axis.imshow(picture[cut].clip(0, 1))
    axis.set_title(name)
    axis.axis("off")

# %%
# One draw has a larger error than the estimate; the mean of many draws comes close to it.

for count in (1, 2, 4, 8):
    mean = np.mean(restored.draws[:count], axis=0)
    print(f"mean of {count} draws: {peak_signal_noise_ratio(clean, mean.clip(0, 1), data_range=1):.2f} dB")
print(f"estimate:        {peak_signal_noise_ratio(clean, restored.mmse.clip(0, 1), data_range=1):.2f} dB")
plt.show()
