"""Max pooling, as in the stem of ResNet (He et al. 2016, table 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class MaxPoolSpec(BlockSpec):
    """The maximum over windows, padded by half the kernel."""

    KIND: ClassVar[str] = "max_pool"

    kernel: int
    stride: int

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.pool(INPUT, mode="max", kernel=self.kernel, stride=self.stride, padding=self.kernel // 2)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class MaxPool(BlockSettings):
    """Settings of max pooling."""

    KIND: ClassVar[str] = "max_pool"
    SPEC: ClassVar[type[BlockSpec]] = MaxPoolSpec

    stride: int = 2
    kernel: int = 3

    def lower(self, shape: Shape, rounding: Rounding) -> MaxPoolSpec:
        return MaxPoolSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            kernel=self.kernel,
            stride=self.stride,
        )
