"""Bounds on predicted quantities: a network that breaks one is rejected without an evaluation."""

from __future__ import annotations

import math

from nas.search.goals.goals import Goals
from nas.search.goals.objectives import Objective, evaluate_one
from nas.search.goals.problem import Candidate
from nas.search.trials.evaluation import NAN, Outcome, State, outcome_of


def predict_or_reject(candidate: Candidate, goals: Goals) -> Outcome | list[float]:
    """Evaluates the predicted quantities, which costs nothing.

    Returns:
        An outcome if the candidate breaks a bound or a value is not finite; otherwise the values so far,
        limits after objectives, for ``complete``.
    """
    values = [NAN] * len(goals.quantities)
    for position, quantity in enumerate(goals.quantities):
        if quantity.predicted:
            value = values[position] = evaluate_one(quantity, candidate)
            if not math.isfinite(value):
                return outcome_of(State.FAILED, values, goals, False, f"{quantity.name} is {value}")
            if quantity.violation(value) > 0:
                return outcome_of(State.REJECTED, values, goals, False, broken(quantity, value))
    return values


def broken(quantity: Objective, value: float) -> str:
    """States that a value breaks its bound."""
    return f"{quantity.name} {value:.6g} is beyond the bound {quantity.bound:g}"
