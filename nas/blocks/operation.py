"""One of several operations at a place, as in a NASNet-style cell (Zoph et al. 2018, section 3).

Each operation has its own weights, so a supernet of such places is trained by sampling single paths (Guo
et al. 2020, "Single Path One-Shot", section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.errors import unknown


def _conv(kernel: int) -> Callable[[Lowering, OperationSpec], int]:
    def append(net: Lowering, spec: OperationSpec) -> int:
        x = net.conv(INPUT, spec.out_channels, role=spec.operation, kernel=kernel, stride=spec.stride)
        return net.activation(x, spec.activation)

    return append


def _depthwise(kernel: int) -> Callable[[Lowering, OperationSpec], int]:
    def append(net: Lowering, spec: OperationSpec) -> int:
        x = net.depthwise(INPUT, role=spec.operation, kernel=kernel, stride=spec.stride)
        return net.activation(x, spec.activation)

    return append


def _max_pool(net: Lowering, spec: OperationSpec) -> int:
    return net.pool(INPUT, mode="max", kernel=3, stride=spec.stride, padding=1)


def _identity(net: Lowering, spec: OperationSpec) -> int:
    return INPUT


_OPERATIONS: dict[str, Callable[[Lowering, OperationSpec], int]] = {
    "conv3x3": _conv(3),
    "conv5x5": _conv(5),
    "depthwise3x3": _depthwise(3),
    "depthwise5x5": _depthwise(5),
    "max_pool": _max_pool,
    "identity": _identity,
}

OPERATIONS = tuple(_OPERATIONS)
"""The operations to choose from."""


@final
@dataclass(frozen=True, kw_only=True)
class OperationSpec(BlockSpec):
    """One operation, followed by a 1×1 convolution if its width or size differs from the place's."""

    KIND: ClassVar[str] = "operation"

    out_channels: int
    operation: str
    stride: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = _OPERATIONS[self.operation](net, self)
        stride = self.stride if x == INPUT else 1
        if net.shape(x).channels != self.out_channels or stride > 1:
            net.conv(x, self.out_channels, role=f"{self.operation}_fit", stride=stride)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class Operation(BlockSettings):
    """Settings of a place with one operation.

    Attributes:
        width: Output channels before rounding.
        operation: One of ``OPERATIONS``.
    """

    KIND: ClassVar[str] = "operation"
    SPEC: ClassVar[type[BlockSpec]] = OperationSpec

    width: float
    operation: str
    stride: int = 1
    activation: str = "relu"

    def __post_init__(self) -> None:
        if self.operation not in _OPERATIONS:
            raise unknown("operation", self.operation, _OPERATIONS)

    def lower(self, shape: Shape, rounding: Rounding) -> OperationSpec:
        return OperationSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=rounding.width(self.width),
            operation=self.operation,
            stride=self.stride,
            activation=self.activation,
        )
