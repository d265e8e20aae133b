"""One stage of a search space: its fixed and free fields, and the kinds that read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from nas.blocks import BlockSettings, field_names, make_settings, settings_type
from nas.errors import UserError
from nas.space.architecture import Choice

Choices = tuple[Choice, ...]


@dataclass(frozen=True)
class StageSpace:
    """Consecutive blocks with finite lists of choices. A list of one choice is a fixed value.

    Attributes:
        number: Position of the stage in its space, from 0, for messages.
        kinds: Block kinds; one is chosen for the whole stage.
        depths: Numbers of blocks. A shallower stage has the first ones.
        shared: Fields chosen once for the stage, by name.
        per_block: Fields chosen for each block, by name.
    """

    number: int
    kinds: tuple[str, ...]
    depths: tuple[int, ...] = (1,)
    shared: Mapping[str, Choices] = field(default_factory=dict, hash=False)
    per_block: Mapping[str, Choices] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self._check_read()
        for kind in self.kinds:  # builds one block per choice, to refuse wrong values here
            for name in self.reads(kind):
                for choice in self.choices(name):
                    self.block({"kind": kind, name: choice}, 0)

    def _check_read(self) -> None:
        readable = frozenset[str]().union(*(field_names(settings_type(kind)) for kind in self.kinds))
        if both := set(self.shared) & set(self.per_block):
            raise UserError(
                f"stage {self.number}: {sorted(both)} stand both in the stage and under each_block; keep one"
            )
        for name in (*self.shared, *self.per_block):
            if name not in readable:
                raise UserError(
                    f"stage {self.number}: nothing reads {name!r}; {', '.join(self.kinds)} read "
                    f"{', '.join(sorted(readable))}, and a stage also has kind, depth and each_block"
                )

    def choices(self, name: str) -> Choices:
        """The choices of a dimension, ``kind`` and ``depth`` included."""
        if name in ("kind", "depth"):
            return self.kinds if name == "kind" else self.depths
        return self.per_block[name] if name in self.per_block else self.shared[name]

    def reads(self, kind: str) -> tuple[str, ...]:
        """The names given in this stage that blocks of ``kind`` read."""
        names = field_names(settings_type(kind))
        return tuple(name for name in (*self.shared, *self.per_block) if name in names)

    def free_shared(self) -> tuple[str, ...]:
        """Free dimensions of the whole stage. Kind and depth come first, since others depend on them."""
        names = [name for name in ("kind", "depth") if len(self.choices(name)) > 1]
        return (*names, *(name for name, choices in self.shared.items() if len(choices) > 1))

    def free_per_block(self) -> tuple[str, ...]:
        """Free dimensions of each block."""
        return tuple(name for name, choices in self.per_block.items() if len(choices) > 1)

    def block(self, assignment: Mapping[str, Choice], index: int) -> BlockSettings:
        """The settings of block ``index``. Fields missing from ``assignment`` take their first choice.

        Only the first block of a stage has the stage's stride.
        """
        kind = str(assignment.get("kind", self.kinds[0]))
        fields = {name: assignment.get(name, self.choices(name)[0]) for name in self.reads(kind)}
        if index and "stride" in fields:
            fields["stride"] = 1
        return make_settings(kind, fields, where=f"stage {self.number} block {index}")

    def shared_assignments(self) -> Iterator[dict[str, Choice]]:
        """Every assignment of the kind and the shared fields that it reads."""
        for kind in self.kinds:
            names = [name for name in self.shared if name in self.reads(kind)]
            for values in product(*(self.shared[name] for name in names)):
                yield {"kind": kind, **dict(zip(names, values, strict=True))}

    def block_assignments(self, kind: str) -> Iterator[dict[str, Choice]]:
        """Every assignment of the fields that one block of ``kind`` reads."""
        names = [name for name in self.per_block if name in self.reads(kind)]
        for values in product(*(self.per_block[name] for name in names)):
            yield dict(zip(names, values, strict=True))

    @property
    def size(self) -> int:
        """The number of distinct stages."""
        total = 0
        for kind in self.kinds:
            names = self.reads(kind)
            shared = math.prod(len(self.shared[name]) for name in names if name in self.shared)
            each = math.prod(len(self.per_block[name]) for name in names if name in self.per_block)
            total += shared * sum(each**depth for depth in self.depths)
        return total
