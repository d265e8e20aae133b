"""Architectures as integer rows, many at once: one column for each free choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.arrays import IntArray
from nas.errors import UserError
from nas.space.architecture import Architecture, Choice
from nas.space.reading import describe
from nas.space.stage import Choices, StageSpace

ABSENT = -1
"""The value of a gene that no block reads."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One free choice, which is one column of a row.

    Attributes:
        stage: Number of the stage; -1 for the resolution.
        index: Number of the block, or -1 for a choice of the stage.
        name: ``resolution``, ``kind``, ``depth`` or a field of a block kind.
        choices: The values. Rows hold positions in this tuple.
    """

    stage: int
    index: int
    name: str
    choices: Choices

    def __str__(self) -> str:
        stage = f"stage {self.stage} " if self.stage >= 0 else ""
        block = f"block {self.index} " if self.index >= 0 else ""
        return f"{stage}{block}{self.name}"


@dataclass(frozen=True)
class RowCoding:
    """The coding of the architectures of a space as rows.

    Attributes:
        space_name: For messages.
        resolutions: Input resolutions to choose from.
        stages: The elastic part.
    """

    space_name: str
    resolutions: tuple[int, ...]
    stages: tuple[StageSpace, ...]

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The free choices, in the order of a row's columns."""
        result = [Dimension(-1, -1, "resolution", self.resolutions)] if len(self.resolutions) > 1 else []
        for stage in self.stages:
            result += [Dimension(stage.number, -1, name, stage.choices(name)) for name in stage.free_shared()]
            for index in range(max(stage.depths)):
                result += [
                    Dimension(stage.number, index, n, stage.choices(n)) for n in stage.free_per_block()
                ]
        return tuple(result)

    @cached_property
    def columns(self) -> dict[tuple[int, int, str], int]:
        """The column of each dimension, by stage, block and name."""
        return {(d.stage, d.index, d.name): column for column, d in enumerate(self.dimensions)}

    @cached_property
    def radices(self) -> IntArray:
        """The number of choices of each column."""
        return np.array([len(d.choices) for d in self.dimensions], np.int64)

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Canonical rows (count, genes) of architectures with uniformly drawn free choices."""
        return self.canonical(rng.integers(0, self.radices, size=(count, len(self.dimensions))))

    def canonical(self, rows: IntArray) -> IntArray:
        """Rows (N, genes) with -1 for every gene that no block reads."""
        result = rows.copy()
        for stage in self.stages:
            self._clear_unread(stage, result)
        return result

    def _clear_unread(self, stage: StageSpace, rows: IntArray) -> None:
        depth = self.values(rows, stage, "depth")
        kind = self.values(rows, stage, "kind", positions=True)
        for column, index, ignored in self._readers[stage.number]:
            rows[(index >= depth) | ignored[kind], column] = ABSENT

    @cached_property
    def _readers(self) -> dict[int, list[tuple[int, int, NDArray[np.bool_]]]]:
        """By stage, for each dimension that may be unread: column, block, and the kinds that ignore it."""
        readers: dict[int, list[tuple[int, int, NDArray[np.bool_]]]] = {s.number: [] for s in self.stages}
        by_number = {stage.number: stage for stage in self.stages}
        for column, d in enumerate(self.dimensions):
            if d.stage >= 0 and d.name not in ("kind", "depth"):
                stage = by_number[d.stage]
                ignored = np.array([d.name not in stage.reads(kind) for kind in stage.kinds])
                readers[d.stage].append((column, d.index, ignored))
        return readers

    def values(self, rows: IntArray, stage: StageSpace, name: str, *, positions: bool = False) -> IntArray:
        """A stage's kind or depth (N,), as values or as positions in the list of choices."""
        choices = stage.choices(name)
        column = self.columns.get((stage.number, -1, name))
        numbers = np.zeros(len(rows), np.int64) if column is None else rows[:, column]
        return numbers if positions else np.array(choices, np.int64)[numbers]

    def encode(self, archs: Sequence[Architecture]) -> IntArray:
        """Canonical rows (N, genes) of architectures, with -1 for genes that no block reads.

        Raises:
            UserError: If an architecture is not part of this space. The message names the choice.
        """
        rows = np.array([self._row(arch) for arch in archs], np.int64).reshape(
            len(archs), len(self.dimensions)
        )
        canonical = self.canonical(rows)
        complete = self.canonical(np.where(rows == ABSENT, 0, rows))
        for row, full in zip(canonical, complete, strict=True):
            for column in np.flatnonzero((row == ABSENT) & (full != ABSENT)).tolist():
                raise UserError(f"the architecture lacks {self.dimensions[column]}; {self._offer(column)}")
        return canonical

    def decode(self, rows: IntArray) -> list[Architecture]:
        """Architectures of canonical rows (N, genes); the inverse of ``encode``."""
        return [self._architecture(row) for row in np.asarray(rows).tolist()]

    def _architecture(self, row: Sequence[int]) -> Architecture:
        resolution: int | None = None
        stages: list[dict[str, Choice | tuple[Choice, ...]]] = [{} for _ in self.stages]
        for d, position in zip(self.dimensions, row, strict=True):
            if position == ABSENT:
                continue
            value = d.choices[position]
            if d.stage < 0:
                resolution = int(value)
            elif d.index < 0:
                stages[d.stage][d.name] = value
            else:
                stages[d.stage][d.name] = (*stages[d.stage].get(d.name, ()), value)  # type: ignore[misc]
        return Architecture.of(resolution, stages)

    def _row(self, arch: Architecture) -> list[int]:
        if len(arch.stages) != len(self.stages):
            raise UserError(
                f"the architecture has {len(arch.stages)} stages; {self.space_name} has {len(self.stages)}"
            )
        values = self._values(arch)
        for stage, index, name in values:
            if (stage, index, name) not in self.columns:
                where = "resolution" if stage < 0 else f"stage {stage}"
                raise UserError(
                    f"{where}: {name!r} is not a free choice of {self.space_name}; {self._free(stage)}"
                )
        return [self._position(column, values) for column in range(len(self.dimensions))]

    def _values(self, arch: Architecture) -> dict[tuple[int, int, str], Choice]:
        """The choices of an architecture by (stage, block, name)."""
        values: dict[tuple[int, int, str], Choice] = {}
        if arch.resolution is not None:
            values[-1, -1, "resolution"] = arch.resolution
        for number, stage in enumerate(arch.stages):
            for name, value in stage:
                if isinstance(value, tuple):
                    values.update({(number, i, name): item for i, item in enumerate(value)})
                else:
                    values[number, -1, name] = value
        return values

    def _position(self, column: int, values: dict[tuple[int, int, str], Choice]) -> int:
        d = self.dimensions[column]
        value = values.get((d.stage, d.index, d.name))
        if value is None:
            return ABSENT if d.name not in ("kind", "depth", "resolution") else self._lacking(column)
        if value not in d.choices:
            raise UserError(
                f"{d} is {value!r}, which {self.space_name} does not offer; {self._offer(column)}"
            )
        return d.choices.index(value)

    def _lacking(self, column: int) -> int:
        raise UserError(f"the architecture lacks {self.dimensions[column]}; {self._offer(column)}")

    def _offer(self, column: int) -> str:
        return f"allowed: {describe(self.dimensions[column].choices)}"

    def _free(self, stage: int) -> str:
        names = sorted({d.name for d in self.dimensions if d.stage == stage})
        return f"free there: {', '.join(names) or 'nothing'}"
