"""A search in which every quantity is predicted: thousands of networks at once, in seconds.

NSGA-II (Deb et al. 2002) with the operators of our samplers. Nothing is evaluated, so there is no journal,
and an interrupted search begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from nas.arrays import IntArray
from nas.errors import UserError
from nas.search.bounds import broken
from nas.search.goals.goals import Goals
from nas.search.goals.objectives import Forecast, evaluate_many
from nas.search.goals.problem import Networks, Problem
from nas.search.reachable import unmet, unmet_together
from nas.search.results.files import write_control, write_results
from nas.search.results.importance import importances
from nas.search.results.results import SearchResult, summarise
from nas.search.results.winners import winners
from nas.search.samplers.planning.operators import Operators
from nas.search.samplers.planning.selection import survivors
from nas.search.study import Study
from nas.search.trials.evaluation import Evaluation, Outcome, State, outcome_of

_POPULATION = 200
_ROUNDS = 20
"""Attempts in a row without a new network after which the space counts as exhausted."""

RESOLUTION = "resolution"


@final
@dataclass(frozen=True)
class Allowed:
    """The networks of a space at some of its resolutions.

    Attributes:
        problem: The problem, with the whole space.
        resolutions: The resolutions to search; empty for all of the space.

    Raises:
        UserError: If the space lacks a resolution.
    """

    problem: Problem
    resolutions: Sequence[int] = ()

    def __post_init__(self) -> None:
        own = self.problem.space.resolutions
        if lacking := [each for each in self.resolutions if each not in own]:
            raise UserError(
                f"{self.problem.space.name} has no resolution {lacking[0]}; it has {', '.join(map(str, own))}"
            )

    def __call__(self, rows: IntArray) -> IntArray:
        """Rows (N, genes) with the nearest allowed resolution in place of each other one."""
        if self._column is None or not self.resolutions:
            return rows
        moved = rows.copy()
        moved[:, self._column] = self._nearest[rows[:, self._column]]
        return moved

    @cached_property
    def _column(self) -> int | None:
        names = [dimension.name for dimension in self.problem.space.dimensions]
        return names.index(RESOLUTION) if RESOLUTION in names else None

    @cached_property
    def _nearest(self) -> IntArray:
        assert self._column is not None
        choices = [int(choice) for choice in self.problem.space.dimensions[self._column].choices]
        nearest = [min(self.resolutions, key=lambda each: abs(each - own)) for own in choices]
        return np.array([choices.index(each) for each in nearest], np.int64)


def search_predicted(
    study: Study,
    *,
    folder: Path,
    candidates: int,
    resolutions: Sequence[int] = (),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> SearchResult:
    """Searches a space by predictions alone, and writes trials, Pareto front and winners into a folder.

    The control, if the study has one, predicts as many random networks.

    Args:
        study: The search; its sampler and its trials are not used.
        folder: Folder of the results.
        candidates: Number of networks to predict.
        resolutions: Input resolutions to search; empty for all of the space.
        progress: Called with the number of networks so far and in all.

    Raises:
        UserError: If a quantity is not predicted, or no network meets the bounds.
    """
    check_predicted(study.goals)
    allowed = Allowed(study.problem, tuple(resolutions))
    whole = candidates * (1 + study.control)
    seen = _evolved(study, allowed, candidates, lambda done: progress(done, whole))
    entries = seen.evaluations(study.goals.forecast)
    if not any(entry.usable for entry in entries):
        raise _unreached(study, seen)
    control = _drawn(study, allowed, candidates).evaluations(None) if study.control else []
    progress(whole, whole)
    result = summarise(study.problem, study.goals, entries, others=control, reference=study.reference)
    chosen = winners(result, budgets_ms=study.budgets_ms, remeasure=None)
    write_results(folder, result, chosen, importances(result))
    if study.control:
        write_control(folder, result, control)
    return result


def check_predicted(goals: Goals) -> None:
    """Raises a ``UserError`` if a quantity of the goals is not predicted."""
    if others := [each.name for each in goals.quantities if not each.predicted]:
        raise UserError(
            f"{others[0]} is not predicted, so a search by predictions alone cannot use it; leave it out of "
            "the objectives and bounds, or search with evaluations"
        )


@final
class _Seen:
    """The networks predicted so far."""

    def __init__(self, goals: Goals, allowed: Allowed) -> None:
        self._goals, self._allowed = goals, allowed
        self._known: set[tuple[int, ...]] = set()
        self.rows = np.zeros((0, len(allowed.problem.space.dimensions)), np.int64)
        self.values = np.zeros((0, len(goals.quantities)))

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: IntArray, most: int) -> IntArray:
        """Predicts the new ones among rows (N, genes), at most ``most``; returns their positions."""
        drawn = dict.fromkeys(map(tuple, self._allowed(rows).tolist()))
        new = [row for row in drawn if row not in self._known][:most]
        start = len(self)
        if new:
            self._known.update(new)
            added = np.array(new, np.int64)
            networks = self._allowed.problem.candidates(added)
            columns = [evaluate_many(quantity, networks) for quantity in self._goals.quantities]
            self.rows = np.concatenate([self.rows, added])
            self.values = np.concatenate([self.values, np.stack(columns, axis=1)])
        return np.arange(start, len(self))

    def best(self, positions: IntArray, count: int) -> IntArray:
        """The ``count`` best of some positions, by non-dominated sorting."""
        values = self.values[positions]
        losses = self._goals.losses(values[:, : len(self._goals.objectives)])
        return positions[survivors(losses, self._goals.violations(values), count)]

    def evaluations(self, forecast: Forecast | None) -> list[Evaluation]:
        """The networks as entries of a search; those that break a bound are rejected.

        Args:
            forecast: Says which accuracies are extrapolated, if that is of interest.
        """
        candidates = self._allowed.problem.candidates(self.rows)
        outside = [False] * len(self) if forecast is None else forecast.extrapolates(Networks(candidates))
        entries = zip(candidates, self.values.tolist(), outside, strict=True)
        return [
            Evaluation(number, candidate, _outcome(self._goals, values, bool(extrapolated)), "sampler", 0.0)
            for number, (candidate, values, extrapolated) in enumerate(entries)
        ]


def _outcome(goals: Goals, values: Sequence[float], extrapolated: bool) -> Outcome:
    reasons = [
        broken(quantity, value)
        for quantity, value in zip(goals.quantities, values, strict=True)
        if quantity.violation(value) > 0
    ]
    state = State.REJECTED if reasons else State.COMPLETE
    outcome = outcome_of(state, values, goals, not reasons, "; ".join(reasons))
    return replace(outcome, extrapolated=extrapolated)


def _evolved(study: Study, allowed: Allowed, count: int, progress: Callable[[int], None]) -> _Seen:
    """Predicts networks by NSGA-II until there are ``count``, or the space has no more."""
    rng, operators = np.random.default_rng(study.seed), Operators(study.problem.space)
    seen = _Seen(study.goals, allowed)
    seen.add(_first(study), count)
    seen.add(study.problem.space.sample_many(_POPULATION, rng), count - len(seen))
    parents, idle = seen.best(np.arange(len(seen)), _POPULATION), 0
    while len(seen) < count and idle < _ROUNDS:
        children = operators.offspring(seen.rows[parents], _POPULATION, rng)
        new = seen.add(children, count - len(seen))
        parents, idle = seen.best(np.concatenate([parents, new]), _POPULATION), 0 if len(new) else idle + 1
        progress(len(seen))
    return seen


def _drawn(study: Study, allowed: Allowed, count: int) -> _Seen:
    """Predicts random networks until there are ``count``, or the space has no more."""
    rng, seen, idle = np.random.default_rng(study.seed), _Seen(study.goals, allowed), 0
    seen.add(_first(study), count)
    while len(seen) < count and idle < _ROUNDS:
        new = seen.add(study.problem.space.sample_many(count, rng), count - len(seen))
        idle = 0 if len(new) else idle + 1
    return seen


def _first(study: Study) -> IntArray:
    return np.array([candidate.row for candidate in study.first], np.int64)


def _unreached(study: Study, seen: _Seen) -> UserError:
    """The error that no predicted network meets the bounds."""
    for position, quantity in enumerate(study.goals.quantities):
        column = seen.values[:, position]
        best = int(column.argmin() if quantity.direction == "minimize" else column.argmax())
        if quantity.violation(float(column[best])) > 0:
            candidate = study.problem.candidates(seen.rows[[best]])[0]
            return unmet(study.problem, quantity, float(column[best]), candidate)
    nearest = int(study.goals.violations(seen.values).argmin())
    return unmet_together(study.goals.bounded, study.problem.candidates(seen.rows[[nearest]])[0])
