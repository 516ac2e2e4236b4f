"""Which sampler serves a pair of model and corruption."""

from __future__ import annotations

import re

from restorekit.contracts import Corruption, LatentModel, Model, Sampler
from restorekit.errors import UsageError, unknown
from restorekit.settings import read


def pick_sampler(
    model: Model, corruption: Corruption, samplers: dict[str, type[Sampler]], text: str | None
) -> Sampler | None:
    """Return the sampler for a pair of model and corruption.

    Parameters
    ----------
    model, corruption : Model, Corruption
        The pair.
    samplers : dict of str to Sampler classes
        The registry.
    text : str or None
        ``langevin`` or ``langevin:steps=5000``; None: the best that accepts the pair.

    Returns
    -------
    Sampler or None
        None for conditional models, which draw by themselves.

    Raises
    ------
    UsageError
        Where none can: one sentence with each one's reason.
    """
    if not isinstance(model, LatentModel):
        if text is not None:
            raise UsageError(f"the model {model.name!r} is conditional and draws by itself; leave --sampler {text} out")
        return None
    candidates = [_built(text, samplers)] if text else [cls() for cls in samplers.values()]
    candidates.sort(key=lambda sampler: -sampler.merit(model))
    reasons = [sampler.refuse(model, corruption) for sampler in candidates]
    for sampler, reason in zip(candidates, reasons, strict=True):
        if reason is None:
            return sampler
    raise UsageError("; ".join(dict.fromkeys(r for r in reasons if r)) or "no sampler is installed")


def _built(text: str, samplers: dict[str, type[Sampler]]) -> Sampler:
    """Return the sampler of ``NAME[:KEY=VALUE[,KEY=VALUE]]``; a further value of a key stands behind a comma."""
    name, _, body = text.partition(":")
    if name not in samplers:
        raise UsageError(unknown("sampler", name, samplers))
    pieces = re.split(r",(?=[^,=]+=)", body) if body else []
    strange = [piece for piece in pieces if "=" not in piece]
    if strange:
        raise UsageError(f"a sampler takes KEY=VALUE after its colon, got {strange[0]!r}; see restorekit show {name}")
    pairs = dict(piece.split("=", 1) for piece in pieces)
    return samplers[name](**read(samplers[name], pairs))
