"""A Gaussian process (Rasmussen and Williams 2006, chapters 2 and 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.search.predictors.base import Fitted, Predictor, Scaling, register

_START = np.array([0.5, -0.5, -3.5])
_SPREAD = np.array([1.0, 2.0, 2.0])
_STEPS = (1.0, 0.5, 0.25)
_JITTER = 1e-6


@final
@register
@dataclass(frozen=True, kw_only=True)
class GaussianProcess(Predictor):
    """A linear kernel, for what costs explain, plus a squared exponential one, for what is left.

    Three numbers are found by marginal likelihood, with broad normal priors on their logarithms: the length
    scale, the share of the second kernel, and the noise. The scale of all three follows in closed form. For
    speed they are found on at most ``subset`` of the labels, and the process then uses all.

    Attributes:
        subset: Labels that decide the three numbers.
    """

    NAME: ClassVar[str] = "gaussian_process"

    subset: int = 200

    def fit(self, inputs: FloatArray, values: FloatArray, *, seed: int) -> Fitted:
        scaling = Scaling.of(inputs, values)
        points, targets = _spread(scaling.inputs(inputs)), scaling.values(values)
        chosen = np.unique(np.linspace(0, len(points) - 1, self.subset).astype(np.int64))
        theta = _minimize(_Evidence(points[chosen], targets[chosen]), _START)
        return _Process(scaling, points, targets, theta)


def _spread(points: FloatArray) -> FloatArray:
    """Scales so that distances do not grow with the number of features."""
    return points / float(np.sqrt(max(1, points.shape[1])))


def _squares(first: FloatArray, second: FloatArray) -> FloatArray:
    """Squared distances, (N, M)."""
    lengths = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    squares: FloatArray = np.maximum(lengths - 2 * first @ second.T, 0.0)
    return squares


def _kernel(theta: FloatArray, squares: FloatArray, products: FloatArray) -> FloatArray:
    """Covariances (N, M) from squared distances and inner products, in units of the linear kernel."""
    near = np.exp(squares * (-0.5 * np.exp(-2 * theta[0])))
    covariance: FloatArray = products + np.exp(theta[1]) * near
    return covariance


def _with_noise(theta: FloatArray, covariance: FloatArray) -> FloatArray:
    noisy: FloatArray = covariance + (np.exp(theta[2]) + _JITTER) * np.eye(len(covariance))
    return noisy


@final
class _Evidence:
    """The negative logarithm of marginal likelihood and prior, up to a constant."""

    def __init__(self, points: FloatArray, targets: FloatArray) -> None:
        self._squares, self._products = _squares(points, points), points @ points.T
        self._targets = targets

    def __call__(self, theta: FloatArray) -> float:
        count = len(self._targets)
        try:
            root = np.linalg.cholesky(_with_noise(theta, _kernel(theta, self._squares, self._products)))
        except np.linalg.LinAlgError:
            return np.inf
        white = np.linalg.solve(root, self._targets)
        scale = max(float(white @ white) / count, 1e-12)  # the best scale, in closed form
        prior = 0.5 * float(np.sum(((theta - _START) / _SPREAD) ** 2))
        return 0.5 * count * float(np.log(scale)) + float(np.log(np.diag(root)).sum()) + prior


def _minimize(function: Callable[[FloatArray], float], start: FloatArray) -> FloatArray:
    """Compass search: a step along one axis at a time, and finer steps where none helps."""
    best, value = start, function(start)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for direction in np.vstack([np.eye(len(start)), -np.eye(len(start))]):
                trial = best + step * direction
                found = function(trial)
                if found < value - 1e-6:
                    best, value, moved = trial, found, True
    return best


@final
class _Process(Fitted):
    def __init__(self, scaling: Scaling, points: FloatArray, targets: FloatArray, theta: FloatArray) -> None:
        self._scaling, self._points, self._theta = scaling, points, theta
        self._covariance = _with_noise(theta, _kernel(theta, _squares(points, points), points @ points.T))
        self._weights = np.linalg.solve(self._covariance, targets)
        self._scale = float(targets @ self._weights) / len(targets)

    def mean(self, inputs: FloatArray) -> FloatArray:
        return self._scaling.unscaled(self._cross(self._scaled(inputs)) @ self._weights)

    def std(self, inputs: FloatArray) -> FloatArray:
        points = self._scaled(inputs)
        cross = self._cross(points)
        known = (cross * np.linalg.solve(self._covariance, cross.T).T).sum(axis=1)
        prior = (points**2).sum(axis=1) + np.exp(self._theta[1])
        variance = np.maximum(prior - known, 0.0)
        deviation: FloatArray = np.sqrt(self._scale * variance) * self._scaling.unit
        return deviation

    def _scaled(self, inputs: FloatArray) -> FloatArray:
        return _spread(self._scaling.inputs(inputs))

    def _cross(self, points: FloatArray) -> FloatArray:
        return _kernel(self._theta, _squares(points, self._points), points @ self._points.T)
