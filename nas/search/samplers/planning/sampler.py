"""Samplers that plan several networks at once: a generation, or a predictor's recommendations.

A plan is stored in the study, on the trial that requested it. The following trials take its networks one by
one. A killed search resumes with the rest of the plan, and workers that share a study share its plans.
Between two plans a proposal costs nearly nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final
from weakref import WeakKeyDictionary

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.arrays import IntArray
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Problem
from nas.search.samplers.planning.history import History, Reader
from nas.search.trials.parameters import Parameters

_PLAN, _CODE = "nas:plan", "nas:code"
_READERS: WeakKeyDictionary[Study, Reader] = WeakKeyDictionary()
"""What has been read of each study: a sampler is made for each trial, a study lasts for the search."""


class Planner(ABC):
    """Makes plans; equal arguments must give equal plans."""

    @abstractmethod
    def plan(self, history: History, rng: np.random.Generator) -> IntArray:
        """The next networks.

        Args:
            history: All trials so far.
            rng: The random source.

        Returns:
            Their canonical rows, (N, genes), in order, none seen before; no rows if the space is exhausted.
        """


@final
class PlannedSampler(BaseSampler):
    """Optuna's view of a planner."""

    def __init__(self, problem: Problem, planner: Planner, *, goals: Goals, seed: int) -> None:
        self._parameters = Parameters(problem)
        self._radices = [len(d.choices) + 1 for d in problem.space.dimensions]  # one more for "absent"
        self._genes = len(self._radices)
        self._planner, self._goals = planner, goals
        self._rng = np.random.default_rng(seed)
        self._independent = RandomSampler(seed=seed)

    def reseed_rng(self) -> None:
        self._rng = np.random.default_rng()
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._parameters.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        code = self._next_of_plan(trials, trial.number)
        if code is None:
            code = self._new_plan(study, trial, trials)
        if code is None:
            return {}  # nothing is left to propose; every parameter is drawn at random
        _write(study, trial, {_CODE: code})
        candidate = self._parameters.problem.candidates(np.array([self._row(code)], np.int64))[0]
        return dict(self._parameters.params(candidate, self._rng))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _next_of_plan(self, trials: Sequence[FrozenTrial], own: int) -> int | None:
        """The first network of the newest plan that no trial but the sampler's own has taken yet."""
        position = _newest_plan(trials)
        if position is None:
            return None
        later = [trial for trial in trials[position:] if trial.number != own]
        taken = {trial.system_attrs[_CODE] for trial in later if _CODE in trial.system_attrs}
        strangers = [t.params for t in later if _CODE not in t.system_attrs and len(t.params) == self._genes]
        taken.update(self._code(row) for row in self._parameters.rows(strangers).tolist())
        left = (code for code in trials[position].system_attrs[_PLAN] if code not in taken)
        return next(left, None)

    def _new_plan(self, study: Study, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> int | None:
        reader = _READERS.get(study)
        if reader is None or not reader.suits(self._parameters.problem, self._goals):
            _READERS[study] = reader = Reader(self._parameters, self._goals)
        history = reader.read(trials, without=trial.number)
        codes = [self._code(row) for row in self._planner.plan(history, self._rng).tolist()]
        if not codes:
            return None
        _write(study, trial, {_PLAN: codes})
        return codes[0]

    def _code(self, row: Sequence[int]) -> int:
        """A number that encodes a row: short in a storage, and fast to compare."""
        code = 0
        for position, radix in zip(row, self._radices, strict=True):
            code = code * radix + position + 1
        return code

    def _row(self, code: int) -> list[int]:
        row: list[int] = []
        for radix in reversed(self._radices):
            code, digit = divmod(code, radix)
            row.append(digit - 1)
        return row[::-1]


def _newest_plan(trials: Sequence[FrozenTrial]) -> int | None:
    """The position of the last trial with a plan."""
    positions = range(len(trials) - 1, -1, -1)
    return next((i for i in positions if _PLAN in trials[i].system_attrs), None)


def _write(study: Study, trial: FrozenTrial, attributes: Mapping[str, Any]) -> None:
    """Writes to a running trial, as Optuna's own samplers do; there is no public API for it."""
    for name, value in attributes.items():
        study._storage.set_trial_system_attr(trial._trial_id, name, value)  # noqa: SLF001
