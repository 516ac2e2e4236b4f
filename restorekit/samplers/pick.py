"""Which sampler serves a pair of model and corruption."""

from __future__ import annotations

from restorekit.contracts import Corruption, LatentModel, Model, Sampler
from restorekit.errors import UsageError, unknown


def pick_sampler(
    model: Model, corruption: Corruption, samplers: dict[str, type[Sampler]], name: str | None
) -> Sampler | None:
    """Return the sampler for a pair of model and corruption: the named one, or the best that accepts them.

    Raises
    ------
    UsageError
        Where none can: one sentence with each one's reason.
    """
    if not isinstance(model, LatentModel):
        if name is not None:
            raise UsageError(f"the model {model.name!r} is conditional and draws by itself; leave --sampler {name} out")
        return None
    if name is not None and name not in samplers:
        raise UsageError(unknown("sampler", name, samplers))
    candidates = [samplers[name]()] if name else [cls() for cls in samplers.values()]
    candidates.sort(key=lambda sampler: -sampler.merit(model))
    reasons = [sampler.refuse(model, corruption) for sampler in candidates]
    for sampler, reason in zip(candidates, reasons, strict=True):
        if reason is None:
            return sampler
    raise UsageError("; ".join(r for r in reasons if r) or "no sampler is installed")
