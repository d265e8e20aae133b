"""The weights of a block, for one specification or for all that are possible at a place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from nas.blocks import INPUT, BlockSpec, forms_of, ops, token_ops
from nas.blocks.offset_ops import OffsetAttention
from nas.blocks.scan_ops import SelectiveScan
from nas.errors import UserError
from nas.nn import offset_layers, scan_layers, token_layers  # noqa: F401  they register the forms of their operations
from nas.nn.drop import drop_images
from nas.nn.layers import ConvNorm, Linear, crop, layer, require_form, run


class Block(nn.Module):
    """The weights of a block kind at one place, large enough for all of ``specs``.

    Layers are named by the roles of the operations. Specifications share the weights of equal roles.

    Args:
        specs: The specifications that the block can run.
        kernel_transform: Whether smaller kernels are learned functions of larger ones.

    Raises:
        UserError: If an operation has no form in PyTorch.
    """

    def __init__(self, specs: Iterable[BlockSpec], *, kernel_transform: bool = False) -> None:
        super().__init__()
        specs = tuple(specs)
        self.residual_ends = residual_ends(specs)
        for role, operations in by_role(specs).items():
            weights = layer(covering(operations, role=role))
            assert weights is not None, f"operation {role} has a role but no weights"
            self.add_module(role, weights)
            if kernel_transform and isinstance(weights, ConvNorm):
                weights.conv.add_transforms(op.kernel for op in operations if isinstance(op, ops.Conv2d))

        for spec in specs:
            with forms_of(spec):
                for op in spec.ops:
                    require_form(op, self._modules.get(op.role))

    def forward(self, x: Tensor, spec: BlockSpec, *, drop: float = 0.0) -> Tensor:
        """Runs ``spec`` with its share of the weights.

        Args:
            x: The input (N, C, H, W).
            spec: The specification.
            drop: In training mode, the share of the images without the branch beside an identity shortcut.
        """
        values: list[Tensor] = []
        trunk = trunk_of(spec) if drop and self.training else frozenset[int]()
        for op in spec.ops:
            weights = self._modules[op.role] if op.role else None
            inputs = [x if i == INPUT else values[i] for i in op.inputs]
            if drop and self.training and is_residual(op, trunk):
                pairs = zip(op.inputs, inputs, strict=True)
                inputs = [value if i in trunk else drop_images(value, drop) for i, value in pairs]
            values.append(run(op, weights, *inputs))
        return values[-1] if values else x

    @torch.no_grad()
    def take(self, other: Block) -> None:
        """Copies the shared weights and statistics from a larger block."""
        source = other.state_dict()
        for name, tensor in self.state_dict().items():
            tensor.copy_(crop(source[name], tensor.shape))
        for role, target in self.named_children():
            larger = other.get_submodule(role)
            if isinstance(target, ConvNorm) and isinstance(larger, ConvNorm):
                target.conv.weight.copy_(larger.conv.shared(target.conv.weight.shape))


def by_role(specs: Iterable[BlockSpec]) -> dict[str, list[ops.Op]]:
    """The distinct operations of each role."""
    roles: dict[str, dict[ops.Op, None]] = {}
    for spec in specs:
        for op in spec.ops:
            if op.role:
                roles.setdefault(op.role, {})[op] = None
    return {role: list(operations) for role, operations in roles.items()}


@lru_cache(maxsize=2**14)
def trunk_of(spec: BlockSpec) -> frozenset[int]:
    """The positions of the values on the trunk: the block's input, and each sum of the trunk and a branch."""
    trunk = {INPUT}
    for position, op in enumerate(spec.ops):
        if is_residual(op, trunk):
            trunk.add(position)
    return frozenset(trunk)


def is_residual(op: ops.Op, trunk: Set[int]) -> bool:
    """Whether an operation adds a branch to the trunk."""
    return isinstance(op, ops.Add) and not trunk.isdisjoint(op.inputs)


def has_shortcut(spec: BlockSpec) -> bool:
    """Whether a block adds a branch to its own input."""
    return len(trunk_of(spec)) > 1


def residual_ends(specs: Iterable[BlockSpec]) -> frozenset[str]:
    """Roles of products with BatchNorm that end a residual branch in every specification.

    Roles that also occur elsewhere are left out, since no shortcut carries the signal there.
    """
    ends, others = set[str](), set[str]()
    for spec in specs:
        trunk = trunk_of(spec)
        added = {i for op in spec.ops if is_residual(op, trunk) for i in op.inputs} - trunk
        here = {
            op.role
            for i, op in enumerate(spec.ops)
            if i in added and isinstance(op, (ops.Conv2d, ops.Linear)) and op.norm
        }
        ends |= here
        others |= {op.role for op in spec.ops} - here
    return frozenset(ends - others)


@torch.no_grad()
def zero_residual_scales(network: nn.Module) -> None:
    """Sets the last BatchNorm scale of every residual branch to zero: blocks start as their shortcuts.

    Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 5.1.

    Args:
        network: A supernet or a static network.
    """
    for block in network.modules():
        for role in block.residual_ends if isinstance(block, Block) else ():
            end = block.get_submodule(role)
            assert isinstance(end, (ConvNorm, Linear)) and end.norm is not None
            end.norm.weight.zero_()


def covering(operations: Sequence[ops.Op], *, role: str) -> ops.Op:
    """An operation whose weights contain those of all ``operations``.

    Args:
        operations: The operations of a role, one or more.
        role: Their role, for the message.

    Raises:
        UserError: If they are of different types.
    """
    types = list(dict.fromkeys(type(op).__name__ for op in operations))
    if len(types) > 1:
        raise UserError(
            f"role {role!r} belongs to operations of different types ({', '.join(types)}); "
            "give each type a role of its own"
        )
    if convolutions := [op for op in operations if isinstance(op, ops.Conv2d)]:
        return _covering_convolution(convolutions)
    widest = max(operations, key=lambda op: op.in_shape.channels)
    if linear := [op for op in operations if isinstance(op, ops.Linear)]:
        return ops.Linear(
            in_shape=widest.in_shape,
            role=role,
            out_features=max(op.out_features for op in linear),
            bias=any(op.bias for op in linear),
            norm=any(op.norm for op in linear),
        )
    if isinstance(widest, token_ops.Position):
        _check_positions(operations, role=role)
    if scans := [op for op in operations if isinstance(op, SelectiveScan)]:
        return max(scans, key=lambda op: op.heads)
    if attention := [op for op in operations if isinstance(op, token_ops.Attention)]:
        most = max(attention, key=lambda op: op.heads)
        return replace(most, grid=max((op.grid for op in attention if op.grid), key=lambda grid: grid.side))
    if offsets := [op for op in operations if isinstance(op, OffsetAttention)]:
        largest = max(offsets, key=lambda op: op.side)
        most_heads = max(offsets, key=lambda op: op.heads)
        return replace(most_heads, key_height=largest.key_height, key_width=largest.key_width)
    return widest


def _check_positions(operations: Sequence[ops.Op], *, role: str) -> None:
    """Checks that all tables of positions have one size."""
    sizes = sorted({op.in_shape.pixels for op in operations})
    if len(sizes) > 1:
        raise UserError(
            f"the table of positions {role!r} would need {' and '.join(map(str, sizes))} tokens, and cannot "
            "have both; keep one resolution"
        )


def _covering_convolution(convolutions: Sequence[ops.Conv2d]) -> ops.Conv2d:
    """The weights (out, in / groups, K, K) are as large as the largest in each dimension.

    The number of groups only affects the initial values.
    """
    widest = max(convolutions, key=lambda op: (op.group_channels, op.groups))
    out_channels = max(op.out_channels for op in convolutions)
    groups = math.gcd(widest.groups, out_channels)
    return replace(
        widest,
        in_shape=replace(widest.in_shape, channels=widest.group_channels * groups),
        out_channels=out_channels,
        kernel=max(op.kernel for op in convolutions),
        groups=groups,
        norm=any(op.norm for op in convolutions),
        bias=any(op.bias for op in convolutions),
    )
