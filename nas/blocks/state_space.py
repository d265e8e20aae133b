"""A state space block for images: Mamba-2's recurrence over the pixels of a map, every other head backwards.

Dao and Gu 2024, "Transformers are SSMs", figure 6; Zhu et al. 2024, "Vision Mamba", has both directions in
every block. It is no published network's block: theirs have Mamba-1's recurrence."""

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
class StateSpaceSpec(BlockSpec):
    """A selective scan of convolved values, times their gates; a feed-forward network; a shortcut for each.

    Attributes:
        scan_channels: Channels of the values, of all heads together.
        head_dim: Channels of one head.
        state_channels: Size of the state, for each channel of a head.
        kernel: Kernel of the depthwise convolution on the values.
        expanded_channels: Channels inside the feed-forward network; 0 for none.
        chunk: Pixels of a chunk of the scan.
    """

    KIND: ClassVar[str] = "state_space"

    scan_channels: int
    head_dim: int
    state_channels: int
    kernel: int
    expanded_channels: int
    chunk: int

    def lowering(self) -> tuple[Op, ...]:
        net, encoder = Lowering(self.in_shape), Encoder(epsilon=_EPSILON)
        y = net.layer_norm(INPUT, role="scan_norm", epsilon=_EPSILON)
        value = net.linear(y, self.scan_channels, role="value")
        value = net.depthwise(value, role="depthwise", kernel=self.kernel, norm=False, bias=True)
        value = net.activation(value, "silu")
        heads = self.scan_channels // self.head_dim
        steps = net.linear(y, heads, role="step", bias=False)
        inputs, outputs = (net.linear(y, self.state_channels, role=role) for role in ("input", "output"))
        scanned = net.selective_scan(value, steps, inputs, outputs, chunk=self.chunk, role="scan")
        gate = net.activation(net.linear(y, self.scan_channels, role="gate"), "silu")
        scanned = net.layer_norm(net.product(scanned, gate), role="gated_norm", epsilon=_EPSILON)
        x = net.add(net.linear(scanned, self.in_channels, role="scanned"), INPUT)
        if self.expanded_channels:
            encoder.feed_forward(net, x, self.expanded_channels, activation="gelu")
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class StateSpace(BlockSettings):
    """Settings of a state space block. It has the width of its input.

    Attributes:
        ratio: Channels of the values, as a multiple of the width; rounded to an even number of heads.
        state: Size of the state.
        head_dim: Channels of one head.
        kernel: Kernel of the depthwise convolution on the values.
        mlp: Channels inside the feed-forward network, as a multiple of the width; 0 for none.
        chunk: Pixels of a chunk of the scan. It decides the speed, not the result.
    """

    KIND: ClassVar[str] = "state_space"
    SPEC: ClassVar[type[BlockSpec]] = StateSpaceSpec

    ratio: float = 1.0
    state: int = 16
    head_dim: int = 32
    kernel: int = 3
    mlp: float = 0.0
    chunk: int = 28

    def lower(self, shape: Shape, rounding: Rounding) -> StateSpaceSpec:
        pairs = max(1, round(shape.channels * self.ratio / (2 * self.head_dim)))
        return StateSpaceSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            scan_channels=2 * pairs * self.head_dim,
            head_dim=self.head_dim,
            state_channels=self.state,
            kernel=self.kernel,
            expanded_channels=rounding.expanded(shape.channels * self.mlp) if self.mlp else 0,
            chunk=min(self.chunk, shape.pixels),
        )
