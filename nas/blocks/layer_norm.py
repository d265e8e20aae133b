"""Layer norm alone, as between ConvNeXt's pooling and its classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, later, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class LayerNormSpec(BlockSpec):
    """Normalisation over the channels of each pixel (Ba et al. 2016), and an activation."""

    KIND: ClassVar[str] = "layer_norm"

    epsilon: float = 1e-6
    activation: str = "identity"

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.activation(net.layer_norm(INPUT, role="norm", epsilon=self.epsilon), self.activation)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class LayerNorm(BlockSettings):
    """Settings of a layer norm.

    Attributes:
        epsilon: What it adds to the variance.
        activation: A nonlinearity after it.
    """

    KIND: ClassVar[str] = "layer_norm"
    SPEC: ClassVar[type[BlockSpec]] = LayerNormSpec

    epsilon: float = later(1e-6)
    activation: str = later("identity")

    def lower(self, shape: Shape, rounding: Rounding) -> LayerNormSpec:
        return LayerNormSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            epsilon=self.epsilon,
            activation=self.activation,
        )
