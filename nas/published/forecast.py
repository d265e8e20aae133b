"""The objective of an accuracy that is predicted from published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from nas.arrays import FloatArray, IntArray
from nas.errors import UserError
from nas.published.accuracies import PublishedAccuracies
from nas.published.predictor import AccuracyPredictor
from nas.search import Objective, Problem
from nas.search.goals.objectives import Forecast, predicted_accuracy
from nas.search.goals.problem import Networks

BoolArray = NDArray[np.bool_]


@final
@dataclass(frozen=True)
class PublishedAccuracy:
    """Predicts the accuracy of any network of a space from the published ones.

    A network at a resolution without published accuracies is predicted at the nearest one that has some, and
    its error rate then grows as that of other networks does (``PublishedAccuracies.exponent``).

    Attributes:
        problem: The problem; its space is that of the accuracies.
        published: The published accuracies.
    """

    problem: Problem
    published: PublishedAccuracies

    def __post_init__(self) -> None:
        if self.problem.space.name != self.published.space:
            raise UserError(f"the accuracies are of {self.published.space}, not of {self.problem.space.name}")

    def objective(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the predicted accuracy, to maximise.

        Args:
            bound: The lowest accuracy allowed, if any.
        """
        error = self.predictor.held_out
        forecast = Forecast(
            about=f"{self.published.data} top-1, predicted from published networks",
            data=self.published.data,
            labels=len(self.labels[1]),
            error=error.mean,
            noise=error.rms,
            kendall_tau=error.kendall_tau,
            source=self.published.source,
            extrapolates=lambda networks: self.extrapolates(networks.rows).tolist(),
        )
        return predicted_accuracy(self._evaluate, forecast=forecast, bound=bound)

    def mean(self, rows: IntArray) -> FloatArray:
        """The predicted accuracies, (N,), of canonical rows (N, genes).

        Raises:
            UserError: If the effect of a resolution is unknown.
        """
        nearest = self._at_known_resolution(rows)
        moved = (nearest != rows).any(axis=1)
        if moved.any() and self.published.exponent is None:
            raise UserError(
                f"the published accuracies of {self.published.space} are at "
                f"{', '.join(map(str, self.resolutions))} pixels and say nothing of other resolutions; leave "
                "search.resolutions out"
            )
        error = 1 - self.predictor.mean(nearest)
        ratio = self._pixels(nearest) / self._pixels(rows)
        grown: FloatArray = 1 - error * ratio ** (self.published.exponent or 0.0)
        return grown

    def extrapolates(self, rows: IntArray) -> BoolArray:
        """Whether networks are outside the data, (N,).

        They are if they have a choice that no published network has at this place (such as a resolution), if
        they are larger or smaller than every published network, or if their prediction is less certain than
        that of each published network would be without its own accuracy.
        """
        nearest = self._at_known_resolution(rows)
        costs, (low, high) = self._costs(nearest), self._range
        beyond = ((costs < low) | (costs > high)).any(axis=1)
        outside: BoolArray = self._has_unknown_choice(rows) | beyond | self.predictor.is_unlike(nearest)
        return outside

    def _has_unknown_choice(self, rows: IntArray) -> BoolArray:
        known = [np.isin(column, labels) for column, labels in zip(rows.T, self.labels[0].T, strict=True)]
        unknown: BoolArray = ~np.all(known, axis=0)
        return unknown

    @cached_property
    def labels(self) -> tuple[IntArray, FloatArray]:
        """The rows (N, genes) and accuracies (N,) of the published networks."""
        return self.published.rows(self.problem)

    @cached_property
    def predictor(self) -> AccuracyPredictor:
        """The predictor, fitted to all published networks."""
        return AccuracyPredictor.fit(self.problem, *self.labels)

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """The resolutions of the published networks."""
        return tuple(sorted({int(pixels) for pixels in self._pixels(self.labels[0])}))

    def _evaluate(self, networks: Networks) -> Sequence[float]:
        return [float(value) for value in self.mean(networks.rows)]

    @cached_property
    def _column(self) -> int | None:
        names = [dimension.name for dimension in self.problem.space.dimensions]
        return names.index("resolution") if "resolution" in names else None

    @cached_property
    def _choices(self) -> FloatArray:
        if self._column is None:
            return np.array(self.problem.space.resolutions, np.float64)
        return np.array(self.problem.space.dimensions[self._column].choices, np.float64)

    def _pixels(self, rows: IntArray) -> FloatArray:
        positions = np.zeros(len(rows), np.int64) if self._column is None else rows[:, self._column]
        pixels: FloatArray = self._choices[positions]
        return pixels

    def _at_known_resolution(self, rows: IntArray) -> IntArray:
        if self._column is None:
            return rows
        known = np.unique(self.labels[0][:, self._column])
        distance = np.abs(self._choices[:, None] - self._choices[known][None, :])
        moved = rows.copy()
        moved[:, self._column] = known[distance.argmin(axis=1)][rows[:, self._column]]
        return moved

    def _costs(self, rows: IntArray) -> FloatArray:
        """Multiply-accumulates and parameters, (N, 2)."""
        costs = self.problem.space.costs(
            rows, classes=self.problem.classes, input_channels=self.problem.input_channels
        )
        return np.stack([costs["macs"], costs["params"]], axis=1).astype(np.float64)

    @cached_property
    def _range(self) -> tuple[FloatArray, FloatArray]:
        costs = self._costs(self.labels[0])
        return costs.min(axis=0), costs.max(axis=0)
