"""One evaluation: what became of a candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final

from nas.search.candidate import Candidate
from nas.search.objectives import Objective, evaluate_one

NAN = float("nan")


@final
class State(StrEnum):
    """How an evaluation ended."""

    COMPLETE = "complete"
    """Every objective has a value."""
    FAILED = "failed"
    """An objective gave no number; the network counts as evaluated."""
    REJECTED = "rejected"
    """A predicted objective breaks its bound; nothing else was evaluated, and it does not count."""


@final
@dataclass(frozen=True)
class Outcome:
    """The values of a candidate.

    Attributes:
        state: How the evaluation ended.
        values: One for each objective, NaN where it was not evaluated or is not a number.
        feasible: Whether all bounds hold.
        reason: Why it was rejected or failed; empty otherwise.
    """

    state: State
    values: tuple[float, ...]
    feasible: bool
    reason: str = ""


@final
@dataclass(frozen=True)
class Evaluation:
    """One entry of the journal.

    Attributes:
        number: Its position in the journal, from 0.
        candidate: The network.
        outcome: What came out.
        origin: ``"initial"``, ``"sampler"``, or ``"replacement"`` for a proposal that could not be used.
        seconds: Wall time of the evaluation.
    """

    number: int
    candidate: Candidate
    outcome: Outcome
    origin: str
    seconds: float

    @property
    def counts(self) -> bool:
        """Whether it used up a part of the budget."""
        return self.outcome.state is not State.REJECTED

    @property
    def usable(self) -> bool:
        """Whether it has all values and keeps within all bounds."""
        return self.outcome.state is State.COMPLETE and self.outcome.feasible


Known = Mapping[Candidate, Outcome]


def evaluate(candidate: Candidate, objectives: Sequence[Objective], known: Known) -> Outcome:
    """Evaluates the predicted objectives, and then, if their bounds hold, the others.

    Args:
        candidate: The network.
        objectives: In the order of the values.
        known: Outcomes of an earlier search with the same objectives, which need no evaluation.
    """
    if candidate in known:
        return known[candidate]
    values = [NAN] * len(objectives)
    for position in sorted(range(len(objectives)), key=lambda i: not objectives[i].predicted):
        objective = objectives[position]
        value = values[position] = evaluate_one(objective, candidate)
        if not math.isfinite(value):
            return Outcome(State.FAILED, tuple(values), False, f"{objective.name} is {value}")
        if objective.predicted and objective.violation(value) > 0:
            reason = f"{objective.name} {value:.6g} is beyond the bound {objective.bound:g}"
            return Outcome(State.REJECTED, tuple(values), False, reason)
    feasible = all(o.violation(v) <= 0 for o, v in zip(objectives, values, strict=True))
    return Outcome(State.COMPLETE, tuple(values), feasible)


def to_attributes(evaluation: Evaluation) -> dict[str, Any]:
    """What the journal keeps of an evaluation beside its parameters, as JSON values."""
    outcome = evaluation.outcome
    return {
        "code": evaluation.candidate.code,
        "state": outcome.state.value,
        "values": [value if math.isfinite(value) else None for value in outcome.values],
        "feasible": outcome.feasible,
        "reason": outcome.reason,
        "origin": evaluation.origin,
        "seconds": evaluation.seconds,
    }


def from_attributes(kept: Mapping[str, Any], number: int, candidate: Candidate) -> Evaluation:
    """The inverse of ``to_attributes``."""
    values = tuple(NAN if value is None else float(value) for value in kept["values"])
    outcome = Outcome(State(kept["state"]), values, kept["feasible"], kept["reason"])
    return Evaluation(number, candidate, outcome, kept["origin"], kept["seconds"])
