"""Global average pooling, which ends the convolutional part of a network (Lin et al. 2014, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class PoolSpec(BlockSpec):
    """The mean over all pixels."""

    KIND: ClassVar[str] = "pool"

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.global_pool(INPUT)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class Pool(BlockSettings):
    """Settings of global average pooling: none."""

    KIND: ClassVar[str] = "pool"
    SPEC: ClassVar[type[BlockSpec]] = PoolSpec

    def lower(self, shape: Shape, rounding: Rounding) -> PoolSpec:
        return PoolSpec(in_channels=shape.channels, in_height=shape.height, in_width=shape.width)
