"""Checks before a search that some network of the space can meet the bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.errors import UserError
from nas.search.goals.goals import Goals
from nas.search.goals.objectives import Objective, evaluate_many
from nas.search.goals.problem import Candidate, Problem

Losses = Callable[[Sequence[Candidate]], FloatArray]


def check_bounds_reachable(problem: Problem, goals: Goals, *, seed: int = 0) -> None:
    """Checks that some network of the space meets all bounds on predicted quantities.

    Raises:
        UserError: If none is found; the message gives values that can be met.
    """
    for objective in goals.bounded:
        best, loss = find_best(problem, lambda c, o=objective: _signed(o, c), seed=seed)  # type: ignore[misc]
        value = -loss if objective.direction == "maximize" else loss
        if objective.violation(value) > 0:
            raise unmet(problem, objective, value, best)
    if len(goals.bounded) > 1:
        best, excess = find_best(problem, lambda c: violations(goals, c), seed=seed)
        if excess > 0:
            raise unmet_together(goals.bounded, best)


def violations(goals: Goals, candidates: Sequence[Candidate]) -> FloatArray:
    """Returns each candidate's sum of violations of predicted bounds, (N,); 0 if it meets all."""
    total = np.zeros(len(candidates))
    for objective in goals.bounded:
        values = evaluate_many(objective, candidates)
        total += [max(0.0, objective.violation(float(value))) for value in values]
    return total


def find_best(
    problem: Problem, losses: Losses, *, seed: int = 0, samples: int = 1000
) -> tuple[Candidate, float]:
    """Finds the network of lowest loss, with its loss, by sampling and a descent over single choices.

    The descent starts from the best of the samples, the smallest and the largest network. It is exact for
    losses that are sums over blocks without interactions between choices, and nearly exact for latency.
    """
    rng = np.random.default_rng(seed)
    space = problem.space
    extremes = space.encode([space.smallest(), space.largest()])
    starts = problem.candidates(np.concatenate([extremes, space.sample_many(samples, rng)]))
    values = _numbers(losses(starts))
    best, value = starts[int(np.argmin(values))], float(values.min())
    while True:
        neighbours = problem.candidates(neighbour_rows(problem, best))
        values = _numbers(losses(neighbours))
        if not len(values) or values.min() >= value:
            return best, value
        best, value = neighbours[int(np.argmin(values))], float(values.min())


def _numbers(values: FloatArray) -> FloatArray:
    """Replaces NaN losses by infinity, so that they are never the lowest."""
    return np.where(np.isnan(values), np.inf, values)


def neighbour_rows(problem: Problem, candidate: Candidate) -> IntArray:
    """Returns all rows that differ from a candidate in one choice; new genes start at their first choice."""
    base = np.array(candidate.row, np.int64)
    rows = [
        np.where(np.arange(len(base)) == column, position, np.maximum(base, 0))
        for column, dimension in enumerate(problem.space.dimensions)
        for position in range(len(dimension.choices))
        if position != base[column] and base[column] >= 0
    ]
    return problem.space.canonical_rows(np.array(rows, np.int64).reshape(len(rows), len(base)))


def _signed(objective: Objective, candidates: Sequence[Candidate]) -> FloatArray:
    values = evaluate_many(objective, candidates)
    return -values if objective.direction == "maximize" else values


def unmet(problem: Problem, objective: Objective, value: float, best: Candidate) -> UserError:
    """The error that no network meets a bound; ``value`` is the best one, of the network ``best``."""
    extreme = "smallest" if objective.direction == "minimize" else "largest"
    return UserError(
        f"no network of {problem.space.name} meets {objective.name} {objective.bound:g}; the {extreme} "
        f"{objective.name} that can be met is {_shown(value, objective)} (by {best.code}): "
        "change the bound, or take another search space"
    )


def unmet_together(bounded: Sequence[Objective], best: Candidate) -> UserError:
    """The error that no network meets all bounds; ``best`` is the nearest."""
    bounds = ", ".join(f"{objective.name} {objective.bound:g}" for objective in bounded)
    nearest = ", ".join(f"{o.name} {_shown(float(evaluate_many(o, [best])[0]), o)}" for o in bounded)
    return UserError(
        f"each bound can be met, but no network was found that meets all of {bounds}; the nearest is "
        f"{nearest} (by {best.code}): change the bounds to these, or take another search space"
    )


def _shown(value: float, objective: Objective) -> str:
    """Formats four digits, rounded so that the shown value can be met as a bound."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    rounding = math.ceil if objective.direction == "minimize" else math.floor
    return f"{rounding(value / unit) * unit:.6g}"
