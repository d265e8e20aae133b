"""The block of LeViT (Graham et al. 2021, "LeViT: a Vision Transformer in ConvNet's Clothing for Faster
Inference", figure 4 and sections 4.2 to 4.4): attention for processors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class LeViTSpec(BlockSpec):
    """Attention and a feed-forward network; all matrix products have BatchNorm and no bias.

    Keys are narrower than values, an activation stands before the last product of the attention, and a
    learned number for each head and offset takes the place of positions. With a stride only every n-th pixel
    has a query. Attention has a shortcut where neither size nor width changes.

    Attributes:
        out_channels: Channels of the output.
        key_channels: Channels of queries and of keys, of all heads together.
        value_channels: Channels of values, of all heads together.
        head_dim: Channels of a head's queries and keys.
        expanded_channels: Channels inside the feed-forward network.
        stride: Pixels of a side for each pixel of the output's.
        activation: The activation in both halves.
    """

    KIND: ClassVar[str] = "levit"

    out_channels: int
    key_channels: int
    value_channels: int
    head_dim: int
    expanded_channels: int
    stride: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = self._attend(net)
        y = net.linear(x, self.expanded_channels, role="expand", bias=False, norm=True)
        y = net.activation(y, self.activation)
        net.add(net.linear(y, self.out_channels, role="project", bias=False, norm=True), x)
        return net.ops

    def _attend(self, net: Lowering) -> int:
        queried = net.subsample(INPUT, self.stride) if self.stride > 1 else INPUT
        query = net.linear(queried, self.key_channels, role="query", bias=False, norm=True)
        key = net.linear(INPUT, self.key_channels, role="key", bias=False, norm=True)
        value = net.linear(INPUT, self.value_channels, role="value", bias=False, norm=True)
        y = net.offset_attention(
            query,
            key,
            value,
            heads=self.key_channels // self.head_dim,
            stride=self.stride,
            role="position_bias",
        )
        y = net.activation(y, self.activation)
        y = net.linear(y, self.out_channels, role="attended", bias=False, norm=True)
        return y if self.stride > 1 or self.out_channels != self.in_channels else net.add(y, INPUT)


@final
@register
@dataclass(frozen=True, kw_only=True)
class LeViT(BlockSettings):
    """Settings of LeViT's block.

    A block with a stride, which makes the map smaller between two stages, has values of twice the ratio
    (LeViT, section 4.3).

    Attributes:
        width: Output channels before rounding.
        stride: Pixels of a side for each pixel of the output's.
        heads: Number of heads; 0 for as many as fit into the width of the input.
        head_dim: Channels of a head's queries and keys.
        value_ratio: Channels of a head's values, as a multiple of ``head_dim``.
        expand: Channels inside the feed-forward network, as a multiple of the width.
        activation: The activation in both halves.
    """

    KIND: ClassVar[str] = "levit"
    SPEC: ClassVar[type[BlockSpec]] = LeViTSpec

    width: float
    stride: int = 1
    heads: int = 0
    head_dim: int = 16
    value_ratio: int = 2
    expand: float = 2.0
    activation: str = "hard_swish"

    def lower(self, shape: Shape, rounding: Rounding) -> LeViTSpec:
        out = rounding.width(self.width)
        key_channels = (self.heads or max(1, shape.channels // self.head_dim)) * self.head_dim
        return LeViTSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            key_channels=key_channels,
            value_channels=key_channels * self.value_ratio * (1 if self.stride == 1 else 2),
            head_dim=self.head_dim,
            expanded_channels=rounding.expanded(out * self.expand),
            stride=self.stride,
            activation=self.activation,
        )
