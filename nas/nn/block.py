"""One block's weights, for a single specification or for all those that may stand at a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor, nn

from nas.blocks import INPUT, BlockSpec, Shape, ops
from nas.nn.layers import crop, layer, run


class Block(nn.Module):
    """The weights of a block kind at one place, large enough for every given specification.

    Its layers are named by the roles of the operations, so two specifications share what has the same role.
    """

    def __init__(self, specs: Iterable[BlockSpec]) -> None:
        super().__init__()
        for role, op in largest_by_role(specs).items():
            made = layer(op)
            assert made is not None, f"operation {role} has a role but no weights"
            self.add_module(role, made)

    def forward(self, x: Tensor, spec: BlockSpec) -> Tensor:
        """Runs ``spec`` on (N, C, H, W) with the weights that it shares."""
        values: list[Tensor] = []
        for op in spec.ops:
            weights = self._modules[op.role] if op.role else None
            values.append(run(op, weights, *(x if i == INPUT else values[i] for i in op.inputs)))
        return values[-1] if values else x

    @torch.no_grad()
    def take(self, other: Block) -> None:
        """Copies from a larger block what this one shares with it, statistics included."""
        source = other.state_dict()
        for name, tensor in self.state_dict().items():
            tensor.copy_(crop(source[name], tensor.shape))


def largest_by_role(specs: Iterable[BlockSpec]) -> dict[str, ops.Op]:
    """For each role, an operation as large as the largest in every direction."""
    found: dict[str, list[ops.Op]] = {}
    for spec in specs:
        for op in spec.ops:
            if op.role:
                found.setdefault(op.role, []).append(op)
    return {role: reduce(_cover, dict.fromkeys(same)) for role, same in found.items()}


def _cover(a: ops.Op, b: ops.Op) -> ops.Op:
    """An operation whose weights hold those of both."""
    shape = Shape(max(a.in_shape.channels, b.in_shape.channels), a.in_shape.height, a.in_shape.width)
    if isinstance(a, ops.Conv2d) and isinstance(b, ops.Conv2d):
        depthwise = a.groups > 1 and a.groups == a.in_shape.channels
        return replace(
            a,
            in_shape=shape,
            out_channels=max(a.out_channels, b.out_channels),
            kernel=max(a.kernel, b.kernel),
            groups=shape.channels if depthwise else a.groups,
        )
    if isinstance(a, ops.Linear) and isinstance(b, ops.Linear):
        return replace(a, in_shape=shape, out_features=max(a.out_features, b.out_features))
    return replace(a, in_shape=shape)
