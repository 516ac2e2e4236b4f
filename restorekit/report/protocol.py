"""How figures came about, as pairs of a word and its explanation."""

from __future__ import annotations

from restorekit.report.paired import TIES, how
from restorekit.trials import Results


def explained(results: Results) -> list[tuple[str, str]]:
    """Return the protocol of results for people: what was done to whom, what is measured how, and with what."""
    p = results.protocol
    estimates = {run["restorer"]: run["estimate"] for run in results.runs if run["estimate"]}
    digests = {run["restorer"]: run["digest"] for run in results.runs if run.get("digest")}
    compared = [("comparisons", f"image by image; {TIES}"), ("intervals of differences", how(p.seed))]
    return [
        ("images", f"{p.images} of {p.source}"), ("noise", p.noise), ("result", p.result), ("PSNR", p.psnr),
        ("SSIM", p.ssim), ("intervals", p.interval), *(compared if results.comparisons else []),
        *((f"estimate of {name}", estimate) for name, estimate in estimates.items()),
        *((f"model {name}", f"file {digest}") for name, digest in digests.items()), ("seed", str(p.seed)),
        ("device", f"{p.device}, {p.precision}"), *((name, version) for name, version in p.versions.items()),
    ]  # fmt: skip
