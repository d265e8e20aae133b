"""The possible blocks at each place of a space, over all choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.blocks import BlockSettings, BlockSpec, Rounding, Shape
from nas.network import CLASSIFIER, Place, lower, lower_classifier
from nas.space.checks import check_stride
from nas.space.stage import StageSpace

if TYPE_CHECKING:
    from nas.space.space import SearchSpace

Shapes = set[Shape]


def enumerate_blocks(
    space: SearchSpace, *, resolutions: Iterable[int], classes: int, input_channels: int
) -> dict[Place, tuple[BlockSpec, ...]]:
    """The possible blocks at each place.

    Raises:
        UserError: If a block does not fit its input. The message names the place.
    """
    walk = _Walk(space.rounding)
    for resolution in resolutions:
        shapes = walk.fixed("stem", space.stem, {Shape(input_channels, resolution, resolution)})
        for stage in space.stages:
            shapes = walk.stage(stage, shapes)
        for shape in walk.fixed("head", space.head, shapes):
            walk.add(CLASSIFIER, [lower_classifier(shape, classes)])
    return {place: tuple(blocks) for place, blocks in walk.blocks.items()}


@dataclass(frozen=True)
class _Walk:
    """Visits the places in order, each with all possible shapes of its input."""

    rounding: Rounding
    blocks: dict[Place, dict[BlockSpec, None]] = field(default_factory=dict)

    def add(self, place: Place, blocks: Iterable[BlockSpec]) -> None:
        self.blocks.setdefault(place, {}).update(dict.fromkeys(blocks))

    def fixed(self, section: str, blocks: Iterable[BlockSettings], shapes: Shapes) -> Shapes:
        for i, settings in enumerate(blocks):
            shapes = self.reach(Place(section, 0, i), [settings], shapes)
        return shapes

    def stage(self, stage: StageSpace, entering: Shapes) -> Shapes:
        leaving: Shapes = set()
        for shared in stage.shared_assignments():
            shapes = entering
            own = list(stage.block_assignments(str(shared["kind"])))
            for index in range(max(stage.depths)):
                each = [stage.block(shared | choices, index) for choices in own]
                shapes = self.reach(Place("stages", stage.number, index), each, shapes)
                if index + 1 in stage.depths:
                    leaving |= shapes
        return leaving

    def reach(self, place: Place, settings: list[BlockSettings], shapes: Shapes) -> Shapes:
        """Lowers all settings for all shapes; returns the shapes of their outputs."""
        for shape in shapes:
            for item in settings:
                check_stride(item, shape, place)
        blocks = [lower(item, shape, self.rounding, place) for shape in sorted(shapes) for item in settings]
        self.add(place, blocks)
        return {block.out_shape for block in blocks}
