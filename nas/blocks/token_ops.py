"""Primitive operations of transformers, on values of the same form as everywhere: (channels, height, width).

All pixels of a map are one sequence, row by row. A sequence that is no map, such as one with a class token,
is a map of width 1. Only matrix products count as multiply-accumulates: softmax and norms count nothing, as
in ``torch.utils.flop_counter``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

from nas.blocks.ops import Elementwise, Op, Shape
from nas.errors import UserError

MASKED = -100.0
"""What is added to the score of two pixels that must not attend to each other (Swin, published code)."""

EPSILON = 1e-5
"""What linear attention adds to its denominator."""


@final
@dataclass(frozen=True, kw_only=True)
class Grid:
    """Square windows that tile a map (Liu et al. 2021, "Swin Transformer", section 3.2).

    Attributes:
        height: Height of the map, a multiple of ``side``.
        width: Its width.
        side: Side of a window.
        shift: Pixels by which the map is rolled up and to the left before it is cut. Windows at its edges
            then hold pixels of opposite sides, which do not attend to each other.
    """

    height: int
    width: int
    side: int
    shift: int = 0

    def __post_init__(self) -> None:
        if self.height % self.side or self.width % self.side:
            raise UserError(
                f"windows of {self.side}×{self.side} pixels do not tile a map of {self.height}×{self.width}; "
                "pad it first"
            )

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.height * self.width // self.side**2

    @property
    def offsets(self) -> list[list[int]]:
        """For each pair of a window's pixels the position of their offset in a table of (2·side - 1)²."""
        pixels, most = [divmod(number, self.side) for number in range(self.side**2)], self.side - 1
        return [
            [(y - other_y + most) * (2 * most + 1) + x - other_x + most for other_y, other_x in pixels]
            for y, x in pixels
        ]

    @property
    def regions(self) -> list[list[int]]:
        """For each window a number for each of its pixels; pixels with different ones were apart."""

        def part(position: int, size: int) -> int:
            return (position >= size - self.side) + (position >= size - self.shift)

        return [
            [
                3 * part(top + row, self.height) + part(left + column, self.width)
                for row in range(self.side)
                for column in range(self.side)
            ]
            for top in range(0, self.height, self.side)
            for left in range(0, self.width, self.side)
        ]


@dataclass(frozen=True, kw_only=True)
class SoftmaxAttention(Op):
    """softmax(q kᵀ / √d) v in several heads (Vaswani et al. 2017, "Attention Is All You Need", section 3.2).

    Its inputs are queries, keys and values. A fused kernel reads and writes each input once; without one, the
    scores of all pairs of pixels, ``scratch_elements``, are in memory, too (Dao et al. 2022,
    "FlashAttention", section 3.1).

    Attributes:
        heads: Number of heads; a divisor of the channels of queries and of values.
        value_channels: Channels of values and output. Queries and keys have those of ``in_shape``.
    """

    heads: int
    value_channels: int

    def __post_init__(self) -> None:
        for channels in (self.in_shape.channels, self.value_channels):
            check_heads(channels, self.heads)

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
    @abstractmethod
    def length(self) -> int:
        """Keys of one query."""

    @property
    def macs(self) -> int:
        return self.in_shape.pixels * self.length * (self.in_shape.channels + self.value_channels)

    @property
    def scratch_elements(self) -> int:
        return self.heads * self.in_shape.pixels * self.length


@final
@dataclass(frozen=True, kw_only=True)
class Attention(SoftmaxAttention):
    """Attention between all pixels, or within windows.

    All pixels are one sequence; with ``grid`` each row of the map is one, a window, and a learned number for
    each head and offset of two pixels is added to their score (Liu et al. 2021, section 3.2).

    Attributes:
        grid: The windows; each row of the map holds one. ``None`` for attention over all pixels.
    """

    grid: Grid | None = None

    @property
    def length(self) -> int:
        return self.in_shape.pixels if self.grid is None else self.in_shape.width

    @property
    def params(self) -> int:
        return 0 if self.grid is None else self.heads * (2 * self.grid.side - 1) ** 2

    @property
    def input_elements(self) -> int:
        return self.in_shape.pixels * (2 * self.in_shape.channels + self.value_channels)


@final
@dataclass(frozen=True, kw_only=True)
class Windows(Op):
    """The windows of a map as rows: (C, H, W) to (C, windows, side²)."""

    grid: Grid

    @property
    def name(self) -> str:
        return "windows"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.in_shape.channels, self.grid.count, self.grid.side**2)


@final
@dataclass(frozen=True, kw_only=True)
class Unwindows(Op):
    """The inverse of ``Windows``."""

    grid: Grid

    @property
    def name(self) -> str:
        return "windows to map"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.in_shape.channels, self.grid.height, self.grid.width)


@final
@dataclass(frozen=True, kw_only=True)
class Resize(Op):
    """Zeros below and to the right of a map, or rows and columns that are cut off there."""

    height: int
    width: int

    @property
    def name(self) -> str:
        return "padding" if self.out_shape.pixels > self.in_shape.pixels else "crop"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.in_shape.channels, self.height, self.width)


@final
@dataclass(frozen=True, kw_only=True)
class SpaceToDepth(Op):
    """Squares of pixels as channels: (C, H, W) to (C·side², H / side, W / side).

    The pixels of one channel stay together, so that the first channels of the output are all pixels of the
    first channels of the input.
    """

    side: int

    @property
    def name(self) -> str:
        return "space to depth"

    @property
    def out_shape(self) -> Shape:
        shape, side = self.in_shape, self.side
        return Shape(shape.channels * side**2, shape.height // side, shape.width // side)


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


@final
@dataclass(frozen=True, kw_only=True)
class LinearAttention(Op):
    """relu(q) (relu(k)ᵀ v) / (relu(q) Σ relu(k) + 10⁻⁵) in several heads: its cost is linear in the pixels.

    Katharopoulos et al. 2020, "Transformers are RNNs", section 3.2; with ReLU: Cai et al. 2023,
    "EfficientViT", section 3.1. Its inputs are queries, keys and values of all pixels, of equal shape. The
    denominator counts as one more channel of the values of each head.

    Attributes:
        heads: Number of heads, a divisor of the channels.
    """

    heads: int

    def __post_init__(self) -> None:
        check_heads(self.in_shape.channels, self.heads)

    @property
    def name(self) -> str:
        return "linear attention"

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.in_shape.channels // self.heads

    @property
    def macs(self) -> int:
        return 2 * self.in_shape.elements * (self.head_dim + 1)

    @property
    def input_elements(self) -> int:
        return 3 * self.in_shape.elements

    @property
    def scratch_elements(self) -> int:
        return self.heads * self.head_dim * (self.head_dim + 1)


@final
@dataclass(frozen=True, kw_only=True)
class Product(Elementwise):
    """The product of two feature maps of equal shape, such as values and their gates."""

    @property
    def name(self) -> str:
        return "product"

    @property
    def input_elements(self) -> int:
        return 2 * self.in_shape.elements


@final
@dataclass(frozen=True, kw_only=True)
class Concat(Op):
    """The channels of several maps of one size, one map after the other.

    Attributes:
        out_channels: Channels of all maps.
    """

    out_channels: int

    @property
    def name(self) -> str:
        return "concatenation"

    @property
    def out_shape(self) -> Shape:
        return Shape(self.out_channels, self.in_shape.height, self.in_shape.width)

    @property
    def input_elements(self) -> int:
        return self.out_shape.elements


def check_heads(channels: int, heads: int) -> None:
    """Raises a ``UserError`` if the heads do not divide the channels."""
    if heads < 1 or channels % heads:
        raise UserError(
            f"attention over {channels} channels cannot have {heads} heads; the channels must be a multiple "
            "of the heads"
        )
