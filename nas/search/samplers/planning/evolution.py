"""Planners that breed: generations of NSGA-II and NSGA-III, and regularised evolution."""

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
from nas.search.samplers.planning.planned import Planner
from nas.search.samplers.planning.pool import Pool
from nas.search.samplers.planning.selection import survivors

Select = Callable[[FloatArray, FloatArray, int, np.random.Generator], IntArray]
"""From losses, violations, a count and chance to the positions of the parents, best first."""


@final
@dataclass(frozen=True)
class Generations(Planner):
    """Each plan is a generation; its parents are selected from all that was evaluated.

    Attributes:
        problem: The space.
        goals: Those of the search.
        population: Parents, and children of a generation.
        select: How parents are selected.
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


@final
@dataclass(frozen=True)
class Aging(Planner):
    """Regularised evolution (Real et al. 2019): the oldest network dies, not the worst.

    Each child is a mutant of the best of a few networks that are drawn from the newest ones. With several
    objectives the best one is that of the lowest front, and of the most room there.

    Attributes:
        problem: The space.
        goals: Those of the search.
        population: Networks that are alive.
        sample: Networks that compete to become a parent.
        children: Children of a plan; they do not see each other, as those of as many workers do not.
    """

    problem: Problem
    goals: Goals
    population: int
    sample: int
    children: int

    def plan(self, history: History, rng: np.random.Generator) -> IntArray:
        pool = Pool(self.problem, self.goals)
        missing = self.population - len(history.rows) - len(history.running)
        if missing > 0:
            return pool.random(missing, history, rng)
        alive = slice(-self.population, None)
        losses, broken = _ranked(history)[alive], history.violations[alive]
        best_first = history.rows[alive][survivors(losses, broken, len(losses))]

        def mutants(count: int) -> IntArray:
            drawn = rng.integers(0, len(best_first), size=(self.sample, count)).min(axis=0)
            return Operators(self.problem.space).mutate(best_first[drawn], rng)

        return pool.new(mutants, self.children, history.seen)


def _ranked(history: History) -> FloatArray:
    """Losses that can be compared: what was not evaluated is as bad as the worst that was found."""
    worst = np.where(np.isnan(history.losses), -np.inf, history.losses).max(axis=0, initial=-np.inf)
    worst = np.where(np.isfinite(worst), worst, 0.0)
    return np.where(np.isnan(history.losses), worst, history.losses)
