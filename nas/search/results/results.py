"""The result of a search: Pareto front, hypervolume and winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from nas import files
from nas.arrays import FloatArray
from nas.errors import UserError
from nas.network import NetworkSpec
from nas.search.goals.goals import Goals
from nas.search.goals.pareto import front, hypervolume_curve
from nas.search.goals.problem import Candidate, Problem
from nas.search.results.finals import Finals
from nas.search.results.posterior import PosteriorAccuracy, posteriors
from nas.search.trials.evaluation import Evaluation
from nas.space import Architecture

_ROUNDING = 1e-9  # tolerance in comparisons of accuracies

Posteriors = Mapping[Candidate, PosteriorAccuracy]
"""The accuracies of a search's networks, from ``posterior.posteriors``; empty for other first objectives."""


@final
@dataclass(frozen=True)
class Choice:
    """The winner among several networks, and how clearly it wins.

    Attributes:
        evaluation: The winner.
        best: The best value of the first objective: of an accuracy, the best lower bound of a posterior one.
        noise: Networks within this distance of ``best`` are as good as the best.
        equals: Number of networks that are as good, including the winner.
        posterior: The winner's posterior accuracy; ``None`` if the first objective is no accuracy on a known
            number of images.
    """

    evaluation: Evaluation
    best: float
    noise: float
    equals: int
    posterior: PosteriorAccuracy | None

    @property
    def value(self) -> float:
        """The winner's value of the first objective: of an accuracy, the posterior one."""
        return self.evaluation.outcome.values[0] if self.posterior is None else self.posterior.value

    @property
    def is_best(self) -> bool:
        """Whether no other network is better in what decides, i.e. the second objective did not."""
        own = self.evaluation.outcome.values[0] if self.posterior is None else self.posterior.lower
        return own == self.best


@final
@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        problem: The problem.
        goals: Objectives and limits, in the order of all values.
        evaluations: Every entry of the journal, including failed and rejected ones.
        front: The non-dominated usable evaluations, best in the first objective first.
        posteriors: The posterior accuracy of each evaluated network.
        choice: The winner, and how clearly it wins.
        reference: The reference point of the hypervolume.
        hypervolume: The hypervolume after each evaluation that counts.
        finals: The finals that decided the winner; ``None`` if the posterior accuracies did.
    """

    problem: Problem
    goals: Goals
    evaluations: tuple[Evaluation, ...]
    front: tuple[Evaluation, ...]
    posteriors: Posteriors
    choice: Choice
    reference: tuple[float, ...]
    hypervolume: FloatArray
    finals: Finals | None = None

    def decided(self, finals: Finals) -> SearchResult:
        """Returns the result with the winner of the finals."""
        winner = finals.winner.evaluation
        choice = replace(
            self.choice, evaluation=winner, equals=finals.equals, posterior=self.posteriors[winner.candidate]
        )
        return replace(self, choice=choice, finals=finals)

    @property
    def winner(self) -> Evaluation:
        """The winner's evaluation."""
        return self.choice.evaluation

    @property
    def evaluated(self) -> int:
        """The number of evaluations that used up the budget."""
        return sum(evaluation.counts for evaluation in self.evaluations)


def summarise(
    problem: Problem,
    goals: Goals,
    evaluations: Sequence[Evaluation],
    *,
    others: Sequence[Evaluation] = (),
    reference: Sequence[float] | None = None,
) -> SearchResult:
    """Computes front, winner and hypervolume of a search.

    Args:
        problem: The problem.
        goals: The goals; the first objective decides the winner.
        evaluations: The search's entries.
        others: Entries of a control, which share the reference point.
        reference: The reference point; by default a bound, or the worst value among all usable entries.

    Raises:
        UserError: If no evaluation is usable.
    """
    accuracies = posteriors(goals, evaluations)
    choice = choose_winner(goals, evaluations, accuracies)
    usable = [evaluation for evaluation in evaluations if evaluation.usable]
    positions = front([e.outcome.values for e in usable], goals.directions)
    corner = reference if reference is not None else reference_point(goals, [*evaluations, *others])
    return SearchResult(
        problem=problem,
        goals=goals,
        evaluations=tuple(evaluations),
        front=tuple(usable[position] for position in positions),
        posteriors=accuracies,
        choice=choice,
        reference=tuple(float(value) for value in corner),
        hypervolume=curve(goals, evaluations, corner),
    )


def choose_winner(goals: Goals, evaluations: Sequence[Evaluation], accuracies: Posteriors) -> Choice:
    """Selects the best usable evaluation.

    If the first objective is an accuracy on a known number of images, networks are compared by the lower
    confidence bounds of their posterior accuracies, so that of two equally accurate networks the more certain
    one counts for more. All within one standard deviation of the best are as good as the best (as in the
    one-standard-error rule of Breiman et al. 1984, "Classification and Regression Trees"). Among them, the
    best in the second objective wins, then in the third, and so on: usually the fastest. The same holds
    within the standard error of a predicted accuracy. A network whose accuracy is extrapolated wins only if
    no other is usable.

    Args:
        goals: The goals.
        evaluations: Entries of the search, or those within a budget.
        accuracies: The posterior accuracies of the search's networks.

    Raises:
        UserError: If no evaluation is usable.
    """
    usable = [evaluation for evaluation in evaluations if evaluation.usable]
    if not usable:
        raise _nothing_usable(evaluations)
    usable = [evaluation for evaluation in usable if not evaluation.outcome.extrapolated] or usable
    own = [accuracies.get(evaluation.candidate) for evaluation in usable]
    values = np.array([evaluation.outcome.values for evaluation in usable])
    values[:, 0] = [
        value if each is None else each.lower for value, each in zip(values[:, 0], own, strict=True)
    ]
    losses = goals.losses(values)
    first = int(losses[:, 0].argmin())
    best = own[first]
    noise = _noise(goals) if best is None else best.deviation
    equals = np.flatnonzero(losses[:, 0] <= losses[first, 0] + noise + _ROUNDING).tolist()
    winner = min(equals, key=lambda i: (*losses[i, 1:], losses[i, 0], usable[i].number))
    return Choice(usable[winner], float(values[first, 0]), noise, len(equals), own[winner])


def _noise(goals: Goals) -> float:
    """Returns the standard error of a predicted first objective; 0 of any other."""
    forecast = goals.objectives[0].forecast
    return 0.0 if forecast is None else forecast.noise


def _nothing_usable(evaluations: Sequence[Evaluation]) -> UserError:
    reasons = [evaluation.outcome.reason or "a bound is broken" for evaluation in evaluations]
    last = f"; the last reason: {reasons[-1]}" if reasons else ""
    return UserError(
        f"none of {len(evaluations)} networks gave a usable result{last}. Look at the journal, and widen the "
        "bounds or train the supernet for longer"
    )


def reference_point(goals: Goals, evaluations: Sequence[Evaluation]) -> list[float]:
    """Returns the hypervolume's reference point: bounds, or the worst values among all usable entries."""
    values = np.array([evaluation.outcome.values for evaluation in evaluations if evaluation.usable])
    return [
        objective.bound
        if objective.bound is not None
        else float(values[:, i].min() if objective.direction == "maximize" else values[:, i].max())
        for i, objective in enumerate(goals.objectives)
    ]


def curve(goals: Goals, evaluations: Sequence[Evaluation], reference: Sequence[float]) -> FloatArray:
    """Returns the hypervolume after each evaluation that counts."""
    nothing = (float("nan"),) * len(goals.objectives)
    values = [e.outcome.values if e.usable else nothing for e in evaluations if e.counts]
    return hypervolume_curve(np.array(values, np.float64), reference, goals.directions)


@final
@dataclass(frozen=True)
class Winner:
    """The winner of a search, for later steps.

    Attributes:
        architecture: The winner in its space.
        network: The winner as a network.
        values: Values by objective; latencies are predictions.
        estimated: Whether a value uses estimates in place of measurements, by objective.
    """

    architecture: Architecture
    network: NetworkSpec
    values: dict[str, float]
    estimated: dict[str, bool]


def read_winner(folder: Path) -> Winner:
    """Reads ``winner.json`` of a search's folder.

    Raises:
        UserError: If the file is missing or cannot be read.
    """
    path = folder / "winner.json"
    value = files.read_json(path)
    with files.fields_of(path, remedy="search again: nas search"):
        return Winner(
            architecture=Architecture.from_dict(value["architecture"]),
            network=NetworkSpec.from_dict(value["network"]),
            values=value["values"],
            estimated=value["estimated"],
        )
