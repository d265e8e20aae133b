"""Tables of lowered blocks: a block's number, by the genes that decide it and the shape of its input.

A block depends on few genes, those of its stage and its own, and on the shape of its input. Each combination
is lowered once by ``nas.network.lower``, as in a single network, and its number is stored in a table. After
that, a million architectures cost only array look-ups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nas.arrays import IntArray
from nas.blocks import BlockSettings, BlockSpec, Shape
from nas.network import Place

UNKNOWN = -2


@dataclass(frozen=True)
class Lowered:
    """Many architectures in counts.

    Attributes:
        blocks: Distinct blocks in no particular order; some may belong to other architectures.
        index: Integers (N, places): the number of each place's block, -1 for none.
    """

    blocks: tuple[BlockSpec, ...]
    index: IntArray

    def used(self, rows: IntArray | None = None) -> IntArray:
        """The numbers of the blocks of all architectures or of some ``rows``, ascending."""
        index = self.index if rows is None else self.index[rows]
        counts = np.bincount(index.ravel() + 1, minlength=len(self.blocks) + 1)  # much faster than unique
        return np.flatnonzero(counts[1:])

    def total(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Sums one value for each block, (blocks,), over the places of each architecture: (N,)."""
        padded = np.append(values, np.zeros(1, values.dtype))
        result = np.zeros(len(self.index), values.dtype)
        for column in self.index.T:
            result += padded[column]
        return result


@dataclass(frozen=True)
class PlaceRule:
    """The genes that determine the block at one place.

    Attributes:
        place: The place.
        genes: Columns of the row that determine its settings.
        radices: For each of them the number of choices, plus one for "absent".
        settings: From the numbers of the choices of ``genes`` (-1 for absent) to the settings.
        depth: From rows to the depth of the place's stage.
    """

    place: Place
    genes: tuple[int, ...]
    radices: tuple[int, ...]
    settings: Callable[[tuple[int, ...]], BlockSettings]
    depth: Callable[[IntArray], IntArray]

    def codes(self, rows: IntArray) -> IntArray:
        """One number per row that encodes its settings at this place."""
        code = np.zeros(len(rows), np.int64)
        for gene, radix in zip(self.genes, self.radices, strict=True):
            code = code * radix + rows[:, gene] + 1
        return code

    def decode(self, code: int) -> tuple[int, ...]:
        """The numbers of the choices in a code."""
        digits: list[int] = []
        for radix in reversed(self.radices):
            code, digit = divmod(code, radix)
            digits.append(digit - 1)
        return tuple(reversed(digits))

    @property
    def count(self) -> int:
        return int(np.prod(self.radices, dtype=np.int64)) if self.radices else 1


@dataclass
class Interner:
    """Numbers shapes and blocks in the order of their first use."""

    shapes: list[Shape] = field(default_factory=list)
    blocks: list[BlockSpec] = field(default_factory=list)
    out_shapes: list[int] = field(default_factory=list)
    _shape_ids: dict[Shape, int] = field(default_factory=dict)
    _block_ids: dict[BlockSpec, int] = field(default_factory=dict)

    def shape(self, shape: Shape) -> int:
        if shape not in self._shape_ids:
            self._shape_ids[shape] = len(self.shapes)
            self.shapes.append(shape)
        return self._shape_ids[shape]

    def block(self, block: BlockSpec) -> int:
        if block not in self._block_ids:
            self._block_ids[block] = len(self.blocks)
            self.blocks.append(block)
            self.out_shapes.append(self.shape(block.out_shape))
        return self._block_ids[block]


@dataclass
class PlaceTable:
    """The block numbers of one place by (shape, settings code), filled on first use."""

    codes: int
    lower: Callable[[Shape, int], BlockSpec]
    numbers: IntArray = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def look_up(self, interner: Interner, shapes: IntArray, codes: IntArray) -> IntArray:
        """The block numbers for shapes (N,) and codes (N,)."""
        if len(self.numbers) < len(interner.shapes):
            grown = np.full((2 * len(interner.shapes), self.codes), UNKNOWN, np.int64)
            grown[: len(self.numbers)] = self.numbers.reshape(len(self.numbers), self.codes)
            self.numbers = grown
        keys = shapes * self.codes + codes
        numbers: IntArray = self.numbers.ravel()[keys]
        missing = numbers == UNKNOWN
        if missing.any():
            for key in np.unique(keys[missing]).tolist():
                shape, code = divmod(key, self.codes)
                self.numbers[shape, code] = interner.block(self.lower(interner.shapes[shape], code))
            numbers = self.numbers.ravel()[keys]
        return numbers
