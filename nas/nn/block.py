"""One block's weights, for a single specification or for all those that may stand at a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor, nn

from nas.blocks import INPUT, BlockSpec, Shape, ops
from nas.nn.drop import drop_images
from nas.nn.layers import ConvNorm, crop, layer, run


class Block(nn.Module):
    """The weights of a block kind at one place, large enough for every given specification.

    Its layers are named by the roles of the operations, so two specifications share what has the same role.

    Args:
        specs: What it can run.
        kernel_transform: Whether smaller kernels are learned functions of larger ones.
    """

    def __init__(self, specs: Iterable[BlockSpec], *, kernel_transform: bool = False) -> None:
        super().__init__()
        specs = tuple(specs)
        self.residual_ends = residual_ends(specs)
        for role, same in by_role(specs).items():
            made = layer(reduce(_cover, same))
            assert made is not None, f"operation {role} has a role but no weights"
            self.add_module(role, made)
            if kernel_transform and isinstance(made, ConvNorm):
                made.conv.add_transforms(op.kernel for op in same if isinstance(op, ops.Conv2d))

    def forward(self, x: Tensor, spec: BlockSpec, *, drop: float = 0.0) -> Tensor:
        """Runs ``spec`` on (N, C, H, W) with the weights that it shares.

        Args:
            x: Its input.
            spec: What runs.
            drop: In training mode, the share of the images that lose the branch beside an identity shortcut.
        """
        values: list[Tensor] = []
        for op in spec.ops:
            weights = self._modules[op.role] if op.role else None
            inputs = [x if i == INPUT else values[i] for i in op.inputs]
            if drop and self.training and is_residual(op):
                pairs = zip(op.inputs, inputs, strict=True)
                inputs = [value if i == INPUT else drop_images(value, drop) for i, value in pairs]
            values.append(run(op, weights, *inputs))
        return values[-1] if values else x

    @torch.no_grad()
    def take(self, other: Block) -> None:
        """Copies from a larger block what this one shares with it, statistics included."""
        source = other.state_dict()
        for name, tensor in self.state_dict().items():
            tensor.copy_(crop(source[name], tensor.shape))
        for role, mine in self.named_children():
            theirs = other.get_submodule(role)
            if isinstance(mine, ConvNorm) and isinstance(theirs, ConvNorm):
                mine.conv.weight.copy_(theirs.conv.shared(mine.conv.weight.shape))


def by_role(specs: Iterable[BlockSpec]) -> dict[str, list[ops.Op]]:
    """The distinct operations of each role."""
    found: dict[str, dict[ops.Op, None]] = {}
    for spec in specs:
        for op in spec.ops:
            if op.role:
                found.setdefault(op.role, {})[op] = None
    return {role: list(same) for role, same in found.items()}


def is_residual(op: ops.Op) -> bool:
    """Whether an operation adds a branch to the block's own input."""
    return isinstance(op, ops.Add) and INPUT in op.inputs


def residual_ends(specs: Iterable[BlockSpec]) -> frozenset[str]:
    """Roles of convolutions with BatchNorm that end a residual branch wherever they stand.

    Where a specification of the same place has no shortcut, its signal goes through them alone.
    """
    ends, others = set[str](), set[str]()
    for spec in specs:
        added = {i for op in spec.ops if is_residual(op) for i in op.inputs if i != INPUT}
        here = {
            op.role for i, op in enumerate(spec.ops) if i in added and isinstance(op, ops.Conv2d) and op.norm
        }
        ends |= here
        others |= {op.role for op in spec.ops} - here
    return frozenset(ends - others)


@torch.no_grad()
def zero_residual_scales(network: nn.Module) -> None:
    """Sets the last BatchNorm scale of every residual branch to zero, so that a block begins as its shortcut.

    Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 5.1.

    Args:
        network: A supernet or a static network.
    """
    for block in network.modules():
        for role in block.residual_ends if isinstance(block, Block) else ():
            end = block.get_submodule(role)
            assert isinstance(end, ConvNorm) and end.norm is not None
            end.norm.weight.zero_()


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
