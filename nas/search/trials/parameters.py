"""Converts between genes and Optuna parameters: one categorical parameter for each dimension of the space.

Optuna always samples every parameter, including those inactive in the network at hand, which the canonical
row then drops. The search space is therefore the same for all trials, as every sampler requires.
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
    """The conversion for one problem."""

    problem: Problem

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Distributions by the dimension's name, e.g. ``stage 0 block 1 kernel``, of integers or strings."""
        return {
            str(d): CategoricalDistribution([_plain(c) for c in d.choices])
            for d in self.problem.space.dimensions
        }

    def candidate(self, params: Mapping[str, Any]) -> Candidate:
        """Returns the canonical candidate of a trial's parameters."""
        return self.problem.candidates(self.rows([params]))[0]

    def rows(self, params: Sequence[Mapping[str, Any]]) -> IntArray:
        """Returns the canonical rows (N, genes) of the parameters of many trials."""
        positions = self._positions
        rows = [[positions[name][each[name]] for name in positions] for each in params]
        return self.problem.space.canonical_rows(
            np.array(rows, np.int64).reshape(len(params), len(positions))
        )

    def params(self, candidate: Candidate, rng: np.random.Generator) -> dict[str, int | str]:
        """Returns a candidate's parameters; inactive ones are random."""
        result: dict[str, int | str] = {}
        for d, position in zip(self.problem.space.dimensions, candidate.row, strict=True):
            gene = int(rng.integers(len(d.choices))) if position == ABSENT else position
            result[str(d)] = _plain(d.choices[gene])
        return result

    @cached_property
    def _positions(self) -> dict[str, dict[int | str, int]]:
        return {
            str(d): {_plain(choice): position for position, choice in enumerate(d.choices)}
            for d in self.problem.space.dimensions
        }


def _plain(choice: Choice) -> int | str:
    """Converts a choice to an integer or a string, as Optuna's categorical choices are."""
    return str(choice) if isinstance(choice, float) else choice
