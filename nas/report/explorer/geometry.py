"""Every block of every place of a space, by the choices that decide it: all that a page needs to look up.

The lowering computes all shapes here. The page walks through the places, finds the number of each place's
block by the number of its input's shape and the positions of the choices, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from nas.blocks import BlockSettings, BlockSpec, Shape
from nas.network import CLASSIFIER, Place, lower, lower_classifier
from nas.space import Choice, SearchSpace
from nas.space.rows import ABSENT, Dimension
from nas.space.stage import StageSpace


@final
@dataclass
class Geometry:
    """The blocks of a space for images of some resolutions.

    Attributes:
        space: The space.
        blocks: The distinct blocks; a block's number is its position.
        out_shapes: The number of each block's output shape.
        inputs: The number of the input's shape, by resolution.
        tables: For each place, the number of its block by ``SHAPE:POSITION,POSITION,…``.
        columns: For each place, the dimensions whose positions its keys hold.
    """

    space: SearchSpace
    blocks: list[BlockSpec] = field(default_factory=list)
    out_shapes: list[int] = field(default_factory=list)
    inputs: dict[int, int] = field(default_factory=dict)
    tables: dict[Place, dict[str, int]] = field(default_factory=dict)
    columns: dict[Place, list[int]] = field(default_factory=dict)
    _shapes: dict[Shape, int] = field(default_factory=dict)
    _numbers: dict[BlockSpec, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, space: SearchSpace, *, resolutions: Iterable[int], classes: int, input_channels: int
    ) -> Geometry:
        """Lowers every block that a network of the space can have."""
        made = cls(space)
        for resolution in resolutions:
            shape = Shape(input_channels, resolution, resolution)
            made.inputs[resolution] = made._shape(shape)
            shapes = made._fixed("stem", space.stem, {shape})
            for stage in space.stages:
                shapes = made._stage(stage, shapes)
            for each in made._fixed("head", space.head, shapes):
                made._enter(CLASSIFIER, each, "", lower_classifier(each, classes))
        return made

    def _fixed(self, section: str, blocks: Sequence[BlockSettings], shapes: set[Shape]) -> set[Shape]:
        for index, settings in enumerate(blocks):
            place = Place(section, 0, index)
            shapes = {self._enter(place, each, "", self._lower(settings, each, place)) for each in shapes}
        return shapes

    def _stage(self, stage: StageSpace, entering: set[Shape]) -> set[Shape]:
        leaving: set[Shape] = set()
        for shared in stage.shared_assignments():
            shapes = entering
            own = list(stage.block_assignments(str(shared["kind"])))
            for index in range(max(stage.depths)):
                place = Place("stages", stage.number, index)
                shapes = {
                    self._enter(
                        place,
                        shape,
                        self._positions(place, shared | choices),
                        self._lower(stage.block(shared | choices, index), shape, place),
                    )
                    for shape in shapes
                    for choices in own
                }
                if index + 1 in stage.depths:
                    leaving |= shapes
        return leaving

    def _lower(self, settings: BlockSettings, shape: Shape, place: Place) -> BlockSpec:
        return lower(settings, shape, self.space.rounding, place)

    def _enter(self, place: Place, shape: Shape, positions: str, block: BlockSpec) -> Shape:
        """Enters a block into the table of its place; returns the shape of its output."""
        if block not in self._numbers:
            self._numbers[block] = len(self.blocks)
            self.blocks.append(block)
            self.out_shapes.append(self._shape(block.out_shape))
        self.columns.setdefault(place, [column for column, _ in self._dimensions(place)])
        table = self.tables.setdefault(place, {})
        table[f"{self._shape(shape)}:{positions}"] = self._numbers[block]
        return block.out_shape

    def _shape(self, shape: Shape) -> int:
        return self._shapes.setdefault(shape, len(self._shapes))

    def _positions(self, place: Place, choices: Mapping[str, Choice]) -> str:
        """The positions of the choices that decide a place's block, -1 where it reads none."""
        return ",".join(
            str(each.choices.index(choices[each.name]) if each.name in choices else ABSENT)
            for _, each in self._dimensions(place)
        )

    def _dimensions(self, place: Place) -> list[tuple[int, Dimension]]:
        if place.section != "stages":
            return []
        return [
            (column, each)
            for column, each in enumerate(self.space.dimensions)
            if each.stage == place.stage and each.index in (-1, place.index) and each.name != "depth"
        ]

    def to_dict(self) -> dict[str, Any]:
        """The tables as JSON values, with the space's choices."""
        stages = self.space.stages
        return {
            "dimensions": [
                {"stage": each.stage, "index": each.index, "name": each.name, "choices": list(each.choices)}
                for each in self.space.dimensions
            ],
            "stages": [
                {"kinds": list(stage.kinds), "depths": list(stage.depths), "reads": _reads(stage)}
                for stage in stages
            ],
            "resolutions": list(self.space.resolutions),
            "inputs": self.inputs,
            "outputs": self.out_shapes,
            "places": [
                {
                    "group": _group(place, len(stages)),
                    "stage": place.stage if place.section == "stages" else -1,
                    "index": place.index,
                    "columns": self.columns[place],
                    "table": self.tables[place],
                }
                for place in self.tables
            ],
            "groups": len(stages) + 2,
        }


def _reads(stage: StageSpace) -> dict[str, list[str]]:
    return {kind: list(stage.reads(kind)) for kind in stage.kinds}


def _group(place: Place, stages: int) -> int:
    """The position of a place's group in drawings: stem, stages, head."""
    if place.section == "stages":
        return 1 + place.stage
    return 0 if place.section == "stem" else stages + 1
