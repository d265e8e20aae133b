"""A small ensemble of multilayer perceptrons (Lakshminarayanan et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.search.predictors.base import Fitted, Predictor, Scaling, register

Weights = list[FloatArray]


@final
@register
@dataclass(frozen=True, kw_only=True)
class Mlp(Predictor):
    """One hidden layer beside a linear path; all members are trained at once, by Adam on all labels.

    Each member starts elsewhere and weighs the labels anew, at random (the Bayesian bootstrap of Rubin 1981);
    their spread is the uncertainty.

    Attributes:
        members: Networks of the ensemble.
        hidden: Hidden units of each.
        steps: Steps of Adam.
        rate: Its learning rate, which falls to 0 along a cosine.
        decay: Weight decay, apart from the gradient (Loshchilov and Hutter 2019).
    """

    NAME: ClassVar[str] = "mlp"

    members: int = 6
    hidden: int = 24
    steps: int = 200
    rate: float = 0.02
    decay: float = 0.02

    def fit(self, inputs: FloatArray, values: FloatArray, *, seed: int) -> Fitted:
        rng = np.random.default_rng(seed)
        scaling = Scaling.of(inputs, values)
        points, targets = scaling.inputs(inputs), scaling.values(values)
        importance = rng.exponential(size=(self.members, len(targets)))
        importance /= importance.sum(axis=1, keepdims=True)
        weights = self._train(self._start(points.shape[1], rng), points, targets, importance)
        return _Ensemble(scaling, weights)

    def _start(self, features: int, rng: np.random.Generator) -> Weights:
        wide = (self.members, max(1, features), self.hidden)
        return [
            rng.standard_normal(wide)[:, :features] * np.sqrt(2 / wide[1]),
            np.zeros((self.members, 1, self.hidden)),
            rng.standard_normal((self.members, self.hidden, 1)) * 0.1 / np.sqrt(self.hidden),
            np.zeros((self.members, features, 1)),
            np.zeros((self.members, 1, 1)),
        ]

    def _train(
        self, weights: Weights, points: FloatArray, targets: FloatArray, importance: FloatArray
    ) -> Weights:
        first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))
        for step in range(self.steps):
            rate = 0.5 * self.rate * (1 + np.cos(np.pi * step / self.steps))
            for i, gradient in enumerate(_gradients(weights, points, targets, importance)):
                first[i] = 0.9 * first[i] + 0.1 * gradient
                second[i] = 0.99 * second[i] + 0.01 * gradient**2
                mean, square = first[i] / (1 - 0.9 ** (step + 1)), second[i] / (1 - 0.99 ** (step + 1))
                weights[i] = weights[i] * (1 - rate * self.decay) - rate * mean / (np.sqrt(square) + 1e-8)
        return weights


def _outputs(weights: Weights, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hidden units (members, N, hidden) and outputs (members, N)."""
    inner, shift, outer, linear, offset = weights
    hidden = np.maximum(points @ inner + shift, 0.0)
    return hidden, (hidden @ outer + points @ linear + offset)[..., 0]


def _gradients(weights: Weights, points: FloatArray, targets: FloatArray, importance: FloatArray) -> Weights:
    """Those of half the squared error, weighed by importance (members, N)."""
    hidden, found = _outputs(weights, points)
    error = (importance * (found - targets))[..., None]
    back = (error @ weights[2].transpose(0, 2, 1)) * (hidden > 0)
    return [
        points.T @ back,
        back.sum(axis=1, keepdims=True),
        hidden.transpose(0, 2, 1) @ error,
        points.T @ error,
        error.sum(axis=1, keepdims=True),
    ]


@final
@dataclass(frozen=True)
class _Ensemble(Fitted):
    scaling: Scaling
    weights: Weights

    def mean(self, inputs: FloatArray) -> FloatArray:
        return self.scaling.unscaled(self._all(inputs).mean(axis=0))

    def std(self, inputs: FloatArray) -> FloatArray:
        spread: FloatArray = self._all(inputs).std(axis=0, ddof=1)
        return spread * self.scaling.unit

    def _all(self, inputs: FloatArray) -> FloatArray:
        return _outputs(self.weights, self.scaling.inputs(inputs))[1]
