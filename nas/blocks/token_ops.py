"""Primitive operations of transformers, on values of the same form as everywhere: (channels, height, width).

All pixels of a map are one sequence, row by row. A sequence that is no map, such as one with a class token,
is a map of width 1. Only matrix products count as multiply-accumulates: softmax and norms count nothing, as
in ``torch.utils.flop_counter``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas.blocks.ops import Elementwise, Op, Shape
from nas.errors import UserError


@final
@dataclass(frozen=True, kw_only=True)
class Attention(Op):
    """softmax(q kᵀ / √d) v in several heads (Vaswani et al. 2017, "Attention Is All You Need", section 3.2).

    Its inputs are queries, keys and values of one sequence. A fused kernel reads and writes each of them
    once; without one, the scores of all pairs of pixels, ``scratch_elements``, are in memory, too (Dao et al.
    2022, "FlashAttention", section 3.1).

    Attributes:
        heads: Number of heads; a divisor of the channels of queries and of values.
        value_channels: Channels of values and output. Queries and keys have those of ``in_shape``.
    """

    heads: int
    value_channels: int

    def __post_init__(self) -> None:
        for channels in (self.in_shape.channels, self.value_channels):
            if self.heads < 1 or channels % self.heads:
                raise UserError(
                    f"attention over {channels} channels cannot have {self.heads} heads; the channels must "
                    "be a multiple of the heads"
                )

    @property
    def name(self) -> str:
        return "attention"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.value_channels, self.in_shape.height, self.in_shape.width)

    @property
    def head_dim(self) -> int:
        """Channels of a head's queries and keys."""
        return self.in_shape.channels // self.heads

    @property
    def macs(self) -> int:
        return self.in_shape.pixels**2 * (self.in_shape.channels + self.value_channels)

    @property
    def input_elements(self) -> int:
        return self.in_shape.pixels * (2 * self.in_shape.channels + self.value_channels)

    @property
    def scratch_elements(self) -> int:
        return self.heads * self.in_shape.pixels**2


@final
@dataclass(frozen=True, kw_only=True)
class Position(Elementwise):
    """The sum of a feature map and a learned table of its size (Dosovitskiy et al. 2021, "ViT", section 3.1).

    A table belongs to one size of maps: it shares no weights with those of other resolutions.
    """

    @property
    def name(self) -> str:
        return "position table"

    @property
    def params(self) -> int:
        return self.in_shape.elements


@final
@dataclass(frozen=True, kw_only=True)
class Prepend(Op):
    """A learned token before the sequence of all pixels: (C, H, W) to (C, H·W + 1, 1)."""

    @property
    def name(self) -> str:
        return "class token"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.in_shape.channels, self.in_shape.pixels + 1, 1)

    @property
    def params(self) -> int:
        return self.in_shape.channels


@final
@dataclass(frozen=True, kw_only=True)
class First(Op):
    """The first pixel, such as a class token: (C, H, W) to (C, 1, 1)."""

    @property
    def name(self) -> str:
        return "first token"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.in_shape.channels, 1, 1)

    @property
    def input_elements(self) -> int:
        return self.in_shape.channels


SHUFFLES = (Prepend, First)
"""Operations that only give values another place."""

TOKENS = (Attention, Position, Prepend, First)
"""Operations on tokens, (N, H, W, C): runtimes compute them without a transposition in this layout only."""
