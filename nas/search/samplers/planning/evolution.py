"""The planner of NSGA-II and NSGA-III: generations that are bred from the best so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Problem
from nas.search.samplers.planning.history import History
from nas.search.samplers.planning.operators import Operators
from nas.search.samplers.planning.pool import Pool
from nas.search.samplers.planning.sampler import Planner

Select = Callable[[FloatArray, FloatArray, int, np.random.Generator], IntArray]
"""From losses, violations, a count and chance to the positions of the parents, best first."""


@final
@dataclass(frozen=True)
class Generations(Planner):
    """Each plan is a generation; its parents are selected from all evaluated networks.

    Attributes:
        problem: The space.
        goals: The goals of the search.
        population: Parents, and children of a generation.
        select: Selects the parents.
    """

    problem: Problem
    goals: Goals
    population: int
    select: Select

    def plan(self, history: History, rng: np.random.Generator) -> IntArray:
        pool = Pool(self.problem, self.goals)
        missing = self.population - len(history.rows) - len(history.running)
        if missing > 0:
            return pool.random(missing, history, rng)
        losses = _ranked(history)
        parents = history.rows[self.select(losses, history.violations, self.population, rng)]
        breed = partial(Operators(self.problem.space).offspring, parents, rng=rng)
        return pool.new(breed, self.population, history.seen)


def _ranked(history: History) -> FloatArray:
    """Losses without NaN: a missing loss counts as the worst known one."""
    if not np.isnan(history.losses).any():
        return history.losses
    worst = np.where(np.isnan(history.losses), -np.inf, history.losses).max(axis=0, initial=-np.inf)
    worst = np.where(np.isfinite(worst), worst, 0.0)
    return np.where(np.isnan(history.losses), worst, history.losses)
