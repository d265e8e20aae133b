"""The operations of LeViT: attention with a number for each offset of two pixels, and every n-th pixel.

Graham et al. 2021, "LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference", section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

from nas.blocks.ops import Op, Shape
from nas.blocks.token_ops import SoftmaxAttention


@final
@dataclass(frozen=True, kw_only=True)
class OffsetAttention(SoftmaxAttention):
    """softmax(q kᵀ / √d + b) v in several heads, where b depends on how far two pixels are apart.

    Queries belong to every ``stride``-th pixel of the map of keys, so that the output is smaller. For each
    head, b has a number for each pair of distances in rows and in columns, whatever their signs (section
    4.4).

    Attributes:
        key_height: Height of the map of keys and values.
        key_width: Its width.
        stride: Pixels of that map from one query to the next.
    """

    key_height: int
    key_width: int
    stride: int = 1

    @property
    def length(self) -> int:
        return self.key_height * self.key_width

    @property
    def side(self) -> int:
        """Side of the square of distances that have a number."""
        return max(self.key_height, self.key_width)

    @property
    def params(self) -> int:
        return self.heads * self.side**2

    @property
    def input_elements(self) -> int:
        return self.in_shape.elements + self.length * (self.in_shape.channels + self.value_channels)

    @property
    def offsets(self) -> list[list[int]]:
        """For each query and key the position of their distances in a table of ``side``².

        Distances are in the order of the larger one of both: a smaller map has the first entries.
        """
        return _offsets(
            self.in_shape.height, self.in_shape.width, self.key_height, self.key_width, self.stride
        )


@lru_cache(maxsize=64)
def _offsets(height: int, width: int, key_height: int, key_width: int, stride: int) -> list[list[int]]:
    queries = [(stride * y, stride * x) for y in range(height) for x in range(width)]
    keys = [(y, x) for y in range(key_height) for x in range(key_width)]
    return [[_position(abs(y - other_y), abs(x - other_x)) for other_y, other_x in keys] for y, x in queries]


def _position(rows: int, columns: int) -> int:
    """Behind all smaller squares: down the last column of the own square, then back along its last row."""
    side = max(rows, columns)
    return side**2 + (rows if columns == side else 2 * side - columns)


@final
@dataclass(frozen=True, kw_only=True)
class Subsample(Op):
    """Every ``stride``-th pixel of every ``stride``-th row."""

    stride: int

    @property
    def name(self) -> str:
        return "subsampling"

    @property
    def out_shape(self) -> Shape:
        shape = self.in_shape
        return Shape(shape.channels, -(-shape.height // self.stride), -(-shape.width // self.stride))

    @property
    def input_elements(self) -> int:
        return self.out_shape.elements
