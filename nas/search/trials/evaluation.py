"""The evaluation of one candidate and its outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, final

from nas.search.goals.goals import Goals
from nas.search.goals.objectives import Objective, evaluate_one
from nas.search.goals.problem import Candidate
from nas.statistics import Count

NAN = float("nan")
"""The value of a quantity that was not evaluated. One object, so that outcomes which hold it can be equal."""


@final
class State(StrEnum):
    """How an evaluation ended."""

    COMPLETE = "complete"
    """Every objective has a value."""
    STOPPED = "stopped"
    """An accuracy was clearly below the front on part of the images; its value is of that part only."""
    FAILED = "failed"
    """An objective gave no finite number; the network counts as evaluated."""
    REJECTED = "rejected"
    """A predicted value breaks its bound; nothing else was evaluated, and the candidate does not count."""


@final
@dataclass(frozen=True)
class Outcome:
    """The values of a candidate.

    Attributes:
        state: How the evaluation ended.
        values: One value for each objective; NaN if it was not evaluated or is not a number.
        feasible: Whether all bounds hold.
        reason: Why it was rejected, stopped or failed; empty otherwise.
        limits: One value for each limit, as for objectives.
        images: The number of images behind the accuracy, if known.
        extrapolated: Whether the accuracy is predicted for a network outside the predictor's data.
    """

    state: State
    values: tuple[float, ...]
    feasible: bool
    reason: str = ""
    limits: tuple[float, ...] = ()
    images: int | None = None
    extrapolated: bool = False

    @property
    def quantities(self) -> tuple[float, ...]:
        """The values of objectives, then of limits, in the order of the goals' quantities."""
        return (*self.values, *self.limits)


@final
@dataclass(frozen=True)
class Evaluation:
    """One entry of the journal.

    Attributes:
        number: Its position in the journal, from 0.
        candidate: The network.
        outcome: The outcome.
        origin: ``"initial"``, ``"sampler"``, or ``"replacement"`` of an unusable proposal.
        seconds: Wall time of the evaluation.
    """

    number: int
    candidate: Candidate
    outcome: Outcome
    origin: str
    seconds: float

    @property
    def counts(self) -> bool:
        """Whether it counts towards the budget."""
        return self.outcome.state is not State.REJECTED

    @property
    def usable(self) -> bool:
        """Whether it has all values and meets all bounds."""
        return self.outcome.state is State.COMPLETE and self.outcome.feasible


Known = Mapping[Candidate, Outcome]

Rival = Callable[[Sequence[float], int], Count | None]
"""Maps a candidate's values, and the position under evaluation, to the count that it has to reach."""


def complete(candidate: Candidate, goals: Goals, predicted: Sequence[float], *, rival: Rival) -> Outcome:
    """Evaluates the remaining quantities.

    Args:
        candidate: The network.
        goals: The goals, whose quantities are in the order of the values.
        predicted: The values from ``bounds.predict_or_reject``.
        rival: Returns the count that an accuracy has to reach for its evaluation to be completed.
    """
    values, images = list(predicted), None
    for position, quantity in enumerate(goals.quantities):
        if quantity.predicted:
            continue
        if quantity.stages is None:
            values[position] = evaluate_one(quantity, candidate)
            images = images or quantity.images
        else:
            count, better = _staged(quantity, candidate, rival(values, position))
            values[position], images = count.value, count.total
            if better is not None:
                reason = (
                    f"{quantity.name} {count.correct}/{count.total} is clearly below "
                    f"{better.correct}/{better.total}"
                )
                return outcome_of(State.STOPPED, values, goals, False, reason, images)
        if not math.isfinite(values[position]):
            return outcome_of(State.FAILED, values, goals, False, f"{quantity.name} is {values[position]}")
    feasible = all(q.violation(v) <= 0 for q, v in zip(goals.quantities, values, strict=True))
    return outcome_of(State.COMPLETE, values, goals, feasible, "", images)


def _staged(quantity: Objective, candidate: Candidate, rival: Count | None) -> tuple[Count, Count | None]:
    """Returns the count so far, and the rival if it stopped the evaluation before the last stage."""
    assert quantity.stages is not None and quantity.images is not None
    count = Count(0, 0)
    for count in quantity.stages(candidate.network):
        if rival is not None and count.total < quantity.images and count.is_clearly_below(rival):
            return count, rival
    return count, None


def outcome_of(
    state: State,
    values: Sequence[float],
    goals: Goals,
    feasible: bool,
    reason: str,
    images: int | None = None,
) -> Outcome:
    """The outcome of values (objectives, then limits)."""
    count = len(goals.objectives)
    return Outcome(state, tuple(values[:count]), feasible, reason, tuple(values[count:]), images)


def to_attributes(evaluation: Evaluation) -> dict[str, Any]:
    """Returns an evaluation's record in the journal besides its parameters, as JSON values."""
    outcome = evaluation.outcome
    return {
        "code": evaluation.candidate.code,
        "values": _plain(outcome.values),
        "limits": _plain(outcome.limits),
        "images": outcome.images,
        "feasible": outcome.feasible,
        "reason": outcome.reason,
        "origin": evaluation.origin,
        "seconds": evaluation.seconds,
        "state": outcome.state.value,
    }


def from_attributes(kept: Mapping[str, Any], number: int, candidate: Candidate) -> Evaluation:
    """The inverse of ``to_attributes``."""
    outcome = Outcome(
        State(kept["state"]),
        _numbers(kept["values"]),
        kept["feasible"],
        kept["reason"],
        _numbers(kept["limits"]),
        kept["images"],
    )
    return Evaluation(number, candidate, outcome, kept["origin"], kept["seconds"])


def numbered(evaluation: Evaluation, number: int) -> Evaluation:
    """Returns the same entry at another position."""
    return replace(evaluation, number=number)


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _numbers(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(NAN if value is None else float(value) for value in values)
