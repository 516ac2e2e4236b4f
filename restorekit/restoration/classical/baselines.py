"""Choice of the classical methods that a model is compared with."""

from __future__ import annotations

from importlib.util import find_spec

from restorekit.core.contracts import Corruption, parts_of


def best_baselines(corruption: Corruption, quick: bool = False) -> list[str]:
    """Return the names of the strongest built-in methods for a corruption, the likely best first.

    BM3D where it is installed, else NLM, for noise; Anscombe's transform around it for photon noise; the
    median for salt and pepper; Delaunay triangles for scattered missing pixels; biharmonic and
    Navier-Stokes, of which the better row counts, for holes and lines; Wiener for blur; Lanczos for
    downsampling, and also Wiener if the operator is known, which is stronger against noise. Where
    values were both altered and lost, both kinds are named.

    Parameters
    ----------
    corruption : Corruption
        A single one or a chain.
    quick : bool
        Without BM3D and biharmonic, which may take minutes for a photograph.

    Returns
    -------
    list of str
        Names of restorers, none twice, at least one.
    """
    parts = parts_of(corruption)
    altering, hiding = [p for p in parts if not p.hides], [p for p in parts if p.hides]
    names = _against(altering, quick) if altering else []
    for part in () if any(part.reshapes for part in altering) else hiding:  # which inpainters cannot undo
        names += ["delaunay"] if part.scattered else ["biharmonic", "navier-stokes"][quick:]
    return list(dict.fromkeys(names))


def _against(altering: list[Corruption], quick: bool) -> list[str]:
    """Return the methods for what altered the values: what changes the image's shape comes first."""
    laws = {part.noise_law for part in altering}
    shrunk = ["lanczos"] if any(part.resizes for part in altering) else []
    linear = ["wiener"] if any(part.linear for part in altering) else []
    if shrunk or linear:
        return shrunk + linear
    if "impulse" in laws:
        return ["median"]
    denoiser = "bm3d" if find_spec("bm3d") and not quick else "nlm"
    return [f"anscombe-{denoiser}" if "poisson" in laws else denoiser]
