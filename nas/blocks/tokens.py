"""The patch embedding of a vision transformer (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words",
section 3.1).

It may be a stage of depth 1, so that a search chooses its width: the stem of a space is fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.errors import UserError


@final
@dataclass(frozen=True, kw_only=True)
class TokensSpec(BlockSpec):
    """A biased convolution of patches that do not overlap; a layer norm, a class token, a position table.

    Attributes:
        out_channels: Channels of a token.
        patch: Side of a patch.
        norm: Whether a layer norm follows the convolution (Liu et al. 2021, "Swin", as published in code).
        epsilon: What the layer norm adds to the variance.
        class_token: Whether a learned token comes before the patches.
        positions: Tokens of the position table; 0 for none. A table fits one resolution only.
    """

    KIND: ClassVar[str] = "tokens"

    out_channels: int
    patch: int
    norm: bool
    epsilon: float
    class_token: bool
    positions: int

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = net.conv(
            INPUT,
            self.out_channels,
            role="embed",
            kernel=self.patch,
            stride=self.patch,
            padding=0,
            norm=False,
            bias=True,
        )
        if self.norm:
            x = net.layer_norm(x, role="norm", epsilon=self.epsilon)
        if self.class_token:
            x = net.prepend(x, role="token")
        if self.positions:
            net.position(x, role="position")
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class Tokens(BlockSettings):
    """Settings of a patch embedding.

    Attributes:
        width: Channels of a token before rounding.
        patch: Side of a patch in pixels.
        class_token: Whether a learned token comes before the patches.
        position: Whether a learned table of positions is added.
        norm: Whether a layer norm follows the convolution.
        epsilon: What the layer norm adds to the variance.
    """

    KIND: ClassVar[str] = "tokens"
    SPEC: ClassVar[type[BlockSpec]] = TokensSpec

    width: float
    patch: int = 16
    class_token: bool = False
    position: bool = True
    norm: bool = False
    epsilon: float = 1e-6

    @property
    def step(self) -> int:
        return self.patch

    def lower(self, shape: Shape, rounding: Rounding) -> TokensSpec:
        pixels = (shape.height // self.patch) * (shape.width // self.patch)
        if not pixels:
            raise UserError(
                f"an image of {shape.height}×{shape.width} pixels holds no patch of "
                f"{self.patch}×{self.patch}; use smaller patches or a higher resolution"
            )
        return TokensSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=rounding.width(self.width),
            patch=self.patch,
            norm=self.norm,
            epsilon=self.epsilon,
            class_token=self.class_token,
            positions=(pixels + self.class_token) * self.position,
        )
