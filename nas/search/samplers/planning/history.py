"""The content of a study as arrays, the only input of our samplers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from nas.arrays import FloatArray, IntArray
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Problem
from nas.search.trials.evaluation import Outcome, State, from_attributes
from nas.search.trials.parameters import Parameters

Row = tuple[int, ...]

_ARRAYS = ("rows", "values", "losses", "violations")
"""What a history holds of each network whose evaluation has ended."""


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


@final
class Reader:
    """Reads the growing history of one study; what has ended is read once."""

    def __init__(self, parameters: Parameters, goals: Goals) -> None:
        self._parameters, self._goals = parameters, goals
        self._ended = 0  # the number of first trials that have all ended
        self._past = read_history([], parameters, goals)
        self._memory = {name: _Growing(getattr(self._past, name)) for name in _ARRAYS}

    def suits(self, problem: Problem, goals: Goals) -> bool:
        """Returns whether it reads by these very objects."""
        return self._parameters.problem is problem and self._goals is goals

    def read(self, trials: Sequence[FrozenTrial], *, without: int) -> History:
        """The history of the study, without those of its trials that have no parameters yet.

        Args:
            trials: All its trials, in the order of their numbers.
            without: The number of a running trial to leave out.
        """
        ended = self._ended
        while ended < len(trials) and trials[ended].state.is_finished():
            ended += 1
        new = read_history(trials[self._ended : ended], self._parameters, self._goals)
        arrays = {name: memory.extended(getattr(new, name)) for name, memory in self._memory.items()}
        self._past = replace(self._past, **arrays, seen=self._past.seen | new.seen)
        self._ended = ended
        later = [trial for trial in trials[ended:] if trial.number != without]
        return self._followed_by(later) if later else self._past

    def _followed_by(self, trials: Sequence[FrozenTrial]) -> History:
        new = read_history(trials, self._parameters, self._goals)
        arrays = {name: np.concatenate([getattr(self._past, name), getattr(new, name)]) for name in _ARRAYS}
        return History(**arrays, running=new.running, seen=self._past.seen | new.seen)


@final
class _Growing:
    """An array that grows at its end, without being copied each time."""

    def __init__(self, content: np.ndarray[Any, Any]) -> None:
        self._memory, self._length = content, len(content)

    def extended(self, more: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The array with more at its end; arrays that were returned before stay as they are."""
        length = self._length + len(more)
        if length > len(self._memory):
            memory = np.empty((2 * length, *more.shape[1:]), more.dtype)
            memory[: self._length] = self._memory[: self._length]
            self._memory = memory
        self._memory[self._length : length] = more
        self._length = length
        return self._memory[:length]


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
