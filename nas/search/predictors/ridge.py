"""Ridge regression, in its Bayesian form (MacKay 1992)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.search.predictors.base import Fitted, Predictor, Scaling, register

_PENALTIES = np.logspace(-3, 4, 29)


@final
@register
@dataclass(frozen=True, kw_only=True)
class Ridge(Predictor):
    """Linear in the features; the penalty of greatest marginal likelihood is taken."""

    NAME: ClassVar[str] = "ridge"

    def fit(self, inputs: FloatArray, values: FloatArray, *, seed: int) -> Fitted:
        scaling = Scaling.of(inputs, values)
        points, targets = scaling.inputs(inputs), scaling.values(values)
        left, singular, right = np.linalg.svd(points, full_matrices=False)
        shadow = left.T @ targets
        rest = max(float(targets @ targets - shadow @ shadow), 0.0)  # what no weights can explain
        penalty = _best_penalty(singular**2, shadow**2, rest, len(targets))
        noise = float(np.sum(shadow**2 * penalty / (singular**2 + penalty)) + rest) / len(targets)
        return _Linear(
            scaling,
            weights=right.T @ (singular / (singular**2 + penalty) * shadow),
            axes=right,
            variances=noise / (singular**2 + penalty),
            unseen=noise / penalty,
        )


def _best_penalty(squares: FloatArray, shadows: FloatArray, rest: float, count: int) -> float:
    """Targets are normal with covariance s (A Aᵀ / penalty + 1), and the best s is known for each penalty."""
    growth = 1 + squares / _PENALTIES[:, None]
    scale = np.maximum(((shadows / growth).sum(axis=1) + rest) / count, 1e-12)
    evidence = count * np.log(scale) + np.log(growth).sum(axis=1)
    return float(_PENALTIES[np.argmin(evidence)])


@final
@dataclass(frozen=True)
class _Linear(Fitted):
    """Weights are normal, with ``variances`` along ``axes`` and ``unseen`` at right angles to them."""

    scaling: Scaling
    weights: FloatArray
    axes: FloatArray
    variances: FloatArray
    unseen: float

    def mean(self, inputs: FloatArray) -> FloatArray:
        return self.scaling.unscaled(self.scaling.inputs(inputs) @ self.weights)

    def std(self, inputs: FloatArray) -> FloatArray:
        points = self.scaling.inputs(inputs)
        along = (points @ self.axes.T) ** 2
        across = np.maximum((points**2).sum(axis=1) - along.sum(axis=1), 0.0)
        variance: FloatArray = along @ self.variances + across * self.unseen
        return np.sqrt(variance) * self.scaling.unit
