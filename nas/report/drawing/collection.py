"""The networks of one page: their blocks are drawn once, and each network is a list of numbers of cells."""

from __future__ import annotations

from itertools import groupby
from typing import Any, final

from nas.blocks import BlockSpec
from nas.network import NetworkSpec
from nas.report.drawing.cells import HEIGHT, ROWS, Scale, cell_of
from nas.report.drawing.kinds import Kinds
from nas.report.drawing.networks import placed

Groups = list[list[int]]
"""The numbers of a network's cells: the stem, each stage, the head with the classifier."""


@final
class Collection:
    """Collects networks; their cells have one scale, because pages compare them."""

    def __init__(self) -> None:
        self._numbers: dict[BlockSpec, int] = {}

    def add(self, network: NetworkSpec) -> Groups:
        """Adds a network and returns its groups; a stage without blocks is an empty group."""
        groups: Groups = [[] for _ in range(len(network.stages) + 2)]
        for name, items in groupby(placed(network), key=lambda item: item[0]):
            position = {"stem": 0, "head": -1}.get(name)
            stage = 1 + int(name.removeprefix("stage ")) if position is None else position
            groups[stage] += [self.number(block) for _, block in items]
        return groups

    def number(self, block: BlockSpec) -> int:
        """Returns the number of a block's cell."""
        return self._numbers.setdefault(block, len(self._numbers))

    @property
    def blocks(self) -> list[BlockSpec]:
        return list(self._numbers)

    @property
    def kinds(self) -> Kinds:
        """The kinds of all blocks so far; more blocks change no kind's class."""
        return Kinds.of(self._numbers)

    def to_dict(self) -> dict[str, Any] | None:
        """The cells as JSON values; ``None`` without a network."""
        if not self._numbers:
            return None
        scale, kinds = Scale.of(self.blocks), self.kinds
        cells = [cell_of(block, scale=scale, kinds=kinds) for block in self.blocks]
        return {
            "cells": [
                {"svg": cell.svg, "width": cell.width, "rows": cell.rows, "marks": cell.marks}
                for cell in cells
            ],
            "legend": kinds.legend(),
            "rows": ROWS,
            "height": HEIGHT,
        }
