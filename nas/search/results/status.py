"""The status of a running search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from nas.search.goals.goals import Goals
from nas.search.goals.pareto import front, hypervolume
from nas.search.results.posterior import posteriors
from nas.search.results.results import Posteriors, choose_winner, reference_point
from nas.search.results.winners import within
from nas.search.trials.evaluation import Evaluation


@final
@dataclass(frozen=True, kw_only=True)
class Status:
    """A search in a few numbers.

    Attributes:
        best: The first objective of the current winner, of an accuracy the posterior one; ``None`` while no
            network is usable.
        best_within: The same for each budget in ms.
        front: Number of networks on the Pareto front.
        hypervolume: Hypervolume of the front, up to the bounds or else the worst values so far.
    """

    best: float | None
    best_within: dict[float, float | None]
    front: int
    hypervolume: float

    def metrics(self, prefix: str) -> dict[str, float]:
        """Returns the numbers by name, for a tracker."""
        numbers = {"best": self.best, "front": float(self.front), "hypervolume": self.hypervolume}
        numbers |= {f"best_within_{budget:g}_ms": best for budget, best in self.best_within.items()}
        return {f"{prefix}/{name}": value for name, value in numbers.items() if value is not None}


def status(goals: Goals, entries: Sequence[Evaluation], budgets_ms: Sequence[float] = ()) -> Status:
    """Computes the status from the entries.

    Args:
        goals: The goals of the search.
        entries: All entries so far.
        budgets_ms: Latency budgets.
    """
    accuracies = posteriors(goals, entries)
    usable = [entry for entry in entries if entry.usable]
    values = [entry.outcome.values for entry in usable]
    points = [values[position] for position in front(values, goals.directions)]
    return Status(
        best=_best(goals, usable, accuracies),
        best_within={
            budget: _best(goals, within(goals, usable, budget), accuracies) for budget in budgets_ms
        },
        front=len(points),
        hypervolume=hypervolume(points, reference_point(goals, usable), goals.directions) if points else 0.0,
    )


def _best(goals: Goals, usable: Sequence[Evaluation], accuracies: Posteriors) -> float | None:
    return choose_winner(goals, usable, accuracies).value if usable else None
