"""The patchify stem (Liu et al. 2022, "A ConvNet for the 2020s", section 2.2): a convolution of patches that
do not overlap, and a layer norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, later, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class PatchifySpec(BlockSpec):
    """A biased convolution, a layer norm, and an activation. Without a kernel, patches do not overlap."""

    KIND: ClassVar[str] = "patchify"

    out_channels: int
    stride: int
    patch_kernel: int = 0
    activation: str = "identity"

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = net.conv(
            INPUT,
            self.out_channels,
            role="conv",
            kernel=self.patch_kernel or self.stride,
            stride=self.stride,
            padding=self.patch_kernel // 2,
            norm=False,
            bias=True,
        )
        net.activation(net.layer_norm(x, role="norm"), self.activation)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class Patchify(BlockSettings):
    """Settings of a patchify stem.

    Attributes:
        width: Output channels before rounding.
        stride: Its stride, which is also the side of a patch.
        patch_kernel: Side of patches that overlap, as in MambaOut; by default they do not.
        activation: A nonlinearity after the norm.
    """

    KIND: ClassVar[str] = "patchify"
    SPEC: ClassVar[type[BlockSpec]] = PatchifySpec

    width: float
    stride: int = 4
    patch_kernel: int = later(0)
    activation: str = later("identity")

    def lower(self, shape: Shape, rounding: Rounding) -> PatchifySpec:
        return PatchifySpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=rounding.width(self.width),
            stride=self.stride,
            patch_kernel=self.patch_kernel,
            activation=self.activation,
        )
