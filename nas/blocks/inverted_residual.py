"""The inverted residual block (Sandler et al. 2018, section 3.3), with optional squeeze-excite.

MobileNetV2 uses it with ReLU6; MobileNetV3 (Howard et al. 2019) and EfficientNet (Tan and Le 2019) add
squeeze-excite and other activations; MnasNet and Once-for-All vary kernel and expansion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, later, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.errors import unknown


@final
@dataclass(frozen=True, kw_only=True)
class InvertedResidualSpec(BlockSpec):
    """Expand (1×1), depthwise, squeeze-excite, project (1×1).

    There is no expansion if ``expanded_channels`` equals ``in_channels``, and no squeeze-excite if
    ``squeeze_channels`` is 0. ``biased`` replaces all norms but the last by biases.
    """

    KIND: ClassVar[str] = "inverted_residual"

    out_channels: int
    expanded_channels: int
    squeeze_channels: int
    kernel: int
    stride: int
    activation: str
    squeeze_activation: str
    gate: str
    shortcut: str
    biased: bool = False

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x, norm, bias = INPUT, not self.biased, self.biased
        if self.expanded_channels != self.in_channels:
            x = net.conv(x, self.expanded_channels, role="expand", norm=norm, bias=bias)
            x = net.activation(x, self.activation)
        x = net.depthwise(x, role="depthwise", kernel=self.kernel, stride=self.stride, norm=norm, bias=bias)
        x = net.activation(x, self.activation)
        if self.squeeze_channels:
            x = net.squeeze_excite(
                x, self.squeeze_channels, activation=self.squeeze_activation, gate=self.gate
            )
        x = net.conv(x, self.out_channels, role="project")
        if self.shortcut == "identity":
            net.add(x, INPUT)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class InvertedResidual(BlockSettings):
    """Settings of an inverted residual block.

    Attributes:
        width: Output channels before rounding.
        expand: Expanded channels as a multiple of the input's.
        squeeze: Squeeze-excite channels as a share of ``squeeze_of``'s; 0 for none.
        squeeze_of: ``"expanded"`` (MobileNetV3, Once-for-All) or ``"input"`` (EfficientNet).
        biased: Whether only the last convolution has a norm, and the others biases (EfficientViT).
    """

    KIND: ClassVar[str] = "inverted_residual"
    SPEC: ClassVar[type[BlockSpec]] = InvertedResidualSpec

    width: float
    stride: int = 1
    kernel: int = 3
    expand: float = 6.0
    squeeze: float = 0.0
    squeeze_of: str = "expanded"
    activation: str = "relu6"
    squeeze_activation: str = "relu"
    gate: str = "hard_sigmoid"
    biased: bool = later(False)

    def __post_init__(self) -> None:
        if self.squeeze_of not in ("expanded", "input"):
            raise unknown("squeeze_of", self.squeeze_of, ("expanded", "input"))

    def lower(self, shape: Shape, rounding: Rounding) -> InvertedResidualSpec:
        out = rounding.width(self.width)
        expanded = shape.channels if self.expand == 1 else rounding.expanded(shape.channels * self.expand)
        base = expanded if self.squeeze_of == "expanded" else shape.channels
        return InvertedResidualSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            expanded_channels=expanded,
            squeeze_channels=rounding.squeezed(base * self.squeeze) if self.squeeze else 0,
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
            squeeze_activation=self.squeeze_activation if self.squeeze else "identity",
            gate=self.gate if self.squeeze else "identity",
            shortcut="identity" if self.stride == 1 and out == shape.channels else "none",
            biased=self.biased,
        )
