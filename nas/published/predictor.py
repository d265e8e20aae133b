"""Predicts accuracies of a space's networks from published ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.published.process import AdditiveProcess, Inputs
from nas.search import Problem
from nas.search.predictors.base import Scaling
from nas.search.predictors.features import Features
from nas.statistics import kendall_tau

_SUBSET = 200
"""Labels that the hyperparameters are fitted to; the others give the held-out error."""

_ROOM = 0.5
"""How far above the best label the accuracy is thought to saturate, as a share of the labels' range."""


@final
@dataclass(frozen=True)
class HeldOut:
    """The error of a predictor on networks that it has not seen.

    Attributes:
        networks: Number of these networks.
        mean: Mean absolute error, as a share: 0.001 is a tenth of a point.
        rms: Root of the mean squared error.
        kendall_tau: Rank correlation of predicted and true accuracies.
    """

    networks: int
    mean: float
    rms: float
    kendall_tau: float


@final
@dataclass(frozen=True)
class AccuracyPredictor:
    """A regression of accuracies on what networks are made of.

    It predicts −log(c − accuracy) with c above the best label: near c, the same change gains less.

    Attributes:
        features: The features of the space's networks.
        scaling: Their scaling, and that of the transformed accuracies.
        ceiling: The accuracy c.
        process: The regression.
        subset: Positions of the labels that gave the hyperparameters.
    """

    features: Features
    scaling: Scaling
    ceiling: float
    process: AdditiveProcess
    subset: IntArray

    @classmethod
    def fit(cls, problem: Problem, rows: IntArray, values: FloatArray) -> AccuracyPredictor:
        """Fits accuracies (N,), from 0 to 1, of canonical rows (N, genes); the networks are distinct."""
        features = Features(problem)
        ceiling = float(values.max() + _ROOM * np.ptp(values) + 1e-3)
        columns, targets = features(rows), -np.log(ceiling - values)
        scaling = Scaling.of(columns, targets)
        subset = np.unique(np.linspace(0, len(values) - 1, _SUBSET).astype(np.int64))
        inputs = _inputs(features, scaling, columns)
        process = AdditiveProcess.fit(inputs, scaling.values(targets), subset=subset)
        return cls(features, scaling, ceiling, process, subset)

    def mean(self, rows: IntArray) -> FloatArray:
        """The expected accuracies, (M,), of canonical rows (M, genes)."""
        return self._accuracies(self.process.mean(self._inputs(rows)))

    def is_unlike(self, rows: IntArray) -> np.ndarray:
        """Whether networks are less certain than every label would be without its own accuracy, (M,)."""
        return self.process.deviation(self._inputs(rows)) > self._largest_deviation

    @cached_property
    def held_out(self) -> HeldOut:
        """The error on labels that gave no hyperparameters, each predicted from all others."""
        rest = np.setdiff1d(np.arange(len(self.process.targets)), self.subset)
        rest = rest if len(rest) else self.subset
        predicted = self._accuracies(self.process.left_out()[0][rest])
        true = self._accuracies(self.process.targets[rest])
        errors = np.abs(predicted - true)
        rms = float(np.sqrt((errors**2).mean()))
        return HeldOut(len(rest), float(errors.mean()), rms, kendall_tau(predicted, true))

    @cached_property
    def _largest_deviation(self) -> float:
        return float(self.process.left_out()[1].max())

    def _inputs(self, rows: IntArray) -> Inputs:
        return _inputs(self.features, self.scaling, self.features(rows))

    def _accuracies(self, targets: FloatArray) -> FloatArray:
        return self.ceiling - np.exp(-self.scaling.unscaled(targets))


def _inputs(features: Features, scaling: Scaling, columns: FloatArray) -> Inputs:
    """Groups the features: choices and sums by name, total costs, costs by place; and those of each stage."""
    points = scaling.inputs(columns)
    labels = [features.labels[column] for column in scaling.columns.tolist()]
    own = {label.stage for label in labels if label.stage >= 0}
    by_group = _positions([(label.kind, label.name) for label in labels])
    by_stage = {stage: [i for i, label in enumerate(labels) if label.stage == stage] for stage in sorted(own)}
    return Inputs(
        tuple(points[:, p] for p in by_group.values()), tuple(points[:, p] for p in by_stage.values())
    )


def _positions(keys: list[tuple[str, str]]) -> dict[tuple[str, str], list[int]]:
    return {key: [i for i, each in enumerate(keys) if each == key] for key in dict.fromkeys(keys)}
