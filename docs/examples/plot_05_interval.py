"""
Calibrated intervals
====================

``interval=0.9`` returns two images, ``low`` and ``high``, between which nine tenths of the unknown true values lie, on
average over images. Here the clean image is known, so the share can be counted.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skimage.io import imread

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples
restore = restorekit.load("default")
rng = np.random.default_rng(0)

# %%
# Count how many true values the interval encloses, for the sample pictures and three levels of noise.

for name in ("noise/astronaut", "noise/camera", "missing/chelsea"):
    clean = imread(SAMPLES / f"clean/{name}.png") / 255
    shares = []
    for level in (15, 25, 50):
        noisy = clean + level / 255 * rng.standard_normal(clean.shape)
        restored = restore(noisy, interval=0.9)
        shares.append(((restored.low <= clean) & (clean <= restored.high)).mean())
    print(f"{name:16s}", " ".join(f"{100 * share:.1f} %" for share in shares))

# %%
# The width of the interval follows the content: narrow in smooth places, wide at edges and in texture.

camera = imread(SAMPLES / "clean/noise/camera.png") / 255
restored = restore(imread(SAMPLES / "damaged/noise/camera.png"), interval=0.9)
row = 150
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", width_ratios=(1, 2))
left.imshow(restored.high - restored.low, cmap="magma")
left.axhline(row, color="white", linewidth=0.8)
left.set_title("width of the 90 % interval")
left.axis("off")
columns = np.arange(camera.shape[1])
right.fill_between(columns, restored.low[row], restored.high[row], alpha=0.35, label="90 % interval")
right.plot(columns, camera[row], "k", linewidth=0.8, label="clean")
right.set_xlabel(f"column of row {row}")
right.legend()
plt.show()
