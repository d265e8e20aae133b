"""The first token alone, as between a vision transformer's blocks and its classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class FirstTokenSpec(BlockSpec):
    """The class token of a sequence (Dosovitskiy et al. 2021, section 3.1)."""

    KIND: ClassVar[str] = "first_token"

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.first(INPUT)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class FirstToken(BlockSettings):
    """Settings of the first token: none."""

    KIND: ClassVar[str] = "first_token"
    SPEC: ClassVar[type[BlockSpec]] = FirstTokenSpec

    def lower(self, shape: Shape, rounding: Rounding) -> FirstTokenSpec:
        return FirstTokenSpec(in_channels=shape.channels, in_height=shape.height, in_width=shape.width)
