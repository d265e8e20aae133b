"""Removing the choices that a device does not support well."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas.blocks import BlockSpec, Shape, field_names, settings_type
from nas.blocks.ops import Conv2d, Linear
from nas.errors import UserError
from nas.network import Place, lower
from nas.space.architecture import Choice
from nas.space.stage import Choices, StageSpace

if TYPE_CHECKING:
    from nas.space.space import SearchSpace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The preferences of a device; see ``SearchSpace.restricted``."""

    preferred_blocks: tuple[str, ...] = ()
    channel_multiple: int = 1
    max_width: int | None = None

    def allows(self, channels: int) -> bool:
        """Whether a number of channels suits the device."""
        fits = self.max_width is None or channels <= self.max_width
        return fits and channels % self.channel_multiple == 0

    def __str__(self) -> str:
        limit = "" if self.max_width is None else f" and at most {self.max_width}"
        return f"a multiple of {self.channel_multiple}{limit}"


def restrict(space: SearchSpace, limits: Limits) -> SearchSpace:
    """The space without unsuitable choices. A fixed value is not a choice and stays.

    Raises:
        UserError: If no choice of a stage's field remains. The message names stage, field and choices.
    """
    for kind in limits.preferred_blocks:
        settings_type(kind)
    stages = [_prefer(stage, limits) for stage in space.stages]
    stages = [_widths(space, stage, limits) for stage in stages]
    narrowed = dataclasses.replace(space, stages=tuple(stages), stated_size=None)
    shapes = _entering(narrowed)
    stages = [_expansions(narrowed, stage, shapes, limits) for stage in narrowed.stages]
    return dataclasses.replace(narrowed, stages=tuple(stages))


def _prefer(stage: StageSpace, limits: Limits) -> StageSpace:
    if not limits.preferred_blocks or len(stage.kinds) == 1:
        return stage
    kinds = tuple(kind for kind in stage.kinds if kind in limits.preferred_blocks)
    if not kinds:
        raise UserError(
            f"stage {stage.number}: none of its kinds ({', '.join(stage.kinds)}) is among those that the "
            f"device prefers ({', '.join(limits.preferred_blocks)}); choose another space, or change the "
            "device's preferred_blocks"
        )
    read = frozenset[str]().union(*(field_names(settings_type(kind)) for kind in kinds))
    return dataclasses.replace(
        stage,
        kinds=kinds,
        shared={name: choices for name, choices in stage.shared.items() if name in read},
        per_block={name: choices for name, choices in stage.per_block.items() if name in read},
    )


def _widths(space: SearchSpace, stage: StageSpace, limits: Limits) -> StageSpace:
    widths = _choices(stage, "width")
    suitable = tuple(width for width in widths if limits.allows(space.rounding.width(float(width))))
    return _with(stage, "width", suitable, limits)


def _expansions(
    space: SearchSpace, stage: StageSpace, shapes: dict[Place, list[Shape]], limits: Limits
) -> StageSpace:
    def suits(choice: Choice) -> bool:
        blocks = _blocks_with(space, stage, shapes, choice)
        return all(limits.allows(channels) for block in blocks for channels in _inner_channels(block))

    expansions = _choices(stage, "expand")
    return _with(stage, "expand", tuple(choice for choice in expansions if suits(choice)), limits)


def _choices(stage: StageSpace, name: str) -> Choices:
    """The choices of a field; empty if it is fixed or absent."""
    choices = stage.shared.get(name) or stage.per_block.get(name) or ()
    return choices if len(choices) > 1 else ()


def _with(stage: StageSpace, name: str, suitable: Choices, limits: Limits) -> StageSpace:
    choices = _choices(stage, name)
    if suitable == choices:
        return stage
    if not suitable:
        raise UserError(
            f"stage {stage.number}: nothing is left of {name} {', '.join(map(str, choices))}, since the "
            f"device wants every channel count to be {limits}; choose another space, or change the device's "
            "channel_multiple or max_width"
        )
    if name in stage.shared:
        return dataclasses.replace(stage, shared={**stage.shared, name: suitable})
    return dataclasses.replace(stage, per_block={**stage.per_block, name: suitable})


def _entering(space: SearchSpace) -> dict[Place, list[Shape]]:
    """The input shapes of each place at the highest resolution."""
    places = space.blocks_by_place(resolutions=(max(space.resolutions),))
    return {place: sorted({block.in_shape for block in blocks}) for place, blocks in places.items()}


def _blocks_with(
    space: SearchSpace, stage: StageSpace, shapes: dict[Place, list[Shape]], expand: Choice
) -> Iterator[BlockSpec]:
    """The blocks of a stage with one expansion. The second block represents all later ones."""
    for index in range(min(2, max(stage.depths))):
        place = Place("stages", stage.number, index)
        for shared in stage.shared_assignments():
            for own in stage.block_assignments(str(shared["kind"])):
                assignment = shared | own
                if assignment.get("expand") == expand:
                    settings = stage.block(assignment, index)
                    yield from (lower(settings, shape, space.rounding, place) for shape in shapes[place])


def _inner_channels(block: BlockSpec) -> set[int]:
    """The numbers of channels inside a block, without those of squeeze-excite."""
    layers = [op for op in block.ops if isinstance(op, Conv2d | Linear) and op.in_shape.pixels > 1]
    outside = {block.in_shape.channels, block.out_shape.channels}
    return {op.out_shape.channels for op in layers} - outside
