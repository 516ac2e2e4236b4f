"""
Evaluate a model
================

``restorekit evaluate`` degrades clean images in stated ways, restores them with models and with the best classical
methods, and writes a report, ``results.json`` and ``results.csv``.
"""

import json
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt

from restorekit.cli import group

SAMPLES = Path("../../samples")  # the script runs in docs/examples
REPORT = Path(mkdtemp())

# %%
# This is ``restorekit evaluate samples/clean/noise REPORT --corruption gaussian:sigma=10/255,25/255,50/255 --metric
# psnr``; a comma gives one run for each value.

spec = "gaussian:sigma=10/255,25/255,50/255"
arguments = ["evaluate", str(SAMPLES / "clean/noise"), str(REPORT), "--corruption", spec, "--metric", "psnr"]
group([*arguments, "--baseline", "nlm", "--baseline", "tv"], standalone_mode=False)

# %%
# ``results.json`` has one entry in ``runs`` for each method and degradation.

runs = json.loads((REPORT / "results.json").read_text())["runs"]
for run in runs:
    print(f"{run['corruption']:24s} {run['restorer']:8s} {run['psnr']:.2f} dB")

# %%

fig, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name in dict.fromkeys(run["restorer"] for run in runs):
    axis.plot([10, 25, 50], [run["psnr"] for run in runs if run["restorer"] == name], "o-", label=name)
axis.set_xlabel("noise level x 255")
axis.set_ylabel("mean PSNR, dB")
axis.legend()
plt.show()
