"""
Self-check: the error without the truth
=======================================

``restorekit restore --self-check`` estimates the PSNR of each restored image without a clean one. Here the clean images
exist, so the estimate can be compared with the truth.
"""

import json
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio

from restorekit.cli import group

SAMPLES = Path("../../samples")  # the script runs in docs/examples
OUT = Path(mkdtemp())

# %%
# This is the command ``restorekit restore samples/damaged/missing OUT --sigma 0 --self-check``, called from Python.

arguments = ["restore", str(SAMPLES / "damaged/missing"), str(OUT), "--sigma", "0", "--self-check", "--no-report"]
group(arguments, standalone_mode=False)

# %%
# The record has a line for every image, with the result of its check.

lines = [json.loads(line) for line in (OUT / "_restorekit/images.jsonl").read_text().splitlines()]
checks = {line["image"]: line["self_check"] for line in lines if line["status"] == "done"}
print(json.dumps(checks["cell.png"], indent=1)[:900])

# %%

estimates = {name: (check["psnr"], check["psnr_se"]) for name, check in checks.items()}
truths = {n: peak_signal_noise_ratio(imread(SAMPLES / "clean/missing" / n), imread(OUT / n)) for n in checks}
fig, axis = plt.subplots(figsize=(6, 2.4), layout="constrained")
for place, name in enumerate(checks):
    axis.errorbar(estimates[name][0], place, xerr=2 * estimates[name][1], fmt="o", color="C0", capsize=4)
    axis.plot(truths[name], place, "kx", markersize=9)
axis.set_yticks(range(len(checks)), list(checks))
axis.set_ylim(-0.6, len(checks) - 0.4)
axis.set_xlabel("PSNR, dB: estimate with two standard errors (blue), truth (cross)")
plt.show()
