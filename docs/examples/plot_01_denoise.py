"""
Remove noise
============

The default model removes Gaussian noise whether its level is known or not.
"""

from pathlib import Path

import matplotlib.pyplot as plt
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples
clean = imread(SAMPLES / "clean/noise/astronaut.png") / 255
noisy = imread(SAMPLES / "damaged/noise/astronaut.png") / 255

# %%
# Load the model once, then call it with as many images as you like. An image is an array of shape (H, W) or (H, W, C);
# floats are on [0, 1], ``uint8`` and ``uint16`` span their full range.

restore = restorekit.load("default")
blind = restore(noisy)
known = restore(noisy, sigma=25 / 255)

# %%
# ``mmse`` is the restored image, in the layout of the input.

pictures = {"noisy": noisy, "restored, level unknown": blind.mmse, "restored, level known": known.mmse}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.8), layout="constrained")
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    psnr = peak_signal_noise_ratio(clean, picture.clip(0, 1), data_range=1)
    axis.imshow(picture.clip(0, 1))
    axis.set_title(f"{name}\n{psnr:.2f} dB")
    axis.axis("off")

# %%
# ``std`` is the standard deviation that the model predicts for every value: brighter means less certain.

fig, axis = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
shown = axis.imshow(known.std.mean(axis=2), cmap="magma")
axis.set_title("predicted standard deviation")
axis.axis("off")
fig.colorbar(shown, ax=axis)
plt.show()
