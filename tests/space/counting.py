"""Counting a space's distinct networks from its blocks alone, without its own formula."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from nas.blocks import BlockSpec, Shape
from nas.network import Place, lower
from nas.space import Choice, SearchSpace, StageSpace

Shared = tuple[tuple[str, Choice], ...]


def count_networks(space: SearchSpace) -> int:
    """The number of distinct networks, two being equal when each place has an equal block.

    Walks through the places and keeps, for each shape that can leave a stage, the number of distinct
    sequences of blocks that lead to it.
    """
    return sum(_count_at(space, resolution) for resolution in space.resolutions)


def _count_at(space: SearchSpace, resolution: int) -> int:
    shape = Shape(space.input_channels, resolution, resolution)
    for index, settings in enumerate(space.stem):
        shape = lower(settings, shape, space.rounding, Place("stem", 0, index)).out_shape
    reached = {shape: 1}
    for stage in space.stages:
        following: dict[Shape, int] = defaultdict(int)
        for shape, count in reached.items():
            for out, ways in _stage(space, stage, shape).items():
                following[out] += count * ways
        reached = following
    return sum(reached.values())


def _stage(space: SearchSpace, stage: StageSpace, shape: Shape) -> Mapping[Shape, int]:
    """The number of distinct block sequences of a stage by the shape that leaves it.

    Several assignments of the shared fields may agree with what was seen so far, so a state is the set of
    those that do: equal sequences are counted once however many assignments give them.
    """
    everything = frozenset(tuple(sorted(shared.items())) for shared in stage.shared_assignments())
    states = {(shape, everything): 1}
    left: dict[Shape, int] = defaultdict(int)
    for index in range(max(stage.depths)):
        following: dict[tuple[Shape, frozenset[Shared]], int] = defaultdict(int)
        for (here, shared), count in states.items():
            for block, agreeing in _blocks(space, stage, index, here, shared).items():
                following[block.out_shape, frozenset(agreeing)] += count
        states = following
        if index + 1 in stage.depths:
            for (out, _), count in states.items():
                left[out] += count
    return left


def _blocks(
    space: SearchSpace, stage: StageSpace, index: int, shape: Shape, shared: frozenset[Shared]
) -> Mapping[BlockSpec, set[Shared]]:
    found: dict[BlockSpec, set[Shared]] = defaultdict(set)
    for assignment in shared:
        chosen = dict(assignment)
        for own in stage.block_assignments(str(chosen["kind"])):
            settings = stage.block(chosen | own, index)
            found[lower(settings, shape, space.rounding, Place("stages", stage.number, index))].add(
                assignment
            )
    return found
