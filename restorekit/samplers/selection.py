"""Selection of a sampler for a pair of model and corruption."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from restorekit.core.config import read
from restorekit.core.contracts import Corruption, LatentModel, Model, Sampler
from restorekit.core.errors import UsageError, unknown


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
        No sampler accepts the pair: one sentence with the reason of each.
    """
    if not isinstance(model, LatentModel):
        if text is not None:
            raise UsageError(f"the model {model.name!r} is conditional and draws by itself; remove --sampler {text}")
        return None
    if text:
        chosen = _built(text, samplers)
        reasons = [chosen.refuse(model, corruption)]
        if reasons == [None]:
            return chosen
    else:
        offers = sorted((_offer(cls, model, corruption) for cls in samplers.values()), key=lambda offer: -offer.merit)
        for offer in offers:
            if offer.reason is None:
                return offer.sampler
        reasons = [offer.reason for offer in offers]
    raise UsageError("; ".join(dict.fromkeys(r for r in reasons if r)) or "no sampler is installed")


class _Offer(NamedTuple):
    """A sampler, its merit for a model, and why it refuses a pair of model and corruption."""

    sampler: Sampler | None
    merit: float
    reason: str | None


def _offer(cls: type[Sampler], model: Model, corruption: Corruption) -> _Offer:
    """Evaluate a sampler that the user did not name; one that raises leaves the choice to the others."""
    try:
        sampler = cls()
        return _Offer(sampler, sampler.merit(model), sampler.refuse(model, corruption))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a third-party plugin may raise anything
        return _Offer(None, -math.inf, f"the sampler {cls.name!r} of {cls.__module__} broke when asked: {error!r}")


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
