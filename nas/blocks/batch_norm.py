"""BatchNorm alone, as between LeViT's pooling and its classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class BatchNormSpec(BlockSpec):
    """Normalisation over the batch (Ioffe and Szegedy 2015)."""

    KIND: ClassVar[str] = "batch_norm"

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.batch_norm(INPUT, role="norm")
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class BatchNorm(BlockSettings):
    """Settings of a BatchNorm: none."""

    KIND: ClassVar[str] = "batch_norm"
    SPEC: ClassVar[type[BlockSpec]] = BatchNormSpec

    def lower(self, shape: Shape, rounding: Rounding) -> BatchNormSpec:
        return BatchNormSpec(in_channels=shape.channels, in_height=shape.height, in_width=shape.width)
