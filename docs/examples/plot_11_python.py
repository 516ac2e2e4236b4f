"""
Images as arrays and tensors
============================

``restorekit.load`` returns a callable that takes one image, or a batch of tensors, in the layout of its library and
gives the result in the same layout.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from skimage.io import imread

import restorekit

SAMPLES = Path("../../samples")  # the script runs in docs/examples
restore = restorekit.load("default", device="cpu")
noisy = imread(SAMPLES / "damaged/noise/astronaut.png")
print("file:", noisy.shape, noisy.dtype)

# %%
# NumPy: (H, W) or (H, W, C). Integers span 0 to the maximum of their type, floats are on [0, 1].

as_bytes = restore(noisy)
as_words = restore(noisy.astype(np.uint16) * 257)
as_floats = restore(noisy / 255)
print("result:", as_bytes.mmse.shape, as_bytes.mmse.dtype)

# %%
# The three are one image, so the results agree to rounding:

for name, other in (("uint16", as_words), ("float64", as_floats)):
    print(f"{name}: largest difference {np.abs(other.mmse - as_bytes.mmse).max():.1e}")

# %%
# PyTorch: (H, W), (C, H, W) or a batch (B, C, H, W). Draws have a leading axis.

batch = torch.from_numpy(noisy).permute(2, 0, 1).float().div(255).expand(2, -1, -1, -1)
restored = restore(batch, sigma=25 / 255, samples=3)
print("estimate:", tuple(restored.mmse.shape), " draws:", tuple(restored.draws.shape))

# %%
# A wrong call is refused in one sentence that says what to do:

for options in ({"sigma": 25}, {"label": 3}):
    try:
        restore(noisy, **options)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

# %%

fig, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for axis, image, name in zip(axes, (batch[0], restored.mmse[0]), ("tensor in", "tensor out"), strict=True):
    axis.imshow(image.permute(1, 2, 0).clip(0, 1))
    axis.set_title(name)
    axis.axis("off")
plt.show()
