"""Taking away the choices that a device dislikes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from nas.blocks import BlockSpec, Shape
from nas.blocks.ops import Conv2d, Linear
from nas.errors import UserError
from nas.network import Place, lower
from nas.space.architecture import Choice
from nas.space.stage import Choices, StageSpace

if TYPE_CHECKING:
    from nas.space.space import SearchSpace


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a device likes; see ``SearchSpace.restricted``."""

    kinds: tuple[str, ...]
    multiple: int
    max_width: int | None

    def allows(self, channels: int) -> bool:
        return channels % self.multiple == 0 and (self.max_width is None or channels <= self.max_width)

    def __str__(self) -> str:
        limit = "" if self.max_width is None else f" of at most {self.max_width}"
        return f"multiples of {self.multiple}{limit}"


def restrict(space: SearchSpace, limits: Limits) -> SearchSpace:
    """The space without disliked choices; a value that the space fixes is none.

    Raises:
        UserError: If a stage is left without any choice; the message names stage, field and choices.
    """
    stages = [_prefer(stage, limits) for stage in space.stages]
    stages = [_keep(stage, "width", lambda w: limits.allows(space.rounding.width(float(w))), limits) for stage in stages]
    narrowed = dataclasses.replace(space, stages=tuple(stages), stated_size=None)
    return dataclasses.replace(narrowed, stages=tuple(_expansions(narrowed, stage, limits) for stage in stages))


def _prefer(stage: StageSpace, limits: Limits) -> StageSpace:
    if not limits.kinds or len(stage.kinds) == 1:
        return stage
    kinds = tuple(kind for kind in stage.kinds if kind in limits.kinds)
    if not kinds:
        raise UserError(
            f"stage {stage.number}: none of its kinds ({', '.join(stage.kinds)}) is among those that the device "
            f"prefers ({', '.join(limits.kinds)}); choose another space, or change the device's preferred_blocks"
        )
    return _without_unread(dataclasses.replace(stage, kinds=kinds), stage)


def _without_unread(stage: StageSpace, _: StageSpace) -> StageSpace:
    return stage


def _keep(stage: StageSpace, name: str, liked: Callable[[Choice], bool], limits: Limits) -> StageSpace:
    """The stage without the disliked ones among several choices of a field."""
    choices = {**stage.shared, **stage.per_block}.get(name, ())
    if len(choices) < 2:
        return stage
    kept = tuple(choice for choice in choices if liked(choice))
    if not kept:
        raise UserError(
            f"stage {stage.number}: no {name} of {', '.join(map(str, choices))} is left, since the device likes "
            f"channel counts that are {limits}; choose another space, or change the device's channel_multiple "
            "or max_width"
        )
    return _with_choices(stage, name, kept)
