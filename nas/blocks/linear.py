"""A fully connected layer on pooled features: before the classifier, and the classifier itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.errors import UserError


@final
@dataclass(frozen=True, kw_only=True)
class LinearSpec(BlockSpec):
    """A matrix product, an optional bias, and an activation."""

    KIND: ClassVar[str] = "linear"

    out_channels: int
    bias: bool
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.activation(net.linear(INPUT, self.out_channels, role="linear", bias=self.bias), self.activation)
        return net.ops


def classifier(shape: Shape, classes: int) -> LinearSpec:
    """The last layer of every network: one output for each class, never rounded."""
    _check_vector(shape)
    return LinearSpec(
        in_channels=shape.channels,
        in_height=1,
        in_width=1,
        out_channels=classes,
        bias=True,
        activation="identity",
    )


def _check_vector(shape: Shape) -> None:
    if shape.pixels != 1:
        raise UserError(
            f"a fully connected layer gets {shape.height}×{shape.width} pixels; put a block of kind pool "
            "before it in the head"
        )


@final
@register
@dataclass(frozen=True, kw_only=True)
class Linear(BlockSettings):
    """Settings of a fully connected layer; ``width`` is the number of outputs before rounding."""

    KIND: ClassVar[str] = "linear"
    SPEC: ClassVar[type[BlockSpec]] = LinearSpec

    width: float
    bias: bool = True
    activation: str = "identity"

    def lower(self, shape: Shape, rounding: Rounding) -> LinearSpec:
        _check_vector(shape)
        return LinearSpec(
            in_channels=shape.channels,
            in_height=1,
            in_width=1,
            out_channels=rounding.width(self.width),
            bias=self.bias,
            activation=self.activation,
        )
