"""The choices of a search space that avoid an operation."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nas.blocks import Shape
from nas.errors import UserError
from nas.network import Place

if TYPE_CHECKING:
    from nas.space.space import SearchSpace


def choices_without(space: SearchSpace, place: Place, *, shape: Shape, operation: str) -> tuple[str, ...]:
    """Lists the choices with which a block never has an operation.

    Args:
        space: The search space.
        place: The place of the block. A scaled network may have more blocks than the space.
        shape: Shape of the block's input.
        operation: Name of the operation, as in ``Op.name``.

    Returns:
        Choices such as ``"kind=inverted_residual"``; none for blocks outside the stages, which are fixed.
    """
    if place.section != "stages" or place.stage >= len(space.stages):
        return ()
    stage = space.stages[place.stage]
    with_it, without = dict[str, None](), dict[str, None]()
    for shared in stage.shared_assignments():
        for own in stage.block_assignments(str(shared["kind"])):
            chosen = {**shared, **own}
            with suppress(UserError):  # a block that does not fit this shape
                ops = stage.block(chosen, place.index).lower(shape, space.rounding).ops
                names = with_it if any(op.name == operation for op in ops) else without
                names |= {f"{name}={value}": None for name, value in chosen.items()}
    return tuple(name for name in without if name not in with_it)
