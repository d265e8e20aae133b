"""The finals of a search: its best networks are trained a little, and the best of them wins.

Weights that all networks share rank them, but not as their own training does. Successive halving (Jamieson
and Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", section 3)
spends a short training on those that the search cannot tell apart: all get a part of the epochs, the better
half goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import final

import numpy as np

from nas.arrays import FloatArray
from nas.errors import UserError
from nas.search.goals.goals import Goals
from nas.search.predictors.base import Scaling
from nas.search.predictors.features import Features
from nas.search.results.posterior import labels, sampled
from nas.search.trials.evaluation import Evaluation
from nas.statistics import Count

DEPARTURE = 0.35
"""The standard deviation of what a supernet gets wrong about networks, as a share of the deviation of their
accuracies: 2.3 to 2.9 of 7.3 points in ``experiments/supernet_cifar10``."""

_LENGTH = 1.6  # of these errors, in units of the square root of the number of features, as in the posterior
_SAMPLES = 2000
_ROUNDING = 1e-9  # tolerance in comparisons of accuracies


@final
@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers of a trained network on images that the search has not seen.

    Attributes:
        marks: A number for each image, (images,), whose mean is the accuracy: 1 for right and 0 for wrong; of
            a balanced accuracy, right answers weigh more in rare classes.
        count: The accuracy as a count.
    """

    marks: FloatArray
    count: Count


Tune = Callable[[Evaluation, int, int], Answers]
"""Trains a network from one number of epochs to another, and evaluates it; 0 starts from the supernet."""


@final
@dataclass(frozen=True, kw_only=True)
class Round:
    """A round of successive halving.

    Attributes:
        networks: Number of networks in it.
        epochs: Epochs that each of them has been trained for at its end.
    """

    networks: int
    epochs: int


@final
@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A network of the finals.

    Attributes:
        evaluation: Its evaluation in the search.
        rounds: Its accuracy after each of its rounds.
        behind: How much less accurate than the best it is in the last round, and the standard deviation of
            that difference, on the same images; ``None`` if it did not get there.
    """

    evaluation: Evaluation
    rounds: tuple[Count, ...]
    behind: tuple[float, float] | None

    @property
    def is_best(self) -> bool:
        """Whether no network of the last round is more accurate."""
        return self.behind is not None and self.behind[0] <= 0

    @property
    def is_equal(self) -> bool:
        """Whether it is as accurate as the best within one standard deviation of their difference."""
        return self.behind is not None and self.behind[0] <= self.behind[1] + _ROUNDING


@final
@dataclass(frozen=True, kw_only=True)
class Finals:
    """The result of the finals.

    Attributes:
        rounds: The rounds.
        finalists: The networks, the winner first, then by their number of rounds and their accuracy.
    """

    rounds: tuple[Round, ...]
    finalists: tuple[Finalist, ...]

    @property
    def winner(self) -> Finalist:
        """The winner."""
        return self.finalists[0]

    @property
    def equals(self) -> int:
        """The number of networks that are as good as the best, including the winner."""
        return sum(each.is_equal for each in self.finalists)


def schedule(finalists: int, epochs: int) -> tuple[Round, ...]:
    """Returns the rounds: each has half as many networks as the one before, and twice their epochs.

    Args:
        finalists: Number of networks, at least 2.
        epochs: Epochs of the networks in the last round.

    Raises:
        UserError: If a round would have no epoch of its own.
    """
    sizes = [finalists]
    while sizes[-1] > 2:
        sizes.append(math.ceil(sizes[-1] / 2))

    def totals(last: int) -> list[int]:
        return [math.ceil(last / 2 ** (len(sizes) - 1 - i)) for i in range(len(sizes))]

    def rises(last: int) -> bool:
        return last > 0 and all(low < high for low, high in pairwise(totals(last)))

    if not rises(epochs):
        least = next(each for each in count(1) if rises(each))
        raise UserError(
            f"finalist_epochs is {epochs}, but {finalists} finalists need {len(sizes)} rounds with at least "
            f"one epoch each; give at least {least}"
        )
    pairs = zip(sizes, totals(epochs), strict=True)
    return tuple(Round(networks=size, epochs=total) for size, total in pairs)


def choose_finalists(
    goals: Goals, evaluations: Sequence[Evaluation], first: Evaluation, *, most: int, seed: int
) -> list[Evaluation]:
    """Chooses the networks among which the best is expected to be most accurate.

    Each next one raises the expected maximum most. The expectation is over the joint posterior of the
    accuracies, and over errors of the supernet that similar networks share: two networks that are nearly
    equal are nearly one chance only, so the finalists differ from each other.

    Args:
        goals: The goals of the search. The first objective is an accuracy.
        evaluations: The entries of the search.
        first: The first finalist, the search's own choice.
        most: Number of finalists; there are fewer if fewer networks are usable.
        seed: Determines the draws.
    """
    labelled = labels(goals, evaluations)
    assert labelled is not None
    networks, accuracies, images = labelled
    features, rng = Features(networks.problem), np.random.default_rng(seed)
    inputs = features(networks.rows)
    drawn = sampled(inputs, accuracies, images, features.weights, samples=_SAMPLES, rng=rng)
    drawn = drawn + _departures(inputs, DEPARTURE * float(accuracies.std()), rng)
    usable = {each.candidate: each for each in evaluations if each.usable}
    open_to = np.array([candidate in usable for candidate in networks.candidates])
    chosen = [networks.candidates.index(first.candidate)]
    best = drawn[:, chosen[0]]
    while len(chosen) < min(most, int(open_to.sum())):
        gains = np.maximum(best[:, None], drawn).mean(axis=0)
        gains[~open_to] = -np.inf
        gains[chosen] = -np.inf
        chosen.append(int(gains.argmax()))
        best = np.maximum(best, drawn[:, chosen[-1]])
    return [usable[networks.candidates[i]] for i in chosen]


def _departures(inputs: FloatArray, deviation: float, rng: np.random.Generator) -> FloatArray:
    """Draws errors of the supernet that vary smoothly with the networks' features, (samples, N)."""
    points = Scaling.of(inputs, np.zeros(len(inputs))).inputs(inputs)
    squares = (points**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)
    kernel = np.exp(-0.5 * distances / (_LENGTH**2 * max(1, points.shape[1])))
    values, vectors = np.linalg.eigh(kernel)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    result: FloatArray = deviation * rng.standard_normal((_SAMPLES, len(inputs))) @ root.T
    return result


def compete(goals: Goals, finalists: Sequence[Evaluation], *, epochs: int, tune: Tune) -> Finals:
    """Trains the finalists by successive halving and decides the winner.

    Of the last round's networks, those that are as accurate as the best within one standard deviation of
    their difference are equal; among them, the best in the second objective wins, then in the third, and so
    on.

    Args:
        goals: The goals of the search.
        finalists: At least two networks, the most promising first.
        epochs: Epochs of the networks in the last round.
        tune: Trains and evaluates a network.
    """
    rounds, left = schedule(len(finalists), epochs), list(finalists)
    counts = {each.number: list[Count]() for each in finalists}
    answers, trained = dict[int, Answers](), 0
    for each_round in rounds:
        left = left[: each_round.networks]
        for each in left:
            answers[each.number] = tune(each, trained, each_round.epochs)
            counts[each.number].append(answers[each.number].count)
        left.sort(key=lambda each: -float(answers[each.number].marks.mean()))  # stable: promising ones first
        trained = each_round.epochs
    best = answers[left[0].number].marks

    def finalist(evaluation: Evaluation) -> Finalist:
        rounds_of = tuple(counts[evaluation.number])
        last = len(rounds_of) == len(rounds)
        behind = _difference(best, answers[evaluation.number].marks) if last else None
        return Finalist(evaluation=evaluation, rounds=rounds_of, behind=behind)

    return Finals(rounds=rounds, finalists=tuple(_ranked(goals, [finalist(each) for each in finalists])))


def _difference(best: FloatArray, marks: FloatArray) -> tuple[float, float]:
    """Returns the mean difference of two networks on the same images, and its standard deviation.

    The deviation is at least one image, whose answer is always chance.
    """
    difference = best - marks
    deviation = max(float(difference.std()) / math.sqrt(len(difference)), 1 / len(difference))
    return float(difference.mean()), deviation


def _ranked(goals: Goals, finalists: Sequence[Finalist]) -> list[Finalist]:
    """Returns the winner, then the others by their number of rounds and their accuracy."""
    losses = goals.losses([each.evaluation.outcome.values for each in finalists])
    equals = [i for i, each in enumerate(finalists) if each.is_equal]
    winner = min(equals, key=lambda i: (*losses[i, 1:], -finalists[i].rounds[-1].value))
    others = [each for i, each in enumerate(finalists) if i != winner]
    others.sort(key=lambda each: (-len(each.rounds), -each.rounds[-1].value))
    return [finalists[winner], *others]
