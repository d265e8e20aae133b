"""Objectives: quantities that a search optimises or keeps within a bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.blocks import BlockSpec
from nas.errors import UserError, unknown
from nas.network import NetworkSpec
from nas.network.memory import block_activation_bytes, block_weight_bytes
from nas.search.goals.pareto import Direction
from nas.search.goals.problem import Candidate, Networks
from nas.space import SearchSpace
from nas.statistics import Count

Evaluator = Callable[[Networks], Sequence[float]]
"""Returns one number for each network of a batch."""

Stages = Callable[[NetworkSpec], Iterator[Count]]
"""Yields counts on increasing numbers of images; the last one is on all."""

LATENCY = "latency_ms"
"""The prefix of every latency's name."""

_LONGEST = 80
"""Characters of a value to show in a message."""

DIRECTIONS: tuple[Direction, ...] = ("maximize", "minimize")


def _never(_: NetworkSpec) -> bool:
    return False


def _none_is(networks: Networks) -> Sequence[bool]:
    return [False] * len(networks)


@final
@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How an accuracy is predicted instead of evaluated on images.

    Attributes:
        about: What is predicted and from what, for the results.
        data: The images that the accuracies are of.
        labels: Number of networks that the predictor was fitted to.
        error: Mean absolute error on networks that it has not seen, as a share: 0.001 is a tenth of a point.
        noise: Standard error of a prediction, as a share.
        kendall_tau: Rank correlation of predicted and true accuracies of networks that it has not seen.
        source: The publication of the labels.
        extrapolates: Returns for each network of a batch whether it is outside the data.
    """

    about: str
    data: str
    labels: int
    error: float
    noise: float
    kendall_tau: float
    source: str
    extrapolates: Callable[[Networks], Sequence[bool]] = _none_is

    @property
    def facts(self) -> dict[str, str | float | int]:
        """All but the function, as JSON values."""
        return {
            "about": self.about,
            "data": self.data,
            "labels": self.labels,
            "error": self.error,
            "noise": self.noise,
            "kendall_tau": self.kendall_tau,
            "source": self.source,
        }


@final
@dataclass(frozen=True)
class Objective:
    """A quantity of a network, its direction, and the function that evaluates it for many networks.

    A search evaluates one network at a time, but thousands at once if the quantity is predicted:

        Objective("depth", "minimize", lambda networks: [len(n.blocks) for n in networks], predicted=True)

    Attributes:
        name: A name with its unit, e.g. ``latency_ms``; a column of ``trials.csv``.
        direction: ``"maximize"`` or ``"minimize"``.
        evaluate: Returns one number for each network of a batch; NaN for a broken network.
        bound: The worst value allowed, if any.
        predicted: Whether the value follows from the architecture alone, at no cost. Predicted objectives
            come first: a candidate that breaks one of their bounds is never evaluated for the others.
        estimated: Returns whether a network's value uses estimates in place of measurements.
        unit: The unit of a latency; empty for other quantities.
        images: The number of images behind an accuracy, if known.
        stages: Yields an accuracy on growing parts of the images, so that an evaluation can stop early.
        forecast: How an accuracy is predicted, if it is.
    """

    name: str
    direction: Direction
    evaluate: Evaluator
    bound: float | None = None
    predicted: bool = False
    estimated: Callable[[NetworkSpec], bool] = _never
    unit: str = ""
    images: int | None = None
    stages: Stages | None = None
    forecast: Forecast | None = None

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise unknown(f"direction of {self.name}", self.direction, DIRECTIONS)
        if self.bound is not None and not math.isfinite(self.bound):
            raise UserError(f"the bound of {self.name} is {self.bound}; give a finite number, or no bound")

    def violation(self, value: float) -> float:
        """Returns the violation of the bound by ``value``, as a share of the bound; at most 0 if it holds.

        Optuna's samplers add up the violations of several bounds; shares make them comparable.
        """
        if self.bound is None:
            return 0.0
        excess = value - self.bound if self.direction == "minimize" else self.bound - value
        return excess / (abs(self.bound) or 1.0)

    @property
    def facts(self) -> dict[str, str | float | None]:
        """What must match for a search to resume."""
        return {"name": self.name, "direction": self.direction, "bound": self.bound}


class LatencyPredictor(Protocol):
    """The interface that a search needs of a latency table; ``nas.latency.LatencyTable`` has it."""

    def predict_many(
        self, space: SearchSpace, rows: IntArray, *, classes: int, input_channels: int | None
    ) -> FloatArray:
        """Returns the predicted latencies in ms, (N,), of canonical rows (N, genes)."""

    def is_estimate(self, network: NetworkSpec) -> bool:
        """Returns whether a network's prediction uses estimates instead of measurements."""


def accuracy(
    score: Callable[[Sequence[NetworkSpec]], Sequence[float]],
    *,
    name: str = "accuracy",
    bound: float | None = None,
    images: int | None = None,
    stages: Stages | None = None,
) -> Objective:
    """Makes an objective of an accuracy to maximise, in float or after quantisation, depending on ``score``.

    Args:
        score: Returns the accuracy, from 0 to 1, of each network on the search's images.
        name: The objective's name.
        bound: The lowest accuracy allowed, if any.
        images: The number of images, for confidence intervals.
        stages: Yields the same accuracy on growing parts of the images: an evaluation stops early if the
            network is clearly worse than one that is as good in all other objectives.
    """
    return Objective(name, "maximize", score, bound=bound, images=images, stages=stages)


def predicted_accuracy(
    predict: Callable[[Networks], Sequence[float]], *, forecast: Forecast, bound: float | None = None
) -> Objective:
    """Makes an objective of an accuracy that a predictor gives, to maximise.

    Args:
        predict: Returns the accuracy, from 0 to 1, of each network of a batch.
        forecast: The predictor's error, and where it extrapolates.
        bound: The lowest accuracy allowed, if any.
    """
    return Objective("accuracy", "maximize", predict, bound=bound, predicted=True, forecast=forecast)


def latency(
    table: LatencyPredictor, *, name: str = LATENCY, bound_ms: float | None = None, unit: str = "ms"
) -> Objective:
    """Makes an objective of the predicted latency on one device, to minimise.

    Args:
        table: The device's latency table.
        name: The objective's name; with several devices, e.g. ``latency_ms_pixel_4``.
        bound_ms: The budget, if any.
        unit: The unit to show: ``"ms"``, or ``"ms per batch of 8"``.
    """

    def evaluate(networks: Networks) -> Sequence[float]:
        problem = networks.problem
        values = table.predict_many(
            problem.space, networks.rows, classes=problem.classes, input_channels=problem.input_channels
        )
        return [float(value) for value in values]

    return Objective(
        name,
        "minimize",
        evaluate,
        bound=bound_ms,
        unit=unit,
        predicted=True,
        estimated=table.is_estimate,
    )


def macs(*, bound: float | None = None) -> Objective:
    """Makes an objective of the multiply-accumulates for one image, to minimise."""
    return _cost("macs", bound)


def params(*, bound: float | None = None) -> Objective:
    """Makes an objective of the number of trainable parameters, to minimise."""
    return _cost("params", bound)


def size(*, precision: str = "fp32", bound: float | None = None) -> Objective:
    """Makes an objective of the bytes of the weights in a precision, BatchNorm folded, to minimise."""

    def evaluate(networks: Networks) -> Sequence[float]:
        values, index = _by_block(networks, lambda block: block_weight_bytes(block, precision))
        return [float(value) for value in values[index].sum(axis=1)]

    return Objective("size_bytes", "minimize", evaluate, bound=bound, predicted=True)


def memory(*, precision: str = "fp32", bound: float | None = None) -> Objective:
    """Makes an objective of the peak bytes of simultaneously live feature maps, to minimise."""

    def evaluate(networks: Networks) -> Sequence[float]:
        values, index = _by_block(networks, lambda block: block_activation_bytes(block, precision))
        return [float(value) for value in values[index].max(axis=1)]

    return Objective("memory_bytes", "minimize", evaluate, bound=bound, predicted=True)


def _by_block(networks: Networks, cost: Callable[[BlockSpec], int]) -> tuple[FloatArray, IntArray]:
    """Returns the cost of each distinct block, and each network's blocks as positions in it, (N, places).

    Position -1 stands for an absent block and refers to the last value, 0.
    """
    problem = networks.problem
    lowered = problem.space.lower_many(
        networks.rows, classes=problem.classes, input_channels=problem.input_channels
    )
    used = set(np.unique(lowered.index).tolist())
    values = [cost(block) if i in used else 0 for i, block in enumerate(lowered.blocks)]
    return np.array([*values, 0], np.float64), lowered.index


def _cost(name: str, bound: float | None) -> Objective:
    def evaluate(networks: Networks) -> Sequence[float]:
        problem = networks.problem
        costs = problem.space.costs(
            networks.rows, classes=problem.classes, input_channels=problem.input_channels
        )
        return [float(cost) for cost in costs[name]]

    return Objective(name, "minimize", evaluate, bound=bound, predicted=True)


def evaluate_one(objective: Objective, candidate: Candidate) -> float:
    """Evaluates one candidate."""
    return float(evaluate_many(objective, [candidate])[0])


def evaluate_many(objective: Objective, candidates: Sequence[Candidate]) -> FloatArray:
    """Evaluates candidates; returns their values, (N,).

    Raises:
        UserError: If the objective does not return one number for each candidate.
    """
    if not candidates:
        return np.zeros(0)
    answer = objective.evaluate(Networks(candidates))
    try:
        values = np.asarray(answer, np.float64)
    except (TypeError, ValueError):
        values = np.zeros((0, 0))
    if values.shape != (len(candidates),):
        raise UserError(
            f"the objective {objective.name} gave {_short(answer)} for {len(candidates)} networks; "
            "its function must return a list with one number for each network"
        )
    return values


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
