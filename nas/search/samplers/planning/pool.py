"""Networks that have not been seen and break no predicted bound, drawn from whatever makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from nas.arrays import IntArray
from nas.search.feasibility import violations
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Problem
from nas.search.samplers.planning.history import History, Row
from nas.search.samplers.planning.operators import Operators

Make = Callable[[int], IntArray]

_ROUNDS = 6


@final
@dataclass(frozen=True)
class Pool:
    """Where proposals come from.

    Attributes:
        problem: The space.
        goals: Predicted bounds decide what may be proposed.
    """

    problem: Problem
    goals: Goals

    def new(self, make: Make, count: int, seen: frozenset[Row]) -> IntArray:
        """Rows (at most ``count``, genes) out of those that ``make`` gives, without repeats.

        Args:
            make: Gives the number of canonical rows that it is asked for.
            count: How many are wanted; fewer come back if ``make`` hardly finds any.
            seen: What must not come back.
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
        """Networks drawn uniformly, and mutants of known ones where such are too rare."""
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
