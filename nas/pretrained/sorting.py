"""Sorting the channels of a network by importance, without changing what it computes.

A smaller subnet has the first channels, so the first ones should matter most (Cai et al. 2020,
"Once-for-All", section 3.3). Which tensors share an order follows from the operations: a convolution begins
a new order, and everything else passes on the order of its inputs. So blocks of any kind can be sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from nas.blocks import INPUT, ops
from nas.nn import StaticNetwork
from nas.nn.static import StaticBlock

_PASSES_ON = (
    ops.Activation,
    ops.Pool,
    ops.GlobalAveragePool,
    ops.Add,
    ops.Multiply,
    ops.Scale,
    ops.LayerNorm,
    ops.BatchNorm,
)


@torch.no_grad()
def sort_channels(model: StaticNetwork) -> None:
    """Sorts channels by the L1 norm of the weights that read them, the largest first, in place.

    Input channels and classes keep their order, as do the channels of operations that it does not know.
    Outputs change by rounding only.
    """
    for order in _orders(model):
        if order.fixed or not order.readers:
            continue
        importance = [weight.transpose(0, 1).flatten(1).abs().sum(1) for weight in order.readers]
        positions = torch.stack(importance).sum(0).argsort(descending=True, stable=True)
        for tensor in order.carriers:
            tensor.copy_(tensor[positions])
        for tensor in order.readers:
            tensor.copy_(tensor[:, positions])


@final
@dataclass(eq=False)
class _Order:
    """Channels that have one order.

    Attributes:
        carriers: Tensors whose first dimension has the order.
        readers: Weights whose second dimension has it.
        fixed: Whether the order must stay.
    """

    carriers: list[Tensor] = field(default_factory=list)
    readers: list[Tensor] = field(default_factory=list)
    fixed: bool = False


@final
class _Orders:
    """Orders in which channels can be joined to one."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._same: list[int] = []

    def new(self, *, fixed: bool = False) -> int:
        self._orders.append(_Order(fixed=fixed))
        self._same.append(len(self._same))
        return self._same[-1]

    def find(self, number: int) -> int:
        while self._same[number] != number:
            number = self._same[number]
        return number

    def __getitem__(self, number: int) -> _Order:
        return self._orders[self.find(number)]

    def join(self, first: int, second: int) -> int:
        """Makes two orders the same."""
        one, other = self.find(first), self.find(second)
        if one != other:
            kept, gone = self._orders[one], self._orders[other]
            kept.carriers += gone.carriers
            kept.readers += gone.readers
            kept.fixed |= gone.fixed
            self._same[other] = one
        return one

    def __iter__(self) -> Iterator[_Order]:
        return (order for number, order in enumerate(self._orders) if self._same[number] == number)


def _orders(model: StaticNetwork) -> _Orders:
    """The orders of a network's channels, with the tensors that have them."""
    orders = _Orders()
    current = orders.new(fixed=True)
    for block in model.blocks.values():
        assert isinstance(block, StaticBlock)
        current = _through_block(block, orders, current)
    orders[current].fixed = True
    return orders


def _through_block(block: StaticBlock, orders: _Orders, start: int) -> int:
    outputs: list[int] = []
    for op in block.spec.ops:
        inputs = [start if i == INPUT else outputs[i] for i in op.inputs]
        weights = block.block.get_submodule(op.role) if op.role else None
        outputs.append(_through_op(op, weights, orders, inputs))
    return outputs[-1] if outputs else start


def _through_op(op: ops.Op, weights: nn.Module | None, orders: _Orders, inputs: list[int]) -> int:
    """The order of an operation's output; notes the tensors that have it, and those that read its input."""
    if isinstance(op, ops.Linear) or (isinstance(op, ops.Conv2d) and op.groups == 1):
        assert weights is not None
        name = "weight" if isinstance(op, ops.Linear) else "conv.weight"
        orders[inputs[0]].readers.append(weights.get_parameter(name))
        output = orders.new()
    elif isinstance(op, _PASSES_ON) or _is_depthwise(op):
        output = inputs[0]
        for other in inputs[1:]:
            output = orders.join(output, other)
    else:
        for number in inputs:
            orders[number].fixed = True
        output = orders.new(fixed=True)
    orders[output].carriers += _by_channel(weights)
    return output


def _is_depthwise(op: ops.Op) -> bool:
    return isinstance(op, ops.Conv2d) and op.groups == op.in_shape.channels == op.out_channels


def _by_channel(weights: nn.Module | None) -> list[Tensor]:
    """The tensors of an operation, which all begin with its output channels."""
    return [] if weights is None else [t for t in weights.state_dict().values() if t.ndim]
