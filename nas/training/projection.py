"""Gradients of a supernet's largest network that give way to those of its smaller ones.

Gong et al. 2022, "NASViT: Neural Architecture Search for Efficient Vision Transformers with Gradient Conflict
Aware Supernet Training", section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

LARGEST_FACTOR = 2.0
"""Bound of the factor by which the smaller networks' gradient is added, where it is much the shorter one."""


def take_gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor | None]:
    """The gradients of the parameters, which have none afterwards."""
    taken = []
    for parameter in parameters:
        taken.append(parameter.grad)
        parameter.grad = None
    return taken


@torch.no_grad()
def add_projected(parameters: Iterable[nn.Parameter], largest: Sequence[Tensor | None]) -> None:
    """Adds the largest network's gradients to those of the smaller ones, without what opposes them.

    Where the gradients of a parameter conflict, i.e. ⟨g_small, g_largest⟩ < 0, the largest's is projected
    onto the plane that is normal to the other: g_largest − (⟨g_small, g_largest⟩ / |g_small|²) g_small.

    Args:
        parameters: The gradients are the smaller networks' sums, and are replaced.
        largest: The gradients of the largest network, in the order of the parameters; ``None`` where it has
            none.
    """
    for parameter, ours in zip(parameters, largest, strict=True):
        if ours is None:
            continue
        if parameter.grad is None:
            parameter.grad = ours
            continue
        theirs = parameter.grad
        product, square = (ours * theirs).sum(), theirs.square().sum()
        smallest = torch.finfo(square.dtype).tiny
        factor = (-product / square.clamp(min=smallest)).clamp(min=0, max=LARGEST_FACTOR)
        theirs.mul_(1 + factor).add_(ours)
