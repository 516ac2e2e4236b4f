"""Optimisers of a parameter group, and one update without waiting for the device."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from restorekit.core.contracts import Network
from restorekit.training.config import Recipe
from restorekit.training.muon import Muon, is_hidden

SETTLED = 100  # updates before the usual gradient norm is trusted


@dataclass
class ParameterGroup:
    """Parameter group with its optimisers and gradient statistics.

    Attributes
    ----------
    name : str
        The model's name for it.
    params : list of Parameter
        Parameters that the optimisers step.
    optimisers : tuple of Optimizer
        Muon, AdamW or both; each can skip an update on the device.
    usual : Tensor, scalar
        Running mean of the gradient norm; a spike counts as at most twice the mean.
    skipped : Tensor, scalar
        Updates skipped so far.
    """

    name: str
    params: list[nn.Parameter]
    optimisers: tuple[torch.optim.Optimizer, ...]
    usual: Tensor = field(default_factory=lambda: torch.zeros(()))
    skipped: Tensor = field(default_factory=lambda: torch.zeros(()))


def groups(model: Network, recipe: Recipe, device: torch.device) -> list[ParameterGroup]:
    """Return the model's parameter groups: Muon for hidden weights and fused Adam for the rest, or Adam for all."""
    found = []
    for name, params in model.param_groups().items():
        optimisers: list[torch.optim.Optimizer] = []
        inner = [p for p in params if is_hidden(p)] if recipe.optimiser == "muon" else []
        if inner:
            optimisers.append(Muon(inner, recipe.muon_lr, weight_decay=recipe.weight_decay))
        chosen = {id(p) for p in inner}
        if rest := [p for p in params if id(p) not in chosen]:
            betas, decay = (0.9, recipe.beta2), recipe.weight_decay
            optimisers.append(torch.optim.AdamW(rest, lr=recipe.lr, betas=betas, weight_decay=decay, fused=True))
        for optimiser in optimisers:
            for settings in optimiser.param_groups:
                settings["full_lr"] = settings["lr"]
        usual, skipped = torch.zeros((), device=device), torch.zeros((), device=device)
        found.append(ParameterGroup(name, params, tuple(optimisers), usual, skipped))
    return found


def freeze_others(chosen: ParameterGroup, everyone: list[ParameterGroup]) -> None:
    """Let only the parameters of `chosen` require gradients."""
    if len(everyone) > 1:
        for group in everyone:
            for p in group.params:
                p.requires_grad_(group is chosen)


def step(group: ParameterGroup, recipe: Recipe, factor: float, done: int) -> Tensor:
    """Clip and apply the gradients of a group; return their norm before clipping, scalar.

    If the norm is not finite, or over ``explode`` times the usual one, weights and optimisers stay unchanged (Child,
    "Very Deep VAEs", ICLR 2021, section 4: skipping huge gradients).

    Parameters
    ----------
    group : ParameterGroup
        The group, whose statistics are updated.
    recipe : Recipe
        Clipping and skipping.
    factor : float
        Factor of the full learning rates.
    done : int
        Updates done before.
    """
    gradients = [p.grad for p in group.params if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    sound, settled = norm.isfinite(), done >= SETTLED
    if recipe.explode and settled:
        sound = sound & (norm < recipe.explode * group.usual)
    counted = torch.minimum(norm, 2 * group.usual) if settled else norm  # follows a lasting change, not a spike
    if recipe.clip and settled:
        torch._foreach_mul_(gradients, (recipe.clip * group.usual / (norm + 1e-12)).clamp(max=1.0))
    moved = torch.lerp(group.usual, counted, 1 / min(done + 1, SETTLED))
    group.usual = torch.where(norm.isfinite(), moved, group.usual)
    group.skipped = group.skipped + ~sound
    for optimiser in group.optimisers:
        for settings in optimiser.param_groups:
            settings["lr"] = factor * settings["full_lr"]
        optimiser.found_inf = (~sound).float()  # type: ignore[attr-defined]  # read by the fused kernels and by Muon
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return norm


def average(target: nn.Module, source: nn.Module, decay: float) -> None:
    """Move the averaged weights a step towards the current ones."""
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), 1 - decay)
        for own, current in zip(target.buffers(), source.buffers(), strict=True):
            own.copy_(current)  # running statistics are averages already
