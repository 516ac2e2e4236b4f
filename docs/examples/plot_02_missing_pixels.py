"""
Fill missing pixels
===================

Seven tenths of the pixels are lost. A mask marks them; the model fills them and keeps all others bit for bit.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples
clean = imread(SAMPLES / "clean/missing/chelsea.png")
degraded = imread(SAMPLES / "damaged/missing/chelsea.png")
missing = imread(SAMPLES / "damaged/missing/chelsea.missing.png")  # non-zero = missing

# %%
# ``sigma=0`` states that the observed pixels are free of noise. A part of the model that was trained for gaps alone
# then fills them, and the observed pixels come back unchanged.

restored = restorekit.load("default")(degraded, missing=missing, sigma=0, mask_confirmed=True)
as_bytes = np.round(255 * restored.mmse.clip(0, 1)).astype(np.uint8)
observed = missing == 0
print("observed pixels are unchanged:", np.array_equal(as_bytes[observed], degraded[observed]))

# %%

pictures = {"observed": degraded, "restored": as_bytes, "clean": clean}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(name)
    axis.axis("off")
print(f"PSNR {peak_signal_noise_ratio(clean, as_bytes):.2f} dB")

# %%
# NaN in an array of floats means missing as well, so that a mask is not needed.

with_gaps = np.where(observed[..., None], degraded / 255, np.nan)
again = restorekit.load("default")(with_gaps, sigma=0)
print("largest difference:", float(np.abs(again.mmse - restored.mmse).max()))
plt.show()
