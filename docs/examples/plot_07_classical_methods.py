"""
Compare with classical methods
==============================

Classical methods go through the same door as models: ``restorekit.load`` takes the name of either.
"""

from pathlib import Path

import matplotlib.pyplot as plt
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples

# %%
# Noise of a known level. Classical denoisers need the level; the model works without it, so it could do this blind too.

clean = imread(SAMPLES / "clean/noise/camera.png") / 255
noisy = imread(SAMPLES / "damaged/noise/camera.png") / 255
denoised = {"noisy": noisy}
for name in ("wavelet", "tv", "nlm", "default"):
    denoised[name] = restorekit.load(name)(noisy, sigma=25 / 255).mmse.clip(0, 1)

# %%

cut = (slice(40, 200), slice(70, 230))
fig, axes = plt.subplots(1, 5, figsize=(12, 3), layout="constrained")
for axis, (name, picture) in zip(axes, denoised.items(), strict=True):
    psnr = peak_signal_noise_ratio(clean, picture, data_range=1)
    axis.imshow(picture[cut], cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{name}\n{psnr:.2f} dB")
    axis.axis("off")

# %%
# Missing pixels, with interpolation methods as the baseline:

clean = imread(SAMPLES / "clean/missing/chelsea.png") / 255
observed = imread(SAMPLES / "damaged/missing/chelsea.png") / 255
missing = imread(SAMPLES / "damaged/missing/chelsea.missing.png")
filled = {"observed": observed}
for name in ("telea", "navier-stokes", "delaunay", "biharmonic", "default"):
    filled[name] = restorekit.load(name)(observed, missing=missing, sigma=0, mask_confirmed=True).mmse.clip(0, 1)

# %%

cut = (slice(60, 200), slice(110, 250))
fig, axes = plt.subplots(1, 6, figsize=(13, 2.8), layout="constrained")
for axis, (name, picture) in zip(axes, filled.items(), strict=True):
    psnr = peak_signal_noise_ratio(clean, picture, data_range=1)
    axis.imshow(picture[cut])
    axis.set_title(f"{name}\n{psnr:.2f} dB")
    axis.axis("off")
plt.show()
