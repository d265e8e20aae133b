"""Sorting the channels of a network by importance, without changing what it computes.

A smaller subnet has the first channels, so the first ones should matter most (Cai et al. 2020,
"Once-for-All", section 3.3). Which tensors share an order follows from the operations: a convolution begins
a new order, and everything else passes on the order of its inputs. So blocks of any kind can be sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from nas.blocks import INPUT, ops
from nas.nn import StaticNetwork
from nas.nn.layers import run
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
def sort_channels(model: StaticNetwork, images: Iterable[Tensor] = ()) -> None:
    """Sorts channels by what they contribute to the outputs that read them, the largest first, in place.

    The contribution of a channel is the variance of its values times the sum of its squared weights, i.e. the
    variance that the outputs lose without it. This is the criterion of Sun et al. 2024, "A Simple and
    Effective Pruning Approach for Large Language Models", section 3, with the variance in place of the mean
    square, since recomputed BatchNorm statistics make up for a channel's mean.

    Input channels and classes keep their order, as do the channels of operations that it does not know.
    Outputs change by rounding only.

    Args:
        model: The network.
        images: Batches (N, C, H, W), normalised; without any, all variances count as equal.
    """
    variances = _variances(model, images)
    for order in _orders(model):
        if order.fixed or not order.readers:
            continue
        contributions = [
            weight.transpose(0, 1).flatten(1).square().sum(1) * variances.get(weight.data_ptr(), 1.0)
            for weight in order.readers
        ]
        positions = torch.stack(contributions).sum(0).argsort(descending=True, stable=True)
        for tensor in order.carriers:
            tensor.copy_(tensor[positions])
        for tensor in order.readers:
            tensor.copy_(tensor[:, positions])


def _variances(model: StaticNetwork, images: Iterable[Tensor]) -> dict[int, Tensor]:
    """The mean variance in a batch of each channel (C,) that a weight reads, by the weight's address."""
    found: dict[int, list[Tensor]] = {}
    model.eval()
    for batch in images:
        x = batch
        for block in model.blocks.values():
            assert isinstance(block, StaticBlock)
            x = _observed(block, x, found)
    return {address: torch.stack(variances).mean(0) for address, variances in found.items()}


def _observed(block: StaticBlock, x: Tensor, found: dict[int, list[Tensor]]) -> Tensor:
    """Runs a block, and adds the variance of each channel that a weight reads."""
    values: list[Tensor] = []
    for op in block.spec.ops:
        weights = block.block.get_submodule(op.role) if op.role else None
        inputs = [x if i == INPUT else values[i] for i in op.inputs]
        if _reads_all_channels(op):
            variance = inputs[0].transpose(0, 1).flatten(1).var(1)
            found.setdefault(_reading_weight(op, weights).data_ptr(), []).append(variance)
        values.append(run(op, weights, *inputs))
    return values[-1] if values else x


def _reads_all_channels(op: ops.Op) -> bool:
    return isinstance(op, ops.Linear) or (isinstance(op, ops.Conv2d) and op.groups == 1)


def _reading_weight(op: ops.Op, weights: nn.Module | None) -> Tensor:
    """The weight, (out, in, …), of an operation each of whose outputs reads all channels."""
    assert weights is not None
    return weights.get_parameter("weight" if isinstance(op, ops.Linear) else "conv.weight")


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
    if _reads_all_channels(op):
        orders[inputs[0]].readers.append(_reading_weight(op, weights))
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
