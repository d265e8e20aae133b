"""Lowers many architectures of a space at once, from integer rows, with the tables of ``lowering.py``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nas.arrays import IntArray
from nas.blocks import BlockSettings, BlockSpec, Shape
from nas.network import CLASSIFIER, Place, lower, lower_classifier
from nas.space.lowering import Interner, Lowered, PlaceRule, PlaceTable
from nas.space.rows import ABSENT
from nas.space.stage import StageSpace

if TYPE_CHECKING:
    from nas.space.space import SearchSpace


class ManyLowering:
    """The tables of one space for one number of classes and of input channels, filled on use."""

    def __init__(self, space: SearchSpace, *, classes: int, input_channels: int) -> None:
        self._space, self._classes = space, classes
        self._interner = Interner()
        inputs = [Shape(input_channels, resolution, resolution) for resolution in space.resolutions]
        self._inputs = np.array([self._interner.shape(shape) for shape in inputs], np.int64)
        self._rules = _rules(space)
        self._tables = [PlaceTable(rule.count, partial(self._lower, rule)) for rule in self._rules]

    def lower(self, rows: IntArray) -> Lowered:
        """Lowers canonical rows (N, genes) to the numbers of their blocks."""
        column = self._space.coding.columns.get((-1, -1, "resolution"))
        resolutions = np.zeros(len(rows), np.int64) if column is None else rows[:, column]
        shapes = self._inputs[resolutions]
        index = np.full((len(rows), len(self._rules)), ABSENT, np.int64)
        for number, (rule, table) in enumerate(zip(self._rules, self._tables, strict=True)):
            present = rule.depth(rows) > rule.place.index
            blocks = table.look_up(self._interner, shapes[present], rule.codes(rows[present]))
            index[present, number] = blocks
            shapes[present] = np.array(self._interner.out_shapes, np.int64)[blocks]
        return Lowered(tuple(self._interner.blocks), index)

    def _lower(self, rule: PlaceRule, shape: Shape, code: int) -> BlockSpec:
        if rule.place == CLASSIFIER:
            return lower_classifier(shape, self._classes)
        return lower(rule.settings(rule.decode(code)), shape, self._space.rounding, rule.place)


def _rules(space: SearchSpace) -> tuple[PlaceRule, ...]:
    rules = [_fixed_rule(Place("stem", 0, i), block) for i, block in enumerate(space.stem)]
    for stage in space.stages:
        rules += [_rule(space, stage, index) for index in range(max(stage.depths))]
    rules += [_fixed_rule(Place("head", 0, i), block) for i, block in enumerate(space.head)]
    return (*rules, _fixed_rule(CLASSIFIER, None))


def _rule(space: SearchSpace, stage: StageSpace, index: int) -> PlaceRule:
    genes = {
        column: d
        for column, d in enumerate(space.dimensions)
        if d.stage == stage.number and d.index in (-1, index) and d.name != "depth"
    }

    def settings(positions: tuple[int, ...]) -> BlockSettings:
        pairs = zip(genes.values(), positions, strict=True)
        return stage.block({d.name: d.choices[p] for d, p in pairs if p != ABSENT}, index)

    return PlaceRule(
        place=Place("stages", stage.number, index),
        genes=tuple(genes),
        radices=tuple(len(d.choices) + 1 for d in genes.values()),
        settings=settings,
        depth=lambda rows: space.coding.values(rows, stage, "depth"),
    )


def _fixed_rule(place: Place, block: BlockSettings | None) -> PlaceRule:
    def settings(_: tuple[int, ...]) -> BlockSettings:
        assert block is not None, "the classifier has no settings"
        return block

    return PlaceRule(place, (), (), settings, lambda rows: np.full(len(rows), place.index + 1, np.int64))
