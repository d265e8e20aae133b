"""Surrogate objectives: predictors fitted to evaluations, exact values of predicted quantities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.goals import Goals
from nas.search.goals.objectives import evaluate_many
from nas.search.goals.problem import Problem
from nas.search.predictors import Fitted, make_predictor
from nas.search.predictors.features import Features
from nas.search.samplers.planning.history import History
from nas.search.samplers.planning.operators import Operators
from nas.search.samplers.planning.selection import survivors


@final
@dataclass(frozen=True)
class Scores:
    """Expected scores of many networks.

    Attributes:
        losses: (N, objectives), as in ``nas.search.samplers.planning.history.History``.
        violations: Sums of broken bounds, (N,).
    """

    losses: FloatArray
    violations: FloatArray


@final
@dataclass(frozen=True)
class Surrogate:
    """Cheap estimates of all objectives and limits of a search.

    Attributes:
        features: The predictors' inputs.
        goals: The goals of the search.
        fitted: The regression of each objective and limit; ``None`` where it is predicted anyway.
    """

    features: Features
    goals: Goals
    fitted: Sequence[Fitted | None]

    @classmethod
    def fit(cls, problem: Problem, goals: Goals, history: History, *, predictor: str, seed: int) -> Surrogate:
        """Fits the regressions to the networks with all values, at least two."""
        features = Features(problem)
        inputs, values = features(history.rows[history.complete]), history.values[history.complete]
        fitted = [
            None if each.predicted else make_predictor(predictor).fit(inputs, column, seed=seed)
            for each, column in zip(goals.quantities, values.T, strict=True)
        ]
        return cls(features, goals, fitted)

    def score(self, rows: IntArray) -> Scores:
        """The scores of canonical rows (N, genes)."""
        candidates, inputs = self.features.problem.candidates(rows), self.features(rows)
        columns = [
            evaluate_many(quantity, candidates) if fitted is None else fitted.mean(inputs)
            for quantity, fitted in zip(self.goals.quantities, self.fitted, strict=True)
        ]
        values = np.stack(columns, axis=1)
        losses = self.goals.losses(values[:, : len(self.goals.objectives)])
        return Scores(losses, self.goals.violations(values))

    def deviations(self, rows: IntArray) -> FloatArray:
        """Standard deviations of the losses, (N, objectives); 0 where they are exact."""
        inputs = self.features(rows)
        fitted = self.fitted[: len(self.goals.objectives)]
        return np.stack([np.zeros(len(rows)) if f is None else f.std(inputs) for f in fitted], axis=1)

    def evolve(
        self, start: IntArray, *, population: int, candidates: int, rng: np.random.Generator
    ) -> IntArray:
        """Searches the surrogate with NSGA-II; returns the last generation's rows, best first.

        Args:
            start: Initial rows.
            population: Networks of a generation.
            candidates: Total number of networks to score.
            rng: The random source.
        """
        operators = Operators(self.features.problem.space)
        rows, scores = start, self.score(start)
        left = candidates - len(start)
        while True:
            kept = survivors(scores.losses, scores.violations, population)
            rows, scores = rows[kept], Scores(scores.losses[kept], scores.violations[kept])
            if left <= 0:
                return rows
            children = _distinct(operators.offspring(rows, min(population, left), rng), rows)
            found = self.score(children)
            left -= min(population, left)
            rows = np.concatenate([rows, children])
            scores = Scores(
                np.concatenate([scores.losses, found.losses]),
                np.concatenate([scores.violations, found.violations]),
            )


def _distinct(rows: IntArray, others: IntArray) -> IntArray:
    """The distinct ``rows`` that are not in ``others``."""
    known = set(map(tuple, others.tolist()))
    distinct = [row for row in dict.fromkeys(map(tuple, rows.tolist())) if row not in known]
    return np.array(distinct, np.int64).reshape(len(distinct), rows.shape[1])
