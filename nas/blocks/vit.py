"""The block of a vision transformer (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", figure 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.blocks.transformer import Encoder

_EPSILON = 1e-6


@final
@dataclass(frozen=True, kw_only=True)
class ViTSpec(BlockSpec):
    """Attention over all pixels and a feed-forward network, each behind a layer norm and beside a shortcut.

    Attributes:
        attention_channels: Channels of queries, keys and values, of all heads together.
        head_dim: Channels of one head.
        expanded_channels: Channels inside the feed-forward network.
        activation: Its activation.
        scale: Whether a learned factor per channel ends each branch.
    """

    KIND: ClassVar[str] = "vit"

    attention_channels: int
    head_dim: int
    expanded_channels: int
    activation: str
    scale: bool

    def lowering(self) -> tuple[Op, ...]:
        net, encoder = Lowering(self.in_shape), Encoder(epsilon=_EPSILON, scale=self.scale)
        x = encoder.attend(
            net, INPUT, self.attention_channels, heads=self.attention_channels // self.head_dim
        )
        encoder.feed_forward(net, x, self.expanded_channels, activation=self.activation)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class ViT(BlockSettings):
    """Settings of a vision transformer's block. It has the width of its input, as all blocks of a ViT.

    Attributes:
        heads: Number of heads; 0 for as many as fit into the width.
        head_dim: Channels of one head.
        expand: Channels inside the feed-forward network, as a multiple of the width.
        activation: Its activation.
        scale: Whether a learned factor per channel ends each branch (Touvron et al. 2021, "CaiT").
    """

    KIND: ClassVar[str] = "vit"
    SPEC: ClassVar[type[BlockSpec]] = ViTSpec

    heads: int = 0
    head_dim: int = 64
    expand: float = 4.0
    activation: str = "gelu"
    scale: bool = False

    def lower(self, shape: Shape, rounding: Rounding) -> ViTSpec:
        heads = self.heads or max(1, shape.channels // self.head_dim)
        return ViTSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            attention_channels=heads * self.head_dim,
            head_dim=self.head_dim,
            expanded_channels=rounding.expanded(shape.channels * self.expand),
            activation=self.activation,
            scale=self.scale,
        )
