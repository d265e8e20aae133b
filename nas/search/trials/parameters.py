"""Genes as Optuna parameters, and back: one categorical parameter for each dimension of the space.

Optuna always draws every parameter, also those that nothing reads in the network at hand; the canonical row
drops these afterwards. So the search space is the same for all trials, which every sampler can work with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from nas.arrays import IntArray
from nas.search.goals.problem import Candidate, Problem
from nas.space import ABSENT, Choice


@final
@dataclass(frozen=True)
class Parameters:
    """The translation for one problem."""

    problem: Problem

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """By the dimension's name, e.g. ``stage 0 block 1 kernel``; the choices are integers or strings."""
        return {
            str(d): CategoricalDistribution([_plain(c) for c in d.choices])
            for d in self.problem.space.dimensions
        }

    def candidate(self, params: Mapping[str, Any]) -> Candidate:
        """The canonical candidate of a trial's parameters."""
        return self.problem.candidates(self.rows([params]))[0]

    def rows(self, params: Sequence[Mapping[str, Any]]) -> IntArray:
        """The canonical rows (N, genes) of the parameters of many trials."""
        positions = self._positions
        rows = [[positions[name][each[name]] for name in positions] for each in params]
        return self.problem.space.canonical_rows(
            np.array(rows, np.int64).reshape(len(params), len(positions))
        )

    def params(self, candidate: Candidate, rng: np.random.Generator) -> dict[str, int | str]:
        """Parameters that stand for a candidate; those that nothing reads are drawn by chance."""
        result: dict[str, int | str] = {}
        for d, position in zip(self.problem.space.dimensions, candidate.row, strict=True):
            chosen = int(rng.integers(len(d.choices))) if position == ABSENT else position
            result[str(d)] = _plain(d.choices[chosen])
        return result

    @cached_property
    def _positions(self) -> dict[str, dict[int | str, int]]:
        return {
            str(d): {_plain(choice): position for position, choice in enumerate(d.choices)}
            for d in self.problem.space.dimensions
        }


def _plain(choice: Choice) -> int | str:
    """Optuna's categorical choices are integers or strings."""
    return str(choice) if isinstance(choice, float) else choice
