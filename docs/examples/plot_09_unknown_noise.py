"""
Noise of unknown level
======================

Three ways to treat the level of the noise: leave it to the model (the default), let it be estimated, or state it. A
stated level that is far off costs more than no level at all.
"""

import json
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio

import restorekit
from restorekit.cli import group

SAMPLES = Path("../../samples")  # the script runs in docs/examples
clean = imread(SAMPLES / "clean/noise/camera.png") / 255
noisy = imread(SAMPLES / "damaged/noise/camera.png") / 255  # its true level is 25/255


def psnr(picture):
    """Return the PSNR in dB of a restored image on [0, 1]."""
    return peak_signal_noise_ratio(clean, picture.clip(0, 1), data_range=1)


# %%
# ``restorekit restore IN OUT --sigma auto`` estimates the level of each image and writes it into the record.

out = Path(mkdtemp())
source = str(SAMPLES / "damaged/noise/camera.png")
group(["restore", source, str(out), "--sigma", "auto", "--no-report", "--json"], standalone_mode=False)
record = [json.loads(line) for line in (out / "_restorekit/images.jsonl").read_text().splitlines()][-1]
print(f"estimated level: {255 * record['sigma']:.1f}/255")
estimated = psnr(imread(out / "camera.png") / 255)

# %%
# State levels from 5/255 to 60/255, and compare with the blind model.

restore = restorekit.load("default")
levels = np.array([5, 10, 15, 20, 25, 30, 35, 40, 50, 60])
stated = [psnr(restore(noisy, sigma=level / 255).mmse) for level in levels]
blind = psnr(restore(noisy).mmse)

fig, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
axis.plot(levels, stated, "o-", label="level stated")
axis.axhline(blind, color="C1", label="blind")
axis.axhline(estimated, color="C2", linestyle="--", label="level estimated")
axis.axvline(25, color="gray", linewidth=0.8, linestyle=":")
axis.set_xlabel("stated level x 255 (the true one is 25)")
axis.set_ylabel("PSNR, dB")
axis.legend()
plt.show()
