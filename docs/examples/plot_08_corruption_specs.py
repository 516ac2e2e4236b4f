"""
Corruption specs
================

A spec is the text form of a degradation. ``corrupt`` applies it to clean images, ``train`` learns to undo it,
``evaluate`` measures how well that works, and ``restore`` uses it as knowledge about the input.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
from skimage.io import imread

from restorekit.cli import group

SAMPLES = Path("../../samples")  # the script runs in docs/examples
SPECS = [
    "gaussian:sigma=25/255",
    "poisson:peak=30",
    "saltpepper:rate=0.1",
    "sensor:gain=0.01,sigma=8/255,blur=1",
    "missing:rate=0.5",
    "holes:area=0.2",
    "lines:rate=0.2,axis=rows",
    "stripes:strength=0.05",
    "blur:size=2",
    "downsample:factor=4",
    "jpeg:quality=10",
    "blur:size=1.2+gaussian:sigma=10/255+missing:rate=0.3",
]

# %%
# Each call is the command ``restorekit corrupt IMAGE OUT --corruption SPEC --seed 1``. Parts are joined with ``+`` and
# applied from left to right.


def corrupt(spec):
    """Return the sample picture, degraded by the command."""
    out = Path(mkdtemp())
    source = SAMPLES / "clean/noise/astronaut.png"
    group(["corrupt", str(source), str(out), "--corruption", spec, "--seed", "1", "--json"], standalone_mode=False)
    return imread(out / "astronaut.png")


fig, axes = plt.subplots(3, 4, figsize=(12, 9.8), layout="constrained")
for axis, spec in zip(axes.flat, SPECS, strict=True):
    axis.imshow(corrupt(spec), cmap="gray")
    axis.set_title(spec.replace("+", "\n+ "), fontsize=9)
    axis.axis("off")
plt.show()

# %%
# A value can be a range, drawn anew for every image: ``gaussian:sigma=0..50/255``. ``restorekit list corruptions``
# names all parts, those of installed plugins included, and ``restorekit show gaussian`` the keys of one.
