"""Checks of a search space that depend on the sizes of its feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from nas.blocks import BlockSettings, BlockSpec, Shape
from nas.blocks.ops import Conv2d
from nas.blocks.token_ops import Resize
from nas.errors import UserError
from nas.network import Place, lower
from nas.space.architecture import Choice
from nas.space.stage import StageSpace

if TYPE_CHECKING:
    from nas.space.space import SearchSpace

Assignment = Mapping[str, Choice]


def check_stride(settings: BlockSettings, shape: Shape, place: Place) -> None:
    """Checks that a block has no stride on an image of one pixel.

    Raises:
        UserError: If it has one. The message names the place.
    """
    if settings.step > 1 and shape.pixels == 1:
        raise UserError(
            f"{place}: stride {settings.step} on an image of one pixel; the strides shrink it to nothing: "
            "use fewer of them or a higher resolution"
        )


def find_warnings(space: SearchSpace) -> tuple[str, ...]:
    """Warnings of useless choices in a space. Each names the place and the remedy."""
    return (*_wrong_size(space), *_large_kernels(space), *_large_windows(space), *_equal_choices(space))


def _wrong_size(space: SearchSpace) -> Iterator[str]:
    if space.stated_size not in (None, space.size):
        yield (
            f"size is stated as {space.stated_size}, but there are {space.size} networks; "
            "correct the file's 'size'"
        )


def _large_kernels(space: SearchSpace) -> Iterator[str]:
    """Kernels that never fit their feature map, or whose rim only covers padding."""
    seen: set[tuple[int, int]] = set()
    for resolution in dict.fromkeys((max(space.resolutions), min(space.resolutions))):
        for place, blocks in space.blocks_by_place(resolutions=(resolution,)).items():
            for kernel, size in _kernels(blocks) if place.section == "stages" else ():
                # At the highest resolution, any kernel above the map is useless; below, only a dead rim is.
                useless = kernel > size if resolution == max(space.resolutions) else kernel > 2 * size - 1
                if useless and (place.stage, kernel) not in seen:
                    seen.add((place.stage, kernel))
                    yield (
                        f"{place}: a kernel of {kernel} is larger than the feature map of {size}×{size} "
                        f"pixels at resolution {resolution}; leave it out, raise the resolution, or use "
                        "fewer strides"
                    )


def _large_windows(space: SearchSpace) -> Iterator[str]:
    """Windows above their feature map, which is padded to them."""
    seen: set[tuple[int, int]] = set()
    resolution = max(space.resolutions)
    for place, blocks in space.blocks_by_place(resolutions=(resolution,)).items():
        ops = {op for block in blocks for op in block.ops if isinstance(op, Resize)}
        for op in sorted(ops, key=lambda op: op.height):
            size = op.in_shape.height
            if op.height >= 2 * size and (place.stage, op.height) not in seen:
                seen.add((place.stage, op.height))
                yield (
                    f"{place}: a window of {op.height} is larger than the feature map of {size}×{size} "
                    f"pixels at resolution {resolution}; leave it out, or raise the resolution"
                )


def _kernels(blocks: Iterable[BlockSpec]) -> list[tuple[int, int]]:
    """Kernels above 3, each with the height of a feature map that it is applied to."""
    ops = {op for block in blocks for op in block.ops if isinstance(op, Conv2d)}
    return sorted({(op.kernel, op.in_shape.height) for op in ops if op.kernel > max(3, op.stride)})


def _equal_choices(space: SearchSpace) -> Iterator[str]:
    entering = _entering_shapes(space)
    for stage in space.stages:
        seen: set[str] = set()
        for index, shape, same in _coinciding(space, stage, entering[stage.number]):
            for difference in _differences(same):
                if difference not in seen:
                    seen.add(difference)
                    yield (
                        f"stage {stage.number} block {index}: {difference} give the same block of kind "
                        f"{same[0]['kind']} for {shape.channels} channels coming in; keep one of them"
                    )


def _entering_shapes(space: SearchSpace) -> dict[int, list[Shape]]:
    places = space.blocks_by_place(resolutions=(max(space.resolutions),))
    return {
        stage.number: sorted({block.in_shape for block in places[Place("stages", stage.number, 0)]})
        for stage in space.stages
    }


def _coinciding(
    space: SearchSpace, stage: StageSpace, shapes: Iterable[Shape]
) -> Iterator[tuple[int, Shape, list[Assignment]]]:
    """Groups of assignments that lower to the same block. The second block represents all later ones."""
    reached = {Shape(s.channels, s.height, s.width): list(stage.shared_assignments()) for s in shapes}
    for index in range(min(2, max(stage.depths))):
        following: dict[Shape, list[dict[str, Choice]]] = {}
        for shape, assignments in reached.items():
            groups: dict[BlockSpec, list[Assignment]] = {}
            for shared in assignments:
                for own in stage.block_assignments(str(shared["kind"])):
                    settings = stage.block(shared | own, index)
                    block = lower(settings, shape, space.rounding, Place("stages", stage.number, index))
                    groups.setdefault(block, []).append(shared | own)
                    _append_new(following.setdefault(block.out_shape, []), shared)
            yield from ((index, shape, same) for same in groups.values() if len(same) > 1)
        reached = following


def _append_new(items: list[dict[str, Choice]], item: dict[str, Choice]) -> None:
    if not items or (items[-1] is not item and item not in items):
        items.append(item)


def _differences(same: list[Assignment]) -> Iterator[str]:
    """``"width 24 and 25"`` for each pair that differs in one field, or for the first pair."""
    pairs = list(combinations(same, 2))
    named = [[name for name in a if a[name] != b[name]] for a, b in pairs]
    single = [number for number, names in enumerate(named) if len(names) == 1] or [0]
    for number in single:
        a, b = pairs[number]
        yield ", ".join(f"{name} {a[name]} and {b[name]}" for name in named[number])
