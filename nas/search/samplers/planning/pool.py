"""New networks within all predicted bounds, filtered from any generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from nas.arrays import IntArray
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Problem
from nas.search.reachable import violations
from nas.search.samplers.planning.history import History, Row
from nas.search.samplers.planning.operators import Operators

Make = Callable[[int], IntArray]

_ROUNDS = 6


@final
@dataclass(frozen=True)
class Pool:
    """The source of proposals.

    Attributes:
        problem: The space.
        goals: Their predicted bounds restrict the proposals.
    """

    problem: Problem
    goals: Goals

    def new(self, make: Make, count: int, seen: frozenset[Row]) -> IntArray:
        """Filters the rows of ``make`` to new, distinct and feasible ones, at most (``count``, genes).

        Args:
            make: Returns the requested number of canonical rows.
            count: Number of rows; fewer are returned if ``make`` yields too few.
            seen: Rows to exclude.
        """
        found: dict[Row, None] = {}
        asked = count
        for _ in range(_ROUNDS):
            rows = [row for row in map(tuple, make(asked).tolist()) if row not in seen and row not in found]
            found.update(dict.fromkeys(self._allowed(rows)))
            if len(found) >= count:
                break
            asked *= 2
        return self._array(list(found)[:count])

    def random(self, count: int, history: History, rng: np.random.Generator) -> IntArray:
        """Uniformly drawn networks; if too few are feasible, also mutants of feasible ones."""
        rows = self.new(partial(self.problem.space.sample_many, rng=rng), count, history.seen)
        known = history.rows[history.violations <= 0]
        if len(rows) == count or not len(known):
            return rows
        operators = Operators(self.problem.space)

        def mutants(number: int) -> IntArray:
            return operators.mutate(known[rng.integers(0, len(known), number)], rng)

        taken = history.seen | {tuple(row) for row in rows.tolist()}
        return np.concatenate([rows, self.new(mutants, count - len(rows), taken)])

    def _allowed(self, rows: Sequence[Row]) -> list[Row]:
        broken = violations(self.goals, self.problem.candidates(self._array(rows)))
        return [row for row, amount in zip(rows, broken, strict=True) if amount <= 0]

    def _array(self, rows: Sequence[Row]) -> IntArray:
        return np.array(rows, np.int64).reshape(len(rows), len(self.problem.space.dimensions))
