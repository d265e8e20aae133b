"""Mutation by block and crossover by stage, for many networks at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from nas.arrays import FloatArray, IntArray
from nas.space import ABSENT, SearchSpace

BoolArray = NDArray[np.bool_]

CROSSOVER = 0.9
"""Share of children that have two parents (Deb et al. 2002)."""


@final
@dataclass(frozen=True)
class Operators:
    """The operators of one space. Rows are canonical, (N, genes).

    Related genes change together: the choices of one block, those of a whole stage (kind, depth, width, …),
    the resolution. These are the *groups* of a row's genes.
    """

    space: SearchSpace

    def crossover(self, first: IntArray, second: IntArray, rng: np.random.Generator) -> IntArray:
        """Children that take each stage, and the resolution, from one of their parents."""
        stages = np.array([d.stage for d in self.space.dimensions], np.int64)  # -1 is the resolution
        from_first = rng.random((len(first), len(self.space.stages) + 1)) < 0.5
        return np.where(from_first[:, stages], first, second)

    def mutate(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        """Rows with one or a few changed groups; genes that become active are drawn at random."""
        if not rows.shape[1]:
            return rows
        radices = self.space.coding.radices
        chosen = self._groups_to_change(rows, rng)[:, self._group]
        weight = np.where(chosen & (rows != ABSENT), rng.random(rows.shape), 0.0)
        # In a changing group, each choice changes with probability 1/2, and at least one does.
        change = (weight > 0.5) | ((weight > 0) & (weight == self._most_of_group(weight)))
        other = rng.integers(1, np.maximum(radices, 2), size=rows.shape)
        anew = rng.integers(0, radices, size=rows.shape)
        mutants = np.where(change, (rows + other) % radices, np.where(rows == ABSENT, anew, rows))
        return self.space.canonical_rows(mutants)

    def offspring(self, parents: IntArray, count: int, rng: np.random.Generator) -> IntArray:
        """Children (count, genes) of parents that are sorted, best first.

        Each parent is the better of two random ones. All children are mutated.
        """
        first, second = (
            parents[rng.integers(0, len(parents), size=(2, count)).min(axis=0)] for _ in range(2)
        )
        crossed = (rng.random(count) < CROSSOVER)[:, None]
        children = np.where(crossed, self.crossover(first, second, rng), first)
        return self.mutate(children, rng)

    def _groups_to_change(self, rows: IntArray, rng: np.random.Generator) -> BoolArray:
        """The groups to change, (N, groups): one on average, at least one, among the active ones."""
        count = int(self._group.max()) + 1
        read = np.zeros((len(rows), count), bool)
        for group in range(count):
            read[:, group] = (rows[:, self._group == group] != ABSENT).any(axis=1)
        draw = np.where(read, rng.random(read.shape), np.inf)
        by_chance = draw < 1 / read.sum(axis=1, keepdims=True)
        changes: BoolArray = by_chance | (draw == draw.min(axis=1, keepdims=True))
        return changes

    def _most_of_group(self, weight: FloatArray) -> FloatArray:
        """For each gene the largest weight within its group, (N, genes)."""
        most = np.zeros((int(self._group.max()) + 1, len(weight)))
        np.maximum.at(most, self._group, weight.T)
        return most[self._group].T

    @cached_property
    def _group(self) -> IntArray:
        """The number of each gene's group, (genes,)."""
        names = [(d.stage, d.index) for d in self.space.dimensions]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], np.int64)
