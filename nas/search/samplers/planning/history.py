"""The content of a study as arrays, the only input of our samplers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from nas.arrays import FloatArray, IntArray
from nas.search.goals.goals import Goals
from nas.search.trials.evaluation import Outcome, State, from_attributes
from nas.search.trials.parameters import Parameters

Row = tuple[int, ...]


@final
@dataclass(frozen=True)
class History:
    """The networks of a study, in the order of their trials.

    Attributes:
        rows: Canonical rows of evaluated networks and of those rejected for a predicted bound, (N, genes).
        values: Values of objectives, then limits, (N, quantities). NaN where a rejected network was not
            evaluated.
        losses: Losses of the objectives, (N, objectives): values, negated where they are maximised.
        violations: Sum of violations of bounds, (N,); 0 where all hold.
        running: Rows of networks that are being evaluated, (M, genes).
        seen: The rows of all networks, failed ones included.
    """

    rows: IntArray
    values: FloatArray
    losses: FloatArray
    violations: FloatArray
    running: IntArray
    seen: frozenset[Row]

    @cached_property
    def complete(self) -> IntArray:
        """Positions of the networks that have all values."""
        return np.flatnonzero(np.isfinite(self.values).all(axis=1))


def read_history(trials: Sequence[FrozenTrial], parameters: Parameters, goals: Goals) -> History:
    """The history of trials, without those that have no parameters yet."""
    trials = [trial for trial in trials if trial.params.keys() == parameters.distributions.keys()]
    rows = parameters.rows([trial.params for trial in trials])
    outcomes = [_outcome(trial, row, parameters) for trial, row in zip(trials, rows, strict=True)]
    known = [i for i, outcome in enumerate(outcomes) if outcome is not None]
    found = [each.quantities for each in outcomes if each is not None]
    values = np.array(found, np.float64).reshape(len(found), len(goals.quantities))
    return History(
        rows=rows[known],
        values=values,
        losses=goals.losses(values[:, : len(goals.objectives)]),
        violations=goals.violations(values),
        running=rows[[i for i, trial in enumerate(trials) if trial.state is TrialState.RUNNING]],
        seen=frozenset(tuple(row) for row in rows.tolist()),
    )


def _outcome(trial: FrozenTrial, row: IntArray, parameters: Parameters) -> Outcome | None:
    """The outcome of a finished trial; ``None`` if it failed or is running."""
    if trial.state is not TrialState.COMPLETE:
        return None
    candidate = parameters.problem.candidates(row[None])[0]
    outcome = from_attributes(trial.user_attrs, trial.number, candidate).outcome
    return None if outcome.state is State.FAILED else outcome
